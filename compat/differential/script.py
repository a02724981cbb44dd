r"""Case files: what to send, in the form one would type into redis-cli.

    # A comment: `#` and a space.
    === SET: NX and XX exclude each other     a case; it begins with empty databases and new connections
    #oracle >=7.4                             needs an oracle that behaves like this version (or: a name)
    #protocol 3                               only in RESP3 (2, 3; otherwise both)
    #server requirepass=secret                directives that the servers are started with
    #fresh                                    the servers are thrown away afterwards
    SET key "a\x00b" NX XX                    one command; its reply is compared
    ~unordered KEYS *                         ... by a comparator of `comparators.py`
    @b GET key                                ... on another connection
    id := CLIENT ID                           ... and its text kept, to be used as {id}
    @b> BLPOP list 0                          only sent
    @b<                                       the next reply there, read and compared
    @b?                                       whether anything arrives there within 30 ms
    !raw "*1\r\n$4\r\nPING\r\n"               bytes as they stand; all that comes is compared
    !split 3 "*1\r\n$4\r\nPING\r\n"           the same in pieces of three bytes
    !wait 20                                  milliseconds, for what only time brings about
    !close @b                                 the client hangs up

Directives (`#name`) before a file's first case hold for all its cases.

`{now+10}` is the time in seconds, `{now_ms+10}` in milliseconds, the same for both servers; `{a*1000}` is a
thousand letters a.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

Action = Literal["ask", "send", "read", "peek", "raw", "wait", "close"]

_ESCAPES = {"n": 10, "r": 13, "t": 9, "b": 8, "a": 7}
_STEP = re.compile(r"(?:@(?P<connection>\w+)(?P<mark>[><?]?)\s*)?(?:(?P<keep>\w+) := )?(?:~(?P<how>\S+) )?(?P<rest>.*)")
_PLACE = re.compile(r"\{(?:(?P<clock>now|now_ms)(?P<shift>[+-]\d+)?|(?P<what>.)\*(?P<times>\d+)|(?P<name>\w+))\}")


class CaseError(Exception):
    """A case file that cannot be read: says file and line."""


@dataclass(frozen=True)
class Step:
    """One line of a case."""

    line: int
    text: str
    action: Action
    connection: str = "a"
    comparator: str | None = None
    keep: str | None = None
    size: int = 0


@dataclass
class Case:
    """One section of a case file."""

    file: str
    line: int
    title: str
    oracle: str = ""
    protocols: tuple[int, ...] = (2, 3)
    directives: dict[str, str] = field(default_factory=dict)
    fresh: bool = False
    steps: list[Step] = field(default_factory=list)

    def oracle_allows(self, name: str, behaves_as: tuple[int, int]) -> bool:
        """Whether a server of this name and version may be the oracle."""
        if not self.oracle:
            return True
        if match := re.fullmatch(r"(>=|<)(\d+)\.(\d+)", self.oracle):
            bound = (int(match[2]), int(match[3]))
            return behaves_as >= bound if match[1] == ">=" else behaves_as < bound
        return name == self.oracle


def split_words(text: str) -> list[bytes]:
    r"""The arguments of a line, by redis-cli's rules: `"\x00\n"` with escapes, `'...'` without.

    Raises: ValueError for unbalanced quotes.
    """
    words: list[bytes] = []
    at, end = 0, len(text)
    while True:
        while at < end and text[at].isspace():
            at += 1
        if at == end:
            return words
        word = bytearray()
        while at < end and not text[at].isspace():
            if text[at] in "\"'":
                at = _quoted(text, at, word)
                if at < end and not text[at].isspace():
                    raise ValueError("a closing quote must end the word")
            else:
                word += text[at].encode()
                at += 1
        words.append(bytes(word))


def _quoted(text: str, at: int, word: bytearray) -> int:
    """Append the quoted text that starts at `at` to `word`; the offset behind the closing quote."""
    quote, at = text[at], at + 1
    while at < len(text):
        here = text[at]
        if here == quote:
            return at + 1
        if here == "\\" and quote == '"' and (code := re.match(r"\\x([0-9a-fA-F]{2})", text[at:])):
            word.append(int(code[1], 16))
            at += 4
        elif here == "\\" and quote == '"' and at + 1 < len(text):
            word.append(_ESCAPES.get(text[at + 1], ord(text[at + 1])))
            at += 2
        elif text.startswith("\\'", at) and quote == "'":
            word += b"'"
            at += 2
        else:
            word += here.encode()
            at += 1
    raise ValueError("unbalanced quotes")


def fill_in(text: str, kept: Mapping[str, str], now_ms: int) -> str:
    """The line with its `{...}` places filled in; unknown ones stay as they are."""

    def value(match: re.Match[str]) -> str:
        if match["clock"]:
            clock = now_ms if match["clock"] == "now_ms" else now_ms // 1000
            return str(clock + int(match["shift"] or 0))
        if match["what"]:
            return match["what"] * int(match["times"])
        return kept.get(match["name"], match[0])

    return _PLACE.sub(value, text)


def parse_cases(text: str, file: str) -> list[Case]:
    """All cases of a file. Raises: CaseError."""
    cases: list[Case] = []
    defaults = Case(file, 0, "")
    for number, raw_line in enumerate(text.splitlines(), 1):
        line = raw_line.strip()
        if not line or line == "#" or line.startswith("# "):
            continue
        try:
            if line.startswith("==="):
                cases.append(replace(defaults, line=number, title=line[3:].strip(), steps=[]))
            elif line.startswith("#"):
                _directive(cases[-1] if cases else defaults, line[1:])
            elif not cases:
                raise ValueError("a case begins with === and its title")
            else:
                cases[-1].steps.append(_step(line, number))
        except ValueError as error:
            raise CaseError(f"{file}:{number}: {error}") from None
    return cases


def _directive(case: Case, text: str) -> None:
    name, _, value = text.partition(" ")
    if name == "oracle" and value:
        case.oracle = value
    elif name == "protocol" and value in {"2", "3"}:
        case.protocols = (int(value),)
    elif name == "server" and value:
        case.directives = dict(word.split("=", 1) for word in value.split())
    elif name == "fresh":
        case.fresh = True
    else:
        raise ValueError(f"no such directive: #{text}")


def _step(line: str, number: int) -> Step:
    if line.startswith("!"):
        name, _, rest = line[1:].partition(" ")
        if name == "wait":
            return Step(number, line, "wait", size=int(rest))
        if name == "close":
            return Step(number, line, "close", connection=rest.removeprefix("@"))
        size, connection = 0, "a"
        if rest.startswith("@"):
            connection, _, rest = rest[1:].partition(" ")
        if name == "split":
            size_text, _, rest = rest.partition(" ")
            size = int(size_text)
        elif name != "raw":
            raise ValueError(f"no such action: !{name}")
        if len(split_words(rest)) != 1:
            raise ValueError("raw bytes are one quoted word")
        return Step(number, rest, "raw", connection=connection, size=size)
    match = _STEP.fullmatch(line)
    if match is None or not (match["rest"] or match["mark"]):
        raise ValueError("neither a command nor an action")
    actions: dict[str, Action] = {">": "send", "<": "read", "?": "peek"}
    split_words(match["rest"])
    return Step(
        number,
        match["rest"],
        actions.get(match["mark"] or "", "ask"),
        connection=match["connection"] or "a",
        comparator=match["how"],
        keep=match["keep"],
    )


def load_cases(folder: Path, pattern: str = "*") -> list[Case]:
    """The cases of all `*.txt` files below `folder` whose name (without .txt) matches the glob."""
    return [
        case
        for path in sorted(folder.glob(f"{pattern}.txt"))
        for case in parse_cases(path.read_text(encoding="utf-8"), path.name)
    ]
