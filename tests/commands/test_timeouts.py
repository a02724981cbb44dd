import pytest

from respkv.commands.timeouts import deadline_ms_of, deadline_ms_of_seconds
from respkv.errors import ReplyError


def test_a_timeout_is_counted_from_now() -> None:
    assert deadline_ms_of(b"100", 5000) == 5100


def test_zero_is_never() -> None:
    assert deadline_ms_of(b"0", 5000) == 0


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (b"x", b"ERR timeout is not an integer or out of range"),
        (b"-1", b"ERR timeout is negative"),
        (b"9223372036854775807", b"ERR timeout is out of range"),
    ],
)
def test_what_is_no_timeout_is_refused(word: bytes, text: bytes) -> None:
    with pytest.raises(ReplyError) as caught:
        deadline_ms_of(word, 5000)
    assert caught.value.message == text


@pytest.mark.parametrize(
    ("word", "deadline_ms"),
    [(b"0", 0), (b"-0", 0), (b"1", 6000), (b"0.25", 5250), (b"0.0001", 5001), (b"0x1", 6000), (b"1e15", 10**18 + 5000)],
)
def test_seconds_may_have_decimals(word: bytes, deadline_ms: int) -> None:
    assert deadline_ms_of_seconds(word, 5000) == deadline_ms


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (b"x", b"ERR timeout is not a float or out of range"),
        (b"", b"ERR timeout is not a float or out of range"),
        (b"nan", b"ERR timeout is not a float or out of range"),
        (b"-0.1", b"ERR timeout is negative"),
        (b"-inf", b"ERR timeout is negative"),
        (b"inf", b"ERR timeout is out of range"),
        (b"1e17", b"ERR timeout is out of range"),
        (b"9223372036854774", b"ERR timeout is out of range"),
    ],
)
def test_what_is_no_timeout_in_seconds_is_refused(word: bytes, text: bytes) -> None:
    with pytest.raises(ReplyError) as caught:
        deadline_ms_of_seconds(word, 1_790_000_000_000)
    assert caught.value.message == text
