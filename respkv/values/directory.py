"""Extendible hashing: many small tables instead of a large one, none of whose operations takes longer for its size.

A key's place is a number of 45 bits, taken from its hash; the first bits of it are the index in a directory of parts.

    directory, depth 2     00 | 01 | 10 | 11
    parts                  {..}   {..}  {...}        the first is of depth 1, so it has two entries

A part that becomes too large is split by the next bit, which doubles the directory if it was as deep as that; two
that have become small are one again.

To choose a key at random, choose an entry of the directory, and a number up to `part_max`: if its part has not so many
keys, choose again. Each key has one such number, so all are equally likely. A part of several entries counts at its
first one only.

Source: Fagin, Nievergelt, Pippenger, Strong, "Extendible hashing", TODS 4 (1979).
"""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from respkv.values.keys_at import keys_at

if TYPE_CHECKING:
    from mypy_extensions import i64

Chance: TypeAlias = Callable[[], float]
"""A number from 0 on and below 1 at each call, such as the `random` of a `random.Random`."""

PLACE_BITS: Final = 45
_PLACE_MASK: Final = (1 << PLACE_BITS) - 1
_LOW_BITS: Final = 8
_TOP: Final = PLACE_BITS + _LOW_BITS
_DEPTH_MAX: Final = 30


