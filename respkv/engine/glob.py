r"""Redis's glob patterns, as KEYS, SCAN, CONFIG GET, PSUBSCRIBE and ACL use them, turned into `re` patterns.

Rule 1: the meaning is Redis's own (`stringmatchlen`, 7.0.15), odd corners included:

- `*` any run of bytes, `?` any one byte, `[abc]` one of, `[^a]` none of, `[a-z]` a range, `\x` the byte x.
- A range whose ends are swapped is turned around. Bytes count as signed (`char` in C): `[a-\xff]` holds the
  bytes from 0xff (-1) up to `a`, not those from `a` up.
- A class that is not closed runs to the end of the pattern. `[]` matches nothing, `[^]` any byte. In a class
  `\` quotes, but not as the end of a range: `[a-\]]` is the range from `a` to `\`, then the byte `]`.
- A lone `\` at the end stands for itself.
- A pattern with more than `NESTED_STARS_MAX` stars that have something behind them matches nothing; stars side by
  side are one. (Redis 7.0.15 as it came out knows no such limit; 8.2, Valkey 9.1 and what distributions ship do.)
- A pattern of stars alone does not match the empty text (KEYS and SCAN never ask: they know `*`).

Rule 2: no pattern may take exponential time, or more memory than it has itself. Each run between two stars
is found at its first possible place and kept (an atomic group), which is enough since only the last run is
tied to the end. A match costs at most O(len(pattern) * len(text)).
"""

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final

Matcher = Callable[[bytes], object]
"""Truthy where the text matches."""

NESTED_STARS_MAX: Final = 1000

_STAR: Final = ord("*")
_ANY: Final = ord("?")
_OPEN: Final = ord("[")
_CLOSE: Final = ord("]")
_NOT: Final = ord("^")
_TO: Final = ord("-")
_QUOTE: Final = ord("\\")

_SPECIAL: Final = re.compile(rb"[*?\[\\]")

# `re` takes about a microsecond and 100 bytes for each byte of a pattern: nothing for one of half a gigabyte.
_LONGEST_COMPILED: Final = 2048


def is_literal(pattern: bytes) -> bool:
    """Whether `pattern` stands only for itself."""
    return _SPECIAL.search(pattern) is None


def match(pattern: bytes, text: bytes, nocase: bool = False) -> bool:
    """Whether the whole of `text` matches the glob `pattern`; `nocase` ignores the case of ASCII letters."""
    return bool(compile(pattern, nocase)(text))


def compile(pattern: bytes, nocase: bool = False) -> Matcher:  # noqa: A001 (named as in `re`)
    """A function that tells (by the truth of its result) whether a text matches the glob `pattern`.

    For patterns of sensible length it is a method of a C object, so that calling it for each of a million
    keys costs no Python frame, and it is cached.
    """
    if not nocase and is_literal(pattern):
        return pattern.__eq__
    if len(pattern) > _LONGEST_COMPILED:
        return partial(match_stepwise, pattern, nocase)
    return _compile(pattern, nocase)


@lru_cache(maxsize=256)
def _compile(pattern: bytes, nocase: bool) -> Matcher:
    return re.compile(translate(pattern, nocase), re.DOTALL).fullmatch


def translate(pattern: bytes, nocase: bool = False) -> bytes:
    """The source of a bytes `re` pattern (for `fullmatch`, with DOTALL) that means the glob `pattern`."""
    runs: list[bytes] = []  # between stars: `runs[0] * runs[1] * ... * runs[-1]`
    run: list[bytes] = []
    starred = False
    at = 0
    end = len(pattern)
    while at < end:
        byte = pattern[at]
        at += 1
        if byte == _STAR:
            if run or not starred:
                runs.append(b"".join(run))
                run = []
            starred = True
        elif byte == _ANY:
            run.append(b".")
        elif byte == _OPEN:
            members, at = _read_class(pattern, at, nocase)
            run.append(_class_source(members))
        else:
            if byte == _QUOTE and at < end:
                byte = pattern[at]
                at += 1
            run.append(_byte_source(byte, nocase))
    last = b"".join(run)
    if not starred:
        return last
    if len(runs) - (not last) > NESTED_STARS_MAX:
        return b"(?!)"
    first = runs[0]
    if not first and len(runs) == 1 and not last:
        return b".+"
    middle = b"".join(b"(?>.*?%b)" % run_ for run_ in runs[1:])
    return b"%b%b.*%b" % (first, middle, last)


