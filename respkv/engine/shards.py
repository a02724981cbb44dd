"""A shard: the smallest part of a database that is walked, resized, swept, scanned and copied as one.

A database has `SHARD_COUNT` shards, and a key lives in shard `hash(key) >> SHARD_SHIFT & SHARD_MASK`. Many small dicts
instead of one bound each pause that grows with a dict: its resize, a sweep over its expiries, a copy for a snapshot. At
five million keys a shard holds twenty thousand, whose resize takes about 0.3 ms.

The bits that choose the shard are the uppermost, since a dict looks first where the lowest say: if those were alike in
all keys of a shard, they would all begin in the same few places, and each new key meet two others on average.
"""

from heapq import heapify, heappop, heappush
from typing import Any, Final, TypeAlias

from mypy_extensions import mypyc_attr

from respkv.values.collection import NEVER_MS as NEVER_MS
from respkv.values.collection import Collection

SHARD_SHIFT: Final = 56
SHARD_COUNT: Final = 256
SHARD_MASK: Final = 255

Value: TypeAlias = Any
"""What a key holds. A string is `bytes`, `int` (after INCR) or `bytearray` (after it was edited in place)."""


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


_PLANS_MIN: Final = 64

_NO_PLANS: Final[list[tuple[int, bytes]]] = []
"""What all shards without plans share, which is nearly all; nobody may add to it."""


# Nothing in a shard refers to it or to its database. Where compiled, the garbage collector need not know of shards: an
# engine of 16 databases has 4096, and tests make and drop an engine each.
@mypyc_attr(acyclic=True)
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
        # When to look for expired elements of which collections, as a heap. What was planned otherwise since, or is of
        # keys that are gone, is passed over when its time comes, or goes when the heap has doubled.
        self.member_plans: list[tuple[int, bytes]] = _NO_PLANS
        self.member_plans_max = _PLANS_MIN

    def plan_members(self, key: bytes, value: Collection, at_ms: int) -> None:
        """Plan to look for expired elements of `value`, which is that of `key`, at `at_ms`. O(log n) on average."""
        value.plan_expiry(at_ms)
        if self.member_plans is _NO_PLANS:
            self.member_plans = []
        heappush(self.member_plans, (at_ms, key))
        if len(self.member_plans) > self.member_plans_max:
            # Set, so that what was planned twice for one time is kept once.
            self.member_plans = [(at, name) for at, name in set(self.member_plans) if self.is_planned(name, at)]
            heapify(self.member_plans)
            self.member_plans_max = max(_PLANS_MIN, 2 * len(self.member_plans))

    def take_plan(self, now_ms: int) -> bytes | None:
        """The key of a collection whose plan is for a time before `now_ms`, or None; the plan is taken back."""
        plans = self.member_plans
        while plans and plans[0][0] < now_ms:
            at_ms, key = heappop(plans)
            if self.is_planned(key, at_ms):
                self.values[key].plan_expiry(NEVER_MS)
                return key
        return None

    def drop_plans(self) -> None:
        """Have no plans, as all keys are gone. The list goes on elsewhere."""
        self.member_plans = _NO_PLANS

    def is_planned(self, key: bytes, at_ms: int) -> bool:
        """Whether the value of `key` is one that is to be looked at then."""
        value = self.values.get(key)
        return isinstance(value, Collection) and value.planned_expiry_ms() == at_ms

    def note_early(self, at_ms: int) -> None:
        """An expiry was set for `at_ms`, which is before `sweep_at_ms`."""
        self.early_count += 1
        if at_ms < self.early_at_ms:
            self.early_at_ms = at_ms

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(n)."""
        assert self.expires.keys() <= self.values.keys(), "an expiry without its key"
        assert self.accessed.keys() <= self.values.keys(), "an access mark without its key"
        for key, value in self.values.items():
            if isinstance(value, Collection) and value.next_expiry_ms() < NEVER_MS:
                plan = (value.planned_expiry_ms(), key)
                assert plan[0] <= value.next_expiry_ms(), "elements expire before the sweeper looks"
                assert plan in self.member_plans, "elements expire, and the sweeper does not know"
