"""A shard: the smallest part of a database that is walked, resized, swept, scanned and copied as one.

A database has `SHARD_COUNT` shards, and a key lives in shard `hash(key) & SHARD_MASK`. Many small dicts instead
of one bound each pause that grows with a dict: its resize, a sweep over its expiries, a copy for a snapshot. At
five million keys a shard holds twenty thousand, whose resize takes about 0.3 ms.
"""

from typing import Any, TypeAlias

SHARD_BITS = 8
SHARD_COUNT = 256
SHARD_MASK = 255

Value: TypeAlias = Any
"""What a key holds. A string is `bytes`, `int` (after INCR) or `bytearray` (after it was edited in place)."""


class Shard:
    """Keys and their values; expiries and access marks only for keys that have them.

    Invariants: every key of `expires` is in `values`; so is every key of `accessed`.
    """

    def __init__(self) -> None:
        self.values: dict[bytes, Value] = {}
        # Absolute unix times in ms.
        self.expires: dict[bytes, int] = {}
        # The access clock (LRU) or the frequency counter (LFU), while an eviction policy needs one.
        self.accessed: dict[bytes, int] = {}
        # True while a snapshot has still to copy this shard.
        self.unsaved = False

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(n)."""
        assert self.expires.keys() <= self.values.keys(), "an expiry without its key"
        assert self.accessed.keys() <= self.values.keys(), "an access mark without its key"
