"""Sets of integers as one bytes object, in Redis's own form.

    intset = bytes an integer (uint32: 2, 4 or 8) | integers (uint32) | integer ...

Integers are signed, little-endian and ascending. All are as wide as the widest ever had to be: taking that away does
not make the others narrower. Functions leave their arguments alone and answer with new intsets.

Source: the layout as DUMP of redis-server shows it.
"""

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_extensions import i64

HEADER_BYTES: Final = 8
EMPTY: Final = b"\x02\x00\x00\x00\x00\x00\x00\x00"

_FORMATS: Final = {2: "h", 4: "i", 8: "q"}


def parse(text: bytes) -> int | None:
    """The 64-bit integer of which `text` is the canonical form, or None. O(1)."""
    length = len(text)
    if length == 0 or length > 20:
        return None
    first = text[0]
    if not (48 <= first <= 57 or first == 45):
        return None
    try:
        number = int(text)
    except ValueError:
        return None
    if b"%d" % number != text or not -(1 << 63) <= number < 1 << 63:
        return None
    return number


def count(intset: bytes) -> int:
    """How many integers there are. O(1)."""
    return intset[4] | intset[5] << 8 | intset[6] << 16 | intset[7] << 24


def number_at(intset: bytes, index: int) -> int:
    """The integer at `index`, from 0 on and below the count. O(1)."""
    width: i64 = intset[0]
    at: i64 = HEADER_BYTES + width * index
    if width == 2:
        number: i64 = intset[at] | intset[at + 1] << 8
        return number - 0x10000 if number >= 0x8000 else number
    if width == 4:
        number = intset[at] | intset[at + 1] << 8 | intset[at + 2] << 16 | intset[at + 3] << 24
        return number - 0x1_0000_0000 if number >= 0x8000_0000 else number
    return int.from_bytes(intset[at : at + 8], "little", signed=True)


def find(intset: bytes, number: int) -> int:
    """The index of `number`; if it is not there, `-1 - index` of where it would be. O(log n)."""
    low = 0
    high = count(intset) - 1
    while low <= high:
        middle = (low + high) >> 1
        other = number_at(intset, middle)
        if other == number:
            return middle
        if other < number:
            low = middle + 1
        else:
            high = middle - 1
    return -1 - low


def insert(intset: bytes, index: int, number: int) -> bytes:
    """`intset` with `number`, which is not in it, at `index`. O(n)."""
    width = intset[0]
    size = width_of(number)
    if size > width:
        # It is wider than all the others, hence less or greater than all of them.
        numbers = unpack(intset)
        numbers.insert(index, number)
        return _pack(numbers, size)
    at = HEADER_BYTES + index * width
    return b"%b%b%b%b%b" % (
        intset[:4],
        (count(intset) + 1).to_bytes(4, "little"),
        intset[HEADER_BYTES:at],
        number.to_bytes(width, "little", signed=True),
        intset[at:],
    )


def delete(intset: bytes, index: int) -> bytes:
    """`intset` without the integer at `index`. O(n)."""
    width = intset[0]
    at = HEADER_BYTES + index * width
    return b"%b%b%b%b" % (
        intset[:4],
        (count(intset) - 1).to_bytes(4, "little"),
        intset[HEADER_BYTES:at],
        intset[at + width :],
    )


def unpack(intset: bytes) -> list[int]:
    """All integers, ascending. O(n)."""
    return list(struct.unpack_from(f"<{count(intset)}{_FORMATS[intset[0]]}", intset, HEADER_BYTES))


def pack(numbers: list[int]) -> bytes:
    """An intset of 64-bit integers, each given once, in any order. O(n log n)."""
    numbers = sorted(numbers)
    return _pack(numbers, max(width_of(numbers[0]), width_of(numbers[-1])) if numbers else 2)


def width_of(number: int) -> int:
    """The bytes that a 64-bit integer takes: 2, 4 or 8."""
    if -0x8000 <= number < 0x8000:
        return 2
    return 4 if -0x8000_0000 <= number < 0x8000_0000 else 8


def _pack(numbers: list[int], width: int) -> bytes:
    return struct.pack(f"<II{len(numbers)}{_FORMATS[width]}", width, len(numbers), *numbers)


def unpack_untrusted(data: bytes) -> list[int]:
    """All integers of what claims to be an intset. O(n). Raises ValueError, saying what is wrong."""
    if len(data) < HEADER_BYTES or int.from_bytes(data[:4], "little") not in _FORMATS:
        raise ValueError("an intset without a known width")
    if len(data) != HEADER_BYTES + data[0] * count(data):
        raise ValueError("an intset of another size than it says")
    numbers = unpack(data)
    for at in range(1, len(numbers)):
        if numbers[at - 1] >= numbers[at]:
            raise ValueError("an intset whose integers do not ascend")
    return numbers
