"""The library `struct`: values packed as C lays them out. Source: Roberto Ierusalimschy's struct 0.2, as Redis has it.

> < !n        byte order; alignment up to n, a power of 2 (8)      blank   nothing
b h l         signed of 1, 2, 8 bytes; B H L T unsigned            in In   of n bytes (4)
f d           float, double                                        x       a zero byte
s cn          text up to a zero byte; of n bytes (c0: the length was the value before)
"""

import struct
from math import isfinite
from typing import Any, Final

from respkv.scripting.arguments import BadArgument, bad_argument, check_number, check_text, type_name

_INTEGER_MAX_BYTES: Final = 32
_INT_MAX: Final = 2**31 - 1
_SIZES: Final = {b"b": 1, b"B": 1, b"h": 2, b"H": 2, b"l": 8, b"L": 8, b"T": 8, b"f": 4, b"d": 8, b"x": 1}
_INTEGERS: Final = b"bBhHlLTiI"
_PACKED_MAX_BYTES: Final = 64 * 1024 * 1024
"""A format may ask for any number of bytes of padding; more than that is refused."""


class _Format:
    """A cursor over a format: options with their sizes, order and alignment as they stand."""

    def __init__(self, text: bytes, name: bytes) -> None:
        # C sees a text up to a zero byte.
        self.text = text.partition(b"\0")[0]
        self.name = name
        self.at = 0
        self.order = "<"
        self.align = 1

    def more(self) -> bool:
        """Whether options are left."""
        return self.at < len(self.text)

    def next(self, position: int) -> tuple[bytes, int, int]:
        """The next option, its size, and how many bytes of padding it needs at `position`. Raises BadArgument."""
        option = self.text[self.at : self.at + 1]
        self.at += 1
        size = _SIZES.get(option, 0)
        if option == b"c":
            size = self._number(1)
        elif option in (b"i", b"I"):
            size = self._number(4)
            if size > _INTEGER_MAX_BYTES:
                raise BadArgument(b"integral size %d is larger than limit of %d" % (size, _INTEGER_MAX_BYTES))
        padding = 0
        if size and option != b"c":
            boundary = min(size, self.align)
            padding = (boundary - (position & (boundary - 1))) & (boundary - 1)
        return option, size, padding

    def control(self, option: bytes) -> None:
        """An option that is no value. Raises BadArgument if it is nothing."""
        if option in (b"<", b">"):
            self.order = option.decode()
        elif option == b"!":
            align = self._number(8)
            if align <= 0 or align & (align - 1):
                raise BadArgument(b"alignment %d is not a power of 2" % align)
            self.align = align
        elif option != b" ":
            raise bad_argument(1, self.name, b"invalid format option '%b'" % option)

    def _number(self, default: int) -> int:
        start = self.at
        while self.at < len(self.text) and 48 <= self.text[self.at] <= 57:
            self.at += 1
            if int(self.text[start : self.at]) > _INT_MAX:
                raise BadArgument(b"integral size overflow")
        return int(self.text[start : self.at]) if self.at > start else default


def pack(*arguments: Any) -> bytes:
    """Values as the format says. Raises BadArgument."""
    form = _Format(check_text(arguments, 1, b"pack"), b"pack")
    # A missing argument is the nil that the C library keeps behind them.
    arguments = (*arguments, None)
    packed = bytearray()
    position = 2
    while form.more():
        option, size, padding = form.next(len(packed))
        packed += bytes(padding)
        if option in _INTEGERS:
            packed += _integer_bytes(check_number(arguments, position, b"pack"), size, form.order)
            position += 1
        elif option == b"x":
            packed += b"\0"
        elif option in (b"f", b"d"):
            packed += _float_bytes(check_number(arguments, position, b"pack"), option.decode(), form.order)
            position += 1
        elif option in (b"c", b"s"):
            text = check_text(arguments, position, b"pack")
            if size == 0:
                size = len(text)
            if len(text) < size:
                raise bad_argument(position + 1, b"pack", b"string too short")
            packed += text[:size]
            if option == b"s":
                packed += b"\0"
            position += 1
        else:
            form.control(option)
        if len(packed) > _PACKED_MAX_BYTES:
            raise BadArgument(b"not enough memory")
    return bytes(packed)


def unpack(*arguments: Any) -> Any:
    """The values in a packed text, and the place behind them. Raises BadArgument."""
    form = _Format(check_text(arguments, 1, b"unpack"), b"unpack")
    data = check_text(arguments, 2, b"unpack")
    start = 1
    if len(arguments) > 2 and arguments[2] is not None:
        start = int(check_number(arguments, 3, b"unpack"))
    if start == 0:
        raise bad_argument(3, b"unpack", b"offset must be 1 or greater")
    # Before the beginning is, to the C library, far behind the end.
    position = start - 1 if start > 0 else len(data) + 1
    values: list[Any] = []
    while form.more():
        option, size, padding = form.next(position)
        position += padding
        if position + size > len(data):
            raise bad_argument(2, b"unpack", b"data string too short")
        if option in _INTEGERS:
            values.append(_integer_of(data[position : position + size], option.islower(), form.order))
        elif option in (b"f", b"d"):
            values.append(struct.unpack_from(form.order + option.decode(), data, position)[0])
        elif option == b"c":
            if size == 0:
                if not values or not isinstance(values[-1], int | float):
                    raise BadArgument(b"format 'c0' needs a previous size")
                size = int(values.pop())
                if size < 0 or position + size > len(data):
                    raise bad_argument(2, b"unpack", b"data string too short")
            values.append(data[position : position + size])
        elif option == b"s":
            end = data.find(b"\0", position)
            if end < 0:
                raise BadArgument(b"unfinished string in data")
            values.append(data[position:end])
            size = end - position + 1
        elif option != b"x":
            form.control(option)
        position += size
        if len(values) > _RESULTS_MAX:
            raise BadArgument(b"stack overflow (too many results)")
    return (*values, position + 1)


_RESULTS_MAX: Final = 7000


def size(*arguments: Any) -> int:
    """How many bytes a format takes. Raises BadArgument."""
    form = _Format(check_text(arguments, 1, b"size"), b"size")
    position = 0
    while form.more():
        option, length, padding = form.next(position)
        position += padding
        if option == b"s":
            raise bad_argument(1, b"size", b"option 's' has no fixed size")
        if option == b"c" and length == 0:
            raise bad_argument(1, b"size", b"option 'c0' has no fixed size")
        if not option.isalnum():
            form.control(option)
        position += length
    return position


def _integer_bytes(number: float, length: int, order: str) -> bytes:
    value = int(number) if isfinite(number) else 1 << 63
    little = (value & (2**64 - 1)).to_bytes(8, "little")
    little = little[:length].ljust(length, b"\0")
    return little if order == "<" else little[::-1]


def _float_bytes(number: float, option: str, order: str) -> bytes:
    try:
        return struct.pack(order + option, number)
    except OverflowError:
        return struct.pack(order + option, float("inf") if number > 0 else float("-inf"))


def _integer_of(data: bytes, is_signed: bool, order: str) -> int | float:
    length = len(data)
    value = int.from_bytes(data, "little" if order == "<" else "big") & (2**64 - 1)
    if is_signed:
        shift = (length * 8 - 1) % 64
        mask = ~((1 << shift) - 1) & (2**64 - 1)
        if value & mask:
            value |= mask
        if value >> 63:
            value -= 2**64
        return value
    return value if value < 2**63 else float(value)


FUNCTIONS: Final = (pack, unpack, size)

__all__ = ["FUNCTIONS", "type_name"]
