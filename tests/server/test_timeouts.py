import pytest

from respkv.errors import ReplyError
from respkv.server.timeouts import deadline_ms_of


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
