"""Small collections as one bytes object, in Redis's own form: no object an element, and DUMP writes it as it is.

    listpack = total bytes (uint32) | elements (uint16, 65535: unknown) | element ... | 0xFF
    element  = encoded integer or string | its length, backwards in groups of seven bits

Integers of up to 64 bits are numbers, so one element has one form only, and equal elements are equal bytes: to look
for an element is to look for its bytes at the beginnings of elements.

Offsets are positions in the listpack, of the first byte of an element, or of the end byte. All functions leave their
arguments alone and answer with new listpacks. They expect well-formed ones: what comes from outside goes through
`unpack_untrusted` first.

Source: antirez/listpack, the specification; bytes compared with those of redis-server's DUMP.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_extensions import i64

HEADER_BYTES: Final = 6
END: Final = b"\xff"
EMPTY: Final = b"\x07\x00\x00\x00\x00\x00\xff"

_COUNT_UNKNOWN: Final = 65535

# What stands before and behind a string of up to 63 bytes.
SHORT_HEADERS: Final[list[bytes]] = [bytes((0x80 | length,)) for length in range(64)]
SHORT_ENDS: Final[list[bytes]] = [bytes((length + 1,)) for length in range(64)]

_SMALL: Final[list[bytes]] = [b"%d" % number for number in range(128)]


def encode(element: bytes) -> bytes:
    """The bytes of `element` in a listpack, its length at the end included. O(length)."""
    length = len(element)
    if 0 < length <= 20:
        first = element[0]
        # Digits, or a minus before some.
        if (48 <= first <= 57 and (first != 48 or length == 1)) or (first == 45 and length > 1):
            try:
                number = int(element)
            except ValueError:
                number = 0
            if b"%d" % number == element:
                body = _encode_integer(number)
                if body is not None:
                    return body
    if length < 64:
        return SHORT_HEADERS[length] + element + SHORT_ENDS[length]
    if length < 4096:
        body = bytes((0xE0 | length >> 8, length & 0xFF)) + element
    else:
        body = b"\xf0" + length.to_bytes(4, "little") + element
    return body + _back_length(len(body))


def encoded_length(element: bytes) -> int:
    """How long `encode(element)` is. O(1)."""
    length: i64 = len(element)
    if 0 < length <= 20:
        first: i64 = element[0]
        if first <= 57 and (first >= 48 or first == 45):
            at: i64 = 1 if first == 45 else 0
            if length - at > 18:
                return len(encode(element))
            number: i64 = 0
            # Of zeros at the beginning, only that of "0" itself belongs to a number.
            is_integer = length > at and (element[at] != 48 or length == 1)
            while is_integer and at < length:
                digit: i64 = element[at] - 48
                is_integer = 0 <= digit <= 9
                number = number * 10 + digit
                at += 1
            if is_integer:
                if first == 45:
                    number = -number
                return _integer_bytes(number)
    if length < 64:
        return length + 2
    length += 2 if length < 4096 else 5
    return length + len(_back_length(length))


def _integer_bytes(number: int) -> int:
    if 0 <= number <= 127:
        return 2
    if -4096 <= number <= 4095:
        return 3
    if -(1 << 15) <= number < 1 << 15:
        return 4
    if -(1 << 23) <= number < 1 << 23:
        return 5
    return 6 if -(1 << 31) <= number < 1 << 31 else 10


def _encode_integer(number: int) -> bytes | None:
    if 0 <= number <= 127:
        return bytes((number, 1))
    if -4096 <= number <= 4095:
        number &= 0x1FFF
        return bytes((0xC0 | number >> 8, number & 0xFF, 2))
    if -(1 << 15) <= number < 1 << 15:
        return b"\xf1" + number.to_bytes(2, "little", signed=True) + b"\x03"
    if -(1 << 23) <= number < 1 << 23:
        return b"\xf2" + number.to_bytes(3, "little", signed=True) + b"\x04"
    if -(1 << 31) <= number < 1 << 31:
        return b"\xf3" + number.to_bytes(4, "little", signed=True) + b"\x05"
    if -(1 << 63) <= number < 1 << 63:
        return b"\xf4" + number.to_bytes(8, "little", signed=True) + b"\x09"
    return None


def _back_length(length: int) -> bytes:
    if length < 128:
        return bytes((length,))
    groups = [length & 127 | 128]
    length >>= 7
    while length >= 128:
        groups.append(length & 127 | 128)
        length >>= 7
    groups.append(length)
    groups.reverse()
    return bytes(groups)


def pack(elements: Iterable[bytes]) -> bytes:
    """A listpack of `elements`. O(bytes)."""
    return join([encode(element) for element in elements])


def join(encoded: list[bytes]) -> bytes:
    """A listpack of elements that `encode` made. O(bytes)."""
    body = b"".join(encoded)
    count = len(encoded)
    return b"%b%b%b\xff" % (
        (len(body) + HEADER_BYTES + 1).to_bytes(4, "little"),
        (min(_COUNT_UNKNOWN, count)).to_bytes(2, "little"),
        body,
    )


def count(listpack: bytes) -> int:
    """How many elements there are. O(1); O(n) from 65535 on."""
    number = listpack[4] | listpack[5] << 8
    if number < _COUNT_UNKNOWN:
        return number
    number = 0
    at = HEADER_BYTES
    while listpack[at] != 0xFF:
        at = after(listpack, at)
        number += 1
    return number


def after(listpack: bytes, at: int) -> int:
    """The offset behind the element at `at`. O(1)."""
    first: i64 = listpack[at]
    position: i64 = at
    if first < 128:
        return position + 2
    if first < 0xC0:
        return position + (first & 63) + 2  # with its header byte at most 64 long: one byte of length
    if first < 0xE0:
        return position + 3
    if first < 0xF0:
        size: i64 = 2 + ((first & 15) << 8 | listpack[position + 1])
        return position + size + (1 if size < 128 else 2)
    if first == 0xF0:
        size = 5 + int.from_bytes(listpack[at + 1 : at + 5], "little")
        return (
            position
            + size
            + (1 if size < 128 else 2 if size < 1 << 14 else 3 if size < 1 << 21 else 4 if size < 1 << 28 else 5)
        )
    return position + (4 if first == 0xF1 else 5 if first == 0xF2 else 6 if first == 0xF3 else 10)


def before(listpack: bytes, at: int) -> int:
    """The offset of the element that ends at `at`, which is not the first element's. O(1)."""
    position: i64 = at - 1
    size: i64 = listpack[position] & 127
    groups: i64 = 1
    shift: i64 = 7
    while listpack[position] & 128:
        position -= 1
        size |= (listpack[position] & 127) << shift
        shift += 7
        groups += 1
    return at - groups - size


