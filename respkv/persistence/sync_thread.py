"""The one thread that waits for the disk, so that the event loop need not.

Rule 1: at most one sync is in flight; what is asked for meanwhile is covered by the next one as a whole.
Rule 2: a failed sync is final for its file: the thread reports it and syncs nothing more until `forget`.
Rule 3: the loop learns of results by `wakeup_fd` becoming readable, and takes them with `collect`.
"""

import math
import threading
import time
from collections.abc import Callable

from respkv.persistence.wakeup import Wakeup


class SyncThread:
    """Syncs the newest position that it was given; `interval_s` apart at least (0: at once)."""

    def __init__(self, sync: Callable[[int], None], interval_s: float) -> None:
        self._sync = sync
        self._now_s: Callable[[], float] = time.monotonic  # a test has its own
        self._interval_s = interval_s
        self._changed = threading.Condition(threading.Lock())
        self._fd = -1
        self._wanted_lsn = 0
        self._wanted_size = 0
        self._is_wanted = False
        self._is_busy = False
        self._is_stopping = False
        self._started_at_s = 0.0
        self._synced_lsn = 0
        self._synced_size = 0
        self._error: OSError | None = None
        self._wakeup = Wakeup()
        self._worker = threading.Thread(target=self._run, name="respkv-sync", daemon=True)
        self._worker.start()

    @property
    def wakeup_fd(self) -> int:
        """Becomes readable when there is something to `collect`."""
        return self._wakeup.fd

    @property
    def is_busy(self) -> bool:
        """True while a sync is in flight."""
        return self._is_busy

    @property
    def is_pending(self) -> bool:
        """True while a sync is in flight or about to be."""
        return self._is_busy or self._is_wanted

    @property
    def has_failed(self) -> bool:
        """True from a failed sync to `forget`."""
        return self._error is not None

    @property
    def busy_s(self) -> float:
        """How long the sync in flight has taken so far; 0 when there is none."""
        return self._now_s() - self._started_at_s if self._is_busy else 0.0

    def request(self, fd: int, lsn: int, size: int) -> None:
        """Sync `fd`, `size` bytes that hold all up to `lsn`, as soon as rules 1 and 2 and the interval allow."""
        self._fd = fd
        self._wanted_size = size
        self._wanted_lsn = lsn
        # While a sync is wanted the thread has not yet read these: mostly there is no lock to take, and nobody to wake.
        if not self._is_wanted:
            with self._changed:
                self._is_wanted = True
                self._changed.notify_all()

    def set_interval(self, interval_s: float) -> None:
        """Sync with another rhythm from now on."""
        with self._changed:
            self._interval_s = interval_s
            self._changed.notify_all()

    def collect(self) -> tuple[int, int, OSError | None]:
        """The position and size that are on disk as far as this thread knows, and the error that ended its work."""
        self._wakeup.clear()
        with self._changed:
            return self._synced_lsn, self._synced_size, self._error

    def pause(self) -> None:
        """Return when no sync is in flight, having dropped what was asked for but not begun."""
        with self._changed:
            self._is_wanted = False
            while self._is_busy:
                self._changed.wait()

    def forget(self) -> None:
        """Take up work again after an error: the file has been replaced."""
        with self._changed:
            self._error = None

    def stop(self) -> None:
        """End the thread, after the sync in flight."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        self._worker.join()
        self._wakeup.close()

    def _run(self) -> None:
        last_at_s = -math.inf
        while True:
            with self._changed:
                while not self._may_start(last_at_s):
                    if self._is_stopping:
                        return
                    wait_s = last_at_s + self._interval_s - self._now_s() if self._is_wanted else None
                    self._changed.wait(None if self._error else wait_s)
                last_at_s = self._started_at_s = self._now_s()
                self._is_busy = True
                # In the opposite order of `request`, so that nothing is taken for synced that is newer than the rest.
                self._is_wanted = False
                lsn = self._wanted_lsn
                size = self._wanted_size
                fd = self._fd
            error = None
            try:
                self._sync(fd)
            except OSError as problem:
                error = problem
            with self._changed:
                self._is_busy = False
                if error is None:
                    self._synced_lsn = lsn
                    self._synced_size = size
                else:
                    self._error = error
                self._changed.notify_all()
            self._wakeup.set()

    def _may_start(self, last_at_s: float) -> bool:
        return (
            self._is_wanted
            and self._error is None
            and not self._is_stopping
            and self._now_s() >= last_at_s + self._interval_s
        )
