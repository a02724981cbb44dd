"""A shard: the smallest part of a database that is walked, resized, swept, scanned and copied as one.

A database has `SHARD_COUNT` shards, and a key lives in shard `hash(key) & SHARD_MASK`. Many small dicts instead
of one bound each pause that grows with a dict: its resize, a sweep over its expiries, a copy for a snapshot. At
five million keys a shard holds twenty thousand, whose resize takes about 0.3 ms.
"""

from typing import Any, Final, TypeAlias

SHARD_BITS: Final = 8
SHARD_COUNT: Final = 256
SHARD_MASK: Final = 255

Value: TypeAlias = Any
"""What a key holds. A string is `bytes`, `int` (after INCR) or `bytearray` (after it was edited in place)."""

NEVER_MS: Final = (1 << 62) - 1
"""Later than any time the sweeper plans for; the largest integer that compiled code keeps unboxed."""


def type_name_of(value: Value) -> bytes:
    """The name that TYPE gives to the type of `value`."""
    if isinstance(value, bytes | int | bytearray):
        return b"string"
    name: bytes = value.type_name
    return name


def copy_of(value: Value) -> Value:
    """A value that shares nothing with `value` that can change. O(size) for those changed in place."""
    if isinstance(value, bytes | int):
        return value
    return value.copy()


class Shard:
    """Keys and their values; expiries and access marks only for keys that have them.

    Invariants: every key of `expires` is in `values`; so is every key of `accessed`. An expiry earlier than
    `sweep_at_ms` that was set since the last sweep is counted in `early_count`, and none is before `early_at_ms`.
    """

    def __init__(self) -> None:
        self.values: dict[bytes, Value] = {}
        # Absolute unix times in ms.
        self.expires: dict[bytes, int] = {}
        # The access clock (LRU) or the frequency counter (LFU), while an eviction policy needs one.
        self.accessed: dict[bytes, int] = {}
        # True while a snapshot has still to copy this shard.
        self.unsaved = False
        # The sweeper's plan: when it means to look through `expires` next, and how many expiries before that were set
        # since it looked, the earliest of them at `early_at_ms`.
        self.sweep_at_ms = NEVER_MS
        self.early_count = 0
        self.early_at_ms = NEVER_MS

    def note_early(self, at_ms: int) -> None:
        """An expiry was set for `at_ms`, which is before `sweep_at_ms`."""
        self.early_count += 1
        if at_ms < self.early_at_ms:
            self.early_at_ms = at_ms

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(n)."""
        assert self.expires.keys() <= self.values.keys(), "an expiry without its key"
        assert self.accessed.keys() <= self.values.keys(), "an access mark without its key"
