"""The store for Trio."""

import threading
from pathlib import Path
from typing import Any

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


async def test_what_a_transaction_does_happens_at_once_and_is_durable_then(tmp_path: Path) -> None:
    async with respkv.AsyncStore(tmp_path, codec="json") as store:
        await store.multi_put({"a": 1, "b": 2})
        async with store.transaction() as transaction:
            await transaction.put("a", await transaction.get("b") + 1)
            assert await transaction.delete("b") == 2
            assert not await transaction.contains("b")
            with trio.testing.assert_checkpoints():
                await transaction.put("c", 4, ttl=100)
        assert await store.multi_get(["a", "b", "c"]) == {"a": 3, "c": 4}
        assert store._store is not None
        engine = store._store._core.engine
        assert engine.durable >= engine.batch - 1
    with respkv.Store(tmp_path, codec="json") as again:
        assert dict(again) == {"a": 3, "c": 4}


async def test_a_transaction_is_rolled_back_by_its_task_or_by_what_leaves_its_block() -> None:
    async with respkv.AsyncStore(codec="json") as store:

        async def fail() -> None:
            async with store.transaction() as transaction:
                await transaction.put("a", 1)
                await transaction.put("a", 1 / 0)

        with pytest.raises(ZeroDivisionError):
            await fail()
        async with store.transaction() as transaction:
            await transaction.put("a", 1)
            await transaction.rollback()
        with trio.CancelScope() as scope:
            async with store.transaction() as transaction:
                await transaction.put("a", 1)
                scope.cancel()
                await trio.lowlevel.checkpoint()
        assert await store.get("a") is None
        assert (await store.stats()).transactions == 0


async def test_tasks_wait_for_a_key_that_a_transaction_has_while_others_go_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    seen: list[Any] = []

    async with respkv.AsyncStore(codec="json") as store, trio.open_nursery() as nursery:

        async def read() -> None:
            seen.append(await store.get("a"))

        async def read_in_transaction() -> None:
            async with store.transaction() as transaction:
                seen.append(await transaction.get("a"))

        async with store.transaction() as transaction:
            await transaction.put("a", 1)
            nursery.start_soon(read)
            nursery.start_soon(read_in_transaction)
            await trio.testing.wait_all_tasks_blocked()
            stats = await store.stats()
            assert (stats.transactions, stats.waiting_transactions, stats.locked_keys) == (2, 1, 1)
            await store.put("b", 2)
            assert await store.get("b") == 2
            assert seen == []
        with trio.fail_after(10):
            while len(seen) < 2:
                await trio.lowlevel.checkpoint()
    assert seen == [1, 1]


async def test_a_lock_is_waited_for_as_long_as_lock_timeout_says(autojump_clock: trio.testing.MockClock) -> None:
    async with respkv.AsyncStore(lock_timeout=5000) as store, store.transaction() as holder:
        await holder.put("a", b"1")
        began_s = trio.current_time()
        with pytest.raises(respkv.LockTimeoutError, match="5000 ms"):
            await store.get("a")
        assert trio.current_time() - began_s >= 5

        async def go_on_nevertheless() -> None:
            async with store.transaction() as other:
                with pytest.raises(respkv.LockTimeoutError):
                    await other.get("a")

        with pytest.raises(respkv.TransactionEndedError, match="rolled back"):
            await go_on_nevertheless()
        assert (await store.stats()).locked_keys == 1


async def test_a_wait_for_a_lock_that_is_cancelled_leaves_no_trace(autojump_clock: trio.testing.MockClock) -> None:
    async with respkv.AsyncStore(codec="json") as store:
        async with store.transaction() as holder, store.transaction() as other:
            await holder.put("a", 1)
            await other.put("b", 2)
            with trio.move_on_after(1) as scope:
                await store.put("a", 3)
            assert scope.cancelled_caught
            with trio.move_on_after(1) as scope:
                await other.get("a")
            assert scope.cancelled_caught
            await other.put("b", 4)
        assert await store.multi_get(["a", "b"]) == {"a": 1, "b": 4}
        assert store._store is not None
        assert not store._store._core.engine.locks


async def test_of_tasks_in_a_deadlock_one_is_rolled_back(autojump_clock: trio.testing.MockClock) -> None:
    failed: list[str] = []

    async with respkv.AsyncStore(codec="json") as store:
        await store.multi_put({"a": 1, "b": 1})

        async def move(source: str, target: str, begun: trio.Event, other: trio.Event) -> None:
            try:
                async with store.transaction() as transaction:
                    await transaction.put(source, 0)
                    begun.set()
                    await other.wait()
                    await transaction.put(target, 2)
            except respkv.DeadlockError:
                failed.append(source)

        one, two = trio.Event(), trio.Event()
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(move, "a", "b", one, two)
                nursery.start_soon(move, "b", "a", two, one)
        assert len(failed) == 1
        assert sorted((await store.multi_get(["a", "b"])).values()) == [0, 2]


async def test_updates_of_many_tasks_are_all_counted(tmp_path: Path) -> None:
    async with respkv.AsyncStore(tmp_path, codec="json") as store:

        async def add() -> None:
            for _ in range(5):
                await store.get_and_update("n", lambda n: (n or 0) + 1)

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(add)
        assert await store.get("n") == 50
        assert await store.get_and_update("n", lambda n: None) is None
        assert not await store.contains("n")


async def test_a_lock_that_another_thread_gives_back_wakes_the_task() -> None:
    async with respkv.AsyncStore(codec="json") as store:
        inner = store._store
        assert inner is not None
        transaction = inner.transaction()
        transaction.put("a", 1)
        thread = threading.Thread(target=transaction._finish)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.put, "a", 2)
            await trio.testing.wait_all_tasks_blocked()
            thread.start()
        thread.join()
        assert await store.get("a") == 2


async def test_closing_ends_what_waits_for_locks() -> None:
    async with respkv.AsyncStore() as store, trio.open_nursery() as nursery:

        async def read() -> None:
            with pytest.raises(respkv.StoreClosedError):
                await store.get("a")

        async def close() -> None:
            async with store.transaction() as holder:
                await holder.put("a", b"1")
                nursery.start_soon(read)
                await trio.testing.wait_all_tasks_blocked()
                await store.aclose()

        with pytest.raises(respkv.StoreClosedError):
            await close()