def element_at(listpack: bytes, at: int) -> bytes:
    """The element at `at`. O(its length)."""
    first = listpack[at]
    if first < 128:
        return b"%d" % first
    if first < 0xC0:
        return listpack[at + 1 : at + 1 + (first & 63)]
    if first < 0xE0:
        number = (first & 0x1F) << 8 | listpack[at + 1]
        return b"%d" % (number - 0x2000 if number >= 0x1000 else number)
    if first < 0xF0:
        return listpack[at + 2 : at + 2 + ((first & 15) << 8 | listpack[at + 1])]
    if first == 0xF0:
        return listpack[at + 5 : at + 5 + int.from_bytes(listpack[at + 1 : at + 5], "little")]
    size = 2 if first == 0xF1 else 3 if first == 0xF2 else 4 if first == 0xF3 else 8
    return b"%d" % int.from_bytes(listpack[at + 1 : at + 1 + size], "little", signed=True)


def seek(listpack: bytes, index: int) -> int:
    """The offset of element `index`, from 0 on and below the count. O(elements to the nearer end)."""
    total = count(listpack)
    if index <= total >> 1:
        at = HEADER_BYTES
        for _ in range(index):
            at = after(listpack, at)
        return at
    at = len(listpack) - 1
    for _ in range(total - index):
        at = before(listpack, at)
    return at


