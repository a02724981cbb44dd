"""Which elements of one listpack another has: what two small sets have in common, without an object an element.

The elements of the other go into a table by a number made of their bytes, as offsets; equal elements are equal bytes.
Only compiled code does that, whose arithmetic is that of 64 bits; interpreted, Python's sets are faster.

O(elements of both). The numbers are no secret, so that elements may be chosen for which it is O(n * m): hence
`ELEMENTS_MAX`, at which that takes as long as Redis's search through a listpack does for any elements.
"""

from typing import Final

from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from respkv.build import BUILD
from respkv.values import listpack

ELEMENTS_MAX: Final = 512

_ZEROS: Final = vec[i64]([0] * (4 * ELEMENTS_MAX))
_MULTIPLIER: Final = 0x2545F4914F6CDD1D
"""Odd, with bits all over: of Vigna's xorshift64*."""


def among(packed: bytes, other: bytes, wanted: bool) -> list[bytes]:
    """The elements of `packed` that are in `other` too, or (not `wanted`) are not, in their order."""
    if BUILD != "compiled" or listpack.count(other) > ELEMENTS_MAX:
        own = set(listpack.unpack(other))
        return [element for element in listpack.unpack(packed) if (element in own) == wanted]
    return _among(packed, other, wanted)


def _among(packed: bytes, other: bytes, wanted: bool) -> list[bytes]:
    # Four slots an element, 0 for none: no element is at offset 0.
    slots: i64 = 16
    total: i64 = listpack.count(other)
    while slots < 4 * total:
        slots <<= 1
    mask: i64 = slots - 1
    table = _ZEROS[0:slots]
    at: i64 = listpack.HEADER_BYTES
    end: i64 = len(other) - 1
    while at < end:
        behind: i64 = listpack.after(other, at)
        slot: i64 = _number_of(other, at, behind) & mask
        while table[slot] != 0:
            slot = (slot + 1) & mask
        table[slot] = at
        at = behind
    found: list[bytes] = []
    at = listpack.HEADER_BYTES
    end = len(packed) - 1
    while at < end:
        behind = listpack.after(packed, at)
        slot = _number_of(packed, at, behind) & mask
        while table[slot] != 0 and not _is_equal(packed, at, behind, other, table[slot]):
            slot = (slot + 1) & mask
        if (table[slot] != 0) == wanted:
            found.append(listpack.element_at(packed, at))
        at = behind
    return found


def _number_of(packed: bytes, start: i64, end: i64) -> i64:
    """A number made of the bytes of the element from `start` to `end`, whose lowest bits depend on all of them."""
    at = start
    number: i64 = end - start
    while at + 8 <= end:
        number = (number ^ read_i64_le(packed, at)) * _MULTIPLIER
        number ^= number >> 29
        at += 8
    rest: i64 = 0
    while at < end:
        rest = rest << 8 | packed[at]
        at += 1
    number = (number ^ rest) * _MULTIPLIER
    return (number ^ number >> 32) & 0xFFFF


def _is_equal(packed: bytes, start: i64, end: i64, other: bytes, other_start: i64) -> bool:
    """Whether the element of `packed` from `start` to `end` is that of `other` at `other_start`."""
    at = start
    there = other_start
    # The length of an element stands in its first bytes and at its end: equal bytes are all of the other, too.
    if there + end - at > len(other):
        return False
    while at + 8 <= end:
        if read_i64_le(packed, at) != read_i64_le(other, there):
            return False
        at += 8
        there += 8
    while at < end:
        if packed[at] != other[there]:
            return False
        at += 1
        there += 1
    return True
