"""Words and quotes of a line, against the table and against a real server's inline commands."""

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respkv.resp.inline import quote, split_args

if TYPE_CHECKING:
    from real_redis import RealRedis


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", []),
        (b" \t ", []),
        (b"SET a  b\r", [b"SET", b"a", b"b"]),
        (b'a "b c" d', [b"a", b"b c", b"d"]),
        (b'a"b c"', [b"ab c"]),
        (b"''", [b""]),
        (b"\"\" ''", [b"", b""]),
        (b'"\\n\\r\\t\\b\\a\\q\\\\\\""', [b'\n\r\t\b\aq\\"']),
        (b'"\\x41\\xff\\xg1\\x4"', [b"A\xffxg1x4"]),
        (b"'\\n \\' \\\\x'", [b"\\n ' \\\\x"]),
        (b"\"a'b\" 'a\"b'", [b"a'b", b'a"b']),
        (b"a\vb \vc\v", [b"a\vb", b"c\v"]),
        (b'"a"\vb', [b"a", b"b"]),
        (b'a b\0c "', [b"a", b"b"]),
        (b'"a\0"', None),
        (b'"a', None),
        (b'"a\\"', None),
        (b'"a"b', None),
        (b"'a'b", None),
        (b"'a\\'", None),
        (b"a'b", None),
        (b'"a""b"', None),
    ],
)
def test_a_line_falls_into_words(line: bytes, words: list[bytes] | None) -> None:
    assert split_args(line) == words


@given(st.lists(st.binary()))
def test_quoted_words_come_back(words: list[bytes]) -> None:
    line = b" ".join(map(quote, words))
    assert split_args(line) == words
    assert b"\n" not in line


@pytest.mark.parametrize("part", [b'"', b"'", b"\\", b'"\\', b"'\\", b'" ', b"\\'", b'a"b" ', b"\v"])
def test_long_lines_take_linear_time(part: bytes) -> None:
    """Half a megabyte, at once; a matcher that backtracks would need hours."""
    for line in (part * 250_000, b'"' + part * 250_000, b"'" + part * 250_000):
        split_args(line)


def test_random_lines_fall_apart_as_in_a_real_server(real_redis: "RealRedis") -> None:
    chance = random.Random(22)
    for _ in range(3000):
        line = bytes(chance.choices(b"abx4 \t\v\f\r\"\"''\\\\\xff", k=chance.randint(0, 12))).rstrip(b"\r")
        reply = real_redis.inline(b'EVAL "return ARGV" 0 ' + line)
        if reply == b"ERR Protocol error: unbalanced quotes in request":
            reply = None
        assert split_args(line) == reply, line
