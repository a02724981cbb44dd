"""IDs of stream entries, as Redis reads and writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respkv.values.stream_ids import ID_MAX, SEQUENCE_MAX, format_id, id_bytes, parse_id


@given(st.integers(0, ID_MAX))
def test_what_is_formatted_is_parsed(number: int) -> None:
    assert parse_id(format_id(number), 7) == number
    assert int.from_bytes(id_bytes(number), "big") == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"5-3", 5 << 64 | 3),
        (b"5", 5 << 64 | 9),
        (b"0", 9),
        (b"0-0", 0),
        # As strtoull reads them, which Redis falls back to.
        (b"05-003", 5 << 64 | 3),
        (b" 5-\t+3", 5 << 64 | 3),
        (b"1--05", 1 << 64 | (SEQUENCE_MAX - 4)),
        (b"1--0", 1 << 64),
        (b"5\x00x", 5 << 64 | 9),
        (b"18446744073709551615-18446744073709551615", ID_MAX),
        (b"0" * 100 + b"5-1", 5 << 64 | 1),
    ],
)
def test_forms_of_ids(text: bytes, number: int) -> None:
    assert parse_id(text, 9) == number


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-",
        b"+",
        b"-5",
        b"x",
        b"5-",
        b"5-x",
        b"1-2-3",
        b"1--5",
        b"18446744073709551616",
        b"1-18446744073709551616",
        b"1-" + b"0" * 126,
        b"5 ",
        b"\xd9\xa5",
        b"1_0",
    ],
)
def test_what_is_no_id(text: bytes) -> None:
    assert parse_id(text, 9) == -1


@given(st.text("0123456789- x\0", max_size=45).map(str.encode), st.sampled_from([0, SEQUENCE_MAX]))
def test_the_short_way_agrees_with_the_long_one(text: bytes, missing: int) -> None:
    # A zero byte ends an ID, and is nothing that the short way takes.
    assert parse_id(text, missing) == (parse_id(text + b"\0", missing) if len(text) < 127 else -1)


@pytest.mark.parametrize("digits", [17, 18, 19, 20, 21])
def test_ids_of_many_digits(digits: int) -> None:
    number = int(b"9" * digits)
    expected = number << 64 | number if number <= SEQUENCE_MAX else -1
    assert parse_id(b"9" * digits + b"-" + b"9" * digits, 0) == expected
