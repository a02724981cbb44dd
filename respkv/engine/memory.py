"""What the data take: an estimate of bytes resident, from counts, without a walk over all keys.

    used = payload                  kept by the doors: the bytes of names and values (`Keyspace.payload_bytes`)
         + objects                  for each name and value what the interpreter puts around its bytes
         + tables                   of the dicts of each shard, as they say themselves

Rule 1: the process's own size, the interpreter and an empty server, is not in it, nor are clients' buffers: with
  `maxmemory` a user bounds the data. Resident size is what INFO calls `used_memory_rss`.
Rule 2: `Meter.used_bytes` may be asked before each command: it sums up what the doors count and takes the rest in
  proportion from the last look at all shards, which is renewed when the payload or the time has moved on.

Source of the constants: `sys.getsizeof` on CPython 3.11 to 3.13, and allocation in steps of 16 bytes (obmalloc.c); a
test holds the estimate against the growth of resident size.
"""

import sys
from typing import Any

from respkv.engine.engine import Engine
from respkv.engine.keyspace import Keyspace, payload_of
from respkv.engine.shards import Value

BYTES_OBJECT_BYTES = 33
"""A bytes object without its bytes."""

INT_OBJECT_BYTES = 32
"""An integer of up to 60 bits."""

STEP_BYTES = 16
"""Objects are allocated in multiples of this."""

LOST_BYTES = 12
"""Lost of an object's last step: 7.5 for random lengths, 15 for those of 16 and 64 bytes that people like to choose."""

KEY_OVERHEAD_BYTES = 2 * (BYTES_OBJECT_BYTES + LOST_BYTES)
"""Around a name and a value that is a string."""

EXPIRY_BYTES = INT_OBJECT_BYTES + 8
"""A time to live beside its table; 8 for what tables that have grown leave unused in the heap, as measured."""

EMPTY_DICT_BYTES = sys.getsizeof({})

SLOT_BYTES_MAX = 112
"""What a dict that is in use has room for, for each of its keys: 27 to 108 bytes. Where it takes more, most of its keys
are gone, and the sweeper will exchange it: it must not look as if more keys had to be evicted."""

RENEW_MS = 100
"""How old the last look at all shards may be."""

RENEW_BYTES = 256 * 1024
"""By how much the payload may change until shards are looked at again; a 64th of it, if that is more."""


class Usage:
    """What one database takes, or all. `tables_bytes` of names, `expiry_bytes` of times to live, with their tables."""

    def __init__(self) -> None:
        self.keys = 0
        self.expiring = 0
        self.payload_bytes = 0
        self.objects_bytes = 0
        self.tables_bytes = 0
        self.expiry_bytes = 0
        self.access_bytes = 0

    def add(self, other: "Usage") -> None:
        """Add what `other` counts."""
        self.keys += other.keys
        self.expiring += other.expiring
        self.payload_bytes += other.payload_bytes
        self.objects_bytes += other.objects_bytes
        self.tables_bytes += other.tables_bytes
        self.expiry_bytes += other.expiry_bytes
        self.access_bytes += other.access_bytes

    @property
    def overhead_bytes(self) -> int:
        """All that is not payload."""
        return self.objects_bytes + self.tables_bytes + self.expiry_bytes + self.access_bytes

    @property
    def total_bytes(self) -> int:
        """All."""
        return self.payload_bytes + self.overhead_bytes


def usage_of(db: Keyspace) -> Usage:
    """What `db` takes. O(shards)."""
    usage = Usage()
    usage.payload_bytes = db.payload_bytes
    keys = expiring = tables_bytes = expiry_bytes = access_bytes = 0
    for shard in db.shards:
        if shard.values:
            keys += len(shard.values)
            tables_bytes += _table_bytes(shard.values)
        if shard.expires:
            expiring += len(shard.expires)
            expiry_bytes += _table_bytes(shard.expires)
        if shard.accessed:
            access_bytes += _table_bytes(shard.accessed)
    usage.keys = keys
    usage.expiring = expiring
    usage.objects_bytes = keys * KEY_OVERHEAD_BYTES
    usage.tables_bytes = tables_bytes
    usage.expiry_bytes = expiry_bytes + expiring * EXPIRY_BYTES
    usage.access_bytes = access_bytes
    return usage


def _table_bytes(table: dict[bytes, Any]) -> int:
    return min(sys.getsizeof(table), EMPTY_DICT_BYTES + SLOT_BYTES_MAX * len(table))


def usage_of_all(engine: Engine) -> Usage:
    """What all databases take. O(shards of databases that are not empty)."""
    usage = Usage()
    for db in engine.databases:
        if db.payload_bytes:
            usage.add(usage_of(db))
    return usage


class Meter:
    """The used memory of `engine`, cheap to ask.

    With `payload_only` it counts the bytes of names and values alone, so that a limit on memory is one on the number of
    keys where all are of one size: for comparisons of hit rates, and tests.
    """

    def __init__(self, engine: Engine, *, payload_only: bool = False) -> None:
        self.engine = engine
        self.payload_only = payload_only
        self.peak_bytes = 0
        self._payload_bytes = 0
        self._overhead_bytes = 0
        self._renewed_at_ms = -1

    def used_bytes(self) -> int:
        """The estimate as of now. O(databases); O(shards) where the last look is too old."""
        payload_bytes = self.engine.reserved_bytes
        for db in self.engine.databases:
            payload_bytes += db.payload_bytes
        if self.payload_only:
            return payload_bytes
        change_bytes = payload_bytes - self._payload_bytes
        allowed_bytes = max(RENEW_BYTES, payload_bytes >> 6)
        if (
            change_bytes > allowed_bytes
            or -change_bytes > allowed_bytes
            or self.engine.now_ms - self._renewed_at_ms >= RENEW_MS
            or self.engine.now_ms < self._renewed_at_ms
        ):
            self.renew()
            change_bytes = 0
        used_bytes = payload_bytes + self._overhead_bytes
        if change_bytes and self._payload_bytes:
            used_bytes += self._overhead_bytes * change_bytes // self._payload_bytes
        if used_bytes > self.peak_bytes:
            self.peak_bytes = used_bytes
        return used_bytes

    def renew(self) -> None:
        """Look at all shards."""
        usage = usage_of_all(self.engine)
        self._payload_bytes = usage.payload_bytes + self.engine.reserved_bytes
        self._overhead_bytes = usage.overhead_bytes
        self._renewed_at_ms = self.engine.now_ms


def memory_usage(db: Keyspace, key: bytes, samples: int = 5) -> int | None:
    """Bytes that `key` and its value take, with its part of the tables, or None; no use of the key.

    Of a collection `samples` elements are measured (0: all) and the others taken to be like them.
    """
    shard = db.shard_of(key)
    value = shard.values.get(key)
    if value is None:
        return None
    total = _allocated(sys.getsizeof(key)) + _value_bytes(value, samples)
    total += _table_bytes(shard.values) // (len(shard.values) + 1)
    if key in shard.expires:
        total += EXPIRY_BYTES + _table_bytes(shard.expires) // (len(shard.expires) + 1)
    return total


def _value_bytes(value: Value, samples: int) -> int:
    if isinstance(value, bytes | int):
        return _allocated(sys.getsizeof(value))
    if isinstance(value, bytearray):
        # The object, and its bytes as a block of their own.
        return _allocated(sys.getsizeof(bytearray())) + _allocated(max(payload_of(value), 1) + 1)
    return int(value.memory_usage(samples))


def _allocated(size: int) -> int:
    return -(-size // STEP_BYTES) * STEP_BYTES
