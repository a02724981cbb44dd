"""The thread that waits for the disk: one sync at a time, none after a failure."""

import errno
import select
import threading
import time
from collections.abc import Iterator

import pytest

from respkv.persistence.sync_thread import SyncThread


class Disk:
    """Syncs when `release` allows it, and fails where `error` is set."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.release = threading.Semaphore(0)
        self.synced: list[int] = []
        self.error: OSError | None = None

    def sync(self, fd: int) -> None:
        self.entered.release()
        assert self.release.acquire(timeout=30)
        if self.error is not None:
            raise self.error
        self.synced.append(fd)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def thread(disk: Disk) -> Iterator[SyncThread]:
    thread = SyncThread(disk.sync, 0.0)
    yield thread
    for _ in range(10):
        disk.release.release()
    thread.stop()


def wait(thread: SyncThread) -> None:
    assert select.select([thread.wakeup_fd], [], [], 20)[0]


def test_what_is_asked_for_during_a_sync_is_one_more(disk: Disk, thread: SyncThread) -> None:
    thread.request(7, 1, 100 * 1)
    assert disk.entered.acquire(timeout=30)
    assert thread.is_busy
    for lsn in (2, 3, 4):
        thread.request(7, lsn, 100 * lsn)
    disk.release.release()
    wait(thread)
    assert thread.collect() == (1, 100, None)
    assert disk.entered.acquire(timeout=30)
    disk.release.release()
    wait(thread)
    assert thread.collect() == (4, 400, None)
    assert disk.synced == [7, 7]
    assert not thread.is_pending


def test_after_a_failure_nothing_is_synced_until_it_is_forgotten(disk: Disk, thread: SyncThread) -> None:
    disk.error = OSError(errno.EIO, "bad disk")
    disk.release.release()
    thread.request(7, 1, 100 * 1)
    wait(thread)
    assert thread.collect() == (0, 0, disk.error)
    thread.request(7, 2, 100 * 2)
    assert disk.entered.acquire(timeout=30)
    assert not disk.entered.acquire(timeout=0.1)
    thread.pause()
    disk.error = None
    thread.forget()
    thread.request(8, 3, 100 * 3)
    disk.release.release()
    wait(thread)
    assert thread.collect() == (3, 300, None)
    assert disk.synced == [8]


def test_a_pause_waits_for_the_sync_in_flight_and_drops_what_was_not_begun(disk: Disk, thread: SyncThread) -> None:
    thread.request(7, 1, 100 * 1)
    assert disk.entered.acquire(timeout=30)
    thread.request(7, 2, 100 * 2)
    releasing = threading.Timer(0.05, disk.release.release)
    releasing.start()
    thread.pause()
    releasing.join()
    assert thread.collect() == (1, 100, None)
    assert not thread.is_pending
    assert disk.synced == [7]


def test_how_long_a_sync_takes_is_known_meanwhile(disk: Disk, thread: SyncThread) -> None:
    assert thread.busy_s == 0
    thread.request(7, 1, 100 * 1)
    assert disk.entered.acquire(timeout=30)
    first = thread.busy_s
    assert thread.busy_s > first > 0


def test_syncs_keep_their_distance(disk: Disk) -> None:
    thread = SyncThread(disk.sync, 0.2)
    disk.release.release()
    disk.release.release()
    started_s = time.monotonic()
    thread.request(7, 1, 100 * 1)
    wait(thread)
    thread.collect()
    thread.request(7, 2, 100 * 2)
    wait(thread)
    assert time.monotonic() - started_s >= 0.2
    thread.stop()
    assert disk.synced == [7, 7]


def test_a_shorter_interval_holds_at_once(disk: Disk) -> None:
    thread = SyncThread(disk.sync, 1000.0)
    disk.release.release()
    disk.release.release()
    thread.request(7, 1, 100 * 1)
    wait(thread)
    thread.collect()
    thread.request(7, 2, 100 * 2)
    thread.set_interval(0.0)
    wait(thread)
    assert thread.collect() == (2, 200, None)
    thread.stop()
