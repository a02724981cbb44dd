"""Doubles as text, in the one form that replies, packed sorted sets and the log have in common."""

from typing import Final

_WHOLE_MAX: Final = float(2**62)


def format_float(number: float) -> bytes:
    """A double in the shortest form that reads back as the same number, laid out as Redis 7.2 and later do it.

    Whole numbers of up to 62 bits are written out. Of the others, those with few zeros to add stand without exponent.
    """
    if number - number != 0.0:
        return b"nan" if number != number else b"inf" if number > 0 else b"-inf"
    if -_WHOLE_MAX <= number <= _WHOLE_MAX and number == int(number):
        return b"%d" % int(number) if number or str(number)[0] != "-" else b"-0"
    sign = "-" if number < 0 else ""
    mantissa, _, power = repr(abs(number)).partition("e")
    whole, _, places = mantissa.partition(".")
    digits = (whole + places).lstrip("0")
    # The number is `digits` (without zeros at their end) * 10**exponent.
    exponent = int(power or 0) - len(places) + len(digits)
    digits = digits.rstrip("0")
    exponent -= len(digits)
    return (sign + _lay_out(digits, exponent)).encode()


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
