"""Every operation on files fails, one at a time; then a real disk that is full, and processes that are killed.

After a fault the server refuses writes or goes on; it never says that something is safe which is not, and once the
fault is over it mends itself, or starts again from what is there. At the end of each life all is on disk.
"""

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from crash_disk import ChildInProcess, NotingDisk
from harness import digest
from lives import Life, load
from net_servers import Raw, Served, eventually

from respkv.errors import StartupError
from respkv.persistence import compaction
from respkv.persistence.aof import LogFailed
from respkv.persistence.files import FileSystem

# What may become of each operation.
ERRORS = {
    "open_append": errno.EMFILE,
    "open_new": errno.ENOSPC,
    "open_read": errno.EMFILE,
    "read_at": errno.EIO,
    "write": errno.ENOSPC,
    "sync": errno.EIO,
    "truncate": errno.EIO,
    "rename": errno.EIO,
    "sync_directory": errno.EIO,
    "unlink": errno.EIO,
    "make_directory": errno.EACCES,
    "list_directory": errno.EIO,
    "size": errno.EIO,
}


class FaultyDisk(NotingDisk):
    """Fails in operation number `fails_at`, and, if `lasts`, in the few behind it too."""

    def __init__(self, fails_at: int, lasts: int) -> None:
        super().__init__()
        self.count = 0
        self.failed: list[str] = []
        self._faults = range(fails_at, fails_at + lasts)

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        code = ERRORS.get(name)
        if code is None:
            return found

        def operate(*arguments: Any) -> Any:
            self.count += 1
            if self.count in self._faults:
                self.failed.append(name)
                raise OSError(code, os.strerror(code))
            return found(*arguments)

        return operate


class FaultyLife(Life):
    """A life in which faults come from the disk alone; whatever they do is mended as the service would."""

    def live_through(self) -> None:
        """A fixed course: turns, syncs, compactions, a restart."""
        for number in range(12):
            self.turn()
            self.mend()
            if number % 3 == 1:
                self.durability.sync_now()
                self.mend()
            if number in (4, 9):
                self.try_to_compact()
                self.mend()
            if number == 6:
                self.end()
                self.begin()
        self.end()

    def begin(self) -> None:
        """Start; a start that fails changes nothing, and is tried again."""
        for _ in range(5):
            try:
                self.start()
            except (OSError, StartupError):
                continue
            return
        raise AssertionError("it does not start")

    def end(self) -> None:
        """Stop, with everything durable."""
        for _ in range(5):
            self.mend()
            if self.log.sync_now():
                break
        assert self.log.close()

    def mend(self) -> None:
        """What the service does now and then."""
        for _ in range(5):
            if not self.durability.failed and self.log.state == "ok":
                return
            self.durability.retry()
            if self.durability.is_poisoned():
                try:
                    self.rebase()
                except LogFailed:
                    continue
            self.durability.take_over_state()
        raise AssertionError(f"it stays {self.log.state}")

    def try_to_compact(self) -> None:
        """A compaction that fails leaves the log as it was."""
        try:
            running = compaction.Compaction(self.log, 2)
        except compaction.CompactionFailed:
            return
        finally:
            self.engine.effects_db = -1
        self.turn()
        try:
            if running.poll() is compaction.DONE:
                running.finish()
        except compaction.CompactionFailed:
            return
        for thread in threading.enumerate():
            if thread.name == "respkv-unlink":
                thread.join()


@pytest.fixture(autouse=True)
def disks(monkeypatch: pytest.MonkeyPatch) -> list[FileSystem]:
    files: list[FileSystem] = []
    monkeypatch.setattr(compaction, "_spawn", lambda: ChildInProcess(files[-1]))
    return files


def lead(directory: Path, seed: int, files: FaultyDisk, disks: list[FileSystem]) -> FaultyLife:
    directory.mkdir()
    disks.append(files)
    life = FaultyLife(directory, Random(seed), "always", files)
    life.live_through()
    return life


def test_whichever_operation_fails_all_is_on_disk_in_the_end(
    tmp_path: Path, seed: int, rng: Random, is_long: bool, disks: list[FileSystem]
) -> None:
    count = lead(tmp_path / "faultless", seed, FaultyDisk(0, 0), disks).files.count  # type: ignore[attr-defined]
    failed: set[str] = set()
    places = range(1, count + 1)
    for place in places if is_long else sorted(rng.sample(places, 40)):
        for lasts in (1, 4):
            directory = tmp_path / "life"
            life = lead(directory, seed, files := FaultyDisk(place, lasts), disks)
            failed.update(files.failed)
            engine, _ = load(directory, FileSystem())
            assert digest(engine) == digest(life.engine), (place, lasts, files.failed)
            shutil.rmtree(directory)
    assert {"write", "sync", "rename", "sync_directory"} <= failed


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_writes_until_there_is_room_and_loses_nothing(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(1_000_000))
    server = Served(small_disk)
    try:
        raw = server.connect()
        written = 0
        while (answer := raw.call("SET", f"key{written}", "x" * 20_000)) == b"OK":
            written += 1
            assert written < 1000
        assert answer.startswith(b"MISCONF Errors writing to the AOF file: No space left on device"), answer
        assert raw.call("GET", "key0") == b"x" * 20_000
        assert raw.call("SET", "refused", "1").startswith(b"MISCONF")
        assert b"aof_last_write_status:err" in raw.call("INFO", "persistence")
        # A rewrite has no room either, and takes nothing away.
        raw.call("BGREWRITEAOF")
        filler.unlink()
        eventually(lambda: raw.call("SET", f"key{written}", "y") == b"OK", "writes")
        server.restart()
        raw = server.connect()
        assert [raw.call("STRLEN", f"key{number}") for number in range(written + 1)] == [20_000] * written + [1]
        assert raw.call("EXISTS", "refused") == 0
    finally:
        server.close()


