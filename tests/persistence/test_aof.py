"""The append log on a disk that works, and on one that does not."""

import errno
import os
import select
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from persistence_fakes import RecordingFileSystem, always, once, start, stored

from respkv.engine.keyspace import open_engine
from respkv.persistence.aof import (
    ALWAYS,
    CLOSED,
    EVERYSEC,
    FAILED,
    NO,
    OK,
    POISONED,
    AppendLog,
    LogFailed,
)
from respkv.persistence.base import write_base
from respkv.persistence.batch import FIRST_BATCH_BYTES, encode, first_batch, make_header
from respkv.persistence.log_reader import AT_END, LogReader
from respkv.persistence.manifest import Layout, read_manifest


class Bench:
    """A log on a recording file system, with an engine that runs what is logged."""

    def __init__(self, directory: Path) -> None:
        self.layout = Layout(str(directory))
        self.files = RecordingFileSystem()
        self.engine = open_engine()
        self.logs: list[AppendLog] = []

    def open(self, policy: str = ALWAYS) -> AppendLog:
        self.engine, found = start(Path(self.layout.directory), self.files)
        log = AppendLog(self.files, self.layout, found.manifest, found.position, policy)
        self.logs.append(log)
        self.files.calls.clear()
        return log

    def set(self, log: AppendLog, key: bytes, value: bytes) -> int:
        self.engine.databases[0].load(key, value, None)
        return log.append([[b"SET", key, value]])

    def recovered(self) -> dict[bytes, bytes]:
        return stored(Path(self.layout.directory))

    def rebase(self, log: AppendLog) -> None:
        log.rebase(lambda path: self.write_base(path))

    def write_base(self, path: str) -> None:
        write_base(self.files, path, self.engine.databases, {})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.files.fail.clear()
    bench.files.write_limit = None
    for log in bench.logs:
        log.close()


def wait_readable(log: AppendLog) -> None:
    assert select.select([log.wakeup_fd], [], [], 10)[0]


def test_a_new_log_is_a_manifest_and_an_increment_without_commands(bench: Bench) -> None:
    log = bench.open()
    assert read_manifest(bench.files, bench.layout.manifest_path).to_load() == (bench.layout.incr_file(1),)
    assert (log.lsn, log.durable_lsn, log.state, log.current_size) == (0, 0, OK, FIRST_BATCH_BYTES)


def test_an_empty_increment_such_as_redis_makes_is_begun_as_ours(bench: Bench) -> None:
    assert bench.open().close()
    path = Path(bench.layout.path(bench.layout.incr_file(1)))
    path.write_bytes(b"")
    log = bench.open()
    bench.set(log, b"k", b"v")
    assert log.close()
    assert path.read_bytes().startswith(first_batch(path.stat().st_ino)[0] + b"#HDR:")
    assert bench.recovered() == {b"k": b"v"}


def test_a_batch_is_one_write_and_counts_as_durable_only_after_a_sync(bench: Bench) -> None:
    log = bench.open()
    assert bench.set(log, b"a", b"1") == 1
    assert log.append([[b"SET", b"b", b"2"], b"*2\r\n$3\r\nDEL\r\n$1\r\na\r\n"]) == 2
    assert bench.files.names() == ["write_at", "write", "write"]
    assert (log.written_lsn, log.durable_lsn) == (2, 0)
    assert log.sync_now()
    assert log.durable_lsn == 2
    assert bench.files.names()[3:] == ["sync"]
    assert log.sync_now()
    assert bench.files.names()[3:] == ["sync"]
    assert bench.recovered() == {b"b": b"2"}


