"""The library `bit`: operations on 32 bits, results with sign. Source: Mike Pall's BitOp 1.0.2, which Redis has."""

from typing import Any, Final

from respkv.scripting.arguments import BadArgument, check_integer, check_number

_MASK: Final = 0xFFFFFFFF


def _signed(bits: int) -> int:
    bits &= _MASK
    return bits - 0x100000000 if bits & 0x80000000 else bits


def _bits(arguments: tuple[Any, ...], position: int, name: bytes) -> int:
    """An argument rounded to an integer, halves to even, and cut to 32 bits. Raises BadArgument."""
    number = check_number(arguments, position, name)
    if type(number) is int:
        return number & _MASK
    if not -(2.0**63) < number < 2.0**63:
        return 0
    return round(number) & _MASK


def _shift(arguments: tuple[Any, ...], name: bytes) -> tuple[int, int]:
    bits = _bits(arguments, 1, name)
    return bits, _bits(arguments, 2, name) & 31


def tobit(*arguments: Any) -> int:
    """A number as 32 bits with sign."""
    return _signed(_bits(arguments, 1, b"tobit"))


def bnot(*arguments: Any) -> int:
    """All bits the other way round."""
    return _signed(~_bits(arguments, 1, b"bnot"))


def band(*arguments: Any) -> int:
    """The bits that are set in all arguments."""
    bits = _bits(arguments, 1, b"band")
    for position in range(2, len(arguments) + 1):
        bits &= _bits(arguments, position, b"band")
    return _signed(bits)


def bor(*arguments: Any) -> int:
    """The bits that are set in any argument."""
    bits = _bits(arguments, 1, b"bor")
    for position in range(2, len(arguments) + 1):
        bits |= _bits(arguments, position, b"bor")
    return _signed(bits)


def bxor(*arguments: Any) -> int:
    """The bits that are set in an odd number of arguments."""
    bits = _bits(arguments, 1, b"bxor")
    for position in range(2, len(arguments) + 1):
        bits ^= _bits(arguments, position, b"bxor")
    return _signed(bits)


def lshift(*arguments: Any) -> int:
    """Bits shifted to the left."""
    bits, count = _shift(arguments, b"lshift")
    return _signed(bits << count)


def rshift(*arguments: Any) -> int:
    """Bits shifted to the right, zeros behind them."""
    bits, count = _shift(arguments, b"rshift")
    return _signed(bits >> count)


def arshift(*arguments: Any) -> int:
    """Bits shifted to the right, the sign behind them."""
    bits, count = _shift(arguments, b"arshift")
    return _signed(_signed(bits) >> count)


def rol(*arguments: Any) -> int:
    """Bits rotated to the left."""
    bits, count = _shift(arguments, b"rol")
    return _signed(bits << count | bits >> 32 - count)


def ror(*arguments: Any) -> int:
    """Bits rotated to the right."""
    bits, count = _shift(arguments, b"ror")
    return _signed(bits >> count | bits << 32 - count)


def bswap(*arguments: Any) -> int:
    """The four bytes the other way round."""
    return _signed(int.from_bytes(_bits(arguments, 1, b"bswap").to_bytes(4, "little"), "big"))


def tohex(*arguments: Any) -> bytes:
    """Up to 8 hexadecimal digits, the last ones; in upper case if their number is negative."""
    bits = _bits(arguments, 1, b"tohex")
    count = 8 if len(arguments) < 2 or arguments[1] is None else check_integer(arguments, 2, b"tohex")
    digits = b"%08x" % bits if count >= 0 else b"%08X" % bits
    count = min(abs(count), 8)
    return digits[8 - count :]


FUNCTIONS: Final = (tobit, bnot, band, bor, bxor, lshift, rshift, arshift, rol, ror, bswap, tohex)

__all__ = ["FUNCTIONS", "BadArgument"]