def match_stepwise(pattern: bytes, nocase: bool, text: bytes) -> bool:
    """Whether `text` matches, found without compiling: reads no more of `pattern` than `text` has use for.

    At a mismatch the last star takes one byte more; earlier stars need not be asked again (Rule 2).
    """
    end = len(pattern)
    at = place = 0
    after_star = -1  # where the pattern goes on behind the last star met, and from which place on
    star_place = 0
    nested = 0
    while place < len(text):
        if at < end and pattern[at] == _STAR:
            at += 1
            after_star, star_place = at, place
            if at < end and pattern[at] != _STAR:
                nested += 1
                if nested > NESTED_STARS_MAX:
                    return False
            continue
        fits, following = _step(pattern, at, nocase, text[place]) if at < end else (False, at)
        if fits:
            at = following
            place += 1
        elif after_star < 0:
            return False
        else:
            if after_star == end:
                return True
            star_place += 1
            at, place = after_star, star_place
    if text:
        while at < end and pattern[at] == _STAR:
            at += 1
    return at == end


def _step(pattern: bytes, at: int, nocase: bool, byte: int) -> tuple[bool, int]:
    """Whether what stands at `at` (no star) matches `byte`, and where the pattern goes on."""
    wanted = pattern[at]
    at += 1
    if wanted == _ANY:
        return True, at
    if wanted == _OPEN:
        members, at = _read_class(pattern, at, nocase)
        return byte in members, at
    if wanted == _QUOTE and at < len(pattern):
        wanted = pattern[at]
        at += 1
    return byte in _both_cases(wanted) if nocase else byte == wanted, at


def _read_class(pattern: bytes, at: int, nocase: bool) -> tuple[set[int], int]:
    """The bytes that the class beginning behind `[` at `at` matches, and where the pattern goes on."""
    end = len(pattern)
    members: set[int] = set()
    negated = at < end and pattern[at] == _NOT
    if negated:
        at += 1
    while at < end:
        byte = pattern[at]
        if byte == _QUOTE and at + 1 < end:
            members.add(pattern[at + 1])  # as it stands: Redis does not fold the case of a quoted byte
            at += 2
        elif byte == _CLOSE:
            at += 1
            break
        elif at + 2 < end and pattern[at + 1] == _TO:
            _add_range(members, byte, pattern[at + 2], nocase)
            at += 3
        else:
            members.add(byte)
            if nocase:
                members.update(_both_cases(byte))
            at += 1
    if negated:
        members = set(range(256)) - members
    return members, at


def _add_range(members: set[int], start: int, stop: int, nocase: bool) -> None:
    low, high = sorted((_signed(start), _signed(stop)))
    if nocase:  # folded only after the ends are in order, so [Z-a] may end up empty, as in Redis
        low, high = _lower(low), _lower(high)
    for byte in range(256):
        value = _signed(byte)
        if low <= (_lower(value) if nocase else value) <= high:
            members.add(byte)


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def _lower(value: int) -> int:
    return value + 32 if 65 <= value <= 90 else value


def _both_cases(byte: int) -> bytes:
    one = bytes((byte,))
    return one.lower() + one.upper()


def _byte_source(byte: int, nocase: bool) -> bytes:
    if nocase:
        cases = set(_both_cases(byte))
        if len(cases) > 1:
            return _class_source(cases)
    return re.escape(bytes((byte,)))


def _class_source(members: set[int]) -> bytes:
    if not members:
        return b"(?!)"
    if len(members) == 256:
        return b"."
    return b"[%b]" % b"".join(b"\\x%02x" % byte for byte in sorted(members))