@pytest.mark.parametrize("count", [1, 2, 40])
@pytest.mark.parametrize("room", [None, 0, 30, 200_000])
def test_large_arguments_are_written_whole_or_not_at_all(bench: Bench, count: int, room: int | None) -> None:
    log = bench.open()
    bench.set(log, b"a", b"1")
    size = log.current_size
    effects: list[bytes | list[bytes]] = [[b"SET", b"k%d" % number, b"x" * 290_000] for number in range(count)]
    bench.files.calls.clear()
    bench.files.write_limit = room
    assert log.append([*effects, [b"SET", b"b", b"2"]]) == 2
    if room is None:
        assert bench.files.names() == ["truncate", "write"]  # in no room, which is of no use to it
    else:
        assert (log.state, log.current_size) == (FAILED, size)
        assert log.pending_bytes > count * 290_000
        bench.files.write_limit = None
        assert log.retry()
    assert (log.state, log.pending_bytes, log.written_lsn) == (OK, 0, 2)
    bench.set(log, b"c", b"3")
    assert log.close()
    kept = {b"k%d" % number: b"x" * 290_000 for number in range(count)}
    assert bench.recovered() == {b"a": b"1", b"b": b"2", b"c": b"3", **kept}


def test_a_log_that_is_opened_again_goes_on_where_it_was(bench: Bench) -> None:
    log = bench.open()
    bench.set(log, b"a", b"1")
    assert log.close()
    log = bench.open()
    assert (log.lsn, log.durable_lsn) == (1, 1)
    assert log.current_size == log.base_size > 0
    bench.set(log, b"b", b"2")
    assert log.close()
    assert bench.recovered() == {b"a": b"1", b"b": b"2"}


def test_the_thread_syncs_all_that_was_written_when_it_starts(bench: Bench) -> None:
    log = bench.open()
    entered = threading.Semaphore(0)
    release = threading.Semaphore(0)

    def hold() -> None:
        entered.release()
        assert release.acquire(timeout=30)

    bench.files.fail["sync"] = hold
    bench.set(log, b"a", b"1")
    log.request_sync()
    assert entered.acquire(timeout=30)
    assert log.is_sync_in_flight
    bench.set(log, b"b", b"2")
    log.request_sync()
    bench.set(log, b"c", b"3")
    log.request_sync()
    release.release()
    wait_readable(log)
    assert log.collect() == 1
    assert entered.acquire(timeout=30)
    release.release()
    wait_readable(log)
    assert log.collect() == 3
    assert bench.files.names().count("sync") == 2
    bench.files.fail.clear()


def test_everysec_syncs_by_itself(bench: Bench) -> None:
    log = bench.open(EVERYSEC)
    bench.set(log, b"a", b"1")
    wait_readable(log)
    assert log.collect() == 1
    assert not log.must_delay_writes


def test_policy_no_never_syncs_until_the_end(bench: Bench) -> None:
    log = bench.open(NO)
    bench.set(log, b"a", b"1")
    assert not log.is_sync_in_flight
    log.set_policy(EVERYSEC)
    wait_readable(log)
    assert log.collect() == 1


@pytest.mark.parametrize("room", [0, 1, 10, 40, 60])
def test_a_full_disk_leaves_whole_batches_and_heals_by_itself(bench: Bench, room: int) -> None:
    log = bench.open()
    bench.set(log, b"a", b"1")
    size = log.current_size
    bench.files.write_limit = room
    assert bench.set(log, b"b", b"2") == 2
    assert (log.state, log.failure) == (FAILED, "No space left on device")
    assert bench.files.size(bench.layout.path(bench.layout.incr_file(1))) == size == log.current_size
    assert bench.set(log, b"c", b"3") == 3
    assert (log.lsn, log.written_lsn, log.sync_now(), log.durable_lsn) == (3, 1, True, 1)
    assert log.pending_bytes > 0
    bench.files.write_limit = 0
    assert not log.retry()
    assert bench.recovered() == {b"a": b"1"}
    bench.files.write_limit = None
    assert log.retry()
    assert (log.state, log.failure, log.pending_bytes, log.written_lsn) == (OK, "", 0, 3)
    bench.set(log, b"d", b"4")
    assert log.sync_now()
    assert bench.recovered() == {b"a": b"1", b"b": b"2", b"c": b"3", b"d": b"4"}


def test_a_tail_that_could_not_be_cut_is_cut_before_the_next_try(bench: Bench) -> None:
    log = bench.open()
    bench.set(log, b"a", b"1")
    bench.files.write_limit = 7
    bench.files.fail["truncate"] = always(errno.EIO)
    bench.set(log, b"b", b"2")
    bench.files.write_limit = None
    assert not log.retry()
    assert log.failure == "Input/output error"
    bench.files.fail.clear()
    assert log.retry()
    assert log.close()
    assert bench.recovered() == {b"a": b"1", b"b": b"2"}


