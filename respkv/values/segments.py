"""A dict whose growth keeps nobody waiting: many small ones, which split one by one.

A dict that is full moves all its entries at once: at a million entries that takes some 70 ms. Here no segment gets
larger than about twice `SEGMENT_ENTRIES`, and whenever there are more entries than so many a segment, the next one in
turn is split in two, which takes a millisecond.

    segment of a key = hash bits & mask; where that segment is not there yet, without the highest bit of the mask

Source: W. Litwin, "Linear hashing", 1980.
"""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_extensions import i64

SEGMENT_ENTRIES: Final = 8192

# The dicts themselves go by the last bits of the hash.
_HASH_SHIFT: Final = 24


class Segments:
    """Keys with a value each, which is not None. All but `copy`, `of` and iteration is O(1)."""

    def __init__(self) -> None:
        self.size = 0
        self.mask = 0
        self.split_above = SEGMENT_ENTRIES
        self.dicts: list[dict[bytes, Any]] = [{}]

    @staticmethod
    def of(entries: dict[bytes, Any]) -> "Segments":
        """The same entries in segments; `entries` is no longer the caller's. O(n)."""
        made = Segments()
        made.size = len(entries)
        if len(entries) <= SEGMENT_ENTRIES:
            made.dicts = [entries]
            return made
        count = 1 << (len(entries) // SEGMENT_ENTRIES).bit_length()
        mask = count - 1
        dicts: list[dict[bytes, Any]] = [{} for _ in range(count)]
        for key, value in entries.items():
            dicts[(hash(key) >> _HASH_SHIFT) & mask][key] = value
        made.mask = mask
        made.dicts = dicts
        made.split_above = count * SEGMENT_ENTRIES
        return made

    def copy(self) -> "Segments":
        """The same entries, sharing no dict with this one. O(n)."""
        other = Segments()
        other.size = self.size
        other.mask = self.mask
        other.split_above = self.split_above
        other.dicts = [segment.copy() for segment in self.dicts]
        return other

    def __len__(self) -> int:
        return self.size

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and key in self._segment(key)

    def __iter__(self) -> Iterator[bytes]:
        return chain.from_iterable(self.dicts)

    def get(self, key: bytes) -> Any:
        """The value of `key`, or None."""
        return self._segment(key).get(key)

    def add(self, key: bytes, value: Any) -> None:
        """Enter a key that is not there."""
        self.size += 1
        if self.size > self.split_above:
            self._split()
        self._segment(key)[key] = value

    def replace(self, key: bytes, value: Any) -> None:
        """Give a key that is there another value."""
        self._segment(key)[key] = value

    def pop(self, key: bytes) -> Any:
        """Take `key` out; its value, or None if it was not there."""
        value = self._segment(key).pop(key, None)
        if value is not None:
            self.size -= 1
        return value

    def _segment(self, key: bytes) -> dict[bytes, Any]:
        mask: i64 = self.mask
        if mask == 0:
            return self.dicts[0]
        number: i64 = (hash(key) >> _HASH_SHIFT) & mask
        if number >= len(self.dicts):
            number &= mask >> 1
        return self.dicts[number]

    def _split(self) -> None:
        number = len(self.dicts)
        if number > self.mask:
            self.mask = 2 * self.mask + 1
        mask = self.mask
        source = number & (mask >> 1)
        stay: dict[bytes, Any] = {}
        go: dict[bytes, Any] = {}
        for key, value in self.dicts[source].items():
            if (hash(key) >> _HASH_SHIFT) & mask == number:
                go[key] = value
            else:
                stay[key] = value
        self.dicts[source] = stay
        self.dicts.append(go)
        self.split_above += SEGMENT_ENTRIES

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(n)."""
        assert self.size == sum(map(len, self.dicts)), "a wrong size"
        count = len(self.dicts)
        assert self.mask == (1 << (count - 1).bit_length()) - 1, (self.mask, count)
        for segment in self.dicts:
            for key in segment:
                assert self._segment(key) is segment, "a key in the wrong segment"
