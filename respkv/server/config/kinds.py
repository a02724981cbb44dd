"""What sorts of value a directive can have: how each is read, shown by CONFIG GET and written to a file.

A kind reads *words* (the rest of a line in a file, or CONFIG SET's one argument) into a typed value, or
raises `BadValue` with Redis's words for the mistake. Texts and number rules: redis-server 7.0.15, tried value
by value in `tests/server/config/test_store_against_redis.py`.
"""

import math
import os
import re
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from respkv.resp.inline import quote

T = TypeVar("T")

INT_MAX: Final = 2**31 - 1
INT_MIN: Final = -(2**31)
UINT_MAX: Final = 2**32 - 1
LONG_MAX: Final = 2**63 - 1
ULONG_MAX: Final = 2**64 - 1


class BadValue(Exception):
    """The words are no value of the kind. The message is the reason, in Redis's words."""


class Kind(Generic[T]):
    """One sort of value. `usage` stands for the value in help texts; `several` allows more words than one."""

    usage: str = "text"
    several: bool = False

    def parse(self, words: Sequence[bytes], current: T) -> T:
        """The value that `words` stand for; `current` is what a partial form (one class of limits) changes.

        Raises: BadValue.
        """
        raise NotImplementedError

    def show(self, value: T) -> bytes:
        """`value` as CONFIG GET shows it."""
        raise NotImplementedError

    def lines(self, value: T, default: T) -> list[bytes]:
        """What follows the name in a file, a line each. `default` need not be repeated."""
        return [self.show(value)]


_INTEGER = re.compile(rb"0|-?[1-9][0-9]*")


def read_integer(word: bytes) -> int | None:
    """`word` as a canonical decimal integer of 64 bits, or None."""
    if _INTEGER.fullmatch(word) is None or len(word) > 20:
        return None
    value = int(word)
    return value if -LONG_MAX - 1 <= value <= LONG_MAX else None


_LOOSE_INTEGER = re.compile(rb"[ \t\n\v\f\r]*([+-]?[0-9]{1,20})|")


def read_loose_integer(word: bytes) -> int | None:
    """`word` as C's `strtoll` reads it (blanks before, a plus sign, nothing at all for 0), or None."""
    found = _LOOSE_INTEGER.fullmatch(word)
    if found is None:
        return None
    return int(found[1] or 0)


def check_range(value: int, least: int, most: int, form: str = "d") -> None:
    """Raises: BadValue, unless least <= value <= most."""
    if not least <= value <= most:
        raise BadValue(f"argument must be between {least:{form}} and {most:{form}} inclusive")


class YesNo(Kind[bool]):
    """`yes` or `no`."""

    usage = "yes|no"

    def parse(self, words: Sequence[bytes], current: bool) -> bool:
        """See `Kind.parse`."""
        word = words[0].lower()
        if word not in (b"yes", b"no"):
            raise BadValue("argument must be 'yes' or 'no'")
        return word == b"yes"

    def show(self, value: bool) -> bytes:
        """`yes` or `no`."""
        return b"yes" if value else b"no"


class Integer(Kind[int]):
    """An integer from `least` to `most`; `clamp` is the range that accepted values are narrowed to (`hz`)."""

    usage = "number"

    def __init__(self, least: int, most: int, clamp: tuple[int, int] | None = None) -> None:
        self.least = least
        self.most = most
        self.clamp = clamp

    def parse(self, words: Sequence[bytes], current: int) -> int:
        """See `Kind.parse`."""
        value = read_integer(words[0])
        if value is None:
            raise BadValue("argument couldn't be parsed into an integer")
        check_range(value, self.least, self.most)
        if self.clamp is not None:
            value = min(max(value, self.clamp[0]), self.clamp[1])
        return value

    def show(self, value: int) -> bytes:
        """Decimal."""
        return b"%d" % value


class Octal(Kind[int]):
    """File permissions."""

    usage = "octal"

    def __init__(self, least: int, most: int) -> None:
        self.least = least
        self.most = most

    def parse(self, words: Sequence[bytes], current: int) -> int:
        """See `Kind.parse`."""
        if re.fullmatch(rb"[+-]?[0-7]{1,20}", words[0]) is None:
            raise BadValue("argument couldn't be parsed as an octal number")
        value = int(words[0], 8)
        check_range(value, self.least, self.most, "o")
        return value

    def show(self, value: int) -> bytes:
        """Octal, without a prefix."""
        return b"%o" % value


_MEMORY = re.compile(rb"([0-9]{0,20})(b|kb?|mb?|gb?)?", re.IGNORECASE)
_UNITS: Final = {
    b"": 1,
    b"b": 1,
    b"k": 1000,
    b"kb": 1024,
    b"m": 1000**2,
    b"mb": 1024**2,
    b"g": 1000**3,
    b"gb": 1024**3,
}


