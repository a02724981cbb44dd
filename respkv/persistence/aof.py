"""The append-only log while the server runs: appends batches, makes them durable, changes files.

Positions are LSNs: the number of batches so far. `lsn` counts those handed over, `written_lsn` those in
the file, `durable_lsn` those that a power failure leaves there. A promise to a client rests on
`durable_lsn` alone.

States:

    OK        everything handed over is written
    FAILED    a write failed (disk full, say): batches wait in memory, `retry` writes them
    POISONED  a sync failed, or the manifest's state on disk is unknown: nothing in the current increment
    may be
              trusted beyond `durable_lsn`; only `rebase` (a new base from memory, a new increment) leads out
    CLOSED

Rule 1: the file ends with a whole batch, or the state is FAILED and `retry` cuts it first.
Rule 2: a failed sync is never repeated on the same file.
Rule 3: an increment is on disk as a whole before the manifest names its successor.
Rule 4: under `always` there may be prepared room behind the last batch (`preallocation.py`); a file that is appended
to no longer has none.

In FAILED and POISONED the server must refuse writes; what still arrives (an expiry's DEL) is kept in order.
"""

import contextlib
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from respkv.persistence.batch import FIRST_BATCH_BYTES, Effect, encode_pieces, first_batch, make_header, size_of
from respkv.persistence.files import FileSystem
from respkv.persistence.manifest import Layout, LogFile, Manifest, write_manifest
from respkv.persistence.preallocation import ROOM_MAX, SHORTEST_ROOM, filler, room_end
from respkv.persistence.sync_thread import SyncThread

ALWAYS: Final[str] = "always"
EVERYSEC: Final[str] = "everysec"
NO: Final[str] = "no"

OK: Final[str] = "ok"
FAILED: Final[str] = "failed"
POISONED: Final[str] = "poisoned"
CLOSED: Final[str] = "closed"

# A batch with larger arguments than this is written without a copy of them, if it has not many more pieces than that
# (POSIX promises 16 to a call, Linux takes 1024).
_COPIED_MAX: Final = 256 * 1024
_PIECES_MAX: Final = 12
# The filler of a room is written in addition to what is written over it: a batch as large as this needs none.
_ROOM_FOR_MAX: Final = 64 * 1024

_EVERYSEC_S: Final = 1.0
# After so long in one sync, Redis makes writers wait too (aof.c); it bounds what everysec can lose.
_STALL_S: Final = 2.0


class LogFailed(Exception):
    """The log cannot do what was asked; the text is the operating system's reason."""


@dataclass(frozen=True)
class LogPosition:
    """Where recovery left the last increment: its running checksum, size, and the batches before it.

    It is not appended to if it `is_copy`, not the file that was written: rooms of such may have gaps.
    """

    checksum: int = 0
    size: int = 0
    lsn: int = 0
    is_copy: bool = False


def begin_increment(files: FileSystem, fd: int) -> int:
    """Write what an increment begins with to a new file; the running checksum behind it. Raises: OSError."""
    data, checksum = first_batch(files.number(fd))
    files.write_whole(fd, data)
    return checksum


