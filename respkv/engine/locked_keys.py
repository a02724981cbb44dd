"""The keys of a database that somebody has a lock on, and a quick no for all others.

While transactions are open, everybody's commands ask whether their keys are among these. Mostly none is, so that answer
comes first: a few bytes of a key choose a slot, and a slot counts the locked keys that chose it. Only where it counts
any is the key looked up, which takes four times as long. So it is where compiled; interpreted, to look up is fastest.

Source: a counting Bloom filter of one function (Fan et al., Summary Cache, 2000); multiplicative hashing (Knuth, The
Art of Computer Programming, volume 3, section 6.4).
"""

from typing import TYPE_CHECKING, Final

from librt.strings import read_i32_be, read_i64_be
from librt.vecs import vec
from mypy_extensions import i32, i64

from respkv.build import BUILD

if TYPE_CHECKING:
    from respkv.engine.locks import Entry

_SLOTS_LOG2: Final = 14
"""64 KB for each database in which a key was ever locked. With 2000 keys locked, one in nine others is looked up."""

_ZEROS: Final = vec[i32]([0] * (1 << _SLOTS_LOG2))
"""What all databases share in which none was; nobody may count in it."""

_LAST_BY: Final = 0x2545F4914F6CDD1D
_FIRST_BY: Final = 0x14057B7EF767814F
_MIDDLE_BY: Final = 0x369DEA0F31A53F85
"""Odd, with bits all over, and short enough to be no object: of Vigna's xorshift64*, Knuth's MMIX, and L'Ecuyer."""

_COUNTS: Final = BUILD == "compiled"


class LockedKeys:
    """What the lock table knows of each key of one database that is locked or waited for; None is the whole of it."""

    def __init__(self, in_use: "list[LockedKeys]") -> None:
        # Those of all databases in which any key is locked: this is among them while it has entries.
        self._in_use = in_use
        self.entries: dict[bytes | None, Entry] = {}
        # How many hold, or wait for, the whole database exclusively: as if all keys were locked.
        self.exclusives = 0
        self._counts = _ZEROS
        self._is_counting = False

    def add(self, key: bytes | None, entry: "Entry") -> None:
        """Let `key`, which has none, have `entry`."""
        if not self.entries:
            self._in_use.append(self)
        self.entries[key] = entry
        if key is not None and _COUNTS:
            if not self._is_counting:
                self._is_counting = True
                self._counts = _ZEROS[0 : len(_ZEROS)]
            self._counts[_slot_of(key)] += 1

    def remove(self, key: bytes | None) -> None:
        """Forget `key`."""
        del self.entries[key]
        if not self.entries:
            self._in_use.remove(self)
        if key is not None and _COUNTS:
            self._counts[_slot_of(key)] -= 1

    def has(self, key: bytes) -> bool:
        """Whether `key` may not be used without a closer look. O(1)."""
        if _COUNTS and self._counts[_slot_of(key)] == 0:
            return self.exclusives > 0
        return key in self.entries or self.exclusives > 0

    def has_any(self, words: list[bytes], step: i64) -> bool:
        """As `has`, for any of `words` from the second on, of which every `step`th may be a key. O(words)."""
        if self.exclusives:
            return True
        if not _COUNTS:
            return not self.entries.keys().isdisjoint(words[1::step])
        counts = self._counts
        size: i64 = len(words)
        at: i64 = 1
        while at < size:
            word = words[at]
            if counts[_slot_of(word)] != 0 and word in self.entries:
                return True
            at += step
        return False

    def has_any_anywhere(self, words: list[bytes]) -> bool:
        """As `has_any` with step 1, in all databases. O(words * databases in which keys are locked)."""
        in_use = self._in_use
        for each in in_use:
            if each.exclusives or (not _COUNTS and each.has_any(words, 1)):
                return True
        if not _COUNTS:
            return False
        size: i64 = len(words)
        at: i64 = 1
        while at < size:
            word = words[at]
            slot = _slot_of(word)
            for each in in_use:
                if each._counts[slot] != 0 and word in each.entries:
                    return True
            at += 1
        return False


def _slot_of(key: bytes) -> i64:
    """The slot that `key` chooses, by arithmetic modulo 2 ** 64, which interpreted code has not. O(1).

    What tells keys apart stands at their ends, as in `session:1234567`, or in between, as in `user:1234567:orders`.
    """
    size: i64 = len(key)
    if size < 8:
        return _slot_of_short(key)
    mixed: i64 = read_i64_be(key, size - 8) * _LAST_BY + read_i64_be(key, 0) * _FIRST_BY
    if size > 16:
        mixed += read_i64_be(key, (size - 8) >> 1) * _MIDDLE_BY
    return mixed >> (64 - _SLOTS_LOG2) & (1 << _SLOTS_LOG2) - 1


def _slot_of_short(key: bytes) -> i64:
    size: i64 = len(key)
    mixed: i64 = 0
    if size >= 4:
        mixed = (i64(read_i32_be(key, size - 4)) << 32) + i64(read_i32_be(key, 0))
    elif size > 0:
        # By the words that name commands and count keys, which are looked for as well where keys may be anywhere.
        mixed = (i64(key[0]) << 16) + (i64(key[size >> 1]) << 8) + i64(key[size - 1]) + (size << 24)
    return mixed * _LAST_BY >> (64 - _SLOTS_LOG2) & (1 << _SLOTS_LOG2) - 1