def in_place(log: AppendLog) -> None:
    assert not log.sync_now()


def in_background(log: AppendLog) -> None:
    log.request_sync()
    wait_readable(log)
    log.collect()


@pytest.mark.parametrize("sync", [in_place, in_background])
def test_a_failed_sync_is_never_repeated_on_the_same_file(bench: Bench, sync: Callable[[AppendLog], None]) -> None:
    log = bench.open()
    bench.set(log, b"a", b"1")
    assert log.sync_now()
    bench.set(log, b"b", b"2")
    bench.files.fail["sync"] = once(errno.EIO)
    sync(log)
    assert (log.state, log.failure, log.durable_lsn) == (POISONED, "Input/output error", 1)
    syncs = bench.files.names().count("sync")
    assert not log.sync_now()
    log.request_sync()
    log.collect()
    assert not log.retry()
    with pytest.raises(LogFailed):
        log.rotate()
    bench.set(log, b"c", b"3")
    assert log.durable_lsn == 1
    assert bench.files.names().count("sync") == syncs
    assert bench.files.names().count("write") == 2

    bench.rebase(log)
    assert (log.state, log.failure, log.durable_lsn, log.pending_bytes) == (OK, "", 3, 0)
    bench.set(log, b"d", b"4")
    log.request_sync()
    wait_readable(log)
    assert log.collect() == 4
    assert bench.recovered() == {b"a": b"1", b"b": b"2", b"c": b"3", b"d": b"4"}
    assert [item.name for item in log.manifest.history] == ["appendonly.aof.1.incr.aof"]


@pytest.mark.parametrize("failing", ["write", "sync", "open_new", "rename"])
def test_a_rebase_that_fails_leaves_the_log_poisoned_and_may_be_tried_again(bench: Bench, failing: str) -> None:
    log = bench.open()
    bench.set(log, b"a", b"1")
    bench.files.fail["sync"] = always(errno.EIO)
    assert not log.sync_now()
    bench.files.fail = {failing: always(errno.ENOSPC)}
    with pytest.raises(LogFailed, match="No space"):
        bench.rebase(log)
    assert log.state is POISONED
    bench.files.fail = {}
    bench.rebase(log)
    assert log.state is OK
    assert bench.recovered() == {b"a": b"1"}


def test_a_manifest_of_unknown_fate_never_loses_its_files(bench: Bench) -> None:
    log = bench.open()
    bench.set(log, b"a", b"1")
    failure = always(errno.EIO)
    bench.files.fail["sync_directory"] = lambda: failure() if "rename" in bench.files.names() else None
    with pytest.raises(LogFailed):
        log.rotate()
    assert log.state is POISONED
    assert bench.recovered() == {b"a": b"1"}
    with pytest.raises(LogFailed):
        bench.rebase(log)
    assert bench.recovered() == {b"a": b"1"}
    bench.files.fail.clear()
    bench.rebase(log)
    bench.set(log, b"b", b"2")
    assert bench.recovered() == {b"a": b"1", b"b": b"2"}
    names = [item.name for item in (*log.manifest.to_load(), *log.manifest.history)]
    assert len(names) == len(set(names))


def test_rotation_syncs_the_old_increment_before_the_manifest_names_the_new_one(bench: Bench) -> None:
    log = bench.open()
    bench.set(log, b"a", b"1")
    before = log.rotate()
    assert before.to_load() == (bench.layout.incr_file(1),)
    assert log.manifest.to_load() == (bench.layout.incr_file(1), bench.layout.incr_file(2))
    assert bench.files.names() == [
        *("write_at", "write", "sync", "open_new", "write", "sync", "sync_directory"),
        *("open_new", "write", "sync", "rename", "sync_directory", "truncate"),
    ]
    bench.set(log, b"b", b"2")
    assert log.current_size > log.base_size
    assert log.close()
    assert bench.recovered() == {b"a": b"1", b"b": b"2"}


