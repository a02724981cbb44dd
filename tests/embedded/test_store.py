"""The mapping: what each method does, for one thread and for many."""

import tempfile
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import respkv
from respkv.commands.lists import rpush


@pytest.fixture
def store() -> Iterator[respkv.Store]:
    with respkv.Store(codec="str") as store:
        yield store


def make_list(store: respkv.Store, key: bytes) -> None:
    store._core.run(lambda core: core.apply(rpush, [b"RPUSH", key, b"element"]), writes=True)


def test_it_is_a_mapping(store: respkv.Store) -> None:
    store["a"] = "1"
    store.update({"b": "2"}, c="3")
    assert dict(store) == {"a": "1", "b": "2", "c": "3"}
    assert store == {"a": "1", "b": "2", "c": "3"}
    assert sorted(store.items()) == [("a", "1"), ("b", "2"), ("c", "3")]
    assert (len(store), "a" in store, "x" in store) == (3, True, False)
    del store["a"]
    with pytest.raises(KeyError):
        del store["a"]
    with pytest.raises(KeyError):
        store["a"]
    assert store.pop("b") == "2"
    assert store.pop("b", "none") == "none"
    with pytest.raises(KeyError):
        store.pop("b")
    assert store.setdefault("c", "9") == "3"
    assert store.setdefault("d", "4") == "4"
    assert {store.popitem(), store.popitem()} == {("c", "3"), ("d", "4")}
    with pytest.raises(KeyError):
        store.popitem()


def test_a_key_is_str_or_bytes_and_any_bytes_come_back_as_they_are(store: respkv.Store) -> None:
    store[b"\xff"] = "v"
    (key,) = store
    assert store[key] == "v"
    store["né"] = "w"
    assert store["né".encode()] == "w"
    with pytest.raises(TypeError):
        store[1] = "v"  # type: ignore[index]


def test_delete_gives_the_previous_value(store: respkv.Store) -> None:
    store["k"] = "v"
    assert (store.delete("k"), store.delete("k")) == ("v", None)


def test_several_keys_are_read_and_written_in_one_step(store: respkv.Store) -> None:
    store.multi_put({"a": "1", "b": "2"}, ttl=100)
    store.multi_put([("c", "3")])
    assert store.multi_get(["a", "c", "none"]) == {"a": "1", "c": "3"}
    assert store.ttl("c") is None
    assert 99 < (store.ttl("b") or 0) <= 100
    store.multi_put({})


def test_several_keys_are_one_transaction_in_the_log(tmp_path: Path) -> None:
    with respkv.Store(tmp_path, codec="str") as store:
        store.multi_put({"a": "1", "b": "2"})
    increment = (tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof").read_bytes()
    assert increment.count(b"MULTI") == increment.count(b"EXEC") == 1


def test_a_value_that_cannot_be_encoded_changes_nothing(store: respkv.Store) -> None:
    with pytest.raises(respkv.CodecError):
        store.multi_put([("a", "1"), ("b", 2)])
    assert len(store) == 0


def test_put_if_absent_and_compare_and_set_look_first(store: respkv.Store) -> None:
    assert store.put_if_absent("k", "1", ttl=50)
    assert not store.put_if_absent("k", "2")
    assert not store.compare_and_set("k", "2", "3")
    assert store.compare_and_set("k", "1", "3")
    assert not store.compare_and_set("none", "1", "3")
    assert (store["k"], store.ttl("k")) == ("3", None)


@pytest.mark.parametrize("ttl", [0, -1, float("inf"), float("nan"), timedelta(0), 1e300])
def test_a_time_to_live_is_positive_and_finite(store: respkv.Store, ttl: Any) -> None:
    with pytest.raises((ValueError, OverflowError)):
        store.put("k", "v", ttl=ttl)
    assert "k" not in store


@pytest.mark.parametrize("ttl", ["1", True, object()])
def test_a_time_to_live_is_a_number(store: respkv.Store, ttl: Any) -> None:
    with pytest.raises(TypeError):
        store.put("k", "v", ttl=ttl)


def test_a_key_is_gone_when_its_time_is_over(store: respkv.Store) -> None:
    store.put("k", "v", ttl=timedelta(milliseconds=30))
    store.put("other", "v")
    while store.get("k") is not None:
        pass
    assert list(store) == ["other"]
    with pytest.raises(KeyError):
        store.ttl("k")


def test_a_new_value_has_no_time_to_live(store: respkv.Store) -> None:
    store.put("k", "v", ttl=10)
    store["k"] = "w"
    assert store.ttl("k") is None


def test_clear_deletes_all(store: respkv.Store) -> None:
    store.update(a="1", b="2")
    store.clear()
    assert (len(store), list(store)) == (0, [])
    store.clear()


def test_a_key_of_another_type_is_no_string(store: respkv.Store) -> None:
    make_list(store, b"k")
    for call in (lambda: store.get("k"), lambda: store.delete("k"), store.popitem, lambda: store.multi_get(["k"])):
        with pytest.raises(respkv.WrongTypeError):
            call()
    assert "k" in store
    del store["k"]
    assert len(store) == 0


def test_iteration_meets_each_key_once_while_others_come_and_go(store: respkv.Store) -> None:
    store.multi_put({f"stays{number}": "v" for number in range(500)})
    seen = []
    for at, key in enumerate(store):
        seen.append(key)
        store[f"new{at}"] = "v"
        store.delete(f"new{at - 5}")
    assert sorted(key for key in seen if key.startswith("stays")) == sorted(f"stays{number}" for number in range(500))
    assert len(seen) == len(set(seen))


def test_data_are_there_when_it_is_opened_again(tmp_path: Path) -> None:
    with respkv.Store(tmp_path / "new" / "directory", codec="json") as store:
        store["a"] = {"x": [1, 2]}
        store.put("b", "v", ttl=1000)
        store["c"] = 1
        del store["c"]
    with respkv.Store(tmp_path / "new" / "directory", codec="json") as store:
        assert dict(store) == {"a": {"x": [1, 2]}, "b": "v"}
        assert 900 < (store.ttl("b") or 0) <= 1000


def test_what_is_stored_by_another_codec_is_told_apart(tmp_path: Path) -> None:
    with respkv.Store(tmp_path) as store:
        store["k"] = b"\xff"
    with respkv.Store(tmp_path, codec="json") as store, pytest.raises(respkv.CodecError):
        store.get("k")


def test_a_snapshot_is_of_one_moment_and_leaves_the_store_usable(tmp_path: Path) -> None:
    with respkv.Store(tmp_path / "data", codec="str") as store:
        store.multi_put({f"{number}": "v" for number in range(5000)})
        path = store.snapshot(tmp_path / "dump.rdb")
        store.clear()
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "dump.rdb").write_bytes(Path(path).read_bytes())
    with respkv.Store(tmp_path / "copy", codec="str") as copy:
        assert len(copy) == 5000


