"""Writes a whole data set as an RDB file, durably: a base of the log, or the snapshot of SAVE and BGSAVE.

Rule: the file is synced every few megabytes while it grows. One sync of all of it at the end would keep the disk
busy for seconds, and everyone else's sync would wait behind it.
"""

import contextlib
import os
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from respkv.engine.clock import unix_ms
from respkv.persistence.files import TEMPORARY, FileSystem
from respkv.persistence.rdb_format import FIELD_EXPIRY_VERSION
from respkv.persistence.rdb_values import ENCODERS
from respkv.persistence.rdb_writer import VERSION, Encoder, RdbWriter
from respkv.values.hashes import Hash

# What Redis writes about itself; version 7.0 is the oldest that loads a multi-part log.
_AUX: dict[bytes, bytes | int] = {b"redis-ver": b"7.4.0", b"redis-bits": 64}
_SYNC_EVERY_BYTES = 8 << 20


class Shard(Protocol):
    """A part of a database: its keys, and the unix times in ms at which some of them end."""

    @property
    def values(self) -> dict[bytes, Any]:
        """Value by key."""

    @property
    def expires(self) -> dict[bytes, int]:
        """Unix time in ms by key."""

    @property
    def member_plans(self) -> list[tuple[int, bytes]]:
        """The keys of collections whose elements expire, and maybe others."""


class ShardedDatabase(Protocol):
    """A database as its shards."""

    @property
    def index(self) -> int:
        """Its number."""

    @property
    def shards(self) -> Sequence[Shard]:
        """All shards; together they hold every key once."""


