"""Elements of a listpack without its header and end: what lists are made of, since it grows by mere concatenation.

    body = element ...        (as in `respkv.values.listpack`)

Offsets are positions in the body, of the first byte of an element; the length of the body is that of its end.
"""

from typing import TYPE_CHECKING, Final

from librt.strings import (
    BytesWriter,
    read_i16_le,
    read_i32_le,
    read_i64_le,
    write_i16_be,
    write_i16_le,
    write_i32_le,
    write_i64_le,
)

from respkv.build import BUILD
from respkv.values.listpack import SHORT_ENDS, SHORT_HEADERS, after, before, element_at, elements_from, encode

if TYPE_CHECKING:
    from mypy_extensions import i64

OVERHEAD_BYTES: Final = 7
"""What header and end add."""

_BETWEEN: Final[list[bytes]] = [end + header for end, header in zip(SHORT_ENDS, SHORT_HEADERS, strict=True)]


_BULKS: Final[list[bytes]] = [b"$%d\r\n" % length for length in range(64)]
_SMALL_BULKS: Final[list[bytes]] = [b"$%d\r\n%d\r\n" % (len(b"%d" % number), number) for number in range(128)]


def to_wire(body: bytes, count: int, *, backwards: bool) -> bytes:
    """The `count` elements as bulk strings of the protocol, one behind the other, or last one first. O(bytes)."""
    if BUILD != "compiled":
        elements = elements_from(body, 0, count)
        if backwards:
            elements.reverse()
        return bulks_of(elements)
    # What most elements are goes from one to the other in words, without an object: half the time of making some.
    buffer = BytesWriter()
    at: i64 = len(body) if backwards else 0
    left: i64 = count
    while left > 0:
        left -= 1
        position: i64 = at
        if backwards:
            position = skip_back(body, at, 1)
            at = position
        first: i64 = body[position]
        if first < 0x80:
            buffer.write(_SMALL_BULKS[first])
            position += 2
        elif first < 0xC0:
            length: i64 = first & 63
            buffer.write(_BULKS[length])
            position += 1
            while length >= 8:
                write_i64_le(buffer, read_i64_le(body, position))
                position += 8
                length -= 8
            if length & 4:
                write_i32_le(buffer, read_i32_le(body, position))
                position += 4
            if length & 2:
                write_i16_le(buffer, read_i16_le(body, position))
                position += 2
            if length & 1:
                buffer.append(body[position])
                position += 1
            write_i16_be(buffer, 0x0D0A)
            position += 1
        else:
            element = element_at(body, position)
            buffer.write(b"$%d\r\n" % len(element))
            buffer.write(element)
            buffer.write(b"\r\n")
            position = after(body, position)
        if not backwards:
            at = position
    return buffer.getvalue()


def bulks_of(elements: list[bytes]) -> bytes:
    """`elements` as bulk strings of the protocol, one behind the other. O(bytes)."""
    buffer = BytesWriter()
    for element in elements:
        length = len(element)
        buffer.write(_BULKS[length] if length < 64 else b"$%d\r\n" % length)
        buffer.write(element)
        buffer.write(b"\r\n")
    return buffer.getvalue()


def pack(elements: list[bytes]) -> bytes:
    """The body of `elements`. O(bytes)."""
    pieces: list[bytes] = []
    total = len(elements)
    start = 0
    while start < total:
        first = elements[start]
        length = len(first)
        at = start + 1
        if 0 < length < 64 and first[0] > 57:
            # Strings of one length that are no numbers: what stands between them is the same.
            while at < total:
                element = elements[at]
                if len(element) != length or element[0] <= 57:
                    break
                at += 1
        if at - start > 2:
            pieces.append(SHORT_HEADERS[length])
            pieces.append(_BETWEEN[length].join(elements[start:at]))
            pieces.append(SHORT_ENDS[length])
            start = at
        else:
            pieces.append(encode(first))
            start += 1
    return b"".join(pieces)


def skip(body: bytes, at: int, elements: int) -> int:
    """The offset so many elements behind `at`. O(elements)."""
    position: i64 = at
    left: i64 = elements
    while left > 0:
        first: i64 = body[position]
        if first < 0x80:
            position += 2
        elif first < 0xC0:
            position += (first & 63) + 2
        elif first < 0xE0:
            position += 3
        else:
            position = after(body, position)
        left -= 1
    return position


def skip_back(body: bytes, at: int, elements: int) -> int:
    """The offset so many elements before `at`. O(elements)."""
    position: i64 = at
    left: i64 = elements
    while left > 0:
        size: i64 = body[position - 1]
        # One byte tells lengths of up to 127.
        if size < 128:
            position -= size + 1
        else:
            position = before(body, position)
        left -= 1
    return position


def seek(body: bytes, count: int, index: int) -> int:
    """The offset of element `index` (or of the end) of `count`. O(elements to the nearer end)."""
    if index <= count >> 1:
        return skip(body, 0, index)
    return skip_back(body, len(body), count - index)


def find_all(body: bytes, encoded: bytes, offsets: list[int]) -> list[int]:
    """The indexes of all elements that equal `encoded`; their offsets go into `offsets`. O(elements).

    Most bodies without such an element are told by one search over the bytes.
    """
    indexes: list[int] = []
    candidate: i64 = body.find(encoded)
    position: i64 = 0
    index: i64 = 0
    while candidate >= 0:
        # What looks like the element may be inside of another one.
        while position < candidate:
            first: i64 = body[position]
            if first < 0x80:
                position += 2
            elif first < 0xC0:
                position += (first & 63) + 2
            elif first < 0xE0:
                position += 3
            else:
                position = after(body, position)
            index += 1
        if position == candidate:
            indexes.append(index)
            offsets.append(position)
            position += len(encoded)
            index += 1
        candidate = body.find(encoded, position)
    return indexes


def without(body: bytes, offsets: list[int], length: int) -> bytes:
    """The body without the elements of `length` bytes at `offsets`, which ascend. O(bytes)."""
    pieces: list[bytes] = []
    at = 0
    for offset in offsets:
        pieces.append(body[at:offset])
        at = offset + length
    pieces.append(body[at:])
    return b"".join(pieces)
