"""How long a command may wait, from its argument."""

from respkv.commands.args import INT64_MAX, parse_int
from respkv.errors import NotAnInteger, ReplyError


def deadline_ms_of(word: bytes, now_ms: int) -> int:
    """The unix time in ms at which a timeout of `word` milliseconds is over; 0, that is never, for a timeout of 0.

    Raises ReplyError.
    """
    try:
        timeout_ms = parse_int(word)
    except NotAnInteger:
        raise ReplyError(b"ERR timeout is not an integer or out of range") from None
    if timeout_ms < 0:
        raise ReplyError(b"ERR timeout is negative")
    if timeout_ms > INT64_MAX - now_ms:
        raise ReplyError(b"ERR timeout is out of range")
    return now_ms + timeout_ms if timeout_ms else 0
