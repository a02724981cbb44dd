"""A finished snapshot file that is read by several, each at his own pace, and is gone when the last one is done."""

import contextlib
import os

from respkv.persistence.files import FileSystem


class SharedSnapshot:
    """The file at `path`, open for reading. It loses its name at once, where the system lets an open file do so.

    Raises: OSError.
    """

    def __init__(self, files: FileSystem, path: str) -> None:
        self.files = files
        self.path = path
        self.size = files.size(path)
        self.fd = files.open_read(path)
        self._readers = 0
        with contextlib.suppress(OSError):
            files.unlink(path)

    def reader(self) -> "SnapshotReader":
        """Another reader, from the beginning."""
        self._readers += 1
        return SnapshotReader(self)

    def release(self) -> None:
        """A reader is done."""
        self._readers -= 1
        if self._readers == 0:
            self.files.close(self.fd)
            with contextlib.suppress(OSError):
                self.files.unlink(self.path)


class SnapshotReader:
    """One pass over a `SharedSnapshot`."""

    def __init__(self, snapshot: SharedSnapshot) -> None:
        self.size = snapshot.size
        self._snapshot: SharedSnapshot | None = snapshot
        self._offset = 0

    def read(self, byte_count: int) -> bytes:
        """The next bytes, at most so many; none at the end. Raises: OSError."""
        if self._snapshot is None or self._offset >= self.size:
            return b""
        count = min(byte_count, self.size - self._offset)
        data = self._snapshot.files.read_at(self._snapshot.fd, self._offset, count)
        if len(data) < count:
            raise OSError(f"{os.path.basename(self._snapshot.path)} ends too soon")
        self._offset += count
        return data

    def close(self) -> None:
        """Let go of the file; more than once does no more."""
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is not None:
            snapshot.release()
