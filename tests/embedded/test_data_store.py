"""Create, read and delete; the limits; and files that never take more than their cap."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import respkv


@pytest.fixture
def store(tmp_path: Path) -> Iterator[respkv.DataStore]:
    with respkv.DataStore(tmp_path / "data") as store:
        yield store


def disk_bytes(folder: str) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.path.getsize(os.path.join(parent, name))
            except FileNotFoundError:  # a compaction has just removed it
                continue
    return total


def wait_until_gone(store: respkv.DataStore, key: str) -> None:
    end_s = time.monotonic() + 30
    while key in store:
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_what_is_created_can_be_read_and_deleted(store: respkv.DataStore) -> None:
    store.create("k", {"a": [1, None, "né"]})
    assert store.read("k") == {"a": [1, None, "né"]}
    assert ("k" in store, len(store)) == (True, 1)
    store.delete("k")
    assert ("k" in store, len(store)) == (False, 0)


def test_a_key_is_created_once(store: respkv.DataStore) -> None:
    store.create("k", {"n": 1})
    with pytest.raises(respkv.KeyExistsError, match="the key 'k' exists"):
        store.create("k", {"n": 2})
    assert store.read("k") == {"n": 1}


def test_a_key_that_is_not_there_is_not_found(store: respkv.DataStore) -> None:
    for call in (store.read, store.delete):
        with pytest.raises(respkv.KeyNotFoundError, match="there is no key 'k'"):
            call("k")
        with pytest.raises(KeyError):
            call("k")


def test_an_expired_key_is_not_found_and_can_be_created_again(store: respkv.DataStore) -> None:
    store.create("k", {"n": 1}, ttl=1)
    wait_until_gone(store, "k")
    for call in (store.read, store.delete):
        with pytest.raises(respkv.KeyNotFoundError):
            call("k")
    store.create("k", {"n": 2})
    assert store.read("k") == {"n": 2}


def test_a_key_has_at_most_32_characters(store: respkv.DataStore) -> None:
    store.create("é" * 32, {})
    with pytest.raises(respkv.KeyTooLongError, match="at most 32 characters"):
        store.create("é" * 33, {})
    with pytest.raises(TypeError):
        store.create(b"k", {})  # type: ignore[arg-type]


def test_a_value_has_at_most_16_kilobytes_of_json(store: respkv.DataStore) -> None:
    store.create("k", {"v": "x" * (16 * 1024 - 8)})
    with pytest.raises(respkv.ValueTooLargeError, match="16384"):
        store.create("l", {"v": "x" * (16 * 1024 - 7)})
    assert "l" not in store


@pytest.mark.parametrize("value", [None, "text", 1, [1], b"{}", {"a": {1, 2}}, {"a": float("inf")}, {("a", 1): 2}])
def test_a_value_is_a_json_object(store: respkv.DataStore, value: Any) -> None:
    with pytest.raises(respkv.InvalidValueError):
        store.create("k", value)
    assert "k" not in store


@pytest.mark.parametrize("ttl", [0, -1, 1.5, True, "1", 1 << 60])
def test_a_time_to_live_is_a_positive_integer(store: respkv.DataStore, ttl: Any) -> None:
    with pytest.raises(respkv.InvalidValueError):
        store.create("k", {}, ttl=ttl)


def test_the_limits_are_arguments(tmp_path: Path) -> None:
    with respkv.DataStore(tmp_path, max_key_length=2, max_value_bytes=10) as store:
        with pytest.raises(respkv.KeyTooLongError):
            store.create("abc", {})
        with pytest.raises(respkv.ValueTooLargeError):
            store.create("a", {"key": "value"})
    for limits in ({"max_key_length": 0}, {"max_value_bytes": 1}, {"max_file_bytes": 1000}):
        with pytest.raises(ValueError, match="at least"):
            respkv.DataStore(tmp_path, **limits)


def test_the_holder_of_the_directory_is_named(store: respkv.DataStore) -> None:
    with pytest.raises(respkv.StoreInUseError, match=f"pid {os.getpid()} "):
        respkv.DataStore(store.path)


def test_another_process_is_refused(store: respkv.DataStore) -> None:
    code = f"import respkv\nrespkv.DataStore({store.path!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"pid {os.getpid()} " in done.stderr


def test_without_a_path_it_is_where_the_platform_keeps_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with respkv.DataStore() as store:
        assert store.path.startswith(str(tmp_path)) or sys.platform == "win32"
        assert store.path.endswith("data-store")


def fill(store: respkv.DataStore, prefix: str, **options: Any) -> int:
    """Create until the store is full; how many there was room for."""
    for number in range(100_000):
        try:
            store.create(f"{prefix}{number}", {"v": f"{number:04}" * 50}, **options)
        except respkv.StoreFullError:
            return number
    raise AssertionError("it is never full")


def test_the_files_never_take_more_than_the_cap_and_nothing_is_lost(tmp_path: Path) -> None:
    cap = 300_000
    most = 0
    is_over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not is_over.is_set():
            most = max(most, disk_bytes(str(tmp_path)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with respkv.DataStore(tmp_path, max_file_bytes=cap) as store:
        count = fill(store, "a")
        assert count * 200 > cap / 3
        assert "a0" in store
        assert f"a{count}" not in store
        for number in range(count // 2):
            store.delete(f"a{number}")
        again = fill(store, "b", ttl=1000)
        assert again > count // 4
        for number in range(again):
            store.delete(f"b{number}")
        assert fill(store, "c") > count // 4
        left = len(store)
        store.delete(f"a{count - 1}")
    is_over.set()
    watcher.join()
    assert most <= cap
    with respkv.DataStore(tmp_path, max_file_bytes=cap) as store:
        assert len(store) == left - 1
        assert store.read(f"a{count - 2}") == {"v": f"{count - 2:04}" * 50}


def test_room_is_made_by_keys_that_expire(tmp_path: Path) -> None:
    with respkv.DataStore(tmp_path, max_file_bytes=200_000) as store:
        for number in range(200):
            store.create(f"a{number}", {"v": f"{number:04}" * 50}, ttl=1)
        wait_until_gone(store, "a199")
        assert fill(store, "b") > 250
        assert disk_bytes(store.path) <= 200_000


@pytest.mark.parametrize(("cap", "has_room"), [(100_000, False), (3_000_000, True)])
def test_room_behind_the_log_counts_as_well(tmp_path: Path, cap: int, has_room: bool) -> None:
    with respkv.DataStore(tmp_path, max_file_bytes=cap) as store:
        log = store._core.storage.log
        assert log is not None
        had_room = False
        with contextlib.suppress(respkv.StoreFullError):
            for number in range(100_000):
                store.create(f"{number}", {"v": "x" * 1000})
                assert disk_bytes(store.path) <= cap
                had_room |= disk_bytes(store.path) > log.current_size + 8192
        assert len(store) > cap // 3000
        assert had_room == has_room


def test_a_full_store_is_not_compacted_again_and_again(tmp_path: Path) -> None:
    with respkv.DataStore(tmp_path, max_file_bytes=100_000) as store:
        fill(store, "a")
        compactions = store._core.storage.rewrites
        for _ in range(5):
            with pytest.raises(respkv.StoreFullError):
                store.create("b", {"v": "x" * 300})
        assert store._core.storage.rewrites == compactions


def test_many_threads_create_each_key_once(store: respkv.DataStore) -> None:
    created: list[int] = []

    def create(thread: int) -> None:
        for number in range(30):
            try:
                store.create(f"{number}", {"by": thread})
            except respkv.KeyExistsError:
                continue
            created.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(created) == list(range(30))