class _RdbFile:
    """An RDB file that is being written; exactly one of `finish` and `discard` ends it."""

    def __init__(
        self,
        files: FileSystem,
        path: str,
        sizes: Mapping[int, tuple[int, int]],
        aux: Mapping[bytes, bytes | int],
        functions: Sequence[bytes],
        encoders: dict[type, Encoder],
        version: int,
    ) -> None:
        self.files = files
        self.path = path
        self._sizes = sizes
        self._unsynced_bytes = 0
        self._selected = -1
        self._fd = files.open_new(path)
        try:
            self._writer = RdbWriter(self._write, encoders)
            self._writer.start({**_AUX, b"ctime": unix_ms() // 1000, **aux}, version)
            for library in functions:
                self._writer.write_function(library)
        except BaseException:
            self.discard()
            raise

    @property
    def key_count(self) -> int:
        """Keys written so far."""
        return self._writer.key_count

    @property
    def byte_count(self) -> int:
        """Bytes written so far; the file's size once it is finished."""
        return self._writer.byte_count

    def write(self, index: int, values: dict[bytes, Any], expires: dict[bytes, int]) -> None:
        """Add these keys of database `index`, and the times at which some of them end. Raises: OSError, TypeError."""
        if index != self._selected:
            self._writer.select_database(index, *self._sizes.get(index, (0, 0)))
            self._selected = index
        self._writer.write_keys(values, expires)

    def finish(self) -> None:
        """Write the end, and return when the file is on disk.

        Raises: OSError; then only `discard` makes sense: a failed sync is not to be tried again.
        """
        self._writer.finish()
        self.files.sync(self._fd)
        self._close()

    def discard(self) -> None:
        """Remove what was written so far. Calling it twice, or after `finish`, does nothing more."""
        if self._fd >= 0:
            self._close()
            with contextlib.suppress(OSError):
                self.files.unlink(self.path)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        self.files.close(fd)

    def _write(self, block: bytes) -> None:
        self._write_out(block)

    def _write_out(self, block: bytes) -> None:
        self.files.write_whole(self._fd, block)
        self._unsynced_bytes += len(block)
        if self._unsynced_bytes >= _SYNC_EVERY_BYTES:
            self.files.sync(self._fd)
            self._unsynced_bytes = 0


class SnapshotWriter(_RdbFile):
    """A snapshot that is given in slices, in any order, each key once; it takes the place of `path` at the end.

    `write` and `add` only encode, so that values may change afterwards; `drain` and `finish` wait for the disk. A
    server calls these two in a thread, one at a time, `drain` also while slices are added: see to it that
    `pending_bytes` does not grow without bound. `sizes` tells of each database the number of keys, and of those
    with an expiry, for whoever loads the file; `version` is what `version_for` says.

    Raises: OSError when the file cannot be created.
    """

    def __init__(
        self,
        files: FileSystem,
        path: str,
        sizes: Mapping[int, tuple[int, int]],
        functions: Sequence[bytes] = (),
        encoders: dict[type, Encoder] = ENCODERS,
        version: int = VERSION,
    ) -> None:
        directory, name = os.path.split(path)
        self._destination = path
        self._blocks: deque[bytes] = deque()
        path = os.path.join(directory, TEMPORARY + name)
        super().__init__(files, path, sizes, {b"aof-base": 0}, functions, encoders, version)

    def add(self, index: int, items: Sequence[tuple[bytes, Any, int]]) -> None:
        """Add these keys of database `index`: key, value, and the unix ms at which it ends or -1."""
        values = {key: value for key, value, _ in items}
        self.write(index, values, {key: at_ms for key, _, at_ms in items if at_ms >= 0})

    @property
    def pending_bytes(self) -> int:
        """Bytes that are encoded and wait for `drain`."""
        return sum(map(len, self._blocks))

    def drain(self) -> None:
        """Write out what was added so far. Raises: OSError."""
        while self._blocks:
            self._write_out(self._blocks.popleft())

    def finish(self) -> None:
        """Put the snapshot in its place, durably. Raises: OSError with the file that was there still there."""
        try:
            self._writer.finish()
            self.drain()
            self.files.sync(self._fd)
            self._close()
            self.files.rename(self.path, self._destination)
        except BaseException:
            with contextlib.suppress(OSError):
                self.files.unlink(self.path)
            raise
        self.files.sync_directory(os.path.dirname(self._destination) or ".")


def write_base(
    files: FileSystem,
    path: str,
    databases: Sequence[ShardedDatabase],
    aux: Mapping[bytes, bytes | int],
    functions: Sequence[bytes] = (),
    encoders: dict[type, Encoder] = ENCODERS,
) -> int:
    """Write all keys of all databases to `path` and sync it; the number of keys.

    `aux` adds to what the file says about itself (`used-mem`). The data must not change meanwhile.

    Raises: OSError, with nothing left at `path`.
    """
    version = version_for(databases)
    file = _RdbFile(files, path, _sizes(databases), {b"aof-base": 1, **aux}, functions, encoders, version)
    try:
        for database in databases:
            for shard in database.shards:
                if shard.values:
                    file.write(database.index, shard.values, shard.expires)
        file.finish()
    finally:
        file.discard()
    return file.key_count


def write_snapshot(
    files: FileSystem,
    path: str,
    databases: Sequence[ShardedDatabase],
    functions: Sequence[bytes] = (),
    encoders: dict[type, Encoder] = ENCODERS,
) -> int:
    """Write all keys as the snapshot at `path` while everyone waits (SAVE); the number of keys. Raises: OSError."""
    file = SnapshotWriter(files, path, _sizes(databases), functions, encoders, version_for(databases))
    try:
        for database in databases:
            for shard in database.shards:
                if shard.values:
                    file.write(database.index, shard.values, shard.expires)
                    file.drain()
        file.finish()
    finally:
        file.discard()
    return file.key_count


def version_for(databases: Sequence[ShardedDatabase]) -> int:
    """The RDB version that a file of these data has to have: a later one only for fields that expire. O(shards)."""
    for database in databases:
        for shard in database.shards:
            for _, key in shard.member_plans:
                value = shard.values.get(key)
                if isinstance(value, Hash) and value.expires:
                    return FIELD_EXPIRY_VERSION
    return VERSION


def _sizes(databases: Sequence[ShardedDatabase]) -> dict[int, tuple[int, int]]:
    return {
        database.index: (
            sum(len(shard.values) for shard in database.shards),
            sum(len(shard.expires) for shard in database.shards),
        )
        for database in databases
    }
