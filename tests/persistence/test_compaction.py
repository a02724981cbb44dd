"""Compaction beside a log that goes on, and everything that can go wrong with it."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from persistence_fakes import (
    RecordingFileSystem,
    always,
    content,
    real_server,
    respkv_server,
    server_binaries,
    start,
    stored,
)

from respkv.engine.keyspace import open_engine
from respkv.errors import StartupError
from respkv.persistence import compaction
from respkv.persistence.aof import EVERYSEC, OK, AppendLog
from respkv.persistence.base import write_base
from respkv.persistence.batch import FIRST_BATCH_BYTES, FIRST_BATCH_START, Effect
from respkv.persistence.compaction import DONE, FAILED, Backoff, Compaction, CompactionFailed, Compactor
from respkv.persistence.files import FileSystem
from respkv.persistence.lock import DirectoryInUse, DirectoryLock
from respkv.persistence.manifest import Layout, LogFile, Manifest, read_manifest

SERVERS = server_binaries()


class Bench:
    """A log whose content is known, and the compactions of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.layout = Layout(str(directory))
        self.files = RecordingFileSystem()
        _, found = start(directory, self.files)
        self.log = AppendLog(self.files, self.layout, found.manifest, found.position)
        self.running: list[Compaction] = []
        self.expected: dict[bytes, bytes] = {}

    def set(self, *keys: bytes) -> None:
        effects: list[Effect] = [[b"SET", key, b"value of " + key] for key in keys]
        self.log.append([[b"SELECT", b"0"], *effects])
        self.expected.update({key: b"value of " + key for key in keys})

    def compact(self, keep: int = 0) -> Compaction:
        self.running.append(Compaction(self.log, 16, keep))
        return self.running[-1]

    def compact_whole(self, keep: int = 0) -> None:
        compaction = self.compact(keep)
        assert ended(compaction) is DONE, compaction.failure
        compaction.finish()
        compaction_thread = next((thread for thread in unlinking()), None)
        if compaction_thread is not None:
            compaction_thread.join()

    def names(self) -> list[str]:
        return sorted(
            path.name.removeprefix("appendonly.aof.") for path in (self.directory / "appendonlydir").iterdir()
        )

    def check(self) -> None:
        """What is on disk is what was logged, now and after more."""
        assert stored(self.directory) == self.expected
        self.set(b"one more")
        assert self.log.sync_now()
        assert self.log.state is OK
        assert stored(self.directory) == self.expected


def unlinking() -> Iterator[threading.Thread]:
    return (thread for thread in threading.enumerate() if thread.name == "respkv-unlink")


def ended(running: Compaction) -> str:
    running.process.wait(30)
    return running.poll()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.set(b"a", b"b")
    bench.set(b"b", b"c")
    yield bench
    for running in bench.running:
        running.abandon()
    bench.files.fail.clear()
    bench.log.close()


def test_a_new_base_takes_the_place_of_all_but_what_came_meanwhile(bench: Bench) -> None:
    running = bench.compact()
    bench.set(b"meanwhile")
    assert ended(running) is DONE
    assert running.summary is not None
    assert (running.summary.keys, running.summary.peak_memory > 0) == (3, True)
    bench.set(b"before the swap")
    running.finish()
    for thread in unlinking():
        thread.join()
    assert bench.names() == ["1.base.rdb", "2.incr.aof", "manifest"]
    assert bench.log.base_size == bench.log.current_size
    bench.check()


def test_a_compaction_of_a_base_and_increments(bench: Bench) -> None:
    for round_ in range(3):
        bench.compact_whole()
        bench.set(b"round %d" % round_)
    assert bench.names() == ["3.base.rdb", "4.incr.aof", "manifest"]
    bench.check()


def test_the_old_files_go_only_after_the_manifest_is_on_disk(bench: Bench) -> None:
    running = bench.compact()
    assert ended(running) is DONE
    bench.files.calls.clear()
    running.finish()
    for thread in unlinking():
        thread.join()
    assert bench.files.names() == [
        *("rename", "sync_directory"),
        *("open_new", "write", "sync", "rename", "sync_directory"),
        "unlink",
    ]
    bench.check()


