"""How long a command may wait, from its argument."""

import math

from respkv.commands.args import INT64_MAX, parse_float, parse_int
from respkv.errors import NotAFloat, NotAnInteger, ReplyError


def deadline_ms_of(word: bytes, now_ms: int) -> int:
    """The unix time in ms at which a timeout of `word` milliseconds is over; 0, that is never, for a timeout of 0.

    Raises ReplyError.
    """
    try:
        timeout_ms = parse_int(word)
    except NotAnInteger:
        raise ReplyError(b"ERR timeout is not an integer or out of range") from None
    return _deadline_ms(timeout_ms, now_ms)


def deadline_ms_of_seconds(word: bytes, now_ms: int) -> int:
    """As `deadline_ms_of`, for a timeout of `word` seconds, which may have decimals; parts of a millisecond count."""
    try:
        timeout_s = parse_float(word)
    except NotAFloat:
        raise ReplyError(b"ERR timeout is not a float or out of range") from None
    # Not -0.0001 to 0, and not infinity to an integer.
    timeout_ms = -1 if timeout_s < 0 else math.ceil(min(timeout_s * 1000, INT64_MAX))
    return _deadline_ms(timeout_ms, now_ms)


def _deadline_ms(timeout_ms: int, now_ms: int) -> int:
    if timeout_ms < 0:
        raise ReplyError(b"ERR timeout is negative")
    if timeout_ms > INT64_MAX - now_ms:
        raise ReplyError(b"ERR timeout is out of range")
    return now_ms + timeout_ms if timeout_ms else 0
