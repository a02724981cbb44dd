"""Small collections as RDB files hold them: one string each, in the forms that Redis had over the years.

    listpack   Redis 7 on             also the packed form in memory, so it is taken over as it is
    ziplist    Redis 2.6 to 6.2       lists (and their nodes), hashes, sorted sets
    zipmap     Redis 2.4              hashes

Sets of integers: `respkv.values.intset`.

All of it comes from outside: nothing is read that is not there, and what is wrong raises ValueError.

Compiled: a start with many small collections is these loops.
"""

from typing import TYPE_CHECKING, Final

from respkv.values import listpack

if TYPE_CHECKING:
    from mypy_extensions import i64

_COUNT_UNKNOWN: Final = 65535
_ZIPLIST_HEADER_BYTES: Final = 10


# Listpacks


def checked_listpack(data: bytes, stride: int) -> bytes:
    """`data` as a listpack on which all rules of `respkv.values.listpack` hold: itself, or made anew. O(bytes).

    `stride` says how many elements belong together; the first of each such group has to be unique. 0: no rule.

    Raises: ValueError, if it is not a listpack, groups are incomplete or a first element comes twice.
    """
    if _is_canonical(data, stride):
        return data
    return listpack.pack(listpack_elements(data, stride))


def listpack_elements(data: bytes, stride: int) -> list[bytes]:
    """The elements of what claims to be a listpack, with the conditions of `checked_listpack`. O(bytes)."""
    elements = listpack.unpack_untrusted(data)
    require_unique(elements, stride)
    return elements


def require_unique(elements: list[bytes], stride: int) -> None:
    """Raise ValueError if groups of `stride` elements are incomplete or a first element comes twice. O(n)."""
    if stride == 0:
        return
    if len(elements) % stride:
        raise ValueError("an odd number of elements")
    if len(set(elements[::stride])) != len(elements) // stride:
        raise ValueError("an element twice")


def _is_canonical(data: bytes, stride: int) -> bool:
    """Whether `data` is a listpack as we would write it; False also for those with errors that others report."""
    size: i64 = len(data)
    if size < 7 or data[size - 1] != 0xFF:
        return False
    if data[0] | data[1] << 8 | data[2] << 16 | data[3] << 24 != size:
        return False
    end: i64 = size - 1
    at: i64 = listpack.HEADER_BYTES
    number: i64 = 0
    # How many elements are before the next one that has to be unique.
    turn: i64 = 0
    group: i64 = stride
    seen: set[bytes] = set()
    while at < end:
        first: i64 = data[at]
        body: i64
        if first < 0x80:
            body = 1
        elif first < 0xC0:
            body = 1 + (first & 63)
            # A text of digits should be a number.
            if body > 1 and data[at + 1] < 58 and at + body < end and _is_integer(data, at + 1, body - 1):
                return False
        elif first < 0xE0:
            body = 2
            if first == 0xC0 and data[at + 1] < 128:
                return False
        elif first < 0xF0:
            body = 2 + ((first & 15) << 8 | data[at + 1])
            if body < 66:
                return False
        elif first == 0xF0:
            if at + 5 > end:
                return False
            body = 5 + int.from_bytes(data[at + 1 : at + 5], "little")
            if body < 4101:
                return False
        elif first <= 0xF4:
            body = 3 if first == 0xF1 else 4 if first == 0xF2 else 5 if first == 0xF3 else 9
            if at + body >= end or not _is_needed(data, at, body - 1):
                return False
        else:
            return False
        back: i64 = at + body
        if back >= end:
            return False
        if body < 128:
            if data[back] != body:
                return False
            following: i64 = back + 1
        else:
            if not _is_back_length(data, back, body):
                return False
            following = listpack.after(data, at)
        if following > end:
            return False
        if group:
            if turn == 0:
                seen.add(data[at:following])
                turn = group
            turn -= 1
        number += 1
        at = following
    if data[4] | data[5] << 8 != min(_COUNT_UNKNOWN, number):
        return False
    return turn == 0 and (group == 0 or len(seen) * group == number)


def _is_integer(data: bytes, start: int, length: int) -> bool:
    """Whether the text of `length` bytes from `start` on is an integer that a listpack holds as one."""
    at: i64 = start
    stop: i64 = at + length
    if length > 20:
        return False
    if data[at] == 45:
        at += 1
    digits: i64 = stop - at
    # No leading zeros, and none but that has no digits but one.
    if digits == 0 or (data[at] == 48 and length > 1):
        return False
    while at < stop:
        digit: i64 = data[at]
        if digit < 48 or digit > 57:
            return False
        at += 1
    return digits < 19 or -(1 << 63) <= int(data[start : start + length]) < 1 << 63


def _is_needed(data: bytes, at: int, width: int) -> bool:
    """Whether the integer in the `width` bytes behind `at` needs so many of them."""
    first: i64 = at
    if width == 2:
        number: i64 = data[first + 1] | data[first + 2] << 8
        # Thirteen bits are the next smaller form.
        return 4096 <= number < 0x10000 - 4096
    # Else the highest bytes are more than a sign before the next smaller one.
    low: i64 = 2 if width == 3 else 3 if width == 4 else 4
    is_negative = data[first + low] >= 128
    place: i64 = low + 1
    while place <= width:
        if data[first + place] != (255 if is_negative else 0):
            return True
        place += 1
    return False