def find(listpack: bytes, encoded: bytes, at: int, stride: int) -> int:
    """The offset of the first element from `at` on that equals `encoded`, looking at each `stride`-th; or -1. O(n)."""
    # One search over all bytes tells most misses, faster than to look at each element. It compares last bytes first:
    # better not the length, which elements often share.
    needle = encoded if len(encoded) < 8 else encoded[:-1]
    candidate = listpack.find(needle, at)
    if candidate < 0:
        return -1
    end: i64 = len(listpack) - 1
    position: i64 = at
    while position < end:
        if position >= candidate:
            if position == candidate:
                return position
            candidate = listpack.find(needle, position)
            if candidate < 0:
                return -1
            if position == candidate:
                return position
        for _ in range(stride):
            # Small integers and short strings, which most are, without a call.
            first: i64 = listpack[position]
            if first < 128:
                position += 2
            elif first < 0xC0:
                position += (first & 63) + 2
            else:
                position = after(listpack, position)
    return -1


def splice(listpack: bytes, start: int, stop: int, encoded: bytes, growth: int) -> bytes:
    """`listpack` with `encoded` in place of what is from offset `start` to `stop`: `growth` elements more. O(bytes)."""
    number = count(listpack) + growth
    return b"%b%b%b%b%b" % (
        (len(listpack) + len(encoded) - (stop - start)).to_bytes(4, "little"),
        (min(_COUNT_UNKNOWN, number)).to_bytes(2, "little"),
        listpack[HEADER_BYTES:start],
        encoded,
        listpack[stop:],
    )


def unpack(listpack: bytes) -> list[bytes]:
    """All elements. O(bytes)."""
    return elements_from(listpack, HEADER_BYTES, count(listpack))


def elements_from(listpack: bytes, at: int, elements: int) -> list[bytes]:
    """So many elements from the offset `at` on. O(their bytes)."""
    found: list[bytes] = []
    position: i64 = at
    left: i64 = elements
    while left > 0:
        first: i64 = listpack[position]
        if 0x80 <= first < 0xC0:
            end: i64 = position + 1 + (first & 63)
            found.append(listpack[position + 1 : end])
            position = end + 1
        elif first < 0x80:
            found.append(_SMALL[first])
            position += 2
        else:
            found.append(element_at(listpack, position))
            position = after(listpack, position)
        left -= 1
    return found


def unpack_untrusted(data: bytes) -> list[bytes]:
    """All elements of what claims to be a listpack. O(bytes). Raises ValueError, saying what is wrong."""
    size = len(data)
    if size < HEADER_BYTES + 1 or int.from_bytes(data[:4], "little") != size:
        raise ValueError("a listpack of another size than it says")
    end = size - 1
    elements: list[bytes] = []
    at = HEADER_BYTES
    while at < end:
        following = checked_after(data, at, end)
        elements.append(element_at(data, at))
        at = following
    if data[at] != 0xFF:
        raise ValueError("a listpack without its end")
    announced = data[4] | data[5] << 8
    if announced not in (_COUNT_UNKNOWN, len(elements)):
        raise ValueError("a listpack with another number of elements than it says")
    return elements


def checked_after(data: bytes, at: int, end: int) -> int:
    """As `after`, in what claims to be a listpack that ends at `end`. Raises ValueError, saying what is wrong."""
    first = data[at]
    header = 5 if first == 0xF0 else 2 if 0xE0 <= first < 0xF0 else 1
    if first > 0xF4 or at + header >= end:
        raise ValueError("an unknown or incomplete element in a listpack")
    following = after(data, at)
    # `after` goes by the header; the length at the end has to say the same, in as few bytes as it takes.
    for back_bytes in range(1, 6):
        body_bytes = following - at - back_bytes
        if body_bytes > 0 and data[following - back_bytes : following] == _back_length(body_bytes):
            break
    else:
        raise ValueError("an element of a listpack with a wrong length")
    if following > end:
        raise ValueError("an element of a listpack that goes beyond its end")
    return following
