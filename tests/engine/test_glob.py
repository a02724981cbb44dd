"""Redis's glob patterns: each construct, agreement with a real server, and time that stays in bounds."""

import random
from typing import TYPE_CHECKING

import pytest

from respkv.engine import glob

if TYPE_CHECKING:
    from real_redis import RealRedis


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (b"", [b""], [b"a"]),
        (b"abc", [b"abc"], [b"ab", b"abcd", b"ABC", b"abc\n"]),
        (b"*", [b"a", b"a\nb", b"\xff"], [b""]),
        (b"**", [b"a"], [b""]),
        (b"a*", [b"a", b"ab", b"a\n"], [b"", b"ba"]),
        (b"*a", [b"a", b"ba"], [b"ab"]),
        (b"a*b*c", [b"abc", b"aXbXbc", b"abcbc"], [b"acb", b"ab"]),
        (b"*a*a", [b"aa", b"xaxa"], [b"a"]),
        (b"?", [b"a", b"\n", b"\xff"], [b"", b"ab"]),
        (b"h[ae]llo", [b"hello", b"hallo"], [b"hillo"]),
        (b"h[^e]llo", [b"hallo", b"h^llo"], [b"hello"]),
        (b"h[a-c]", [b"ha", b"hc"], [b"hd"]),
        (b"h[c-a]", [b"ha", b"hb", b"hc"], [b"hd"]),
        (b"[a-\xff]", [b"\xff", b"A", b"a", b"\x00"], [b"b", b"\x80"]),
        (b"[\x80-\xff]", [b"\x80", b"\xff"], [b"a"]),
        (b"\\*", [b"*"], [b"a", b"\\*"]),
        (b"a\\", [b"a\\"], [b"a"]),
        (b"[\\]]", [b"]"], [b"\\"]),
        (b"[a-\\]]", [b"a]", b"]]", b"\\]"], [b"a", b"]"]),
        (b"[abc", [b"a", b"c"], [b"[", b"d"]),
        (b"[a-", [b"a", b"-"], [b"b"]),
        (b"[a-]", [b"a", b"]", b"^"], [b"-", b"b"]),
        (b"[]", [], [b"", b"]", b"a"]),
        (b"[]a]", [], [b"]a]", b"a"]),
        (b"[", [], [b"[", b""]),
        (b"[^", [b"a", b"^"], [b"", b"ab"]),
        (b"[^]", [b"a"], [b"", b"ab"]),
        (b"[\\", [b"\\"], [b"["]),
        (b"a.+(b|c)$", [b"a.+(b|c)$"], [b"axxb"]),
    ],
)
def test_a_pattern_matches_whole_texts(pattern: bytes, yes: list[bytes], no: list[bytes]) -> None:
    assert [text for text in yes if not glob.match(pattern, text)] == []
    assert [text for text in no if glob.match(pattern, text)] == []
    assert [text for text in yes if not glob.match_stepwise(pattern, False, text)] == []
    assert [text for text in no if glob.match_stepwise(pattern, False, text)] == []


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (b"MaxMem*", b"maxmemory", True),
        (b"max", b"MAX", True),
        (b"[A-C]x", b"bX", True),
        (b"[^a]", b"A", False),
        (b"[\\a]", b"A", False),  # a quoted byte of a class keeps its case
        (b"\\a", b"A", True),
        (b"\xe9", b"\xc9", False),
    ],
)
def test_case_is_ignored_when_asked(pattern: bytes, text: bytes, matches: bool) -> None:
    assert glob.match(pattern, text, nocase=True) is matches
    assert glob.match_stepwise(pattern, True, text) is matches


@pytest.mark.parametrize(
    "pattern",
    [b"a*" * 200 + b"b", b"*?" * 200 + b"b", b"*a" * 200 + b"*b", b"*[ab]" * 100 + b"c", b"*" * 9999 + b"b"],
)
def test_many_stars_take_no_exponential_time(pattern: bytes) -> None:
    """Each of these would outlive the universe in a matcher that tries all ways."""
    assert not glob.match(pattern, b"a" * 2000)
    assert not glob.match_stepwise(pattern, False, b"a" * 300)


def test_a_pattern_of_megabytes_is_not_compiled() -> None:
    """`re` would need a minute and gigabytes."""
    assert glob.match(b"k" + b"*?" * 20_000_000, b"k") is False
    assert glob.match(b"k*" + b"x" * 5000, b"kk" + b"x" * 5000)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        (b"*?" * 1000, True),
        (b"*?" * 1001, False),
        (b"**?" * 1000, True),
        (b"**?" * 1001, False),
        (b"*?" * 1000 + b"*", True),
        (b"a*" * 1001, True),
        (b"a*" * 1002, False),
        (b"*" * 50_000, True),
        (b"*?" * 50_000, False),
    ],
)
def test_stars_are_nested_a_thousand_deep_at_most(pattern: bytes, matches: bool) -> None:
    text = b"a" * 50_000
    assert glob.match(pattern, text) is matches
    assert glob.match_stepwise(pattern, False, text) is matches


def test_a_literal_is_told_from_a_pattern() -> None:
    assert glob.is_literal(b"key:1-2^")
    assert not any(glob.is_literal(text) for text in (b"a*", b"a?", b"[a", b"a\\b"))


def test_random_patterns_match_as_in_a_real_server(real_redis: "RealRedis") -> None:
    chance = random.Random(20)
    alphabet = b"aabbAZ0]^-\\[*?\n\x7f\x80\xff"
    keys = {bytes(chance.choices(alphabet, k=length)) for length in range(5) for _ in range(60)}
    keys |= {b"", b"aa", b"ab", b"]", b"-", b"\\", b"^", b"["}
    patterns = [bytes(chance.choices(b"***??[[[" + alphabet, k=chance.randint(1, 9))) for _ in range(4000)]
    patterns = [pattern for pattern in patterns if pattern != b"*"]  # KEYS knows that one without matching
    real_redis.call("FLUSHALL")
    real_redis.pipeline([("SET", key, b"") for key in keys])
    for pattern, found in zip(patterns, real_redis.pipeline([("KEYS", p) for p in patterns]), strict=True):
        matches = glob.compile(pattern)
        assert set(found) == {key for key in keys if matches(key)}, pattern
        assert set(found) == {key for key in keys if glob.match_stepwise(pattern, False, key)}, pattern
    real_redis.call("FLUSHALL")


def test_random_patterns_ignore_case_as_in_a_real_server(real_redis: "RealRedis") -> None:
    chance = random.Random(21)
    names = real_redis.call("CONFIG", "GET", "*")[::2]
    for _ in range(300):
        name = chance.choice(names).swapcase()
        at = chance.randint(0, len(name) - 1)
        pattern = b"*" + name[at : at + 3]
        put = bytes(chance.choices(b"**?[]^-\\aZmM", k=chance.randint(1, 4)))
        cut = chance.randint(0, len(pattern))
        pattern = pattern[:cut] + put + pattern[cut:] + chance.choice([b"", b"*"])
        found = real_redis.call("CONFIG", "GET", pattern)[::2]
        assert set(found) == {one for one in names if glob.match(pattern, one, nocase=True)}, pattern
        assert set(found) == {one for one in names if glob.match_stepwise(pattern, True, one)}, pattern
