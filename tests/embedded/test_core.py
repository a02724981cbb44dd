"""The engine in this process: who waits for the disk, what a failing disk does, and how a store ends."""

import errno
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from persistence_fakes import RecordingFileSystem, always, stored

from respkv.embedded.core import Core
from respkv.embedded.errors import (
    DiskError,
    MemoryLimitError,
    StoreClosedError,
    StoreDamagedError,
    StoreInUseError,
    StoreUnreadableError,
)
from respkv.persistence.files import FileSystem


class SlowDisk(FileSystem):
    """A disk whose syncs wait until they are let go, and are counted."""

    def __init__(self) -> None:
        self.syncs = 0
        self.is_slow = False
        self.begun = threading.Event()
        self.may_end = threading.Event()

    def sync(self, fd: int) -> None:
        if self.is_slow:
            self.syncs += 1
            self.begun.set()
            assert self.may_end.wait(10)
        super().sync(fd)


@pytest.fixture
def disk() -> SlowDisk:
    return SlowDisk()


@pytest.fixture
def core(tmp_path: Path, disk: SlowDisk) -> Iterator[Core]:
    core = Core(str(tmp_path / "data"), {}, disk)
    yield core
    disk.may_end.set()
    core.close()


def in_thread(work: object, *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread


def put_many(core: Core) -> None:
    for number in range(100_000):
        core.put(b"%d" % number, b"x" * 1000)


def wait_until_waiting(core: Core, count: int) -> None:
    """Return when so many threads wait for the sync of another."""
    end_s = time.monotonic() + 30
    while True:
        with core.latch:
            if len(core._changed._waiters) >= count:  # type: ignore[attr-defined]
                return
        assert time.monotonic() < end_s
        time.sleep(0.001)


def test_threads_that_write_at_the_same_time_share_one_sync(core: Core, disk: SlowDisk) -> None:
    disk.is_slow = True
    first = in_thread(core.put, b"first", b"v")
    assert disk.begun.wait(10)
    others = [in_thread(core.put, b"%d" % number, b"v") for number in range(8)]
    wait_until_waiting(core, 8)
    disk.may_end.set()
    for thread in (first, *others):
        thread.join(10)
    assert disk.syncs == 2
    assert core.db.size() == 9


def test_the_latch_is_open_while_the_disk_works(core: Core, disk: SlowDisk) -> None:
    core.put(b"old", b"v")
    disk.is_slow = True
    writer = in_thread(core.put, b"new", b"v")
    assert disk.begun.wait(10)
    assert core.get(b"old") == b"v"
    assert writer.is_alive()


def test_nobody_sees_a_value_that_is_not_durable(core: Core, disk: SlowDisk) -> None:
    disk.is_slow = True
    seen: list[bytes | None] = []
    writer = in_thread(core.put, b"k", b"v")
    assert disk.begun.wait(10)
    reader = in_thread(lambda: seen.append(core.get(b"k")))
    wait_until_waiting(core, 1)
    assert not seen
    disk.may_end.set()
    writer.join(10)
    reader.join(10)
    assert seen == [b"v"]


def test_under_everysec_nobody_waits_for_the_disk(tmp_path: Path, disk: SlowDisk) -> None:
    core = Core(str(tmp_path), {"appendfsync": "everysec"}, disk)
    disk.is_slow = True
    core.put(b"k", b"v")
    assert core.get(b"k") == b"v"
    assert stored(tmp_path) == {b"k": b"v"}
    disk.may_end.set()
    core.close()


def test_when_a_write_fails_the_caller_is_told_and_writes_are_refused_until_it_works(tmp_path: Path) -> None:
    files = RecordingFileSystem()
    core = Core(str(tmp_path), {}, files)
    files.fail["write"] = always(errno.ENOSPC)
    with pytest.raises(DiskError, match="No space left"):
        core.put(b"a", b"1")
    with pytest.raises(DiskError):
        core.put(b"b", b"2")
    assert core.db.size() == 1
    del files.fail["write"]
    end_s = time.monotonic() + 30
    while True:
        try:
            core.put(b"c", b"3")
            break
        except DiskError:
            assert time.monotonic() < end_s
            time.sleep(0.01)
    core.close()
    assert stored(tmp_path) == {b"a": b"1", b"c": b"3"}


def test_when_a_sync_fails_a_new_base_takes_the_place_of_the_log(tmp_path: Path) -> None:
    files = RecordingFileSystem()
    core = Core(str(tmp_path), {}, files)
    core.put(b"a", b"1")
    files.fail["sync"] = always(errno.EIO)
    with pytest.raises(DiskError):
        core.put(b"b", b"2")
    del files.fail["sync"]
    end_s = time.monotonic() + 30
    while core.durability.failed:
        assert time.monotonic() < end_s
        time.sleep(0.01)
    core.put(b"c", b"3")
    core.close()
    assert stored(tmp_path) == {b"a": b"1", b"b": b"2", b"c": b"3"}


def test_all_who_wait_for_a_sync_that_fails_are_told(tmp_path: Path) -> None:
    files = RecordingFileSystem()
    core = Core(str(tmp_path), {}, files)
    begun, may_fail = threading.Event(), threading.Event()

    def fail() -> OSError:
        begun.set()
        assert may_fail.wait(10)
        return OSError(errno.EIO, "I/O error")

    files.fail["sync"] = fail
    errors: list[Exception] = []

    def put(key: bytes) -> None:
        try:
            core.put(key, b"v")
        except DiskError as error:
            errors.append(error)

    threads = [in_thread(put, b"first")]
    assert begun.wait(10)
    threads += [in_thread(put, b"%d" % number) for number in range(4)]
    wait_until_waiting(core, 4)
    may_fail.set()
    for thread in threads:
        thread.join(10)
    assert len(errors) == 5
    del files.fail["sync"]
    core.close()


def test_expired_keys_vanish_though_nobody_asks_for_them() -> None:
    core = Core(None, {})
    core.put(b"k", b"v", 1)
    end_s = time.monotonic() + 30
    while core.db.size():
        assert time.monotonic() < end_s
        time.sleep(0.01)
    assert core.engine.expired == 1
    core.close()


def test_at_maxmemory_a_write_is_refused_or_keys_are_evicted() -> None:
    core = Core(None, {"maxmemory": "1mb"})
    for number in range(500):
        core.put(b"%d" % number, b"x" * 1000)
    with pytest.raises(MemoryLimitError):
        put_many(core)
    assert 500 < core.db.size() < 1100
    core.close()
    core = Core(None, {"maxmemory": "1mb", "maxmemory-policy": "allkeys-lru"})
    for number in range(3000):
        core.put(b"%d" % number, b"x" * 1000)
    assert core.engine.evicted > 1000
    assert core.get(b"2999") is not None
    core.close()


def test_a_directory_that_is_in_use_is_refused_and_its_holder_named(tmp_path: Path) -> None:
    core = Core(str(tmp_path), {})
    with pytest.raises(StoreInUseError, match=f"pid {os.getpid()} ") as caught:
        Core(str(tmp_path), {})
    assert caught.value.path == str(tmp_path)
    core.close()
    Core(str(tmp_path), {}).close()


def test_damage_is_refused_with_file_and_offset_and_nothing_is_changed(tmp_path: Path) -> None:
    core = Core(str(tmp_path), {})
    for number in range(10):
        core.put(b"%d" % number, b"value")
    core.close()
    increment = tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof"
    data = bytearray(increment.read_bytes())
    data[data.find(b"value", len(data) // 2)] ^= 1
    increment.write_bytes(data)
    with pytest.raises(StoreDamagedError) as caught:
        Core(str(tmp_path), {})
    assert caught.value.path == str(increment)
    assert 0 < caught.value.offset < len(data)
    assert increment.read_bytes() == data
    with pytest.raises(StoreDamagedError):  # and not StoreInUseError: the lock was given back
        Core(str(tmp_path), {})


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnreadableError, match="file"):
        Core(str(tmp_path / "file"), {})


def test_after_close_every_call_says_so() -> None:
    core = Core(None, {})
    core.close()
    core.close()
    calls: list[Callable[[], object]] = [lambda: core.get(b"k"), lambda: core.put(b"k", b"v"), core.compact]
    for call in calls:
        with pytest.raises(StoreClosedError):
            call()


def test_the_housekeeping_thread_ends_with_the_store() -> None:
    core = Core(None, {})
    thread = core._housekeeper
    assert thread.is_alive()
    core.close()
    assert not thread.is_alive()


def test_what_a_closed_store_held_is_free_at_once(tmp_path: Path) -> None:
    value = os.urandom(1000)  # no constant, which other tests of this file, and what they left, may share
    references = sys.getrefcount(value)
    for path in (None, str(tmp_path)):
        core = Core(path, {})
        core.put(b"k", value)
        core.put(b"expiring", value, 100_000)
        gc.disable()
        try:
            core.close()
            assert sys.getrefcount(value) == references
        finally:
            gc.enable()


def test_a_store_that_is_open_at_the_end_of_the_program_is_closed(tmp_path: Path) -> None:
    code = f"""
from respkv.embedded.core import Core
core = Core({str(tmp_path)!r}, {{"appendfsync": "no"}})
core.put(b"k", b"v")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    assert stored(tmp_path) == {b"k": b"v"}
    assert (tmp_path / "respkv.lock").read_bytes() == b""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_has_no_part_in_the_store_and_does_not_keep_its_lock(tmp_path: Path) -> None:
    code = f"""
import os, sys, time
from respkv.embedded.core import Core
from respkv.embedded.errors import StoreClosedError
core = Core({str(tmp_path)!r}, {{}})
core.put(b"k", b"v")
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    try:
        core.put(b"k", b"child")
    except StoreClosedError as error:
        os.write(writing, b"forked" if "forked" in str(error) else b"other")
    time.sleep(60)
assert os.read(reading, 10) == b"forked"
core.close()
Core({str(tmp_path)!r}, {{}}).close()  # the child lives
os.kill(child, 9)
os.waitpid(child, 0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    assert stored(tmp_path) == {b"k": b"v"}


def test_what_was_put_survives_a_kill(tmp_path: Path) -> None:
    code = f"""
import os
from respkv.embedded.core import Core
core = Core({str(tmp_path)!r}, {{}})
for number in range(100):
    core.put(b"%d" % number, b"v")
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False, timeout=30)
    core = Core(str(tmp_path), {})
    assert core.db.size() == 100
    core.close()


def test_compaction_happens_while_threads_write(tmp_path: Path) -> None:
    core = Core(str(tmp_path), {})
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            core.put(b"k", b"%d" % number)
            number += 1

    threads = [in_thread(write) for _ in range(3)]
    core.compact()
    core.compact()
    stop.set()
    for thread in threads:
        thread.join(10)
    value = core.get(b"k")
    assert core.storage.rewrites == 2
    core.close()
    assert stored(tmp_path) == {b"k": value}


def test_a_log_grows_and_is_compacted_by_itself(tmp_path: Path) -> None:
    core = Core(str(tmp_path), {"auto-aof-rewrite-min-size": "10kb", "appendfsync": "no"})
    end_s = time.monotonic() + 30
    while not core.storage.rewrites:
        assert time.monotonic() < end_s
        core.put(b"k", b"x" * 1000)
    core.close()


def test_a_store_without_passwords_and_scripts_does_not_load_openssl(tmp_path: Path) -> None:
    code = (
        "import sys, respkv\n"
        f"with respkv.Store({str(tmp_path)!r}, codec='json') as store:\n"
        "    store['k'] = 1\n"
        "assert '_hashlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
