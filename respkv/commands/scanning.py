"""What SCAN, SSCAN, HSCAN and ZSCAN have in common: the cursor, and the options behind it."""

import re
from typing import Final

from respkv.commands.args import INT64_MAX, INT64_MIN, Args, parse_int
from respkv.engine import glob
from respkv.errors import BadSyntax, NotAnInteger, ReplyError

_CURSOR: Final = re.compile(rb"[ \t\n\v\f\r]*([+-]?)([0-9]+)")


class ScanOptions:
    """The options in `argv` from `at` on. Raises, while it is made: ReplyError.

    TYPE is one of those of SCAN, `of_keys`; NOVALUES of HSCAN, `of_fields`.
    """

    def __init__(self, argv: list[bytes], at: int, *, of_keys: bool = False, of_fields: bool = False) -> None:
        self.count = 10
        self.pattern = b"*"
        self.type_name = b""
        self.with_values = True
        args = Args(argv, at)
        while args.more():
            if args.token_with_value(b"COUNT"):
                self.count = args.integer()
                if self.count < 1:
                    raise BadSyntax
            elif args.token_with_value(b"MATCH"):
                self.pattern = args.next()
            elif of_keys and args.token_with_value(b"TYPE"):
                self.type_name = args.next().lower()
            elif args.token(b"NOVALUES"):
                if not of_fields:
                    raise ReplyError(b"ERR NOVALUES option can only be used in HSCAN")
                self.with_values = False
            else:
                raise BadSyntax

    def matching(self, names: list[bytes]) -> list[bytes]:
        """Those of `names` that MATCH lets through. O(names)."""
        return names if self.pattern == b"*" else list(filter(glob.compile(self.pattern), names))


def parse_cursor(text: bytes) -> int:
    """A SCAN cursor as 7.4 reads it: what C's `strtoull` takes, negative integers excepted. Raises ReplyError."""
    # C's text ends at the first zero byte.
    match = _CURSOR.fullmatch(text.partition(b"\0")[0])
    if match is not None and len(match[2].lstrip(b"0")) <= 20:
        number = int(match[2])
        is_negative = match[1] == b"-"
        if number < 2**64 and not (is_negative and _is_int64(text)):
            return (2**64 - number) % 2**64 if is_negative else number
    raise ReplyError(b"ERR invalid cursor")


def _is_int64(text: bytes) -> bool:
    try:
        return INT64_MIN <= parse_int(text) <= INT64_MAX
    except NotAnInteger:
        return False