def test_a_rotation_finds_everything_synced_that_was_asked_for(bench: Bench) -> None:
    assert bench.log.sync_now()
    bench.files.calls.clear()
    bench.compact()
    assert bench.files.names()[0] == "open_new"


def test_a_child_that_is_killed_leaves_the_log_with_one_more_increment(bench: Bench) -> None:
    running = bench.compact()
    running.process.kill()
    assert ended(running) is FAILED
    assert running.failure == f"its process was killed by signal {signal.SIGKILL:d}"
    with pytest.raises(CompactionFailed):
        running.finish()
    assert bench.names() == ["1.incr.aof", "2.incr.aof", "manifest"]
    bench.check()
    bench.compact_whole()
    bench.check()


def test_a_child_that_cannot_load_says_why(bench: Bench) -> None:
    path = bench.layout.path(bench.layout.incr_file(1))
    data = Path(path).read_bytes()
    running = bench.compact()
    os.truncate(path, len(data) - 1)
    if ended(running) is DONE:
        pytest.skip("the child was faster")
    assert path in running.failure
    assert "torn" in running.failure
    Path(path).write_bytes(data)
    bench.check()


def test_abandoning_ends_the_child_and_leaves_nothing(bench: Bench) -> None:
    running = bench.compact()
    running.abandon()
    assert running.process.returncode is not None
    assert bench.names() == ["1.incr.aof", "2.incr.aof", "manifest"]
    running.abandon()
    bench.check()


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in the file system")
def test_a_child_does_not_outlive_its_server(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    child = compaction._spawn()
    assert child.stdin is not None
    child.stdin.write(compaction.Job([str(pipe)], str(tmp_path / "base"), 16).encode())
    child.stdin.flush()
    with pytest.raises(subprocess.TimeoutExpired):  # it waits for somebody to write into the pipe
        child.wait(1)
    child.stdin.close()
    assert child.wait(20) == 1
    for stream in (child.stdout, child.stderr):
        assert stream is not None
        stream.close()


def test_a_python_that_cannot_be_started_changes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(bench.directory / "no-python"))
    with pytest.raises(CompactionFailed, match=r"cannot start .*no-python: No such file"):
        bench.compact()
    assert bench.names() == ["1.incr.aof", "manifest"]
    bench.check()


def test_a_rotation_that_fails_ends_the_child(bench: Bench) -> None:
    bench.files.fail["open_new"] = always(errno.ENOSPC)
    with pytest.raises(CompactionFailed, match="No space left"):
        bench.compact()
    bench.files.fail.clear()
    bench.check()


@pytest.mark.parametrize("failing", ["rename", "sync_directory", "open_new", "write", "sync"])
def test_a_swap_that_fails_leaves_what_was(bench: Bench, failing: str) -> None:
    running = bench.compact()
    bench.set(b"meanwhile")
    assert ended(running) is DONE
    bench.files.fail[failing] = always(errno.EIO)
    with pytest.raises(CompactionFailed):
        running.finish()
    bench.files.fail.clear()
    bench.check()
    bench.compact_whole()
    bench.check()


def test_a_base_from_before_a_new_beginning_is_not_put_in(bench: Bench) -> None:
    running = bench.compact()
    bench.files.fail["sync"] = always(errno.EIO)
    bench.set(b"meanwhile")
    assert not bench.log.sync_now()
    bench.files.fail.clear()
    engine, _ = start(bench.directory)
    bench.log.rebase(lambda path: write_base(bench.files, path, engine.databases, {}))
    assert ended(running) is DONE
    with pytest.raises(CompactionFailed, match="replaced meanwhile"):
        running.finish()
    bench.check()


def test_keys_of_many_databases(bench: Bench) -> None:
    bench.log.append([[b"SELECT", b"40"], [b"SET", b"k", b"v"]])
    running = bench.compact()
    assert ended(running) is DONE
    running.finish()
    bench.expected[b"40/k"] = b"v"
    bench.check()


# What stays, and what goes


