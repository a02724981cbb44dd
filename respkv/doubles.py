"""Doubles as text, in the one form that replies, packed sorted sets and the log have in common.

The digits are those of the reference, which since 7.2 finds them by Grisu2: always digits that read back as the same
number, and in all but one of some thousand cases as few as possible. Python's `repr` has the fewest always, so it will
not do.

Source: F. Loitsch, "Printing floating-point numbers quickly and accurately with integers", PLDI 2010, with the table
and the range of exponents that the reference uses; compared with its replies.
"""

from math import frexp
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

_WHOLE_MAX: Final = float(2**62)

_POWER_FIRST: Final = -348
_POWER_STEP: Final = 8
_POWER_COUNT: Final = 87
_LOG10_OF_2: Final = 0.30102999566398114


def _power_of_ten(exponent: int) -> tuple[int, int]:
    """10**exponent as a significand of 64 bits, rounded, and a binary exponent."""
    power = 10 ** abs(exponent)
    if exponent < 0:
        shift = power.bit_length() + 63
        return ((1 << shift + 1) // power + 1) >> 1, -shift
    shift = power.bit_length() - 64
    return (((power << 1) >> shift) + 1) >> 1 if shift > 0 else power << -shift, shift


_POWERS: Final[list[tuple[int, int]]] = [
    _power_of_ten(_POWER_FIRST + _POWER_STEP * number) for number in range(_POWER_COUNT)
]
"""Every eighth power of ten that a double can need."""

_HALF: Final = 0xFFFFFFFF
_POWERS_HIGH: Final = vec[i64]([power >> 32 for power, _ in _POWERS])
_POWERS_LOW: Final = vec[i64]([power & _HALF for power, _ in _POWERS])
_POWER_EXPONENTS: Final = vec[i64]([exponent for _, exponent in _POWERS])


def _times(one: int, two: int) -> int:
    return (one * two + (1 << 63)) >> 64


def digits_of(number: float) -> tuple[int, int]:
    """As `grisu2`, for which this is the same in machine integers where compiled, as far as 64 bits are enough."""
    fraction, power_of_two = frexp(number)
    if power_of_two < -1021:
        return grisu2(number)
    significand: i64 = int(fraction * 9007199254740992.0)  # 2**53
    exponent: i64 = power_of_two - 53 - 11
    place: i64 = (int(-float(exponent + _POWER_COUNT) * _LOG10_OF_2) - _POWER_FIRST) // _POWER_STEP
    scale: i64 = exponent + _POWER_EXPONENTS[place] + 64
    while scale < -60 or scale > -32:
        place = place + 1 if scale < -60 else place - 1
        scale = exponent + _POWER_EXPONENTS[place] + 64
    bits: i64 = -scale
    if bits > 59:
        return grisu2(number)
    # All that has 64 bits may be negative where compiled: it is shifted and masked, and subtracted, but not compared.
    nearer: i64 = 1 if significand == 1 << 52 else 0
    upper: i64 = _times_power((2 * significand + 1) << 10, place) - 1
    lower: i64 = _times_power(((2 + 2 * nearer) * significand - 1) << (10 - nearer), place) + 1
    middle: i64 = _times_power(significand << 11, place)
    width: i64 = upper - lower
    wanted: i64 = upper - middle
    # In variables: mypyc shifts a literal as C's int, of 32 bits.
    one: i64 = 1
    whole: i64 = upper >> bits & (one << (64 - bits)) - 1
    one = one << bits
    fraction_mask: i64 = one - 1
    behind: i64 = upper & fraction_mask
    digits: i64 = 0
    unit: i64 = 1_000_000_000
    kappa: i64 = 9
    decimal: i64 = -(_POWER_FIRST + _POWER_STEP * place)
    while kappa >= 0:
        digits = 10 * digits + whole // unit
        whole = whole % unit
        rest: i64 = (whole << bits) + behind
        if 0 <= rest <= width:
            # The unit is larger than the interval: there is nothing to lower.
            return digits, decimal + kappa
        unit = unit // 10
        kappa -= 1
    kappa = 0
    rest = behind
    while True:
        rest = rest * 10
        width = width * 10
        wanted = wanted * 10
        kappa -= 1
        digits = 10 * digits + (rest >> bits)
        rest = rest & fraction_mask
        if rest < width:
            break
    while rest < wanted and width - rest >= one and (rest + one < wanted or wanted - rest > rest + one - wanted):
        digits -= 1
        rest += one
    return digits, decimal + kappa


def _times_power(number: i64, place: i64) -> i64:
    """The upper 64 bits of the product of `number` and the power of ten at `place`, rounded."""
    high: i64 = number >> 32 & _HALF
    low: i64 = number & _HALF
    power_high: i64 = _POWERS_HIGH[place]
    power_low: i64 = _POWERS_LOW[place]
    one: i64 = low * power_high
    two: i64 = high * power_low
    carried: i64 = (low * power_low >> 32 & _HALF) + (one & _HALF) + (two & _HALF) + (1 << 31)
    return high * power_high + (one >> 32 & _HALF) + (two >> 32 & _HALF) + (carried >> 32)


def grisu2(number: float) -> tuple[int, int]:
    """Digits, as an integer, and a power of ten, whose product reads back as `number`, which is above 0 and finite.

    As few as the method finds.
    """
    fraction, exponent = frexp(number)
    significand = int(fraction * 9007199254740992.0)  # 2**53
    exponent -= 53
    if exponent < -1074:
        # A number so small that it has fewer bits.
        significand >>= -1074 - exponent
        exponent = -1074
    # The numbers half way to the neighbours, and the number itself, with 64 bits and one exponent.
    shift = 63 - significand.bit_length()
    upper = (2 * significand + 1) << shift
    # Below a power of two, the neighbour is half as far away.
    nearer = 1 if significand == 1 << 52 else 0
    lower = ((2 + 2 * nearer) * significand - 1) << (shift - nearer)
    middle = significand << (shift + 1)
    exponent -= shift + 1
    # A power of ten that brings the exponent between -60 and -32.
    place = (int(-(exponent + _POWER_COUNT) * _LOG10_OF_2) - _POWER_FIRST) // _POWER_STEP
    while True:
        power, power_exponent = _POWERS[place]
        scale = exponent + power_exponent + 64
        if scale < -60:
            place += 1
        elif scale > -32:
            place -= 1
        else:
            break
    # Each product may be off by one, so that the interval gets narrower at both ends.
    upper = _times(upper, power) - 1
    lower = _times(lower, power) + 1
    middle = _times(middle, power)
    return _shortest(upper, upper - lower, upper - middle, -scale, -(_POWER_FIRST + _POWER_STEP * place))


def _shortest(upper: int, width: int, wanted: int, bits: int, exponent: int) -> tuple[int, int]:
    """As few digits as lead from `upper` into the interval of that `width` below it, and their power of ten.

    They come as near as they can to what is `wanted` below `upper`. All three have `bits` bits behind the point, and
    stand for themselves times 10**exponent.
    """
    one = 1 << bits
    rest = upper
    digits = 0
    unit = one * 1_000_000_000
    for kappa in range(9, -1, -1):
        digit, rest = divmod(rest, unit)
        digits = 10 * digits + digit
        if rest <= width:
            return _nearest(digits, rest, width, wanted, unit), exponent + kappa
        unit //= 10
    kappa = 0
    while True:
        rest *= 10
        width *= 10
        wanted *= 10
        kappa -= 1
        digit = rest >> bits
        rest -= digit << bits
        digits = 10 * digits + digit
        if rest < width:
            return _nearest(digits, rest, width, wanted, one), exponent + kappa


def _nearest(digits: int, rest: int, width: int, wanted: int, unit: int) -> int:
    """`digits`, which are `rest` below the upper end, lowered by units while that brings them nearer to `wanted`."""
    while rest < wanted and width - rest >= unit and (rest + unit < wanted or wanted - rest > rest + unit - wanted):
        digits -= 1
        rest += unit
    return digits


def format_float(number: float) -> bytes:
    """A double in a form that reads back as the same number, as Redis 7.2 and later write it.

    Whole numbers of up to 62 bits are written out. Of the others, those with few zeros to add stand without exponent.
    """
    if number - number != 0.0:
        return b"nan" if number != number else b"inf" if number > 0 else b"-inf"
    if -_WHOLE_MAX <= number <= _WHOLE_MAX and number == int(number):
        return b"%d" % int(number) if number or str(number)[0] != "-" else b"-0"
    sign = "-" if number < 0 else ""
    digits, exponent = digits_of(abs(number))
    return (sign + _lay_out(str(digits), exponent)).encode()


def _lay_out(digits: str, exponent: int) -> str:
    leading = exponent + len(digits) - 1  # the exponent of the first digit
    if exponent >= 0 and leading < len(digits) + 7:
        return digits + "0" * exponent
    if -7 < exponent < 0 or (exponent < 0 and abs(leading) < 4):
        point = len(digits) + exponent
        if point <= 0:
            return f"0.{'0' * -point}{digits}"
        return f"{digits[:point]}.{digits[point:]}"
    mantissa = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{mantissa}e{leading:+d}"
