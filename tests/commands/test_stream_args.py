"""Bounds of ranges."""

import pytest

from respkv.commands.stream_args import InvalidId, end_of, id_of, start_of
from respkv.errors import ReplyError
from respkv.values.stream_ids import ID_MAX, SEQUENCE_MAX


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        (b"-", 0, 0),
        (b"+", ID_MAX, ID_MAX),
        (b"5", 5 << 64, 5 << 64 | SEQUENCE_MAX),
        (b"5-1", 5 << 64 | 1, 5 << 64 | 1),
        (b"(5", (5 << 64) + 1, (5 << 64 | SEQUENCE_MAX) - 1),
        (b"(5-0", (5 << 64) + 1, (5 << 64) - 1),
        (f"(5-{SEQUENCE_MAX}".encode(), 6 << 64, (5 << 64 | SEQUENCE_MAX) - 1),
    ],
)
def test_both_ends_of_a_range(text: bytes, low: int, high: int) -> None:
    assert start_of(text) == low
    assert end_of(text) == high


@pytest.mark.parametrize("text", [b"", b"(", b"(-", b"(+", b"((1", b"x", b"(x"])
def test_what_is_no_end_of_a_range(text: bytes) -> None:
    for bound in (start_of, end_of):
        with pytest.raises(InvalidId):
            bound(text)


def test_nothing_is_beyond_the_ends() -> None:
    with pytest.raises(ReplyError, match="invalid start ID"):
        start_of(f"({SEQUENCE_MAX}-{SEQUENCE_MAX}".encode())
    with pytest.raises(ReplyError, match="invalid end ID"):
        end_of(b"(0-0")


@pytest.mark.parametrize("text", [b"-", b"+", b"$", b">", b"*", b"(1"])
def test_marks_are_no_ids(text: bytes) -> None:
    with pytest.raises(InvalidId):
        id_of(text)