def children_of(server: Served) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def compacting(server: Served, raw: Raw) -> int:
    """The process of a compaction that has just begun; one that was over before it was seen is followed by another."""
    while True:
        assert raw.call("BGREWRITEAOF").startswith(b"Background")
        found = eventually(lambda: children_of(server) or not raw.is_compacting(), "the compacting process")
        if found is not True:
            return int(found[0])


def held(server: Served, raw: Raw) -> int:
    """As `compacting`, stopped somewhere in its work, so that it is not over before anything is done to it."""
    while True:
        child = compacting(server, raw)
        eventually(lambda: "compaction" in told_of(child, "args") or not raw.is_compacting(), "its program")  # noqa: B023
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGSTOP)
            eventually(lambda: told_of(child, "stat")[:1] in ("T", "Z", ""), "its stop")  # noqa: B023
            if told_of(child, "stat").startswith("T"):
                return child
        eventually(lambda: not raw.is_compacting(), "its end")


def told_of(process: int, column: str) -> str:
    """What ps says of a process; nothing if there is none."""
    words = ["ps", "-o", f"{column}=", "-p", str(process)]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[tuple[Served, Raw]]:
    """A server with some megabytes, whose compactions take a moment."""
    if shutil.which("pgrep") is None or shutil.which("ps") is None:
        pytest.skip("pgrep and ps are not installed")
    server = Served(tmp_path, "--appendfsync", "everysec", "--enable-debug-command", "yes")
    raw = server.connect()
    for number in range(20):
        assert raw.call("DEBUG", "POPULATE", 2000, f"p{number}", 200) == b"OK"
    yield server, raw
    server.close()


def test_a_compaction_that_is_killed_takes_nothing_with_it(filled: tuple[Served, Raw]) -> None:
    server, raw = filled
    os.kill(held(server, raw), signal.SIGKILL)
    eventually(lambda: not raw.is_compacting(), "its end")
    assert b"aof_last_bgrewrite_status:err" in raw.call("INFO", "persistence")
    raw.call("SET", "after", "1")
    raw.call("BGREWRITEAOF")
    eventually(lambda: b"aof_last_bgrewrite_status:ok" in raw.call("INFO", "persistence"), "another one")
    server.restart()
    raw = server.connect()
    assert raw.call("DBSIZE") == 40_001
    assert not list(server.data.rglob("temp-*"))


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
def test_a_compaction_out_of_memory_takes_nothing_with_it(filled: tuple[Served, Raw]) -> None:
    server, raw = filled
    for more_bytes in (0, 3_000_000, 9_000_000):
        for _ in range(10):  # it may be stopped so late that it needs no more
            child = held(server, raw)
            used = int(Path(f"/proc/{child}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            resource.prlimit(child, resource.RLIMIT_AS, (used + more_bytes, used + more_bytes))
            os.kill(child, signal.SIGCONT)
            eventually(lambda: not raw.is_compacting(), "its end")
            if b"aof_last_bgrewrite_status:err" in raw.call("INFO", "persistence"):
                break
        else:
            raise AssertionError("it never wanted more memory")
        assert raw.call("SET", f"after{more_bytes}", "1") == b"OK"
        raw.call("BGREWRITEAOF")
        eventually(lambda: b"aof_last_bgrewrite_status:ok" in raw.call("INFO", "persistence"), "another one")
    server.restart()
    raw = server.connect()
    assert raw.call("DBSIZE") == 40_003
    assert not list(server.data.rglob("temp-*"))


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
def test_without_descriptors_it_does_not_compact_and_loses_nothing(filled: tuple[Served, Raw]) -> None:
    server, raw = filled
    pid = server.process.pid
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    for spare in range(8):  # one after the other, it is a different step that finds none
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(set(range(len(used) + 1)) - used) + spare, hard))
        raw.call("BGREWRITEAOF")
        assert raw.call("SET", f"spare{spare}", "1") == b"OK"
        eventually(lambda: not raw.is_compacting(), "its end")
        if spare == 0:
            assert b"aof_last_bgrewrite_status:err" in raw.call("INFO", "persistence")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    raw.call("BGREWRITEAOF")
    eventually(lambda: b"aof_last_bgrewrite_status:ok" in raw.call("INFO", "persistence"), "another one")
    server.restart()
    raw = server.connect()
    assert raw.call("DBSIZE") == 40_008
    assert not list(server.data.rglob("temp-*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_server_that_ends_while_it_compacts_or_loads_loses_nothing(
    filled: tuple[Served, Raw], number: signal.Signals
) -> None:
    server, raw = filled
    raw.call("SET", "last", "1")
    child = compacting(server, raw)
    server.signal(number)
    code = server.exit_code()
    assert code == (0 if number is signal.SIGTERM else -signal.SIGKILL)
    eventually(lambda: told_of(child, "stat")[:1] in ("Z", ""), "the child's end")
    server.start(wait=False)
    time.sleep(0.3)  # somewhere in its start, the moment is what is tried out
    server.signal(number)
    server.process.wait()
    server.start()
    raw = server.connect()
    assert raw.call("DBSIZE") == 40_001
    assert raw.call("GET", "last") == b"1"
