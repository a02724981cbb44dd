"""A dict of any size with keys at random in O(1), none of whose operations takes longer for the size of the dict.

A dict that is full moves all its entries at once: at a million entries that takes 70 ms. So this one is many small ones
(`Directory`). How large these are is a choice: to pick a key at random, or to scan, walks over a part; but to look
among millions in few large ones misses the processor's cache less often than in many small ones.
"""

from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from respkv.values.directory import Chance, Directory

if TYPE_CHECKING:
    from mypy_extensions import i64

PART_MAX: Final = 170
"""CPython gives a dict of 256 slots more of them when it is to have 171 keys: parts to pick from."""

LARGE_PART_MAX: Final = 2730
"""The same of 4096 slots: parts to look up in."""


_AHEAD: Final = 32
"""So many keys are looked ahead. A power of two."""


class HashMap(Directory):
    """Bytes to values of one kind, None excepted: of the fields of a hash, or of the scores of a sorted set."""

    def __init__(self, expected: int = 0, part_max: int = PART_MAX) -> None:
        """An empty one, which will soon have about `expected` keys, in parts of up to `part_max`."""
        # A split leaves about half, which half as many slots hold.
        super().__init__(expected, part_max * 7 // 8, part_max, part_max // 2)
        self._small = part_max // 4

    @staticmethod
    def of(entries: dict[bytes, Any], part_max: int = PART_MAX) -> "HashMap":
        """The same entries. O(n)."""
        made = HashMap(len(entries), part_max)
        for key, value in entries.items():
            made.put(key, value)
        return made

    @staticmethod
    def of_columns(keys: list[bytes], values: list[Any], part_max: int) -> "HashMap":
        """These keys and their values; of a key that comes twice the last. O(n)."""
        made = HashMap(len(keys), part_max)
        parts: list[dict[bytes, Any]] = made.parts
        shift: i64 = made.shift
        mask: i64 = made.mask
        for index in range(len(keys)):
            key = keys[index]
            number: i64 = hash(key)
            at: i64 = number >> shift & mask
            part = parts[at]
            part[key] = values[index]
            if len(part) > part_max:
                made._split(at)
                parts = made.parts
                shift = made.shift
                mask = made.mask
        made.count = sum(map(len, made.dicts()))
        return made

    def __len__(self) -> int:
        """How many keys there are. O(1)."""
        return self.count

    def __iter__(self) -> Iterator[bytes]:
        """All keys."""
        return chain.from_iterable(self.dicts())

    def get(self, key: bytes) -> Any:
        """The value of `key`, or None. O(1)."""
        part: dict[bytes, Any] = self.parts[(hash(key) >> self.shift) & self.mask]
        return part.get(key)

    def has(self, key: bytes) -> bool:
        """Whether `key` is in it. O(1)."""
        part: dict[bytes, Any] = self.parts[(hash(key) >> self.shift) & self.mask]
        return key in part

    def replace(self, key: bytes, value: Any) -> None:
        """Give `key`, which is there, another value. O(1)."""
        part: dict[bytes, Any] = self.parts[(hash(key) >> self.shift) & self.mask]
        part[key] = value

    def put(self, key: bytes, value: Any) -> Any:
        """Give `key` a value; the one that it had, or None if it is new. O(1)."""
        at = (hash(key) >> self.shift) & self.mask
        part: dict[bytes, Any] = self.parts[at]
        old = part.get(key)
        part[key] = value
        if old is None:
            self.count += 1
            if len(part) > self.part_max:
                self._split(at)
        return old

    def pop(self, key: bytes) -> Any:
        """Take `key` out; the value that it had, or None. O(1)."""
        at = (hash(key) >> self.shift) & self.mask
        part: dict[bytes, Any] = self.parts[at]
        old = part.pop(key, None)
        if old is not None:
            self.count -= 1
            if len(part) <= self._small and self.depth:
                self._merge(at)
        return old

    # Many at once: the same in one loop, with all that it needs at hand.

    def get_all(self, keys: list[bytes], start: int) -> list[Any]:
        """The value of each of `keys` from `start` on, None for those that are not there. O(keys)."""
        parts: list[dict[bytes, Any]] = self.parts
        shift: i64 = self.shift
        mask: i64 = self.mask
        found: list[Any] = []
        for index in range(start, len(keys)):
            if (index - start) & (_AHEAD - 1) == 0 and len(keys) - index >= _AHEAD:
                self._look_ahead(keys, index)
            key = keys[index]
            number: i64 = hash(key)
            found.append(parts[number >> shift & mask].get(key))
        return found

    def absent(self, keys: list[bytes]) -> list[int]:
        """The places in `keys` of those that are not there. O(keys)."""
        parts: list[dict[bytes, Any]] = self.parts
        shift: i64 = self.shift
        mask: i64 = self.mask
        found: list[int] = []
        for index in range(len(keys)):
            key = keys[index]
            number: i64 = hash(key)
            if key not in parts[number >> shift & mask]:
                found.append(index)
        return found

    def _look_ahead(self, keys: list[bytes], start: int) -> int:
        """Bring the parts of the next keys into the processor's cache: waits for several overlap here.

        It does so by counting how many keys these parts have.
        """
        parts: list[dict[bytes, Any]] = self.parts
        shift: i64 = self.shift
        mask: i64 = self.mask
        total: i64 = 0
        for index in range(start, start + _AHEAD):
            number: i64 = hash(keys[index])
            total += len(parts[number >> shift & mask])
        return total

    def put_all(self, flat: list[bytes], start: int) -> int:
        """Give keys their values, alternating in `flat` from `start` on; how many bytes more they have than before.

        Both keys and values count. O(keys).
        """
        parts: list[dict[bytes, Any]] = self.parts
        shift: i64 = self.shift
        mask: i64 = self.mask
        part_max: i64 = self.part_max
        added: i64 = 0
        nbytes: i64 = 0
        for index in range(start, len(flat), 2):
            key = flat[index]
            value = flat[index + 1]
            number: i64 = hash(key)
            at: i64 = number >> shift & mask
            part = parts[at]
            old: bytes | None = part.get(key)
            part[key] = value
            nbytes += len(value)
            if old is not None:
                nbytes -= len(old)
                continue
            nbytes += len(key)
            added += 1
            if len(part) > part_max:
                self._split(at)
                parts = self.parts
                shift = self.shift
                mask = self.mask
        self.count += added
        return nbytes

    def pop_all(self, keys: list[bytes], start: int) -> list[Any]:
        """As `get_all`, and those keys are taken out. O(keys)."""
        parts: list[dict[bytes, Any]] = self.parts
        shift: i64 = self.shift
        mask: i64 = self.mask
        small: i64 = self._small if self.depth else -1
        removed: i64 = 0
        found: list[Any] = []
        for index in range(start, len(keys)):
            if (index - start) & (_AHEAD - 1) == 0 and len(keys) - index >= _AHEAD:
                self._look_ahead(keys, index)
            key = keys[index]
            number: i64 = hash(key)
            at: i64 = number >> shift & mask
            part = parts[at]
            old = part.pop(key, None)
            found.append(old)
            if old is not None:
                removed += 1
                if len(part) <= small:
                    self._merge(at)
                    parts = self.parts
                    shift = self.shift
                    mask = self.mask
                    small = self._small if self.depth else -1
        self.count -= removed
        return found

    def drop_all(self, keys: list[bytes]) -> None:
        """Take `keys` out, each of which is there. O(keys)."""
        parts: list[dict[bytes, Any]] = self.parts
        shift: i64 = self.shift
        mask: i64 = self.mask
        small: i64 = self._small if self.depth else -1
        for key in keys:
            number: i64 = hash(key)
            at: i64 = number >> shift & mask
            part = parts[at]
            del part[key]
            if len(part) <= small:
                self._merge(at)
                parts = self.parts
                shift = self.shift
                mask = self.mask
                small = self._small if self.depth else -1
        self.count -= len(keys)

    def pick(self, chance: Chance) -> bytes:
        """Some key, each as likely as any other. O(1): about three tries, and a quarter of a part at most half."""
        slot, place = self._choose(chance)
        part: dict[bytes, Any] = self.parts[slot]
        # From the nearer end: each key on the way is brought into the processor's cache.
        back = len(part) - 1 - place
        if back < place:
            key: bytes = next(islice(reversed(part), back, None))
        else:
            key = next(islice(part, place, None))
        return key

    def dicts(self) -> list[dict[bytes, Any]]:
        """All parts. O(parts)."""
        return self.distinct()

    def copy(self) -> "HashMap":
        """Another one with the same keys and values. O(n)."""
        other = HashMap(0, self.part_max)
        self._copy_to(other)
        return other

    def _new_part(self) -> Any:
        empty: dict[bytes, Any] = {}
        return empty

    def _halves(self, part: Any, bit: int) -> tuple[Any, Any]:
        entries: dict[bytes, Any] = part
        lower: dict[bytes, Any] = {}
        upper: dict[bytes, Any] = {}
        for key, value in entries.items():
            if hash(key) >> bit & 1:
                upper[key] = value
            else:
                lower[key] = value
        return lower, upper

    def _union(self, one: Any, other: Any) -> Any:
        merged: dict[bytes, Any] = one.copy()
        merged.update(other)
        return merged
