"""Random lives of a server on a disk that notes and fails: what tests of crashes and faults let happen.

A life is commands of all types and transactions, syncs that come soon or late, compactions, rotations, writes and
syncs that fail, restarts, and a clock that jumps.
"""

import errno
import os
import threading
from pathlib import Path
from random import Random

from crash_disk import NotingDisk
from harness import START_MS, Digest, digest, encode
from workload import Workload

from respkv.commands.replay import Replayer
from respkv.engine.engine import Engine
from respkv.engine.keyspace import open_engine
from respkv.persistence.aof import FAILED, OK, POISONED, AppendLog
from respkv.persistence.base import write_base
from respkv.persistence.compaction import DONE, Compaction, CompactionFailed
from respkv.persistence.files import FileSystem
from respkv.persistence.manifest import Layout
from respkv.persistence.recovery import Recovered, recover, run_to_end
from respkv.server.durability import Durability
from respkv.server.server import Server

DATABASES = 2


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

    def __init__(self, directory: Path, rng: Random, policy: str, files: NotingDisk | None = None) -> None:
        self.directory = directory
        self.rng = rng
        self.policy = policy
        self.files = FailingDisk() if files is None else files
        self.workload = Workload(rng, keys_per_type=2)
        self.states: list[Digest] = [{}]
        self.turn_count = 0
        self.begin()

    def begin(self) -> None:
        """The first start, or one after an end."""
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
                self.begin()
        self.log.close()

    def turn(self) -> None:
        """One batch: what a client asks, or a key that expires."""
        self.turn_count += 1
        number = len(self.states)
        self.engine.now_ms += self.rng.choice((1, 1, 20, 20, 1500, 90_000_000, -4000))
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
        assert isinstance(self.files, FailingDisk)
        self.files.write_limit = self.rng.choice((0, 1, 30, 100))
        self.turn()
        if self.log.state is FAILED:
            self.turn()
            self.durability.retry()
        # A batch that was shorter than the limit has left the failure for a later one.
        self.files.write_limit = None
        assert self.log.state is OK

    def fail_a_sync(self) -> None:
        """A sync fails; everything is written anew."""
        assert isinstance(self.files, FailingDisk)
        self.files.sync_fails = True
        self.durability.sync_now()
        self.files.sync_fails = False
        if self.log.state is POISONED:
            self.turn()
            self.rebase()
            self.note_acknowledged()

    def rebase(self) -> None:
        """Write everything anew, as the service does after a failed sync. Raises LogFailed."""
        self.log.rebase(lambda path: write_base(self.files, path, self.engine.databases, {}))
        self.engine.effects_db = -1
        self.durability.take_over_state()


def load(directory: Path, files: FileSystem) -> tuple[Engine, Recovered]:
    engine = open_engine(DATABASES)
    return engine, run_to_end(recover(files, Layout(str(directory)), engine, Replayer(engine)))


def last_batch(data: Digest) -> int:
    """The number of the batch behind which the data were so; each one sets it, in one of the databases."""
    found = [int(keys[b"batch"][0]) for keys in data.values() if b"batch" in keys]
    return max(found, default=0)