def test_generations_are_kept_as_long_as_asked_for(bench: Bench) -> None:
    for _ in range(4):
        bench.set(b"x")
        bench.compact_whole(keep=2)
    assert bench.names() == [
        *("2.base.rdb", "3.base.rdb", "3.incr.aof", "4.base.rdb", "4.incr.aof", "5.incr.aof"),
        "manifest",
    ]
    bench.check()
    bench.compact_whole(keep=0)
    assert bench.names() == ["5.base.rdb", "6.incr.aof", "manifest"]
    manifest = read_manifest(bench.files, bench.layout.manifest_path)
    bench.compact_whole()
    assert len(bench.log.manifest.history) < len(manifest.history)


def test_a_generation_begins_at_its_base() -> None:
    names = ("a.1.incr.aof", "a.2.incr.aof", "a", "a.3.incr.aof", "a.2.base.rdb", "a.4.incr.aof")
    history = tuple(LogFile(name, 1, "h") for name in names)
    manifest = Manifest(None, (), history)
    assert [item.name for item in compaction.surplus(manifest, 0)] == list(names)
    assert [item.name for item in compaction.surplus(manifest, 1)] == list(names[:4])
    assert [item.name for item in compaction.surplus(manifest, 2)] == list(names[:2])
    assert compaction.surplus(manifest, 3) == []


def test_a_start_removes_what_is_certainly_ours_and_nothing_else(bench: Bench) -> None:
    folder = bench.directory / "appendonlydir"
    ours = ["temp-appendonly.aof.manifest", "temp-appendonly.aof.7.base.rdb", "temp-appendonly.aof.7.base.rdb.4711"]
    ours += ["appendonly.aof.7.base.rdb", "appendonly.aof.7.incr.aof"]
    theirs = ["temp-rewriteaof-bg-7.aof", "appendonly.aof.8.incr.aof", "appendonly.aof.1.incr.aof.cut-at-5", "notes"]
    theirs += ["other.aof.7.base.rdb", "appendonly.aof.7.base.rdb.bak", "xappendonly.aof.7.base.rdb"]
    for name in [*ours, *theirs]:
        (folder / name).write_bytes(b"" if name == "appendonly.aof.7.incr.aof" else b"x")
    (bench.directory / "temp-dump.rdb").write_bytes(b"x")
    removed = compaction.clean(bench.files, bench.layout, bench.log.manifest, 0)
    assert sorted(os.path.basename(path) for path in removed) == sorted([*ours, "temp-dump.rdb"])
    assert {path.name for path in folder.iterdir()} >= set(theirs)
    bench.check()


def test_with_a_manifest_that_somebody_else_wrote_unnamed_files_stay(bench: Bench) -> None:
    orphan = bench.directory / "appendonlydir" / "appendonly.aof.7.base.rdb"
    orphan.write_bytes(b"x")
    manifest = Manifest(None, bench.log.manifest.incrs, (), is_verified=False)
    assert compaction.clean(bench.files, bench.layout, manifest, 0) == []


# When


def tick_until_idle(compactor: Compactor) -> None:
    for _ in range(3):
        compactor.tick(100, 0)
        compactor._log.sync_now()
        if compactor.running is not None:
            compactor.running.process.wait(30)


def test_the_compactor_starts_when_the_log_has_doubled(bench: Bench) -> None:
    compactor = Compactor(bench.log, open_engine())
    compactor.tick(100, 10**6)
    compactor.tick(0, 0)
    assert (compactor.is_scheduled, compactor.running) == (False, None)
    tick_until_idle(compactor)
    assert (compactor.last_ok, compactor.running, compactor.is_scheduled) == (True, None, False)
    assert compactor.last_seconds > 0
    compactor.tick(100, 0)
    assert (compactor.is_scheduled, compactor.running) == (False, None)
    bench.set(*(b"key %d" % number for number in range(100)))
    compactor.tick(100, 0)
    assert compactor.is_scheduled
    assert not compactor.request()
    compactor.abandon()
    bench.check()


def test_the_compactor_waits_until_what_was_written_is_durable(bench: Bench) -> None:
    compactor = Compactor(bench.log, open_engine())
    assert compactor.request()
    bench.set(b"later")  # which the rotation syncs itself
    while bench.log.collect() < 2:
        pass
    compactor.tick(0, 0)
    assert compactor.running is not None
    compactor.running.process.wait(30)
    compactor.tick(0, 0)
    assert compactor.last_ok
    bench.check()


