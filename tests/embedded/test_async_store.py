"""The store for Trio."""

from pathlib import Path

import pytest
import trio
import trio.testing

import respkv


async def test_it_does_what_a_store_does(tmp_path: Path) -> None:
    async with respkv.AsyncStore(tmp_path, codec="str") as store:
        await store.put("a", "1", ttl=100)
        await store.multi_put({"b": "2", "c": "3"})
        assert await store.get("a") == "1"
        assert await store.get("none", "default") == "default"
        assert await store.multi_get(["a", "b", "none"]) == {"a": "1", "b": "2"}
        assert await store.put_if_absent("b", "9") is False
        assert await store.compare_and_set("b", "2", "4") is True
        assert await store.delete("c") == "3"
        assert await store.contains("a")
        assert sorted(await store.keys()) == ["a", "b"]
        assert await store.size() == 2
        assert 99 < (await store.ttl("a") or 0) <= 100
        assert (await store.stats()).keys == 2
        await store.compact()
        await store.snapshot(tmp_path / "dump.rdb")
        await store.clear()
        assert await store.size() == 0
    with respkv.Store(tmp_path, codec="str") as again:
        assert len(again) == 0


async def test_tasks_that_write_at_the_same_time_share_syncs(tmp_path: Path) -> None:
    async with respkv.AsyncStore(tmp_path, codec="str") as store:
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(store.put, f"{number}", "v")
        stats = await store.stats()
        assert stats.keys == 50
        assert stats.batches < 10


async def test_a_change_is_durable_when_the_call_returns(tmp_path: Path) -> None:
    async with respkv.AsyncStore(tmp_path) as store:
        await store.put("k", b"v")
        assert store._store is not None
        engine = store._store._core.engine
        assert engine.durable >= engine.batch - 1


async def test_every_call_is_a_checkpoint() -> None:
    async with respkv.AsyncStore() as store:
        with trio.testing.assert_checkpoints():
            await store.get("k")
        with trio.testing.assert_checkpoints():
            await store.put("k", b"v")


async def test_a_call_that_is_cancelled_before_it_begins_changes_nothing() -> None:
    async with respkv.AsyncStore() as store:
        with trio.CancelScope() as scope:
            scope.cancel()
            await store.put("k", b"v")
        assert await store.get("k") is None


async def test_it_is_used_in_a_block() -> None:
    store = respkv.AsyncStore()
    with pytest.raises(respkv.StoreClosedError, match="async with"):
        await store.get("k")
    async with store:
        await store.put("k", b"v")
    with pytest.raises(respkv.StoreClosedError):
        await store.get("k")


async def test_errors_are_those_of_a_store(tmp_path: Path) -> None:
    async with respkv.AsyncStore(tmp_path):
        with pytest.raises(respkv.StoreInUseError):
            async with respkv.AsyncStore(tmp_path):
                pass