def test_a_rotation_that_fails_early_changes_nothing(bench: Bench) -> None:
    log = bench.open()
    bench.set(log, b"a", b"1")
    bench.files.fail["rename"] = always(errno.ENOSPC)
    with pytest.raises(LogFailed, match="No space"):
        log.rotate()
    bench.files.fail.clear()
    assert log.state is OK
    bench.set(log, b"b", b"2")
    log.rotate()
    bench.set(log, b"c", b"3")
    assert bench.recovered() == {b"a": b"1", b"b": b"2", b"c": b"3"}


def test_close_says_whether_everything_is_durable(bench: Bench) -> None:
    log = bench.open()
    bench.set(log, b"a", b"1")
    bench.files.write_limit = 0
    bench.set(log, b"b", b"2")
    assert not log.close()
    assert log.state is CLOSED
    assert bench.recovered() == {b"a": b"1"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)], check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        bench = Bench(tmp_path)
        log = bench.open()
        count = 0
        while log.state is OK:
            bench.set(log, b"key:%d" % count, b"x" * 5000)
            count += 1
        assert log.failure == "No space left on device"
        assert log.sync_now()
        assert len(bench.recovered()) == count - 1
        assert not log.retry()
        ballast = subprocess.run(["mount", "-o", "remount,size=8m", str(tmp_path)], check=False, capture_output=True)
        assert ballast.returncode == 0
        assert log.retry()
        assert log.close()
        assert len(bench.recovered()) == count
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_what_a_killed_server_left_is_synced_before_anyone_may_rely_on_it(bench: Bench) -> None:
    log = bench.open()
    bench.set(log, b"k", b"v")  # written, never synced: and now the process is killed
    calls = bench.files.calls
    _, found = start(Path(bench.layout.directory), bench.files)
    again = AppendLog(bench.files, bench.layout, found.manifest, found.position)
    bench.logs.append(again)
    assert again.durable_lsn == again.lsn == 1
    assert "sync" in [name for name, _ in calls]


def test_each_batch_says_how_much_was_on_disk_when_it_was_written(bench: Bench) -> None:
    log = bench.open()
    bench.set(log, b"a", b"1")
    size = log.segment_bytes
    bench.set(log, b"b", b"2")
    assert log.sync_now()
    whole = log.segment_bytes
    bench.set(log, b"c", b"3")
    log.request_sync()
    while log.durable_lsn < 3:
        assert select.select([log.wakeup_fd], [], [], 20)[0]
        log.collect()
    grown = log.segment_bytes
    bench.set(log, b"d", b"4")
    log.rotate()
    bench.set(log, b"e", b"5")
    text = b"".join(Path(bench.layout.path(item)).read_bytes() for item in log.manifest.incrs)
    told = [int(part.partition(b";")[0]) for part in text.split(b";synced:")[1:]]
    assert size < whole < grown
    first = FIRST_BATCH_BYTES
    assert told == [0, first, first, whole, grown, 0, first]


