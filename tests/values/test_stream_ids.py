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
