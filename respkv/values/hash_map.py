"""A dict of any size with keys at random in O(1), none of whose operations takes longer for the size of the dict.

It is to a dict what `HashSet` is to a set, and made in the same way, which the head of `hash_set.py` tells: many small
dicts, parts, by extendible hashing. A part has at most `PART_MAX` keys, for which CPython keeps 512 slots.
"""

from itertools import islice
from typing import Final

from respkv.values.hash_set import PLACE_BITS, Chance

PART_MAX: Final = 341
"""CPython gives a dict of 512 slots more of them when it is to have 342 keys."""

MERGED_MAX: Final = 170
"""Two parts of together so many keys or less become one: they fit into 256 slots, and a split leaves about as many."""

_SMALL: Final = 85
_FILLED: Final = 300
"""A part of so many keys on average seldom has to be split."""

_DEPTH_MAX: Final = 30
_PLACE_MASK: Final = (1 << PLACE_BITS) - 1
_LOW_BITS: Final = 8
_TOP: Final = PLACE_BITS + _LOW_BITS


class HashMap:
    """A dict of bytes by bytes; `parts`, `depths` and `deepest` are as in `HashSet`."""

    def __init__(self, expected: int = 0) -> None:
        """An empty one, which will soon have about so many keys."""
        self.count = 0
        self.depth = (expected // _FILLED).bit_length()
        self.shift = _TOP - self.depth
        self.mask = (1 << self.depth) - 1
        self.parts: list[dict[bytes, bytes]] = [{} for _ in range(1 << self.depth)]
        self.depths: list[int] = [self.depth] * (1 << self.depth)
        self.deepest = 1 << self.depth

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None. O(1)."""
        return self.parts[(hash(key) >> self.shift) & self.mask].get(key)

    def has(self, key: bytes) -> bool:
        """Whether `key` is in it. O(1)."""
        return key in self.parts[(hash(key) >> self.shift) & self.mask]

    def put(self, key: bytes, value: bytes) -> bytes | None:
        """Give `key` a value; the one that it had, or None if it is new. O(1)."""
        at = (hash(key) >> self.shift) & self.mask
        part = self.parts[at]
        old = part.get(key)
        part[key] = value
        if old is None:
            self.count += 1
            if len(part) > PART_MAX:
                self._split(at)
        return old

    def pop(self, key: bytes) -> bytes | None:
        """Take `key` out; the value that it had, or None. O(1)."""
        at = (hash(key) >> self.shift) & self.mask
        part = self.parts[at]
        old = part.pop(key, None)
        if old is not None:
            self.count -= 1
            if len(part) <= _SMALL and self.depth:
                self._merge(at)
        return old

    def pick(self, chance: Chance) -> bytes:
        """Some key, each as likely as any other. O(1): about three tries, and half the table of a part."""
        parts = self.parts
        if len(parts) == 1:
            part = parts[0]
            return next(islice(part, int(chance() * len(part)), None))
        places = len(parts) * PART_MAX
        while True:
            place = int(chance() * places)
            slot = place // PART_MAX
            place -= slot * PART_MAX
            part = parts[slot]
            # A part of several entries of the directory counts at its first one.
            if place < len(part) and slot & ((1 << (self.depth - self.depths[slot])) - 1) == 0:
                return next(islice(part, place, None))

    def dicts(self) -> list[dict[bytes, bytes]]:
        """All parts. O(n)."""
        dicts: list[dict[bytes, bytes]] = []
        slot = 0
        while slot < len(self.parts):
            dicts.append(self.parts[slot])
            slot += 1 << (self.depth - self.depths[slot])
        return dicts

    def scan(self, place: int, count: int) -> tuple[int, list[bytes]]:
        """The place to go on with, 0 at the end, and about `count` keys from `place` on, in the order of places.

        Keys do not move, so that one that is there all the time is met, whatever changes. O(count).
        """
        found: list[bytes] = []
        place &= _PLACE_MASK
        slot = place >> (PLACE_BITS - self.depth)
        while slot < len(self.parts):
            part = self.parts[slot]
            span = 1 << (self.depth - self.depths[slot])
            first = slot & -span
            wanted = count - len(found)
            if place <= first << (PLACE_BITS - self.depth) and len(part) <= wanted:
                found += part
            else:
                ahead = sorted([_place_of(key) for key in part if _place_of(key) >= place])
                if len(ahead) > wanted:
                    # Those that share a place are met together.
                    last = ahead[wanted - 1]
                    found += [key for key in part if place <= _place_of(key) <= last]
                    return (last + 1 if last < _PLACE_MASK else 0), found
                found += [key for key in part if _place_of(key) >= place]
            slot = first + span
            if slot < len(self.parts) and len(found) >= count:
                return slot << (PLACE_BITS - self.depth), found
        return 0, found

    def copy(self) -> "HashMap":
        """Another one with the same keys and values. O(n)."""
        other = HashMap()
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
        while slot < len(self.parts):
            part = self.parts[slot]
            span = 1 << (self.depth - self.depths[slot])
            assert slot % span == 0, "a part at the wrong entries"
            for other in range(slot, slot + span):
                assert self.parts[other] is part
                assert self.depths[other] == self.depths[slot]
            assert len(part) <= PART_MAX, "a part that should have been split"
            for key in part:
                assert slot <= (hash(key) >> self.shift) & self.mask < slot + span, "a key in the wrong part"
            total += len(part)
            slot += span
        assert total == self.count

    def _split(self, at: int) -> None:
        depth = self.depths[at]
        if depth == _DEPTH_MAX:
            return
        if depth == self.depth:
            self._deepen()
            at <<= 1
        bit = _TOP - 1 - depth
        lower: dict[bytes, bytes] = {}
        upper: dict[bytes, bytes] = {}
        for key, value in self.parts[at].items():
            if hash(key) >> bit & 1:
                upper[key] = value
            else:
                lower[key] = value
        depth += 1
        half = 1 << (self.depth - depth)
        first = at & -(2 * half)
        for slot in range(first, first + 2 * half):
            self.parts[slot] = lower if slot < first + half else upper
            self.depths[slot] = depth
        if depth == self.depth:
            self.deepest += 2
        # Hashes are keyed, so that this happens by chance only: once in 2 ** 340 times.
        if not lower or not upper:
            self._split(first if lower else first + half)

    def _deepen(self) -> None:
        self.parts = [part for part in self.parts for _ in (0, 1)]
        self.depths = [depth for depth in self.depths for _ in (0, 1)]
        self.depth += 1
        self.shift -= 1
        self.mask = self.mask << 1 | 1
        self.deepest = 0

    def _merge(self, at: int) -> None:
        depth = self.depths[at]
        if depth == 0:
            return
        span = 1 << (self.depth - depth)
        first = at & -span
        other = first ^ span
        if self.depths[other] != depth or len(self.parts[first]) + len(self.parts[other]) > MERGED_MAX:
            return
        merged = dict(self.parts[first])
        merged.update(self.parts[other])
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


def _place_of(key: bytes) -> int:
    return (hash(key) >> _LOW_BITS) & _PLACE_MASK
