r"""Words of a line with Redis's quoting: inline commands on the wire, and lines of a configuration file.

A line is words between white space. A word is plain bytes, a quoted part, or plain bytes that run into one
quoted part; a quoted part ends its word, so white space or the line's end must follow it.

    "..."   \n \r \t \b \a, \xHH (two hexadecimal digits), and \c for any other byte c
    '...'   \' for a quote; every other byte, backslashes too, stands for itself

Source: behaviour of redis-server 7.0.15 (`sdssplitargs`). What C's strings bring with them is kept: a NUL
byte ends the line, and vertical tab and form feed separate only at the start of a word and behind a closing
quote.
"""

import re
from typing import Final

_NEEDS_CARE: Final = re.compile(rb"[\"'\x00\v\f]")

# Possessive throughout: linear in the length of the line, whatever it holds.
_WORD: Final = re.compile(
    rb"""(?P<plain>[^ \t\n\r"']*+)
    (?:"(?P<double>[^"\\]*+(?:\\.[^"\\]*+)*+)"(?=[ \t\n\v\f\r]|\Z)
      |'(?P<single>[^'\\]*+(?:\\'?+[^'\\]*+)*+)'(?=[ \t\n\v\f\r]|\Z)
      |(?=[ \t\n\r]|\Z))""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_GAP: Final = re.compile(rb"[ \t\n\v\f\r]*+")
_NAMED: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


def split_args(line: bytes) -> list[bytes] | None:
    """The words of `line`, unquoted; None if a quote is not closed, or is closed in the middle of a word.

    Linear in the length of the line.
    """
    if _NEEDS_CARE.search(line) is None:
        return line.split()
    line = line.partition(b"\0")[0]
    words: list[bytes] = []
    at = 0
    while True:
        gap = _GAP.match(line, at)
        if gap is None or gap.end() == len(line):
            return words
        found = _WORD.match(line, gap.end())
        if found is None:
            return None
        plain, double, single = found.groups()
        if double is not None:
            plain += _ESCAPE.sub(_unescape, double) if b"\\" in double else double
        elif single is not None:
            plain += single.replace(b"\\'", b"'")
        words.append(plain)
        at = found.end()


def _unescape(found: re.Match[bytes]) -> bytes:
    digits: bytes | None = found[1]
    if digits is not None:
        return bytes.fromhex(digits.decode())
    return _NAMED.get(found[2], found[2])


_REPR: Final = {
    ord("\\"): b"\\\\",
    ord('"'): b'\\"',
    ord("\n"): b"\\n",
    ord("\r"): b"\\r",
    ord("\t"): b"\\t",
    ord("\a"): b"\\a",
    ord("\b"): b"\\b",
}


def quote(word: bytes) -> bytes:
    """`word` in double quotes, such that `split_args` gives it back; every line break is escaped."""
    parts = [_REPR.get(byte) or (b"%c" % byte if 32 <= byte < 127 else b"\\x%02x" % byte) for byte in word]
    return b'"%b"' % b"".join(parts)
