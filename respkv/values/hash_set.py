"""A set of any size with members at random in O(1), none of whose operations takes longer for the size of the set.

Python's own set does neither: it has no way to its n-th slot, and at a million members growing takes 40 ms. So this one
is many small ones, parts, by the method of extendible hashing. A member's place is a number of 45 bits, taken from its
hash; the first bits of it are the index in a directory of parts.

    directory, depth 2     00 | 01 | 10 | 11
    parts                  {..}   {..}  {...}        the first is of depth 1, so it has two entries

A part that becomes too large is split by the next bit, which doubles the directory if it was as deep as that; two
that have become small are one again. At all times, a part has at most `PART_MAX` members, for which CPython keeps a
table of 512 slots, 27 to 54 bytes a member; one large set takes as much.

To choose a member at random, choose an entry of the directory, and a number up to `PART_MAX`: if its part has not so
many members, choose again. Each member has one such number, so all are equally likely. A part of several entries counts
at its first one only. Since a set has no n-th member, the part's members are put into a list, its order, when it is
first asked for one; the order is kept up while members are added or taken at random, and dropped when others go.

Source: Fagin, Nievergelt, Pippenger, Strong, "Extendible hashing", TODS 4 (1979).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from mypy_extensions import i64

Chance: TypeAlias = Callable[[], float]
"""A number from 0 on and below 1 at each call, such as the `random` of a `random.Random`."""

PART_MAX: Final = 306
"""CPython gives a set of 512 slots more of them when it is to have 307 members."""

MERGED_MAX: Final = PART_MAX // 2
"""Two parts of together so many members or less become one: far enough from what a split leaves."""

_SMALL: Final = MERGED_MAX // 2

_FILLED: Final = 270
"""A part of so many members on average seldom has to be split."""

_DEPTH_MAX: Final = 30

PLACE_BITS: Final = 45
_PLACE_MASK: Final = (1 << PLACE_BITS) - 1
_LOW_BITS: Final = 8
_TOP: Final = PLACE_BITS + _LOW_BITS


class HashSet:
    """A set of bytes; see the head of this module.

    `parts` and `depths` have 2 ** `depth` entries; a part of depth d stands at 2 ** (`depth` - d) of them, side by
    side. `deepest` counts the parts of depth `depth`. `orders` has the lists that there are, by first entry.
    """

    def __init__(self, expected: int = 0) -> None:
        """An empty one, which will soon have about so many members."""
        self.count = 0
        self.depth = (expected // _FILLED).bit_length()
        self.shift = _TOP - self.depth
        self.mask = (1 << self.depth) - 1
        self.parts: list[set[bytes]] = [set() for _ in range(1 << self.depth)]
        self.depths: list[int] = [self.depth] * (1 << self.depth)
        self.deepest = 1 << self.depth
        self.orders: dict[int, list[bytes]] = {}

    def has(self, member: bytes) -> bool:
        """Whether `member` is in it. O(1)."""
        return member in self.parts[(hash(member) >> self.shift) & self.mask]

    def add(self, member: bytes) -> bool:
        """Put `member` in; whether it is new. O(1)."""
        at = (hash(member) >> self.shift) & self.mask
        part = self.parts[at]
        before = len(part)
        part.add(member)
        if len(part) == before:
            return False
        self.count += 1
        if self.orders:
            order = self.orders.get(self._first(at))
            if order is not None:
                order.append(member)
        if before >= PART_MAX:
            self._split(at)
        return True

    def discard(self, member: bytes) -> bool:
        """Take `member` out; whether it was there. O(1)."""
        at = (hash(member) >> self.shift) & self.mask
        part = self.parts[at]
        before = len(part)
        part.discard(member)
        if len(part) == before:
            return False
        self.count -= 1
        if self.orders:
            self.orders.pop(self._first(at), None)
        if before <= _SMALL and self.depth:
            self._merge(at)
        return True

    def pick(self, chance: Chance) -> bytes:
        """Some member, each as likely as any other. O(1): about three tries; O(part) where a part has no order."""
        slot, place = self._choose(chance)
        return self._order_of(slot)[place]

    def take(self, chance: Chance) -> bytes:
        """As `pick`, and the member is taken out."""
        slot, place = self._choose(chance)
        order = self._order_of(slot)
        member = order[place]
        last = order.pop()
        if place < len(order):
            order[place] = last
        part = self.parts[slot]
        part.discard(member)
        self.count -= 1
        if len(part) < _SMALL and self.depth:
            self._merge(slot)
        return member

    def _choose(self, chance: Chance) -> tuple[int, int]:
        """The first entry of a part, and a place in it."""
        parts = self.parts
        if len(parts) == 1:
            return 0, int(chance() * len(parts[0]))
        places = len(parts) * PART_MAX
        while True:
            place = int(chance() * places)
            slot = place // PART_MAX
            place -= slot * PART_MAX
            if place < len(parts[slot]) and self._first(slot) == slot:
                return slot, place

    def _order_of(self, slot: int) -> list[bytes]:
        """The members of the part whose first entry is `slot`, by place."""
        order = self.orders.get(slot)
        if order is None:
            order = self.orders[slot] = list(self.parts[slot])
        return order

    def members(self) -> list[bytes]:
        """All members. O(n)."""
        members: list[bytes] = []
        for part in self.sets():
            members += part
        return members

    def sets(self) -> list[set[bytes]]:
        """All parts. O(n)."""
        sets: list[set[bytes]] = []
        slot = 0
        while slot < len(self.parts):
            sets.append(self.parts[slot])
            slot += 1 << (self.depth - self.depths[slot])
        return sets

    def among(self, members: list[bytes], wanted: bool) -> list[bytes]:
        """Those of `members` that are in it, or (not `wanted`) are not. O(members)."""
        if len(self.parts) == 1:
            part = self.parts[0]
            if wanted:
                return [member for member in members if member in part]
            return [member for member in members if member not in part]
        parts = self.parts
        shift = self.shift
        mask = self.mask
        return [member for member in members if (member in parts[(hash(member) >> shift) & mask]) == wanted]

    def scan(self, place: int, count: int) -> tuple[int, list[bytes]]:
        """The place to go on with, 0 at the end, and about `count` members from `place` on, in the order of places.

        Members do not move, so that one that is there all the time is met, whatever changes. O(count + part).
        """
        found: list[bytes] = []
        slot = place >> (PLACE_BITS - self.depth)
        while slot < len(self.parts):
            part = self.parts[slot]
            span = 1 << (self.depth - self.depths[slot])
            slot = self._first(slot)
            start = slot << (PLACE_BITS - self.depth)
            end = (slot + span) << (PLACE_BITS - self.depth)
            wanted = count - len(found)
            if place <= start and len(part) <= wanted:
                found += part
                place = end
            else:
                # Places are random numbers, so that this is where about as many are met as are wanted.
                stop = place + (end - start) * wanted // len(part) + 1 if part else end
                if stop > end:
                    stop = end
                found += _between(part, place, stop)
                place = stop
            if place >= end:
                slot += span
            if len(found) >= count or place < end:
                break
        return (place if slot < len(self.parts) else 0), found

    def copy(self) -> "HashSet":
        """Another one with the same members. O(n)."""
        other = HashSet()
        other.count = self.count
        other.depth = self.depth
        other.shift = self.shift
        other.mask = self.mask
        other.deepest = self.deepest
        other.depths = self.depths.copy()
        other.parts = []
        slot = 0
        while slot < len(self.parts):
            span = 1 << (self.depth - self.depths[slot])
            other.parts += [self.parts[slot].copy()] * span
            slot += span
        return other

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(n)."""
        assert len(self.parts) == len(self.depths) == 1 << self.depth
        assert (self.shift, self.mask) == (_TOP - self.depth, len(self.parts) - 1)
        assert self.deepest == self.depths.count(self.depth)
        total = 0
        slot = 0
        orders = self.orders.copy()
        while slot < len(self.parts):
            part = self.parts[slot]
            span = 1 << (self.depth - self.depths[slot])
            assert slot % span == 0, "a part at the wrong entries"
            for other in range(slot, slot + span):
                assert self.parts[other] is part
                assert self.depths[other] == self.depths[slot]
            assert len(part) <= PART_MAX, "a part that should have been split"
            for member in part:
                assert slot <= (hash(member) >> self.shift) & self.mask < slot + span, "a member in the wrong part"
            total += len(part)
            slot += span
            order = orders.pop(slot - span, None)
            assert order is None or sorted(order) == sorted(part), "an order of other members"
        assert total == self.count
        assert not orders, "an order without its part"

    def _first(self, slot: int) -> int:
        """The first entry of the part that stands at `slot`."""
        return slot & -(1 << (self.depth - self.depths[slot]))

    def _split(self, at: int) -> None:
        depth = self.depths[at]
        if depth == _DEPTH_MAX:
            return
        if depth == self.depth:
            self._deepen()
            at <<= 1
        if self.orders:
            self.orders.pop(self._first(at), None)
        part = self.parts[at]
        bit = _TOP - 1 - depth
        upper = {member for member in part if hash(member) >> bit & 1}
        lower = part - upper
        depth += 1
        half = 1 << (self.depth - depth)
        first = at & -(2 * half)
        for slot in range(first, first + 2 * half):
            self.parts[slot] = lower if slot < first + half else upper
            self.depths[slot] = depth
        if depth == self.depth:
            self.deepest += 2
        # Hashes are keyed, so that this happens by chance only: once in 2 ** 300 times.
        if not lower or not upper:
            self._split(first if lower else first + half)

    def _deepen(self) -> None:
        self.parts = [part for part in self.parts for _ in (0, 1)]
        self.depths = [depth for depth in self.depths for _ in (0, 1)]
        self.depth += 1
        self.shift -= 1
        self.mask = self.mask << 1 | 1
        self.deepest = 0
        self.orders = {first << 1: order for first, order in self.orders.items()}

    def _merge(self, at: int) -> None:
        depth = self.depths[at]
        if depth == 0:
            return
        span = 1 << (self.depth - depth)
        first = at & -span
        other = first ^ span
        if self.depths[other] != depth or len(self.parts[first]) + len(self.parts[other]) > MERGED_MAX:
            return
        if self.orders:
            self.orders.pop(first, None)
            self.orders.pop(other, None)
        merged = self.parts[first] | self.parts[other]
        if other < first:
            first = other
        for slot in range(first, first + 2 * span):
            self.parts[slot] = merged
            self.depths[slot] = depth - 1
        if depth == self.depth:
            self.deepest -= 2
            while self.deepest == 0:
                self._flatten()

    def _flatten(self) -> None:
        self.parts = self.parts[::2]
        self.depths = self.depths[::2]
        self.depth -= 1
        self.shift += 1
        self.mask >>= 1
        self.deepest = self.depths.count(self.depth)
        self.orders = {first >> 1: order for first, order in self.orders.items()}


def _between(part: set[bytes], start: int, stop: int) -> list[bytes]:
    """The members of `part` with places from `start` on and below `stop`. O(part)."""
    low: i64 = start
    high: i64 = stop
    found: list[bytes] = []
    for member in part:
        place: i64 = (hash(member) >> _LOW_BITS) & _PLACE_MASK
        if low <= place < high:
            found.append(member)
    return found