def test_failures_are_told_and_slow_the_compactor_down(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    compactor = Compactor(bench.log, open_engine())
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/nowhere/python")
        for _ in range(3):
            compactor.tick(100, 0)
            bench.log.sync_now()
            compactor.tick(100, 0)
            assert not compactor.last_ok
            assert "/nowhere/python" in compactor.failure
    compactor.tick(100, 0)
    assert not compactor.is_scheduled
    assert compactor.request()
    tick_until_idle(compactor)
    assert (compactor.last_ok, compactor.failure) == (True, "")
    bench.check()


def test_back_off_doubles_from_a_minute_to_an_hour() -> None:
    backoff = Backoff()
    for _ in range(2):
        backoff.failed(0)
        assert not backoff.is_limited(0)
    delays = []
    for _ in range(8):
        backoff.failed(0)
        delays.append(next(seconds for seconds in range(60, 4000, 60) if not backoff.is_limited(seconds)))
        assert backoff.is_limited(delays[-1] - 1)
    assert delays == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    backoff.reset()
    assert not backoff.is_limited(0)


# Offline


def test_offline_compaction_leaves_one_base(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.set(*(b"k%d" % number for number in range(100)))
    assert bench.log.close()
    before = bench.log.current_size
    assert compaction.run(str(bench.directory)) == 0
    out = capsys.readouterr().out
    assert f"103 keys, {before} bytes in 1 files before" in out
    assert out.count("\n") == 1
    assert bench.names() == ["1.base.rdb", "2.incr.aof", "manifest"]
    manifest = read_manifest(bench.files, bench.layout.manifest_path)
    assert not manifest.history
    begun = bench.files.read_all(bench.layout.path(manifest.incrs[-1]))
    assert begun.startswith(FIRST_BATCH_START)
    assert len(begun) == FIRST_BATCH_BYTES
    assert stored(bench.directory) == bench.expected


def test_offline_compaction_is_refused_beside_a_server(bench: Bench) -> None:
    lock = DirectoryLock(str(bench.directory))
    with pytest.raises(DirectoryInUse, match=f"pid {os.getpid()}"):
        compaction.run(str(bench.directory))
    lock.release()


def test_offline_compaction_of_nothing_says_so_and_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="holds no data"):
        compaction.run(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(StartupError, match="is not a data directory"):
        compaction.run(str(file))


def test_offline_compaction_of_what_a_real_server_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if "redis-7.0" not in SERVERS or shutil.which("redis-check-aof") is None:
        pytest.skip("redis-server is not installed")
    names = ("--appenddirname", "folder", "--appendfilename", "my log.aof", "--aof-use-rdb-preamble", "no")
    with real_server(SERVERS["redis-7.0"], tmp_path, *names) as client:
        for number in range(100):
            client.set("same", number)
    manifest = tmp_path / "folder" / "my log.aof.manifest"
    with (tmp_path / "folder" / "my log.aof.1.incr.aof").open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET")
    assert compaction.run(str(tmp_path)) == 0
    assert "cut off a torn tail" in capsys.readouterr().out
    check = subprocess.run(["redis-check-aof", str(manifest)], capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout
    with real_server(SERVERS["redis-7.0"], tmp_path, *names) as client:
        assert client.get("same") == b"99"
        assert client.dbsize() == 1


def test_everysec_compacts_as_well(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.log.set_policy(EVERYSEC)
    bench.set(b"a")
    bench.compact_whole()
    bench.check()
    assert bench.log.close()
    assert content(start(tmp_path, FileSystem())[0]) == bench.expected


def test_a_server_compacts_while_databases_other_than_the_first_are_written(tmp_path: Path) -> None:
    with respkv_server(tmp_path) as client:
        client.select(3)
        client.set("before", "1")
        client.bgrewriteaof()
        client.set("meanwhile", "1")
        while client.info("persistence")["aof_rewrite_in_progress"] or not list(
            (tmp_path / "appendonlydir").glob("*.base.rdb")
        ):
            client.set("meanwhile", "2")
        client.set("after", "1")
        assert client.info("persistence")["aof_last_bgrewrite_status"] == "ok"
    assert stored(tmp_path) == {b"3/before": b"1", b"3/meanwhile": b"2", b"3/after": b"1"}
