"""Who shares a sync in place: in this process, with a disk whose syncs take a while."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from respkv.net.pump import Pump
from respkv.persistence.aof import AppendLog
from respkv.persistence.files import FileSystem
from respkv.persistence.manifest import Layout

SET = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"
_sleep = time.sleep


class Disk(FileSystem):
    """One whose syncs take `sync_s`."""

    def __init__(self) -> None:
        self.sync_s = 0.002
        self.syncs = 0

    def sync(self, fd: int) -> None:
        self.syncs += 1
        _sleep(self.sync_s)


class Writers:
    """Two clients that write, and the pump that serves them."""

    def __init__(self, directory: Path, pump: Pump) -> None:
        self.pump = pump
        self.disk = Disk()
        pump.server.next_tick_ms = 1 << 62
        pump.durability.attach(AppendLog(self.disk, Layout(str(directory)), None))
        self.sockets: list[socket.socket] = []
        for number in range(2):
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            theirs.settimeout(10)
            pump.admit(ours, pump.server.open_session(f"127.0.0.1:{number}", "127.0.0.1:9"))
            self.sockets.append(theirs)
        for writer in (0, 1):  # so that the pump knows of two, and how long a sync takes
            self.write(writer)
            self.pump.run_turns()
        pump.engine.now_ms += 1000
        pump.count_lively(100)
        self.disk.syncs = 0

    def write(self, writer: int) -> None:
        self.sockets[writer].send(SET)

    def answers(self) -> list[bytes]:
        """What each of them can read by now."""
        found = []
        for theirs in self.sockets:
            theirs.setblocking(False)
            try:
                found.append(theirs.recv(100))
            except BlockingIOError:
                found.append(b"")
            theirs.setblocking(True)
        return found


@pytest.fixture
def writers(tmp_path: Path, pump: Pump) -> Iterator[Writers]:
    writers = Writers(tmp_path, pump)
    writers.answers()
    yield writers
    for theirs in writers.sockets:
        theirs.close()
    pump.close_all()
    assert pump.durability.log is not None
    pump.durability.log.close()


def test_who_asks_a_moment_later_shares_a_long_sync(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: writers.write(1))
    writers.write(0)
    writers.pump.run_turns()
    assert writers.answers() == [b"+OK\r\n", b"+OK\r\n"]
    assert writers.disk.syncs == 1


def test_nobody_is_waited_for_where_all_wait_already(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    writers.write(0)
    writers.write(1)
    writers.pump.run_turns()
    assert writers.answers() == [b"+OK\r\n", b"+OK\r\n"]
    assert (writers.disk.syncs, slept) == (1, [])


def test_a_vain_wait_is_not_repeated_before_the_next_window(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(wait_s: float) -> None:
        slept.append(wait_s)
        _sleep(wait_s)

    monkeypatch.setattr(time, "sleep", sleep)

    def waits() -> bool:
        slept.clear()
        writers.write(0)
        writers.pump.run_turns()
        return len(slept) > 0

    assert [waits(), waits(), waits()] == [True, False, False]
    writers.write(1)
    writers.pump.run_turns()
    writers.pump.engine.now_ms += 5000
    writers.pump.count_lively(100)
    assert [waits(), waits()] == [True, False]
    assert writers.answers() == [b"+OK\r\n" * 5, b"+OK\r\n"]


def test_before_a_short_sync_nobody_waits(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    writers.disk.sync_s = 0
    rounds = 0
    while rounds < 3:
        was_short = writers.pump._gathering_ns == 0  # on a busy machine it may have been long all the same
        slept.clear()
        writers.write(0)
        writers.pump.run_turns()
        if was_short:
            assert slept == []
            rounds += 1


def test_nobody_is_waited_for_long_behind_a_sync_that_hung(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    writers.disk.sync_s = 0.2
    for sync_s in (0.2, 0):
        writers.disk.sync_s = sync_s
        slept.clear()
        writers.write(0)
        writers.pump.run_turns()
        writers.pump._gathers = True
    assert slept
    assert max(slept) < 0.002
