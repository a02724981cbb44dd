"""Writes a whole data set as a base (or any RDB file), durably."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from respkv.persistence.files import FileSystem
from respkv.persistence.rdb_writer import Encoder, RdbWriter

# What Redis writes about itself; version 7.0 is the oldest that loads a multi-part log.
_AUX: dict[bytes, bytes | int] = {b"redis-ver": b"7.4.0", b"redis-bits": 64, b"aof-base": 1}


class Shard(Protocol):
    """A part of a database: its keys, and the unix times in ms at which some of them end."""

    @property
    def values(self) -> dict[bytes, Any]:
        """Value by key."""

    @property
    def expires(self) -> dict[bytes, int]:
        """Unix time in ms by key."""


class ShardedDatabase(Protocol):
    """A database as its shards."""

    @property
    def shards(self) -> Sequence[Shard]:
        """All shards; together they hold every key once."""


def write_base(
    files: FileSystem,
    path: str,
    databases: Sequence[ShardedDatabase],
    aux: Mapping[bytes, bytes | int],
    functions: Sequence[bytes] = (),
    encoders: dict[type, Encoder] | None = None,
) -> int:
    """Write all keys of all databases to `path` and sync it; the number of keys.

    `aux` adds to what the file says about itself (`ctime`, `used-mem`). The data must not change meanwhile.

    Raises: OSError, with what was written still at `path`.
    """
    fd = files.open_new(path)
    try:
        writer = RdbWriter(lambda block: files.write_whole(fd, block), encoders or {})
        writer.start({**_AUX, **aux})
        for library in functions:
            writer.write_function(library)
        for index, database in enumerate(databases):
            key_count = sum(len(shard.values) for shard in database.shards)
            if key_count:
                expire_count = sum(len(shard.expires) for shard in database.shards)
                writer.select_database(index, key_count, expire_count)
                for shard in database.shards:
                    writer.write_keys(shard.values, shard.expires)
        writer.finish()
        files.sync(fd)
    finally:
        files.close(fd)
    return writer.key_count