def test_a_snapshot_that_cannot_be_written_says_so_and_the_next_one_works(tmp_path: Path) -> None:
    with respkv.Store() as store:
        store["k"] = b"v"
        with pytest.raises(respkv.DiskError):
            store.snapshot(tmp_path / "nowhere" / "dump.rdb")
        store.snapshot(tmp_path / "dump.rdb")


def test_compact_makes_the_files_small(tmp_path: Path) -> None:
    with respkv.Store(tmp_path, appendfsync="no") as store:
        for _ in range(300):
            store["k"] = b"x" * 100
        before = store.stats().disk_bytes
        store.compact()
        stats = store.stats()
        assert stats.disk_bytes < before / 20
        assert stats.compactions == 1
        assert store["k"] == b"x" * 100
    respkv.Store().compact()


def test_stats_count(tmp_path: Path) -> None:
    with respkv.Store(tmp_path, codec="str") as store:
        store.put("a", "1", ttl=100)
        store["b"] = "2"
        store.get("a"), store.get("none")
        stats = store.stats()
        assert (stats.keys, stats.expiring, stats.hits, stats.misses, stats.batches) == (2, 1, 1, 1, 2)
        assert stats.disk_bytes > 0


def test_directives_are_arguments_too() -> None:
    with respkv.Store(maxmemory_samples=7) as store:
        assert store._core.server.config.maxmemory_samples == 7
    with pytest.raises(ValueError, match="unknown directive"):
        respkv.Store(no_such_thing=1)
    with pytest.raises(ValueError, match="appendfsync"):
        respkv.Store(appendfsync="sometimes")


def test_a_store_that_is_dropped_open_warns_and_closes(tmp_path: Path) -> None:
    with pytest.warns(ResourceWarning, match="was not closed"):
        respkv.Store(tmp_path).put("k", b"v")
    with respkv.Store(tmp_path) as store:
        assert store["k"] == b"v"
        assert repr(store) == f"<respkv.Store {tmp_path}>"
    assert repr(store).endswith("closed>")


def test_threads_do_not_lose_each_others_changes(store: respkv.Store) -> None:
    store["n"] = "0"

    def add() -> None:
        for _ in range(100):
            while True:
                old = store["n"]
                if store.compare_and_set("n", old, str(int(old) + 1)):
                    break

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store["n"] == "800"


KEYS = strategies.sampled_from(["a", "b", "c", "né", ""])
VALUES = strategies.text(alphabet="xyz", max_size=3)


class AgainstDict(RuleBasedStateMachine):
    """A store does what a dict does, opened again now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.store = respkv.Store(self.directory.name, codec="str", appendfsync="no")
        self.model: dict[str, str] = {}

    def teardown(self) -> None:
        self.store.close()
        self.directory.cleanup()

    @rule(key=KEYS, value=VALUES)
    def put(self, key: str, value: str) -> None:
        self.store.put(key, value)
        self.model[key] = value

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        assert self.store.delete(key) == self.model.pop(key, None)

    @rule(key=KEYS, value=VALUES)
    def put_if_absent(self, key: str, value: str) -> None:
        assert self.store.put_if_absent(key, value) == (key not in self.model)
        self.model.setdefault(key, value)

    @rule(key=KEYS, expected=VALUES, value=VALUES)
    def compare_and_set(self, key: str, expected: str, value: str) -> None:
        matches = self.model.get(key) == expected
        assert self.store.compare_and_set(key, expected, value) == matches
        if matches:
            self.model[key] = value

    @rule(items=strategies.dictionaries(KEYS, VALUES))
    def multi_put(self, items: dict[str, str]) -> None:
        self.store.multi_put(items)
        self.model.update(items)

    @rule()
    def clear(self) -> None:
        self.store.clear()
        self.model.clear()

    @rule()
    def open_again(self) -> None:
        self.store.close()
        self.store = respkv.Store(self.directory.name, codec="str", appendfsync="no")

    @invariant()
    def same(self) -> None:
        assert dict(self.store) == self.model
        assert len(self.store) == len(self.model)
        self.store._core.engine.check()


AgainstDict.TestCase.settings = __import__("hypothesis").settings(
    max_examples=15, stateful_step_count=25, deadline=None
)
TestAgainstDict = AgainstDict.TestCase
