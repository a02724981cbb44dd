"""Snapshots for clients that ask as replicas do (`redis-cli --rdb`): written to a file first, then sent from there.

Through a file, since the image of the engine takes memory for as long as it lasts, and a client may read slowly. All
who ask while one is being written share the next one. A client that takes nothing for `repl-timeout` seconds is closed.

Rule: there is one image at a time, of a transfer or of a save; whoever comes second waits.
"""

import contextlib
import logging
import os
from collections.abc import Callable

from respkv.engine.engine import Engine
from respkv.engine.snapshot import Snapshot
from respkv.persistence.base import SnapshotWriter
from respkv.persistence.files import FileSystem
from respkv.persistence.transfer import SharedSnapshot
from respkv.server import log as server_log
from respkv.server.replicas import Replica
from respkv.server.session import Session
from respkv.server.snapshot_thread import SnapshotThread

logger = logging.getLogger(__name__)

NewWriter = Callable[[Snapshot | None, str, bool], SnapshotWriter]
"""Makes the writer for an image (None for no data), a path, and with functions or not. Raises OSError."""


class Transfers:
    """All transfers of a server."""

    def __init__(self, engine: Engine, files: FileSystem, directory: str, new_writer: NewWriter) -> None:
        self.engine = engine
        self.files = files
        self._path = os.path.join(directory, f"transfer-{os.getpid()}.rdb")
        self._new_writer = new_writer
        self._waiting: list[Session] = []
        self._receivers: list[Session] = []
        self._sending: list[Session] = []
        self._thread: SnapshotThread | None = None
        # What the snapshot that is being written shows must be durable up to this batch.
        self._lsn = 0
        self._told_ms = 0

    @property
    def is_writing(self) -> bool:
        """Whether a snapshot is being written."""
        return self._thread is not None

    def add(self, session: Session) -> None:
        """Let `session` have the next snapshot."""
        self._waiting.append(session)

    def begin(self) -> None:
        """Begin the next snapshot, if anybody waits for it; there must be no other image."""
        waiting = [one for one in self._waiting if not one.closed]
        self._waiting = []
        if not waiting:
            return
        wanted = _wanted_by(waiting[0])
        self._receivers = [one for one in waiting if _wanted_by(one) == wanted]
        self._waiting = [one for one in waiting if _wanted_by(one) != wanted]
        wants_data, wants_functions = wanted
        image = Snapshot(self.engine)
        if not wants_data:
            image.close()
        try:
            writer = self._new_writer(image if wants_data else None, self._path, wants_functions)
        except OSError as error:
            image.close()
            self._give_up(error)
            return
        engine = self.engine
        self._lsn = (engine.batch if engine.effects else engine.batch - 1) if engine.logging else 0
        self._thread = SnapshotThread(writer, image, 0)

    def tick(self, timeout_s: int) -> None:
        """Go on writing; close who takes nothing."""
        now_ms = self.engine.now_ms
        thread = self._thread
        if thread is not None:
            if thread.feed_slices():
                self._thread = None
                self._deliver(thread)
            elif not 0 <= now_ms - self._told_ms < 1000:
                self._keep_alive(now_ms)
        self._sending = [one for one in self._sending if not one.closed]
        for session in self._sending:
            replica = _replica_of(session)
            if timeout_s and now_ms - replica.progress_ms > timeout_s * 1000:
                server_log.warning(logger, "a client takes no more of its snapshot; closed", client=session.address)
                session.kill()

    def abandon(self) -> None:
        """Stop, and leave no file behind."""
        if self._thread is not None:
            self._thread.abandon()
            self._thread = None

    def _keep_alive(self, now_ms: int) -> None:
        """An empty line now and then: the other side knows that it is not forgotten, as Redis does it."""
        self._told_ms = now_ms
        for session in [*self._receivers, *self._waiting]:
            if not session.closed:
                session.out.append(b"\n")
                session.server.ready.append(session)

    def _deliver(self, thread: SnapshotThread) -> None:
        receivers = [one for one in self._receivers if not one.closed]
        if thread.error is not None:
            self._give_up(thread.error)
            return
        self._receivers = []
        if not receivers:
            with contextlib.suppress(OSError):
                self.files.unlink(self._path)
            return
        try:
            snapshot = SharedSnapshot(self.files, self._path)
        except OSError as error:
            self._receivers = receivers
            self._give_up(error)
            return
        for session in receivers:
            replica = _replica_of(session)
            replica.transfer = snapshot.reader()
            replica.progress_ms = self.engine.now_ms
            session.wait_lsn = max(session.wait_lsn, self._lsn)
            session.out.append(b"$%d\r\n" % snapshot.size)
            session.server.ready.append(session)
            self._sending.append(session)

    def _give_up(self, error: OSError) -> None:
        server_log.warning(logger, "a snapshot for a client could not be written", reason=str(error))
        for session in self._receivers:
            session.kill()
        self._receivers = []


def _replica_of(session: Session) -> Replica:
    assert session.replica is not None
    return session.replica


def _wanted_by(session: Session) -> tuple[bool, bool]:
    replica = _replica_of(session)
    return replica.wants_data, replica.wants_functions