def _is_back_length(data: bytes, at: int, length: int) -> bool:
    """Whether `length`, from 128 on, stands at `at` in groups of seven bits, the highest first."""
    groups = 2 if length < 1 << 14 else 3 if length < 1 << 21 else 4 if length < 1 << 28 else 5
    if at + groups >= len(data):
        return False
    for place in range(groups):
        group = length >> 7 * (groups - 1 - place) & 127
        if data[at + place] != (group | 128 if place else group):
            return False
    return True


# Ziplists


def ziplist_elements(data: bytes) -> list[bytes]:
    """The elements of a ziplist. O(bytes). Raises ValueError, saying what is wrong.

    ziplist = bytes (uint32) | offset of the last (uint32) | elements (uint16, 65535: unknown) | element ... | FF
    element = length of the one before (1 byte, or FE and uint32) | header | string or integer
    """
    size = len(data)
    if size <= _ZIPLIST_HEADER_BYTES or int.from_bytes(data[:4], "little") != size or data[size - 1] != 0xFF:
        raise ValueError("a ziplist of another size than it says")
    end = size - 1
    at = _ZIPLIST_HEADER_BYTES
    last = at
    length_before = 0
    elements: list[bytes] = []
    while at < end:
        header = at + 1
        announced = data[at]
        if announced >= 254:
            header = at + 5
            announced = int.from_bytes(data[at + 1 : at + 5], "little")
        if announced != length_before or header >= end or data[at] == 0xFF:
            raise ValueError("an element of a ziplist behind one of another length")
        start, following = _ziplist_body(data, header, end)
        if following > end:
            raise ValueError("an element of a ziplist that goes beyond its end")
        elements.append(_ziplist_element(data, header, start, following))
        last = at
        length_before = following - at
        at = following
    if int.from_bytes(data[4:8], "little") != last:
        raise ValueError("a ziplist with another last element than it says")
    if (data[8] | data[9] << 8) not in (_COUNT_UNKNOWN, len(elements)):
        raise ValueError("a ziplist with another number of elements than it says")
    return elements


def _ziplist_body(data: bytes, header: int, end: int) -> tuple[int, int]:
    """Where the body of the element begins whose header is at `header`, and what is behind it."""
    first = data[header]
    kind = first >> 6
    if kind == 0:
        return header + 1, header + 1 + first
    if kind == 1 and header + 2 <= end:
        return header + 2, header + 2 + ((first & 63) << 8 | data[header + 1])
    if first == 0x80 and header + 5 <= end:
        return header + 5, header + 5 + int.from_bytes(data[header + 1 : header + 5], "big")
    start = header + 1
    if first == 0xC0:
        return start, start + 2
    if first == 0xD0:
        return start, start + 4
    if first == 0xE0:
        return start, start + 8
    if first == 0xF0:
        return start, start + 3
    if first == 0xFE:
        return start, start + 1
    if 0xF1 <= first <= 0xFD:
        return start, start
    raise ValueError("an unknown or incomplete element in a ziplist")


def _ziplist_element(data: bytes, header: int, start: int, following: int) -> bytes:
    first = data[header]
    if first < 0xC0:
        return data[start:following]
    if 0xF1 <= first <= 0xFD:
        return b"%d" % ((first & 15) - 1)
    return b"%d" % int.from_bytes(data[start:following], "little", signed=True)


# Zipmaps


def zipmap_elements(data: bytes) -> list[bytes]:
    """Fields and values of a zipmap, in turn. O(bytes). Raises ValueError, saying what is wrong.

    zipmap = pairs (1 byte, from 254 on: unknown) | length | field | length | unused | value | unused bytes ... | FF
    length = 1 byte, or FE and uint32
    """
    size = len(data)
    if size < 2 or data[size - 1] != 0xFF:
        raise ValueError("a zipmap without its end")
    end = size - 1
    at = 1
    elements: list[bytes] = []
    while at < end:
        length, start = _zipmap_length(data, at, end)
        at = start + length
        elements.append(data[start:at])
        length, start = _zipmap_length(data, at, end)
        if start >= end:
            raise ValueError("a pair of a zipmap that goes beyond its end")
        unused = data[start]
        at = start + 1 + length
        elements.append(data[start + 1 : at])
        at += unused
    if at != end:
        raise ValueError("a pair of a zipmap that goes beyond its end")
    if data[0] < 254 and data[0] * 2 != len(elements):
        raise ValueError("a zipmap with another number of pairs than it says")
    return elements


def _zipmap_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A length, and the offset behind it."""
    if at < end and data[at] < 254:
        return data[at], at + 1
    if at + 5 <= end and data[at] == 254:
        return int.from_bytes(data[at + 1 : at + 5], "little"), at + 5
    raise ValueError("a wrong length in a zipmap")
