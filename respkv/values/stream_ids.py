"""IDs of stream entries: one int, milliseconds in the upper 64 bits, sequence number in the lower; they order as such.

1700000000000-5   ->   1700000000000 << 64 | 5
"""

import re
from typing import TYPE_CHECKING, Final

from respkv.build import BUILD

if TYPE_CHECKING:
    from mypy_extensions import i64

SEQUENCE_BITS: Final = 64
SEQUENCE_MAX: Final = (1 << 64) - 1
ID_MAX: Final = (1 << 128) - 1

# What C's strtoull reads, whose manners Redis's parser has where a number is not in canonical form.
_NUMBER: Final = re.compile(rb"[ \t\n\v\f\r]*([+-]?)(\d+)")


def format_id(number: int) -> bytes:
    """An ID as clients see it."""
    return b"%d-%d" % (number >> SEQUENCE_BITS, number & SEQUENCE_MAX)


def id_bytes(number: int) -> bytes:
    """An ID as it stands in RDB files: both halves in 64 bits, the most significant byte first."""
    return number.to_bytes(16, "big")


def parse_half(text: bytes) -> int:
    """One of the two numbers of an ID; -1 if it is none."""
    if text.isdigit() and len(text) < 20:
        return int(text)
    match = _NUMBER.fullmatch(text)
    if match is None:
        return -1
    sign, digits = match.groups()
    if len(digits) > 64:
        digits = digits.lstrip(b"0")
    number = int(digits) if len(digits) <= 64 else SEQUENCE_MAX + 1
    if number > SEQUENCE_MAX:
        return -1
    if sign == b"-":
        # A canonical negative number is refused, any other wraps around.
        return -1 if digits[:1] != b"0" else -number & SEQUENCE_MAX
    return number


def _parse_plain(text: bytes) -> int:
    """An ID as clients send them, up to 18 digits on both sides of the dash; -1 if it is anything else. O(1)."""
    length: i64 = len(text)
    ms: i64 = 0
    at: i64 = 0
    while at < length and 48 <= text[at] <= 57:
        ms = ms * 10 + text[at] - 48
        at += 1
    if at == 0 or at > 18 or at == length or text[at] != 45:
        return -1
    at += 1
    start: i64 = at
    sequence: i64 = 0
    while at < length and 48 <= text[at] <= 57:
        sequence = sequence * 10 + text[at] - 48
        at += 1
    if at == start or at - start > 18 or at < length:
        return -1
    upper: int = ms
    lower: int = sequence
    return upper << SEQUENCE_BITS | lower


def parse_id(text: bytes, missing_sequence: int) -> int:
    """An ID of the form `ms-sequence` or `ms` alone; -1 if it is none. O(1)."""
    if BUILD == "compiled":
        number = _parse_plain(text)
        if number >= 0:
            return number
    if len(text) > 127:
        return -1
    text = text.partition(b"\0")[0]
    half, dash, rest = text.partition(b"-")
    milliseconds = parse_half(half)
    if milliseconds < 0:
        return -1
    sequence = parse_half(rest) if dash else missing_sequence
    if sequence < 0:
        return -1
    return milliseconds << SEQUENCE_BITS | sequence
