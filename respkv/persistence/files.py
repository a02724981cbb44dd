"""The only operations on files that persistence performs.

Rule 1: no other module of persistence calls `os` or `open` on a data file, so that a test can put a recording
or failing `FileSystem` in this one's place and see every write, sync and rename in its order.
Rule 2: nothing here retries a sync. After one failure the kernel may have marked the lost pages clean, and a
second call would succeed without the data being anywhere (Rebello et al., ATC 2020).
Rule 3: a rename counts as done only after `sync_directory`.

Errors leave as `OSError`, untranslated: callers decide what a failure means for the data.
"""

import contextlib
import os
import sys
from collections.abc import Callable

# Windows text mode would turn \n into \r\n; elsewhere the flag does not exist.
_BINARY = getattr(os, "O_BINARY", 0)

_write: Callable[[int, list[bytes]], int]
_sync: Callable[[int], None]
if sys.platform == "win32":

    def _write(fd: int, pieces: list[bytes]) -> int:
        return os.write(fd, b"".join(pieces))

    _sync = os.fsync
elif sys.platform == "darwin":
    import fcntl

    _write = os.writev

    def _sync(fd: int) -> None:
        # A plain sync reaches the drive's own cache only.
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
else:
    _write = os.writev
    _sync = getattr(os, "fdatasync", os.fsync)

# What the name of a file that is not finished begins with; it is renamed once it is.
TEMPORARY = "temp-"


class FileSystem:
    """Plain file operations by path and descriptor, each one call of the operating system or nearly so."""

    def open_append(self, path: str) -> int:
        """A descriptor that writes on from the end of `path`, which is created when missing."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | _BINARY, 0o644)
        os.lseek(fd, 0, os.SEEK_END)
        return fd

    def open_new(self, path: str) -> int:
        """A descriptor that writes `path` from the start, whatever was there before."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY, 0o644)

    def open_read(self, path: str) -> int:
        """A descriptor for `read_at`."""
        return os.open(path, os.O_RDONLY | _BINARY)

    def close(self, fd: int) -> None:
        """Give the descriptor back; says nothing about durability."""
        os.close(fd)

    def read_at(self, fd: int, offset: int, byte_count: int) -> bytes:
        """Up to `byte_count` bytes from `offset`; fewer at the end of the file only."""
        pieces: list[bytes] = []
        while byte_count > 0:
            piece = self._read_once(fd, offset, byte_count)
            if not piece:
                break
            if len(piece) == byte_count and not pieces:
                return piece
            pieces.append(piece)
            offset += len(piece)
            byte_count -= len(piece)
        return b"".join(pieces)

    def _read_once(self, fd: int, offset: int, byte_count: int) -> bytes:
        if sys.platform == "win32":
            os.lseek(fd, offset, os.SEEK_SET)
            return os.read(fd, byte_count)
        return os.pread(fd, byte_count, offset)

    # These two are called once a turn: without a function of Python around the system's.

    write = staticmethod(_write)
    """Write the pieces behind what was written last, in one call; the bytes taken, which can be fewer than given."""

    sync = staticmethod(_sync)
    """Return when the file's data, and the size needed to read it, are on stable storage."""

    def write_at(self, fd: int, data: bytes, offset: int) -> int:
        """Write `data` at `offset`, without moving where `write` goes on; the bytes taken, perhaps fewer."""
        if sys.platform == "win32":
            at = os.lseek(fd, 0, os.SEEK_CUR)
            os.lseek(fd, offset, os.SEEK_SET)
            try:
                return os.write(fd, data)
            finally:
                os.lseek(fd, at, os.SEEK_SET)
        return os.pwrite(fd, data, offset)

    def truncate(self, fd: int, byte_count: int) -> None:
        """Cut the open file to its first `byte_count` bytes, and write on from there."""
        os.ftruncate(fd, byte_count)
        os.lseek(fd, byte_count, os.SEEK_SET)

    def rename(self, source: str, destination: str) -> None:
        """Put `source` in the place of `destination` atomically; both on one file system."""
        os.replace(source, destination)

    def sync_directory(self, path: str) -> None:
        """Return when creations, renames and removals in the directory are on stable storage.

        Windows has no such operation; NTFS journals metadata itself.
        """
        if sys.platform == "win32":
            return
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def unlink(self, path: str) -> None:
        """Remove the file's name."""
        os.unlink(path)

    def exists(self, path: str) -> bool:
        """True when something bears the name."""
        return os.path.exists(path)

    def is_directory(self, path: str) -> bool:
        """True when `path` is a directory."""
        return os.path.isdir(path)

    def size(self, path: str) -> int:
        """The file's length in bytes."""
        return os.stat(path).st_size

    def number(self, fd: int) -> int:
        """What tells the open file from its copies for as long as it exists, below 2**64 (its inode)."""
        return os.fstat(fd).st_ino & 0xFFFF_FFFF_FFFF_FFFF

    def list_directory(self, path: str) -> list[str]:
        """The names in the directory, sorted."""
        return sorted(os.listdir(path))

    def make_directory(self, path: str) -> None:
        """Create the directory and those above it where missing."""
        os.makedirs(path, exist_ok=True)

    def read_all(self, path: str) -> bytes:
        """The whole file. For small ones: manifests and the lock."""
        fd = self.open_read(path)
        try:
            return self.read_at(fd, 0, os.fstat(fd).st_size)
        finally:
            self.close(fd)

    def write_whole(self, fd: int, data: bytes) -> None:
        """Write all of `data`, in as many calls as it takes."""
        taken = self.write(fd, [data])
        while taken < len(data):
            taken += self.write(fd, [data[taken:]])

    def replace_file(self, path: str, data: bytes) -> None:
        """Put `data` at `path` so that a crash leaves either the old file or the new one, and durably so."""
        directory, name = os.path.split(path)
        temporary = os.path.join(directory, TEMPORARY + name)
        fd = self.open_new(temporary)
        try:
            self.write_whole(fd, data)
            self.sync(fd)
        except BaseException:
            self.close(fd)
            with contextlib.suppress(OSError):
                self.unlink(temporary)
            raise
        self.close(fd)
        self.rename(temporary, path)
        self.sync_directory(directory or ".")
