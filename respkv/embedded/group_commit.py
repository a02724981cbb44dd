"""Group commit among threads: one syncs the log for all that have written, and the others wait for it.

    nobody syncs: write the batch, sync it with the latch open, tell everybody
    somebody does: wait; the next sync takes all that came meanwhile

Rule 1: everything here is called with the store's latch held. It is open only while the disk works.
Rule 2: at most one thread syncs the log, and whoever changes the log's files reserves it first (`reserve`), so that no
  file is closed or replaced under a sync.
"""

import threading
from collections.abc import Callable

from respkv.embedded.errors import DiskError
from respkv.persistence.aof import AppendLog
from respkv.server.durability import Durability


class GroupCommit:
    """Who syncs the log of a store, and who waits for that.

    Args:
        latch: the store's.
        changed: notified when a sync, or a reservation, has ended.
        durability: writes the batches.
        when_synced: called after each sync, whether it failed or not.
    """

    def __init__(
        self,
        latch: threading.Lock,
        changed: threading.Condition,
        durability: Durability,
        when_synced: Callable[[], None],
    ) -> None:
        self._latch = latch
        self._changed = changed
        self._durability = durability
        self._when_synced = when_synced
        self._syncing = False
        self._reserved = 0

    def wait_for(self, log: AppendLog, lsn: int) -> None:
        """Return when batch `lsn` of `log` is on disk. Raises DiskError."""
        durability = self._durability
        engine = durability.engine
        while engine.durable < lsn:
            if self._syncing or self._reserved:
                self._changed.wait()
                continue
            if durability.failed:
                raise self.disk_error()
            if engine.effects:
                durability.write()
            self._sync(log)

    def reserve(self) -> None:
        """Nobody syncs from now on, until `unreserve`."""
        self._reserved += 1
        while self._syncing:
            self._changed.wait()

    def unreserve(self) -> None:
        """Take one `reserve` back."""
        self._reserved -= 1
        self._changed.notify_all()

    def disk_error(self) -> DiskError:
        """Why writes are refused just now."""
        reason = self._durability.server.persistence.write_error
        return DiskError(f"the log cannot be written: {reason or 'the disk failed'}")

    def _sync(self, log: AppendLog) -> None:
        """Sync what is written, with the latch open meanwhile."""
        fd = log.begin_sync()
        if fd >= 0:
            self._syncing = True
            error: OSError | None = None
            self._latch.release()
            try:
                log.files.sync(fd)
            except OSError as problem:
                error = problem
            finally:
                # After an interrupt nobody knows how far it came: the next one takes it all.
                self._latch.acquire()
                self._syncing = False
                self._changed.notify_all()
            log.end_sync(error)
        self._durability.take_over_state()
        if self._durability.failed or fd >= 0:
            self._when_synced()
