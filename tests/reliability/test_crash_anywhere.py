"""Random lives of a server, and a power failure at every point of each.

A life is commands of all types and transactions, syncs that come soon or late, compactions, rotations, writes and
syncs that fail, restarts; under each `appendfsync`. Its disk notes all that is done to it, and then everything that
POSIX lets a power failure leave is loaded (`crash_disk`): the data must be those behind one of the batches, not
before the last one that anybody was promised, and none that was never written.
"""

import errno
import os
import shutil
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest
from crash_disk import ChildInProcess, NotingDisk, every_crash
from harness import START_MS, Digest, digest, encode
from workload import Workload

from respkv.commands.replay import Replayer
from respkv.engine.engine import Engine
from respkv.engine.keyspace import open_engine
from respkv.persistence import compaction
from respkv.persistence.aof import ALWAYS, EVERYSEC, FAILED, NO, OK, POISONED, AppendLog
from respkv.persistence.base import write_base
from respkv.persistence.compaction import DONE, Compaction, CompactionFailed
from respkv.persistence.files import FileSystem
from respkv.persistence.manifest import Layout
from respkv.persistence.recovery import Recovered, recover, run_to_end
from respkv.server.durability import Durability
from respkv.server.server import Server

DATABASES = 2
STATES_AT_LEAST = {True: 30_000, False: 300}


class FailingDisk(NotingDisk):
    """Notes everything, and fails once where it is told to: a write after some bytes, or a sync."""

    def __init__(self) -> None:
        super().__init__()
        self.write_limit: int | None = None
        self.sync_fails = False

    def write(self, fd: int, pieces: list[bytes]) -> int:
        if self.write_limit is None:
            return super().write(fd, pieces)
        limit, self.write_limit = self.write_limit, 0 if self.write_limit else None
        if not limit:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(fd, [b"".join(pieces)[:limit]])

    def sync(self, fd: int) -> None:
        if self.sync_fails:
            self.sync_fails = False
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(fd)


class Life:
    """A server without sockets on a noting disk, and what its data were behind each batch."""

    def __init__(self, directory: Path, rng: Random, policy: str) -> None:
        self.directory = directory
        self.rng = rng
        self.policy = policy
        self.files = FailingDisk()
        self.workload = Workload(rng, keys_per_type=2)
        self.states: list[Digest] = [{}]
        self.turn_count = 0
        self.start()

    def start(self) -> None:
        """Start the server on what is in its directory."""
        self.engine, found = load(self.directory, self.files)
        self.engine.now_ms = START_MS + 1000 * self.turn_count
        self.server = Server(self.engine)
        self.session = self.server.open_session("127.0.0.1:1", "127.0.0.1:2")
        self.log = AppendLog(self.files, Layout(str(self.directory)), found.manifest, found.position, self.policy)
        # Syncs are made where this test says so: the thread must not come in between.
        self.log._syncer.pause()
        self.durability = Durability(self.server)
        self.durability.attach(self.log)

    def live(self, turns: int) -> None:
        """So many turns."""
        for _ in range(turns):
            self.turn()
            chance = self.rng.random()
            if chance < 0.3:
                self.sync()
            elif chance < 0.36:
                self.compact()
            elif chance < 0.39:
                self.fail_a_write()
            elif chance < 0.42:
                self.fail_a_sync()
            elif chance < 0.45:
                assert self.log.close()
                self.note_acknowledged()
                self.start()
        self.log.close()

    def turn(self) -> None:
        """One batch: what a client asks, or a key that expires."""
        self.turn_count += 1
        number = len(self.states)
        self.engine.now_ms += self.rng.choice((1, 20, 1500))
        commands = [[b"SET", b"batch", b"%d" % number], *self.workload.turn()]
        self.session.receive(b"".join(map(encode, [[b"SELECT", b"0"], *commands])))
        self.server.tick()
        if self.session.parked:  # a pop that found nothing: its time has come
            self.engine.now_ms += 1000
            self.server.tick()
            self.session.resume()
        self.server.ready.clear()
        self.session.take_output()
        assert not self.session.closing
        data = digest(self.engine)
        if last_batch(data) == number:  # it was not refused because of the disk
            self.states.append(data)
            self.files.ops.append(("issued", number))
        if self.engine.effects:
            self.durability.write()
        self.log._syncer.pause()

    def sync(self) -> None:
        """As the pump does when somebody waits, or the thread once a second."""
        self.durability.sync_now()
        assert not self.durability.failed
        self.note_acknowledged()

    def note_acknowledged(self) -> None:
        self.files.ops.append(("acknowledged", len(self.states) - 1))

    def compact(self) -> None:
        try:
            running = Compaction(self.log, DATABASES)
        except CompactionFailed:
            return
        self.engine.effects_db = -1
        self.note_acknowledged()
        self.turn()
        assert running.poll() is DONE, running.failure
        running.finish()
        for thread in threading.enumerate():
            if thread.name == "respkv-unlink":
                thread.join()

    def fail_a_write(self) -> None:
        """The disk is full in the middle of a batch; one turn later it has room again."""
        self.files.write_limit = self.rng.choice((0, 1, 30, 100))
        self.turn()
        if self.log.state is FAILED:
            self.turn()
            self.durability.retry()
        assert self.log.state is OK

    def fail_a_sync(self) -> None:
        """A sync fails; everything is written anew."""
        self.files.sync_fails = True
        self.durability.sync_now()
        self.files.sync_fails = False
        if self.log.state is POISONED:
            self.turn()
            self.log.rebase(lambda path: write_base(self.files, path, self.engine.databases, {}))
            self.engine.effects_db = -1
            self.durability.take_over_state()
            self.note_acknowledged()