class Directory:
    """Parts by place. The subclasses say what a part is: `_new_part`, `_halves`, `_union`.

    `parts` and `depths` have 2 ** `depth` entries; a part of depth d stands at 2 ** (`depth` - d) of them, side by
    side. `deepest` counts the parts of depth `depth`, `count` the keys of all parts. The part of a key is
    `parts[(hash(key) >> shift) & mask]`: subclasses write that out, since each of their operations begins with it.

    Args:
        expected: about how many keys it will soon have.
        filled: a part of so many keys on average seldom has to be split.
        part_max: a part with more keys is split.
        merged_max: two parts of together so many keys or less become one.
    """

    def __init__(self, expected: int, filled: int, part_max: int, merged_max: int) -> None:
        self.part_max = part_max
        self.merged_max = merged_max
        self.count = 0
        self.depth = (expected // filled).bit_length()
        self.shift = _TOP - self.depth
        self.mask = (1 << self.depth) - 1
        self.parts: list[Any] = [self._new_part() for _ in range(1 << self.depth)]
        self.depths: list[int] = [self.depth] * (1 << self.depth)
        self.deepest = 1 << self.depth

    def distinct(self) -> list[Any]:
        """All parts, in the order of places. O(parts)."""
        found: list[Any] = []
        slot = 0
        while slot < len(self.parts):
            found.append(self.parts[slot])
            slot += 1 << (self.depth - self.depths[slot])
        return found

    def scan(self, place: int, count: int) -> tuple[int, list[bytes]]:
        """The place to go on with, 0 at the end, and about `count` keys from `place` on, in the order of places.

        Keys do not move, so that one that is there all the time is met, whatever changes. O(count + part).
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
            size = len(part)
            if place <= start and size <= wanted:
                found += part
                place = end
            else:
                # Places are random numbers, so that this is where about as many are met as are wanted.
                stop = place + (end - start) * wanted // size + 1 if size else end
                if stop > end:
                    stop = end
                found += _between(part, place, stop)
                place = stop
            if place >= end:
                slot += span
            if len(found) >= count or place < end:
                break
        return (place if slot < len(self.parts) else 0), found

    def pick_all(self, size: int, chance: Chance) -> list[bytes]:
        """So many keys of those that there are, each as likely as any other each time. O(size)."""
        parts, places = self._choose_all(size, chance)
        return keys_at(parts, places)

    def sample(self, size: int, chance: Chance) -> list[bytes]:
        """So many different keys by chance, as one is drawn after the other. O(size), where there are far more."""
        chosen: dict[bytes, None] = {}
        while len(chosen) < size:
            for key in self.pick_all(size - len(chosen), chance):
                chosen[key] = None
        return list(chosen)

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(n)."""
        assert len(self.parts) == len(self.depths) == 1 << self.depth
        assert (self.shift, self.mask) == (_TOP - self.depth, len(self.parts) - 1)
        assert self.deepest == self.depths.count(self.depth)
        total = 0
        slot = 0
        while slot < len(self.parts):
            part = self.parts[slot]
            span = 1 << (self.depth - self.depths[slot])
            assert slot % span == 0, "a part at the wrong entries"
            for other in range(slot, slot + span):
                assert self.parts[other] is part
                assert self.depths[other] == self.depths[slot]
            assert len(part) <= self.part_max, "a part that should have been split"
            for key in part:
                assert slot <= (hash(key) >> self.shift) & self.mask < slot + span, "a key in the wrong part"
            total += len(part)
            slot += span
        assert total == self.count

    # What a part is

    def _new_part(self) -> Any:
        """An empty one."""
        raise NotImplementedError

    def _halves(self, part: Any, bit: int) -> tuple[Any, Any]:
        """Those of its keys whose hash has not bit number `bit`, and those whose hash has it."""
        raise NotImplementedError

    def _union(self, one: Any, other: Any) -> Any:
        """A part of the keys of both."""
        raise NotImplementedError

    # What a subclass keeps by the first entry of a part

    def _forget(self, first: int) -> None:
        """The part whose first entry is `first` is about to be split or merged."""

    def _renumber(self, shift: int) -> None:
        """Entry n of the directory is entry n << `shift` from now on, or for -1 entry n >> 1."""

    # For subclasses

    def _copy_to(self, other: "Directory") -> None:
        """Let `other`, which is empty, have copies of all parts. O(n)."""
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

    def _first(self, slot: int) -> int:
        """The first entry of the part that stands at `slot`."""
        return slot & -(1 << (self.depth - self.depths[slot]))

    def _choose(self, chance: Chance) -> tuple[int, int]:
        """The first entry of a part, and a place in it: each key as likely as any other. About three tries."""
        parts = self.parts
        if len(parts) == 1:
            return 0, int(chance() * len(parts[0]))
        part_max = self.part_max
        places = len(parts) * part_max
        while True:
            place = int(chance() * places)
            slot = place // part_max
            place -= slot * part_max
            # The part itself last: it may have to be waited for.
            if self._first(slot) == slot and place < len(parts[slot]):
                return slot, place

    def _choose_all(self, size: int, chance: Chance) -> tuple[list[Any], list[int]]:
        """As `_choose`, so many times: the parts, and the places in them."""
        parts = self.parts
        if len(parts) == 1:
            total = len(parts[0])
            return parts * size, [int(chance() * total) for _ in range(size)]
        chosen: list[Any] = []
        places: list[int] = []
        depths = self.depths
        depth: i64 = self.depth
        part_max: i64 = self.part_max
        candidates = len(parts) * self.part_max
        missing: i64 = size
        while missing > 0:
            candidate: i64 = int(chance() * candidates)
            slot: i64 = candidate // part_max
            place: i64 = candidate - slot * part_max
            own_depth: i64 = depths[slot]
            if slot & ((1 << (depth - own_depth)) - 1) == 0:
                part = parts[slot]
                if place < len(part):
                    chosen.append(part)
                    places.append(place)
                    missing -= 1
        return chosen, places

    def _split(self, at: int) -> None:
        depth = self.depths[at]
        if depth == _DEPTH_MAX:
            return
        if depth == self.depth:
            self._deepen()
            at <<= 1
        self._forget(self._first(at))
        lower, upper = self._halves(self.parts[at], _TOP - 1 - depth)
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
        self._renumber(1)

    def _merge(self, at: int) -> None:
        """Make one part of that at `at` and the one that it was split from, if they are small."""
        depth = self.depths[at]
        if depth == 0:
            return
        span = 1 << (self.depth - depth)
        first = at & -span
        other = first ^ span
        if self.depths[other] != depth or len(self.parts[first]) + len(self.parts[other]) > self.merged_max:
            return
        self._forget(first)
        self._forget(other)
        merged = self._union(self.parts[first], self.parts[other])
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
        self._renumber(-1)


def _between(part: Collection[bytes], start: int, stop: int) -> list[bytes]:
    """The keys of `part` with places from `start` on and below `stop`. O(part)."""
    low: i64 = start
    high: i64 = stop
    found: list[bytes] = []
    for key in part:
        place: i64 = (hash(key) >> _LOW_BITS) & _PLACE_MASK
        if low <= place < high:
            found.append(key)
    return found