def test_sizes_that_a_disk_does_not_tell_stop_no_new_base(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    log = bench.open()
    bench.set(log, b"k", b"v")
    base_size = log.base_size

    def size(path: str) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(bench.files, "size", size)
    log.adopt(log.manifest)
    assert log.base_size >= base_size
    bench.rebase(log)
    assert log.state == OK
    monkeypatch.undo()
    assert bench.recovered() == {b"k": b"v"}


def increment(bench: Bench, log: AppendLog) -> bytes:
    return Path(bench.layout.path(log.manifest.incrs[-1])).read_bytes()


def test_under_always_batches_are_written_over_room_and_the_file_seldom_grows(bench: Bench) -> None:
    log = bench.open()
    sizes = set()
    for number in range(1000):
        bench.set(log, b"k%d" % number, b"x" * 50)
        sizes.add(len(increment(bench, log)))
    assert len(sizes) < 8
    assert max(sizes) >= log.segment_bytes
    assert log.close()
    assert len(bench.recovered()) == 1000


@pytest.mark.parametrize("policy", [EVERYSEC, NO])
def test_where_syncs_are_rare_there_is_no_room(bench: Bench, policy: str) -> None:
    log = bench.open(policy)
    bench.set(log, b"k", b"v")
    assert len(increment(bench, log)) == log.segment_bytes
    log.set_policy(ALWAYS)
    bench.set(log, b"k", b"w")
    assert len(increment(bench, log)) > log.segment_bytes
    log.set_policy(policy)
    assert len(increment(bench, log)) == log.segment_bytes
    bench.set(log, b"k", b"x")
    assert log.close()
    assert bench.recovered() == {b"k": b"x"}


@pytest.mark.parametrize("policy", [ALWAYS, EVERYSEC])
@pytest.mark.parametrize("left", range(-3, 9))
def test_wherever_a_batch_ends_the_file_is_well_formed_behind_it(bench: Bench, policy: str, left: int) -> None:
    """Also where a piece of the room's line end would be left."""
    log = bench.open()
    bench.set(log, b"k", b"v")
    assert log.sync_now()
    bench.files.fail["truncate"] = always(errno.EIO)
    log.set_policy(policy)  # and the room stays
    bench.files.fail.clear()
    space = len(increment(bench, log)) - left - log.segment_bytes

    def batch_size(value_size: int) -> int:
        payload = encode([[b"SET", b"k", b"x" * value_size]])
        return len(payload) + len(make_header([payload], 0, log.segment_bytes)[0])

    before = log.segment_bytes
    bench.set(log, b"k", b"x" * next(size for size in range(space - 200, space) if batch_size(size) == space))
    assert log.segment_bytes == before + space
    for _ in range(2):
        data = increment(bench, log)
        reader = LogReader(lambda at, size, data=data: data[at : at + size], len(data))  # type: ignore[misc]
        while reader.next_commands():
            pass
        assert (reader.stop, reader.position) == (AT_END, log.segment_bytes)
        room = data[log.segment_bytes :]
        assert room == b"" or room == b"#" * (len(room) - 2) + b"\r\n" != b"\r\n"
        bench.set(log, b"k", b"next")
    assert log.close()
    assert bench.recovered() == {b"k": b"next"}


def test_a_file_that_is_no_longer_appended_to_has_no_room(bench: Bench) -> None:
    log = bench.open()
    bench.set(log, b"a", b"1")
    size = log.segment_bytes
    before = log.rotate()
    assert os.path.getsize(bench.layout.path(before.incrs[-1])) == size
    bench.set(log, b"b", b"2")
    size = log.segment_bytes
    assert len(increment(bench, log)) > size
    assert log.close()
    assert len(increment(bench, log)) == size
    assert bench.recovered() == {b"a": b"1", b"b": b"2"}


@pytest.mark.parametrize("failing", ["rotate", "close"])
def test_room_that_cannot_be_taken_away_does_no_harm(bench: Bench, failing: str) -> None:
    log = bench.open()
    bench.set(log, b"a", b"1")
    bench.files.fail["truncate"] = always(errno.EIO)
    if failing == "rotate":
        log.rotate()
        bench.set(log, b"b", b"2")
    assert log.close()
    bench.files.fail.clear()
    log = bench.open()
    bench.set(log, b"c", b"3")
    assert log.close()
    kept = {b"b": b"2"} if failing == "rotate" else {}
    assert bench.recovered() == {b"a": b"1", b"c": b"3", **kept}


def test_a_disk_with_space_for_the_batch_but_for_no_room_takes_the_batch(bench: Bench) -> None:
    log = bench.open()
    for number in range(20):
        bench.files.write_limit = 200
        bench.set(log, b"k%d" % number, b"v")
        assert log.state is OK
        assert len(increment(bench, log)) == log.segment_bytes
    bench.files.write_limit = None
    bench.set(log, b"last", b"v")
    assert len(increment(bench, log)) > log.segment_bytes
    assert log.close()
    assert len(bench.recovered()) == 21


def test_a_write_that_fails_within_room_leaves_none_and_goes_on_where_it_was(bench: Bench) -> None:
    log = bench.open()
    bench.set(log, b"a", b"1")
    size = log.segment_bytes
    bench.files.write_limit = 30
    bench.set(log, b"b", b"2")
    assert log.state is FAILED
    assert len(increment(bench, log)) == size
    bench.files.write_limit = None
    assert log.retry()
    bench.set(log, b"c", b"3")
    assert log.close()
    assert bench.recovered() == {b"a": b"1", b"b": b"2", b"c": b"3"}
