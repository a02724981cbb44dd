"""One server per data directory: the lock file `respkv.lock` and the kernel lock upon it.

The kernel's lock decides; the text inside only tells people who holds it. So a `kill -9` leaves nothing
stale: the lock dies with its holder, and the file that stays behind locks nobody out. The file is never
removed: two processes could otherwise each hold a lock on a different file of the same name.
"""

import os
import socket
import sys

from respkv.engine.clock import date_text
from respkv.errors import StartupError

LOCK_NAME = "respkv.lock"
# Windows locks byte ranges and forbids reading them, so the range lies far behind the text.
_WINDOWS_LOCK_OFFSET = 1 << 30


class DirectoryInUse(StartupError):
    """Another process holds the data directory; `holder` is what it wrote about itself, possibly nothing."""

    def __init__(self, directory: str, holder: str) -> None:
        super().__init__(
            f"data directory {directory} is in use by another server"
            f" ({holder or 'it did not write its name'}); stop it or choose another --dir"
        )
        self.holder = holder


class DirectoryLock:
    """The right to use a data directory, held from construction until `release`.

    Raises: DirectoryInUse naming the holder; OSError when the lock file cannot be opened.
    """

    def __init__(self, directory: str) -> None:
        path = os.path.join(directory, LOCK_NAME)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        try:
            _lock(self._fd)
        except OSError as error:
            holder = os.read(self._fd, 1024).decode("utf-8", "replace").strip()
            os.close(self._fd)
            raise DirectoryInUse(directory, holder) from error
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"pid {os.getpid()} on {socket.gethostname()} since {date_text()}\n".encode())

    def release(self) -> None:
        """Let the next server have the directory. Calling it twice does nothing more."""
        if self._fd < 0:
            return
        os.ftruncate(self._fd, 0)
        _unlock(self._fd)
        self.abandon()

    def abandon(self) -> None:
        """Close this process's copy of the lock: a forked child's, whose parent goes on to hold the directory."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _lock(fd: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(fd, _WINDOWS_LOCK_OFFSET, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(fd, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _unlock(fd: int) -> None:
    # By name, and not only by closing: a child that was forked meanwhile has a copy of the descriptor.
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_UN)
