"""Doubles as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respkv.doubles import digits_of, format_float, grisu2


@pytest.mark.parametrize(
    ("number", "text"),
    # As Redis 8.2 writes scores.
    [
        (0.0, b"0"),
        (-0.0, b"-0"),
        (3.0, b"3"),
        (-3.5, b"-3.5"),
        (0.1, b"0.1"),
        (100.25, b"100.25"),
        (12345678.9, b"12345678.9"),
        (0.00001, b"0.00001"),
        (1e-6, b"0.000001"),
        (1e-7, b"1e-7"),
        (1.5e-6, b"1.5e-6"),
        (0.00012345, b"1.2345e-4"),
        (1e16, b"10000000000000000"),
        (1e18, b"1000000000000000000"),
        (4.6e18, b"4600000000000000000"),
        (4.7e18, b"4.7e+18"),
        (9.3e18, b"9.3e+18"),
        (1e21, b"1e+21"),
        (1.5e300, b"1.5e+300"),
        (5e-324, b"5e-324"),
        (1.7976931348623157e308, b"1.7976931348623157e+308"),
        (float("inf"), b"inf"),
        (float("-inf"), b"-inf"),
        (float("nan"), b"nan"),
        # Where Grisu2 does not find the shortest digits.
        (3949.18150406062, b"3949.1815040606198"),
        (52.68906858918184, b"52.689068589181844"),
    ],
)
def test_a_double_is_written_as_redis_does(number: float, text: bytes) -> None:
    assert format_float(number) == text


@given(st.floats(allow_nan=False))
def test_a_double_reads_back_as_it_was(number: float) -> None:
    assert float(format_float(number)) == number


@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False))
def test_the_digits_of_grisu_read_back(number: float) -> None:
    digits, exponent = grisu2(number)
    assert float(f"{digits}e{exponent}") == number


@given(
    st.floats(min_value=0, exclude_min=True, allow_infinity=False)
    | st.integers(-1074, 1023).map(lambda exponent: 2.0**exponent)
)
def test_machine_integers_lead_to_the_same_digits(number: float) -> None:
    assert digits_of(number) == grisu2(number)


@given(st.integers(1, 10**15), st.integers(1, 12))
def test_the_short_way_to_few_digits_leads_to_the_same(numerator: int, places: int) -> None:
    number = numerator / 10**places
    if number != int(number):
        digits, exponent = grisu2(number)
        text = format_float(number)
        assert float(text) == number
        assert text.split(b"e")[0].replace(b".", b"").strip(b"0") == b"%d" % digits or exponent >= 0