def read_memory(word: bytes) -> int | None:
    """`word` as a number of bytes with an optional unit (`k` is 1000, `kb` 1024), or None.

    No digits at all mean 0, as in Redis. What does not fit in 64 bits is refused; Redis 7.0 wraps it around.
    """
    found = _MEMORY.fullmatch(word)
    if found is None:
        return None
    value = int(found[1] or 0) * _UNITS[(found[2] or b"").lower()]
    return value if value <= ULONG_MAX else None


def write_memory(value: int) -> bytes:
    """`value` in the greatest unit that gives a whole number."""
    for unit in (b"gb", b"mb", b"kb"):
        if value and value % _UNITS[unit] == 0:
            return b"%d%b" % (value // _UNITS[unit], unit)
    return b"%d" % value


class Memory(Kind[int]):
    """A number of bytes."""

    usage = "bytes"

    def __init__(self, least: int = 0, most: int = LONG_MAX) -> None:
        self.least = least
        self.most = most

    def parse(self, words: Sequence[bytes], current: int) -> int:
        """See `Kind.parse`."""
        value = read_memory(words[0])
        if value is None:
            raise BadValue("argument must be a memory value")
        check_range(value, self.least, self.most)
        return value

    def show(self, value: int) -> bytes:
        """Plain bytes."""
        return b"%d" % value

    def lines(self, value: int, default: int) -> list[bytes]:
        """With a unit where it comes out even."""
        return [write_memory(value)]


class MemoryOrPercent(Kind[int]):
    """A number of bytes, or (held as a negative number) per cent of another limit."""

    usage = "bytes|percent%"

    def parse(self, words: Sequence[bytes], current: int) -> int:
        """See `Kind.parse`."""
        value = read_memory(words[0])
        if value is None and words[0].endswith(b"%"):
            percent = read_integer(words[0][:-1])
            if percent is not None and percent >= 0:
                if percent > 100:
                    raise BadValue("percentage argument must be less or equal to 100")
                value = -percent
        if value is None:
            raise BadValue("argument must be a memory or percent value")
        check_range(value, -100, LONG_MAX)
        return value

    def show(self, value: int) -> bytes:
        """Bytes, or per cent."""
        return b"%d%%" % -value if value < 0 else b"%d" % value

    def lines(self, value: int, default: int) -> list[bytes]:
        """As `show`, with a unit."""
        return [self.show(value) if value < 0 else write_memory(value)]


def _not_one_of(names: Sequence[str]) -> BadValue:
    return BadValue("argument(s) must be one of the following: " + ", ".join(names))


class OneOf(Kind[str]):
    """One of some words. `same` maps a further spelling to the word that it means."""

    def __init__(self, *names: str, same: dict[str, str] | None = None, usage: str = "") -> None:
        self.names = names
        self.same = same or {}
        self.usage = usage or "|".join(name for name in names if name not in self.same)

    def parse(self, words: Sequence[bytes], current: str) -> str:
        """See `Kind.parse`."""
        word = words[0].decode("ascii", "replace").lower()
        if word not in self.names:
            raise _not_one_of(self.names)
        return self.same.get(word, word)

    def show(self, value: str) -> bytes:
        """The word."""
        return value.encode()


class ShutdownOptions(Kind[tuple[str, ...]]):
    """Any of SHUTDOWN's options; () is `default`."""

    usage = "default|save|nosave|now|force ..."
    several = True
    names: Final = ("default", "save", "nosave", "now", "force")

    def parse(self, words: Sequence[bytes], current: tuple[str, ...]) -> tuple[str, ...]:
        """See `Kind.parse`."""
        given = {word.decode("ascii", "replace").lower() for word in words}
        if not given or not given <= set(self.names):
            raise _not_one_of(self.names)
        if given >= {"save", "nosave"}:
            raise BadValue("shutdown options SAVE and NOSAVE can't be used simultaneously")
        return tuple(name for name in self.names[1:] if name in given)

    def show(self, value: tuple[str, ...]) -> bytes:
        """The options, in the order of the documentation."""
        return " ".join(value or ("default",)).encode()


class Text(Kind[str]):
    """Any text. Bytes that are not UTF-8 survive as surrogates."""

    def __init__(self, usage: str = "text") -> None:
        self.usage = usage

    def parse(self, words: Sequence[bytes], current: str) -> str:
        """See `Kind.parse`."""
        return words[0].decode("utf-8", "surrogateescape")

    def show(self, value: str) -> bytes:
        """The text."""
        return value.encode("utf-8", "surrogateescape")

    def lines(self, value: str, default: str) -> list[bytes]:
        """Quoted; nothing for an empty text where that is the default."""
        return [quote(self.show(value))] if value or default else []


class Secret(Kind[bytes]):
    """A password: bytes."""

    usage = "password"

    def parse(self, words: Sequence[bytes], current: bytes) -> bytes:
        """See `Kind.parse`."""
        return bytes(words[0])

    def show(self, value: bytes) -> bytes:
        """The password: whoever may run CONFIG GET may see it, as in Redis."""
        return value

    def lines(self, value: bytes, default: bytes) -> list[bytes]:
        """Quoted; nothing where there is none."""
        return [quote(value)] if value else []


class FileName(Text):
    """The name of a file (or folder) without a path. `noun` is what Redis's message calls it."""

    def __init__(self, name: str, noun: str, may_be_empty: bool = False) -> None:
        super().__init__("name")
        self.name = name
        self.noun = noun
        self.may_be_empty = may_be_empty

    def parse(self, words: Sequence[bytes], current: str) -> str:
        """See `Kind.parse`."""
        if not words[0] and not self.may_be_empty:
            raise BadValue(f"{self.name} can't be empty")
        if b"/" in words[0] or b"\\" in words[0]:
            raise BadValue(f"{self.name} can't be a path, just a {self.noun}")
        return super().parse(words, current)


class Directory(Text):
    """A folder that exists and can be entered; held as an absolute path."""

    def __init__(self) -> None:
        super().__init__("path")

    def parse(self, words: Sequence[bytes], current: str) -> str:
        """See `Kind.parse`. The reasons are the operating system's own."""
        path = os.path.abspath(super().parse(words, current))
        try:
            os.scandir(path).close()
        except (OSError, ValueError) as error:
            raise BadValue(getattr(error, "strerror", None) or str(error)) from None
        return path


class SavePoints(Kind[tuple[tuple[int, int], ...]]):
    """Pairs of (seconds, changes): a snapshot is due when both are reached. () is never."""

    usage = "seconds changes ..."
    several = True

    def parse(self, words: Sequence[bytes], current: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        """See `Kind.parse`."""
        if list(words) == [b""]:
            return ()
        numbers = [read_loose_integer(word) for word in words]
        points: list[tuple[int, int]] = []
        for seconds, changes in zip(numbers[::2], numbers[1::2], strict=False):
            if seconds is None or changes is None or not (1 <= seconds <= LONG_MAX and 0 <= changes <= INT_MAX):
                break
            points.append((seconds, changes))
        if len(points) * 2 != len(numbers):
            raise BadValue("Invalid save parameters")
        return tuple(points)

    def show(self, value: tuple[tuple[int, int], ...]) -> bytes:
        """All numbers in a row."""
        return b" ".join(b"%d %d" % point for point in value)

    def lines(self, value: tuple[tuple[int, int], ...], default: tuple[tuple[int, int], ...]) -> list[bytes]:
        """A line a pair."""
        return [b"%d %d" % point for point in value] or [b'""']


class Addresses(Kind[tuple[str, ...]]):
    """Addresses to listen on: host names, IPv4, IPv6, `*`, `-::*`; a leading `-` makes one optional."""

    usage = "address ..."
    several = True
    most: Final = 16

    def parse(self, words: Sequence[bytes], current: tuple[str, ...]) -> tuple[str, ...]:
        """See `Kind.parse`."""
        if len(words) > self.most:
            raise BadValue("Too many bind addresses specified.")
        if list(words) == [b""]:
            return ()
        return tuple(word.decode("utf-8", "surrogateescape") for word in words)

    def show(self, value: tuple[str, ...]) -> bytes:
        """The addresses."""
        return " ".join(value).encode("utf-8", "surrogateescape")

    def lines(self, value: tuple[str, ...], default: tuple[str, ...]) -> list[bytes]:
        """As `show`; an explicit nothing where there is none."""
        return [self.show(value) or b'""']


class OutputLimit(NamedTuple):
    """How much may wait for one client: `hard_bytes` at once, or `soft_bytes` for `soft_s`; 0 is no limit."""

    hard_bytes: int
    soft_bytes: int
    soft_s: int


class OutputLimits(NamedTuple):
    """The limits by class of client."""

    normal: OutputLimit
    replica: OutputLimit
    pubsub: OutputLimit


class ClientOutputLimits(Kind[OutputLimits]):
    """`class hard soft seconds`, for one class or several; the others stay."""

    usage = "class hard-bytes soft-bytes soft-seconds ..."
    several = True

    def parse(self, words: Sequence[bytes], current: OutputLimits) -> OutputLimits:
        """See `Kind.parse`."""
        if len(words) == 1 and not words[0]:
            return current
        if len(words) % 4:
            raise BadValue("Wrong number of arguments in buffer limit configuration.")
        limits = dict(zip(OutputLimits._fields, current, strict=True))
        for at in range(0, len(words), 4):
            group = words[at].decode("ascii", "replace").lower().replace("slave", "replica")
            if group not in limits:
                raise BadValue("Invalid client class specified in buffer limit configuration.")
            hard = read_memory(words[at + 1])
            soft = read_memory(words[at + 2])
            seconds = read_loose_integer(words[at + 3])
            if hard is None or soft is None or seconds is None or not 0 <= seconds <= INT_MAX:
                raise BadValue("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
            limits[group] = OutputLimit(hard, soft, seconds)
        return OutputLimits(**limits)

    def show(self, value: OutputLimits) -> bytes:
        """All classes; replicas under the name that old clients look for."""
        names = (b"normal", b"slave", b"pubsub")
        return b" ".join(b"%b %d %d %d" % (name, *limit) for name, limit in zip(names, value, strict=True))

    def lines(self, value: OutputLimits, default: OutputLimits) -> list[bytes]:
        """A line a class that differs from the default."""
        return [
            b"%b %b %b %d" % (name.encode(), write_memory(hard), write_memory(soft), seconds)
            for name, (hard, soft, seconds), usual in zip(OutputLimits._fields, value, default, strict=True)
            if (hard, soft, seconds) != usual
        ]


class KeyspaceEvents(Kind[str]):
    """Event classes. Held with `A` spelled out, in one order, so that `"K" in value` tells."""

    usage = "classes"
    all_classes: Final = "g$lshzxetd"
    order: Final = all_classes + "nKEm"

    def parse(self, words: Sequence[bytes], current: str) -> str:
        """See `Kind.parse`."""
        text = words[0].decode("latin-1").replace("A", self.all_classes)
        if set(text) - set(self.order):
            raise BadValue("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        return "".join(flag for flag in self.order if flag in text)

    def show(self, value: str) -> bytes:
        """In Redis's order, with `A` for all that it covers.

        Redis leaves `n` out behind `A`, and so forgets it at CONFIG REWRITE; here it is kept.
        """
        return value.replace(self.all_classes, "A").encode()

    def lines(self, value: str, default: str) -> list[bytes]:
        """Quoted."""
        return [quote(self.show(value))]


def show_percentile(value: float) -> bytes:
    """At most six digits behind the point, without trailing zeros."""
    return (b"%f" % value).rstrip(b"0").rstrip(b".")


class Percentiles(Kind[tuple[float, ...]]):
    """Percentages from 0 to 100."""

    usage = "percentile ..."
    several = True

    def parse(self, words: Sequence[bytes], current: tuple[float, ...]) -> tuple[float, ...]:
        """See `Kind.parse`."""
        if list(words) == [b""]:
            return ()
        values: list[float] = []
        for word in words:
            try:
                value = float(word) if word.strip() == word and b"_" not in word else math.nan
            except ValueError:
                value = math.nan
            if math.isnan(value):
                raise BadValue("Invalid latency-tracking-info-percentiles parameters")
            if not 0.0 <= value <= 100.0:
                raise BadValue("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
            values.append(value)
        return tuple(values)

    def show(self, value: tuple[float, ...]) -> bytes:
        """Each as `show_percentile`."""
        return b" ".join(map(show_percentile, value))

    def lines(self, value: tuple[float, ...], default: tuple[float, ...]) -> list[bytes]:
        """As `show`; an explicit nothing where there is none."""
        return [self.show(value) or b'""']


class OomScores(Kind[tuple[int, int, int]]):
    """Three scores for the kernel's out-of-memory killer."""

    usage = "score score score"
    several = True

    def parse(self, words: Sequence[bytes], current: tuple[int, int, int]) -> tuple[int, int, int]:
        """See `Kind.parse`."""
        if len(words) != 3:
            raise BadValue("wrong number of arguments")
        scores = [read_loose_integer(word) for word in words]
        first, second, third = (-9999 if score is None else score for score in scores)
        if min(first, second, third) < -2000 or max(first, second, third) > 2000:
            raise BadValue("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
        return first, second, third

    def show(self, value: tuple[int, int, int]) -> bytes:
        """The three scores."""
        return b"%d %d %d" % value


class PrimaryAddress(Kind[str]):
    """`host port` of a primary, or `no one`."""

    usage = "host port"
    several = True

    def parse(self, words: Sequence[bytes], current: str) -> str:
        """See `Kind.parse`."""
        if len(words) != 2:
            raise BadValue("wrong number of arguments")
        host, port = (word.decode("utf-8", "surrogateescape") for word in words)
        if (host.lower(), port.lower()) == ("no", "one"):
            return ""
        number = read_loose_integer(words[1])
        if number is None or not 0 <= number <= 65535:
            raise BadValue("Invalid master port")
        return f"{host} {number}"

    def show(self, value: str) -> bytes:
        """`host port`, or nothing."""
        return value.encode("utf-8", "surrogateescape")

    def lines(self, value: str, default: str) -> list[bytes]:
        """Nothing where there is no primary."""
        return [self.show(value)] if value else []