def load(directory: Path, files: FileSystem) -> tuple[Engine, Recovered]:
    engine = open_engine(DATABASES)
    return engine, run_to_end(recover(files, Layout(str(directory)), engine, Replayer(engine)))


def check(life: Life, scratch: Path, rng: Random, share: float) -> int:
    """Load a share of all crash states; how many."""
    count = 0
    for number, (image, keep_names, keep_data) in enumerate(every_crash(life.files.ops)):
        if rng.random() > share:
            continue
        count += 1
        image.lay(life.directory, scratch, keep_names, keep_data)
        context: Any = (number, keep_names, keep_data, image.acknowledged, image.issued)
        files = NotingDisk()
        engine, _ = load(scratch, files)
        last = last_batch(digest(engine))
        assert image.acknowledged <= last <= image.issued, context
        assert digest(engine) == life.states[last], context
        engine.check()
        if files.ops and count % 10 == 0:  # and power fails again while that is put right
            again, _ = load(scratch, FileSystem())
            assert digest(again) == life.states[last], context
        shutil.rmtree(scratch)
    return count


def last_batch(data: Digest) -> int:
    """The number of the batch behind which the data were so; each one sets it, in one of the databases."""
    found = [int(keys[b"batch"][0]) for keys in data.values() if b"batch" in keys]
    return max(found, default=0)


@pytest.fixture(autouse=True)
def child_in_process(monkeypatch: pytest.MonkeyPatch) -> list[FileSystem]:
    files: list[FileSystem] = []
    monkeypatch.setattr(compaction, "_spawn", lambda: ChildInProcess(files[-1]))
    return files


@pytest.mark.parametrize("policy", [ALWAYS, EVERYSEC, NO])
def test_whatever_a_power_failure_leaves_is_a_prefix_with_all_that_was_promised(
    tmp_path: Path, rng: Random, is_long: bool, policy: str, child_in_process: list[FileSystem]
) -> None:
    wanted = STATES_AT_LEAST[is_long] // 3
    count = 0
    for number in range(1000):
        directory = tmp_path / f"life{number}"
        directory.mkdir()
        life = Life(directory, rng, policy)
        child_in_process.append(life.files)
        life.live(25)
        count += check(life, tmp_path / "scratch", rng, 0.5)
        shutil.rmtree(directory)
        if count >= wanted:
            break
    assert count >= wanted