class AppendLog:
    """The log of one data directory, opened for appending; for one thread, like everything in the engine.

    `manifest` must be the one on disk; None starts a new log. `position` is where its last increment ends.

    Raises: OSError when files cannot be created or opened.
    """

    def __init__(
        self,
        files: FileSystem,
        layout: Layout,
        manifest: Manifest | None,
        position: LogPosition = LogPosition(),
        policy: str = ALWAYS,
    ) -> None:
        self.files = files
        self.layout = layout
        self.policy = policy
        self.lsn = self.written_lsn = self.durable_lsn = position.lsn
        self.state = OK
        self.failure = ""
        self.delayed_fsync_count = 0
        self.base_size = 0
        self._checksum = position.checksum
        self._size = position.size
        # How much room is prepared at most (and some of a block); 0: none. For whoever bounds what the files may take.
        self.room_max = ROOM_MAX
        # Where the prepared room ends, if there is any, and how far a batch may reach before that has to change.
        self._room_end = 0
        self._brink = self._brink_without_room()
        # What of it is known to be on stable storage.
        self._synced_size = position.size
        # What was written when a caller began to sync.
        self._begun_lsn = self._begun_size = 0
        self._older_size = 0
        self._pending: deque[list[bytes]] = deque()
        self._pending_bytes = 0
        self._has_torn_tail = False
        self._last_base_seq = 0
        self._last_incr_seq = 0
        fd = -1
        if manifest is not None and manifest.incrs:
            self.manifest = manifest
            path = layout.path(manifest.incrs[-1])
            fd = files.open_append(path)
            if files.size(path) == 0:  # as Redis makes them
                self._begin_file(begin_increment(files, fd))
            # What a killed server wrote may have been read back from the kernel's memory: from now on it is promised.
            files.sync(fd)
            if position.is_copy:
                files.close(fd)
                fd = -1
        if fd < 0:
            fd, checksum = self._start_increment(manifest or Manifest())
            self._begin_file(checksum)
        self._fd = fd
        self._measure()
        self._syncer = SyncThread(files.sync, _EVERYSEC_S if policy == EVERYSEC else 0.0)

    def append(self, effects: list[Effect]) -> int:
        """Write one batch; its LSN. It never raises for the disk's sake: look at `state`."""
        payload = encode_pieces(effects)
        if len(payload) > 1 and (len(payload) > _PIECES_MAX or size_of(payload) < _COPIED_MAX):
            payload = [b"".join(payload)]
        self.lsn += 1
        if self.state is not OK or not self._write(payload):
            self._pending.append(payload)
            self._pending_bytes += size_of(payload)
        elif self.policy == EVERYSEC:
            self._syncer.request(self._fd, self.written_lsn, self._size)
        return self.lsn

    def retry(self) -> bool:
        """Try again what failed; True when everything handed over is written."""
        if self.state is not FAILED:
            return self.state is OK
        try:
            if self._has_torn_tail:
                self._cut()
        except OSError as error:
            self.failure = _reason(error)
            return False
        while self._pending:
            if not self._write(self._pending[0]):
                return False
            self._pending_bytes -= size_of(self._pending.popleft())
        self.state = OK
        self.failure = ""
        if self.policy == EVERYSEC:
            self._syncer.request(self._fd, self.written_lsn, self._size)
        return True

    def sync_now(self) -> bool:
        """Make all that is written durable before returning; True if it is."""
        if self._syncer.is_pending or self._syncer.has_failed:
            self._syncer.pause()
            self.collect()
        if self.state in (POISONED, CLOSED):
            return False
        if self.durable_lsn < self.written_lsn:
            try:
                self.files.sync(self._fd)
            except OSError as error:
                self._poison(_reason(error))
                return False
            self.durable_lsn = self.written_lsn
            self._synced_size = self._size
        return True

    def begin_sync(self) -> int:
        """The descriptor for a caller that syncs it itself, all up to `written_lsn`; -1 if there is nothing to sync.

        Nobody may ask for anything but `append` until `end_sync`.
        """
        if self._syncer.is_pending or self._syncer.has_failed:
            self._syncer.pause()
            self.collect()
        if self.state in (POISONED, CLOSED) or self.durable_lsn >= self.written_lsn:
            return -1
        self._begun_lsn = self.written_lsn
        self._begun_size = self._size
        return self._fd

    def end_sync(self, error: OSError | None) -> None:
        """The sync ended: all that was written when it began is durable, or nothing more of this file can be."""
        if error is not None:
            self._poison(_reason(error))
        elif self._begun_lsn > self.durable_lsn:
            self.durable_lsn = self._begun_lsn
            self._synced_size = self._begun_size

    def request_sync(self) -> None:
        """Make all that is written durable in the background; `collect` tells when."""
        if self.durable_lsn < self.written_lsn and self.state in (OK, FAILED):
            self._syncer.request(self._fd, self.written_lsn, self._size)

    def collect(self) -> int:
        """Take the sync thread's results, when `wakeup_fd` is readable; the new `durable_lsn`."""
        synced_lsn, synced_size, error = self._syncer.collect()
        if synced_lsn > self.durable_lsn:
            self.durable_lsn = synced_lsn
            self._synced_size = synced_size
        if error is not None and self.state in (OK, FAILED):
            self._poison(_reason(error))
        return self.durable_lsn

    def set_policy(self, policy: str) -> None:
        """Change `appendfsync`."""
        self.policy = policy
        if self._room_end == 0:
            self._brink = self._brink_without_room()
        elif policy != ALWAYS and self.state is OK:
            with contextlib.suppress(OSError):  # then it goes when it is used up
                self._cut()
        self._syncer.set_interval(_EVERYSEC_S if policy == EVERYSEC else 0.0)
        if policy != NO:
            self.request_sync()

    def rotate(self) -> Manifest:
        """Append to a new increment from now on; the manifest as it was, whose files no longer change.

        Ask `request_sync` before and come when it is collected, and the sync in here has little to do.

        Raises: LogFailed when the log is not OK, or the change did not succeed; the old increment goes on
        then
            unless the state says otherwise.
        """
        if self.state is not OK or not self.sync_now():
            raise LogFailed(self.failure or f"the log is {self.state}")
        before = self.manifest
        try:
            fd, checksum = self._start_increment(before)
        except OSError as error:
            raise LogFailed(_reason(error)) from error
        if self._room_end:
            with contextlib.suppress(OSError):  # a reader takes it for what it is
                self._cut()
        self._switch(fd, checksum)
        return before

    def rebase(self, write_base: Callable[[str], object]) -> None:
        """Replace everything on disk by what `write_base` writes to the path it is given, durably.

        It must write all of memory as it is now, the pending batches included. The state is OK afterwards.

        Raises: LogFailed with the state as before (POISONED if it was OK or FAILED and the manifest is
        unknown).
        """
        if self.state is CLOSED:
            raise LogFailed("the log is closed")
        self._syncer.pause()
        self.collect()
        base = self.next_base()
        path = self.layout.path(base)
        try:
            write_base(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                self.files.unlink(path)
            raise LogFailed(_reason(error)) from error
        try:
            fd, checksum = self._start_increment(self.manifest, base)
        except OSError as error:  # the base stays: a manifest of unknown fate may name it
            raise LogFailed(_reason(error)) from error
        self._syncer.forget()
        self._pending.clear()
        self._pending_bytes = 0
        self._has_torn_tail = False
        self.state = OK
        self.failure = ""
        self.written_lsn = self.durable_lsn = self.lsn
        self._switch(fd, checksum)
        self._measure()

    def adopt(self, manifest: Manifest) -> None:
        """Put a manifest in place that names another base or history, but the same increment to append to.

        Raises: LogFailed, after which no file that either manifest names may be removed. The log goes on: its
            increment is in both.
        """
        try:
            if not self._put_manifest(manifest):
                raise LogFailed(self.failure)
        except OSError as error:
            raise LogFailed(_reason(error)) from error
        self._measure()

    def close(self) -> bool:
        """Make everything durable and let go of the files; True if it is."""
        if self.state is CLOSED:
            return not self._pending
        self.retry()
        is_durable = self.sync_now() and not self._pending
        if self._room_end and self.state is OK:
            with contextlib.suppress(OSError):
                self._cut()
        self._syncer.stop()
        self.files.close(self._fd)
        self.state = CLOSED
        return is_durable

    def abandon(self) -> None:
        """Close the file and do nothing more: in a forked child, which has no sync thread and no part in the log."""
        if self.state is not CLOSED:
            self.state = CLOSED
            self.files.close(self._fd)

    @property
    def wakeup_fd(self) -> int:
        """Becomes readable when the sync thread has something to `collect`."""
        return self._syncer.wakeup_fd

    @property
    def is_sync_in_flight(self) -> bool:
        """True while the thread waits for the disk (`aof_pending_bio_fsync`)."""
        return self._syncer.is_pending

    @property
    def must_delay_writes(self) -> bool:
        """True when everysec cannot keep its promise unless writers wait for the disk now."""
        return self.policy == EVERYSEC and self._syncer.busy_s > _STALL_S

    @property
    def current_size(self) -> int:
        """Bytes of all files that a start would load (`aof_current_size`)."""
        return self._older_size + self._size

    @property
    def segment_bytes(self) -> int:
        """Bytes of the increment that is appended to."""
        return self._size

    @property
    def pending_bytes(self) -> int:
        """Bytes handed over and not written (`aof_buffer_length`)."""
        return self._pending_bytes

    def _write(self, payload: list[bytes]) -> bool:
        """Write one batch as a whole, or leave the file as it was and the state FAILED."""
        header, checksum = make_header(payload, self._checksum, self._synced_size)
        pieces = [header, *payload]
        size = size_of(pieces)
        end = self._size + size
        try:
            if end > self._brink:
                self._make_room(end)
            taken = self.files.write(self._fd, pieces)
            if taken != size:
                self.files.write_whole(self._fd, b"".join(pieces)[taken:])
        except OSError as error:
            self.state = FAILED
            self.failure = _reason(error)
            self._has_torn_tail = True
            with contextlib.suppress(OSError):
                self._cut()
            return False
        self._checksum = checksum
        self._size = end
        self.written_lsn += 1
        return True

    def _make_room(self, end: int) -> None:
        """Prepare room for a batch that reaches to `end` and for others, or see that there is none to be cut short.

        Raises: OSError when what is left of the room cannot be taken away.
        """
        if self.policy == ALWAYS and self.room_max and end - self._size <= _ROOM_FOR_MAX:
            self._room_end = room_end(end, self.room_max)
            data = filler(self._size, self._room_end)
            with contextlib.suppress(OSError):  # a full disk may well have space for the batch alone
                if self.files.write_at(self._fd, data, self._size) == len(data):
                    self._brink = self._room_end - SHORTEST_ROOM
                    return
        if self._room_end:
            self._cut()

    def _cut(self) -> None:
        """Let the file end with its last whole batch. Raises: OSError."""
        self.files.truncate(self._fd, self._size)
        self._has_torn_tail = False
        self._room_end = 0
        self._brink = self._brink_without_room()

    def _brink_without_room(self) -> int:
        return -1 if self.policy == ALWAYS else sys.maxsize

    def _poison(self, reason: str) -> None:
        self.state = POISONED
        self.failure = reason

    def next_base(self) -> LogFile:
        """A name for a new base: one that nobody was given before, whatever became of that base."""
        self._last_base_seq = max(self.manifest.next_base_seq(), self._last_base_seq + 1)
        return self.layout.base_file(self._last_base_seq)

    def _start_increment(self, before: Manifest, base: LogFile | None = None) -> tuple[int, int]:
        """Create the next increment and name it in the manifest; with a new base, in place of all others.

        Returns its descriptor and its checksum so far.
        """
        if not self.files.is_directory(self.layout.log_directory):
            self.files.make_directory(self.layout.log_directory)
            self.files.sync_directory(self.layout.directory)
        self._last_incr_seq = max(before.next_incr_seq(), self._last_incr_seq + 1)
        incr = self.layout.incr_file(self._last_incr_seq)
        fd = self.files.open_new(self.layout.path(incr))
        after = before if base is None else before.with_base(base, ())
        try:
            checksum = begin_increment(self.files, fd)
            self.files.sync(fd)
            # Its name too, and that of a new base: nothing says that a later rename reaches the disk later.
            self.files.sync_directory(self.layout.log_directory)
            if not self._put_manifest(after.with_incr(incr)):
                self._poison(f"the manifest could not be written: {self.failure}")
                raise OSError(self.failure)
        except OSError:
            self.files.close(fd)
            raise
        return fd, checksum

    def _put_manifest(self, manifest: Manifest) -> bool:
        """Write the manifest; False if it is unknown whether a start would see the old one or this.

        Raises: OSError if the old one certainly holds.
        """
        try:
            write_manifest(self.files, self.layout, manifest)
        except OSError as error:
            if self._is_on_disk(manifest):
                self.failure = _reason(error)
                return False
            raise
        self.manifest = manifest
        return True

    def _is_on_disk(self, manifest: Manifest) -> bool:
        """True unless the manifest's file certainly holds something else, or does not exist."""
        path = self.layout.manifest_path
        try:
            return self.files.exists(path) and self.files.read_all(path) == manifest.encode()
        except OSError:
            return True

    def _switch(self, fd: int, checksum: int) -> None:
        self.files.close(self._fd)
        self._fd = fd
        self._older_size += self._size
        self._begin_file(checksum)

    def _begin_file(self, checksum: int) -> None:
        """The current increment is as `begin_increment` made it."""
        self._size = self._synced_size = FIRST_BATCH_BYTES
        self._checksum = checksum
        self._room_end = 0
        self._brink = self._brink_without_room()

    def _measure(self) -> None:
        """Take stock of the files: `base_size` is what growth is measured against.

        If a disk does not tell, the last figure stays: only when the next compaction comes depends on it.
        """
        with contextlib.suppress(OSError):
            self._older_size = sum(self.files.size(self.layout.path(item)) for item in self.manifest.to_load()[:-1])
        self.base_size = self._older_size + self._size


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
