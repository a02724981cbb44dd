"""The arithmetic of INCRBYFLOAT: x86's 80-bit extended precision, as C's `long double` has it, in whole numbers.

Redis adds with a significand of 64 bits and writes 17 decimal places, so a Python float (53 bits) would give other
digits. A number is a pair (significand, exponent), which stands for `significand * 2**exponent`; the significand
has 64 bits at most and carries the sign. The least exponent is -16445, the least number thus 2**-16445.

Sources: IEEE 754 (binary64 extended), ISO C `strtold` and `%Lf`; which texts count as numbers is redis-server 7.0's.
"""

import re
from typing import Final

from respkv.errors import NotAFloat

_SIGNIFICAND_BITS: Final = 64
_LEAST_EXPONENT: Final = -16445
_OVERFLOW_EXPONENT: Final = 16384  # 2**16384 and above is infinite
_ONE: Final = 10**17  # 17 decimal places are written
_TEXT_MAX: Final = 5 * 1024  # texts are shorter than this

# Exponents beyond this can be cut: no text is long enough to make up for it.
_EXPONENT_MAX: Final = 100_000
# Python refuses to convert more digits at once, lest it takes too long: twice this is within the bounds here.
_DIGITS_AT_ONCE: Final = 4000
_CHUNK: Final[int] = 10**_DIGITS_AT_ONCE

_NUMBER: Final = re.compile(
    rb"""([+-]?)
    (?:(?P<digits>[0-9]+)(?:\.(?P<places>[0-9]*))?(?:[eE](?P<exponent>[+-]?[0-9]+))?
      |\.(?P<only_places>[0-9]+)(?:[eE](?P<only_exponent>[+-]?[0-9]+))?
      |0[xX](?P<hex>[0-9a-fA-F]*)(?:\.(?P<hex_places>[0-9a-fA-F]*))?(?:[pP](?P<hex_exponent>[+-]?[0-9]+))?
      |(?P<infinite>inf|infinity))""",
    re.VERBOSE | re.IGNORECASE,
)

LongDouble = tuple[int, int]
INFINITE_EXPONENT: Final = 1 << 20
"""The exponent of both infinities, whose significand is the sign."""


class NotFinite(Exception):
    """A sum is infinite or not a number."""


def parse(text: bytes) -> LongDouble:
    """The number that `text` says, rounded to nearest, ties to even. Raises NotAFloat.

    What is too large or too small to be told from infinity or zero is no number, but `inf` is one.
    """
    found = _NUMBER.fullmatch(text) if len(text) < _TEXT_MAX else None
    if found is None:
        raise NotAFloat
    sign = -1 if found[1] == b"-" else 1
    if found["infinite"] is not None:
        return sign, INFINITE_EXPONENT
    if found["hex"] is not None:
        places = found["hex_places"] or b""
        digits = found["hex"] + places
        if not digits:
            raise NotAFloat
        exponent = _exponent(found["hex_exponent"]) - 4 * len(places)
        number = _round(int(digits, 16), 1, exponent)
    else:
        places = found["places"] or found["only_places"] or b""
        number = _parse_decimal(
            _digits_to_int((found["digits"] or b"") + places),
            _exponent(found["exponent"] or found["only_exponent"]) - len(places),
        )
    if number is None:
        raise NotAFloat
    return sign * number[0], number[1]


def of_int(number: int) -> LongDouble:
    """A 64-bit integer, exactly."""
    return number, 0


def add(one: LongDouble, two: LongDouble) -> LongDouble:
    """The rounded sum. Raises NotFinite."""
    if one[1] == INFINITE_EXPONENT or two[1] == INFINITE_EXPONENT:
        raise NotFinite
    exponent = min(one[1], two[1])
    total = (one[0] << (one[1] - exponent)) + (two[0] << (two[1] - exponent))
    rounded = _round(abs(total), 1, exponent)
    if rounded is None:
        raise NotFinite
    return (-rounded[0] if total < 0 else rounded[0]), rounded[1]


def to_text(number: LongDouble) -> bytes:
    """The number with 17 decimal places, ties to even, without the zeros at their end."""
    significand, exponent = number
    scaled = abs(significand) * _ONE
    if exponent >= 0:
        scaled <<= exponent
    else:
        scaled = _shift_right(scaled, -exponent)
    whole, places = divmod(scaled, _ONE)
    text = _int_to_digits(whole)
    if places:
        text += b".%b" % (b"%017d" % places).rstrip(b"0")
    return b"-" + text if significand < 0 and text != b"0" else text


def _exponent(text: bytes | None) -> int:
    if not text:
        return 0
    magnitude = text.lstrip(b"+-").lstrip(b"0")[:7]
    number = min(int(magnitude or b"0"), _EXPONENT_MAX)
    return -number if text[:1] == b"-" else number


def _parse_decimal(digits: int, exponent: int) -> LongDouble | None:
    if exponent >= 0:
        # Enough for infinity, whatever the digits.
        return _round(digits * 10 ** min(exponent, 5000), 1, 0)
    # Less than half the least number, whatever the digits: there are at most 5119.
    return _round(digits, 10 ** min(-exponent, 15000), 0)


def _round(numerator: int, denominator: int, exponent: int) -> LongDouble | None:
    """`numerator / denominator * 2**exponent`, none negative, as a LongDouble; None if it overflows, or to zero."""
    if numerator == 0:
        return 0, 0
    # How far the quotient must be shifted to the left to have 64 bits, or one more.
    shift = _SIGNIFICAND_BITS - numerator.bit_length() + denominator.bit_length()
    shift = min(shift, exponent - _LEAST_EXPONENT)
    if shift >= 0:
        numerator <<= shift
    else:
        denominator <<= -shift
    significand, rest = divmod(numerator, denominator)
    exponent -= shift
    if significand.bit_length() > _SIGNIFICAND_BITS:
        low = significand & 1
        significand >>= 1
        exponent += 1
        # Half of the last place is the bit shifted out; `rest` says whether there is more than half.
        if low and (rest or significand & 1):
            significand += 1
    elif 2 * rest > denominator or (2 * rest == denominator and significand & 1):
        significand += 1
    if significand == 0 or significand.bit_length() + exponent > _OVERFLOW_EXPONENT:
        return None
    return significand, exponent


def _shift_right(number: int, bits: int) -> int:
    """`number / 2**bits`, rounded to nearest, ties to even."""
    whole = number >> bits
    rest = number - (whole << bits)
    half = 1 << (bits - 1)
    if rest > half or (rest == half and whole & 1):
        whole += 1
    return whole


def _digits_to_int(digits: bytes) -> int:
    if len(digits) <= _DIGITS_AT_ONCE:
        return int(digits)
    tail = digits[-_DIGITS_AT_ONCE:]
    return int(digits[:-_DIGITS_AT_ONCE]) * _CHUNK + int(tail)


def _int_to_digits(number: int) -> bytes:
    if number < _CHUNK:
        return b"%d" % number
    head, tail = divmod(number, _CHUNK)
    return b"%d" % head + (b"%d" % tail).rjust(_DIGITS_AT_ONCE, b"0")
