"""The one-line syntax of a command, and all that follows from it.

A command is declared by one line, as in

    SET key value [NX | XX] [GET] [EX seconds:int | PX milliseconds:int | KEEPTTL]

and this module derives from it what the reference keeps by hand: the arity, where the keys stand, the
argument tree of COMMAND DOCS and the usage line. It knows no command and no engine.

The line, in words separated by spaces:

    CONFIG SET ...         one UPPERCASE word is a command's name, two are a container and its subcommand
    TOKEN  = ~ * $ ""      a literal; it belongs to the arguments that follow it in the same group
    name  name:type        one argument; types are those of TYPES, bytes unless said otherwise
    key  name:key          a key
    [ x ]                  optional
    < x >                  a group that must be given
    x | y                  one of, within a group
    x y [x y ...]          repeated: the words in brackets are the words before them
    numkeys:int key [key ...]   counted keys

What does not read like this raises ValueError when the command is declared, that is at import.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

UNBOUNDED: Final = 1 << 31
"""`most` of a command that takes any number of arguments."""

TYPES: Final = {
    "string": "string",
    "key": "key",
    "int": "integer",
    "double": "double",
    "pattern": "pattern",
    "unix-time": "unix-time",
}
"""Type as a line says it -> type as COMMAND DOCS says it."""

SYMBOLS: Final = {"=": "equal", "~": "approximately", "*": "auto-id", "$": "new-id", '""': "empty-string"}
"""Literals without letters -> the name that COMMAND DOCS gives them."""

_WORD: Final = re.compile(r"\.\.\.|[\[\]<>|]|[^\s\[\]<>|]+")
_LITERAL: Final = re.compile(r"[A-Z][A-Z0-9_.-]*")
_NAME: Final = re.compile(r"([a-z][a-z0-9_-]*)(?::([a-z-]+))?")

DocsValue = bytes | int | list["DocsValue"] | set[bytes] | dict[bytes, "DocsValue"]


@dataclass(frozen=True)
class Argument:
    """A node of the argument tree, with the meaning that COMMAND DOCS gives to each field.

    `kind` is a type of TYPES in the words of COMMAND DOCS, or `pure-token` (a literal alone), `oneof` or
    `block` (both with `arguments`). A `token` of a repeated argument is itself repeated if `multiple_token`.
    `key_spec` is the index into `Syntax.keys` of the spec that finds this key.
    """

    name: str
    kind: str
    token: str | None = None
    optional: bool = False
    multiple: bool = False
    multiple_token: bool = False
    key_spec: int | None = None
    arguments: tuple["Argument", ...] = ()

    @property
    def least_width(self) -> int:
        """The fewest words that this argument takes."""
        if self.optional:
            return 0
        if self.kind == "pure-token":
            return 1
        return (self.token is not None) + self._inner_least_width()

    def _inner_least_width(self) -> int:
        if self.kind == "oneof":
            return min(one.least_width for one in self.arguments)
        if self.kind == "block":
            return sum(one.least_width for one in self.arguments)
        return 1

    @property
    def width(self) -> int | None:
        """The number of words that this argument always takes; None if that varies."""
        if self.optional or self.multiple:
            return None
        widths = {one.width for one in self.arguments}
        if None in widths or (self.kind == "oneof" and len(widths) > 1):
            return None
        return self.least_width

    def describe(self) -> dict[bytes, DocsValue]:
        """The argument as COMMAND DOCS shows it; `flags` is a set, as under RESP3."""
        docs: dict[bytes, DocsValue] = {b"name": self.name.encode(), b"type": self.kind.encode()}
        if not self.arguments:
            docs[b"display_text"] = self.name.encode()
        if self.key_spec is not None:
            docs[b"key_spec_index"] = self.key_spec
        if self.token is not None:
            docs[b"token"] = self.token.encode()
        flags = {
            b"optional": self.optional,
            b"multiple": self.multiple,
            b"multiple_token": self.multiple_token,
        }
        if any(flags.values()):
            docs[b"flags"] = {name for name, is_set in flags.items() if is_set}
        if self.arguments:
            docs[b"arguments"] = [one.describe() for one in self.arguments]
        return docs

    @property
    def usage(self) -> str:
        """The argument as a person reads it."""
        once = self._usage_once()
        if self.multiple:
            again = once
            if self.kind == "oneof":
                once = again = f"<{once}>"
            if self.token is not None and self.multiple_token:
                once = again = f"{self.token} {once}"
            text = f"{once} [{again} ...]"
        elif self.kind == "oneof" and (self.token is not None or not self.optional):
            text = f"<{once}>"
        else:
            text = once
        if self.token is not None and self.kind != "pure-token" and not self.multiple_token:
            text = f"{self.token} {text}"
        return f"[{text}]" if self.optional else text

    def _usage_once(self) -> str:
        if self.kind == "oneof":
            return " | ".join(one.usage for one in self.arguments)
        if self.kind == "block":
            return " ".join(one.usage for one in self.arguments)
        return self.token or self.name if self.kind == "pure-token" else self.name


@dataclass(frozen=True)
class KeySpec:
    """Where to begin looking for keys, and how to find them from there: a key spec of the reference.

    The search begins at the word `index`; or behind the word `keyword`, looked for from `start_from` on;
    or, with neither, nowhere (a spec that COMMAND calls unknown: the command needs a finder of its own).

    If `count_index` is None the keys are a range: each `step`-th word up to `last`, which counts from the
    beginning of the range if it is >= 0 and from the end of the command otherwise (-1: its last word). Of a
    range with a `limit` of 2 only the first half are keys. Else the word `count_index` places behind the
    beginning is the number of keys, and the first of them is `first` places behind it.
    """

    index: int | None = None
    keyword: bytes | None = None
    start_from: int = 0
    last: int = 0
    step: int = 1
    limit: int = 0
    count_index: int | None = None
    first: int = 0

    def describe(self) -> dict[bytes, DocsValue]:
        """The spec as COMMAND INFO shows it, without the flags, which are no matter of syntax."""
        begin: dict[bytes, DocsValue]
        find: dict[bytes, DocsValue]
        if self.index is not None:
            begin = {b"type": b"index", b"spec": {b"index": self.index}}
        elif self.keyword is not None:
            begin = {b"type": b"keyword", b"spec": {b"keyword": self.keyword, b"startfrom": self.start_from}}
        else:
            unknown: dict[bytes, DocsValue] = {b"type": b"unknown", b"spec": {}}
            return {b"begin_search": unknown, b"find_keys": unknown}
        if self.count_index is not None:
            counted: dict[bytes, DocsValue] = {
                b"keynumidx": self.count_index,
                b"firstkey": self.first,
                b"keystep": self.step,
            }
            find = {b"type": b"keynum", b"spec": counted}
        else:
            spec: dict[bytes, DocsValue] = {
                b"lastkey": self.last,
                b"keystep": self.step,
                b"limit": self.limit,
            }
            find = {b"type": b"range", b"spec": spec}
        return {b"begin_search": begin, b"find_keys": find}

    def positions(self, argv: list[bytes]) -> range:
        """The indexes in `argv` at which the keys of this spec stand; empty if it does not apply or fit."""
        begin = self._begin(argv)
        end = len(argv)
        if not 0 < begin < end:
            return range(0)
        if self.count_index is not None:
            begin, end = self._counted(argv, begin)
        elif self.last >= 0:
            end = begin + self.last + 1
        elif self.limit:
            end = begin + (end - begin) // self.limit
        else:
            end += self.last + 1
        return range(begin, end, self.step) if end <= len(argv) else range(0)

    def _begin(self, argv: list[bytes]) -> int:
        if self.index is not None:
            return self.index
        if self.keyword is not None:
            for at in range(self.start_from, len(argv)):
                if argv[at].upper() == self.keyword:
                    return at + 1
        return 0

    def _counted(self, argv: list[bytes], begin: int) -> tuple[int, int]:
        assert self.count_index is not None
        digits = argv[begin + self.count_index]
        # No request holds 10**9 words, and `int` of a hostile mile of digits is slow.
        count = int(digits) if digits.isdigit() and len(digits) < 10 else 0
        begin += self.first
        return begin, begin + count * self.step


class LegacyKeys(NamedTuple):
    """The first three numbers after the flags in COMMAND INFO, and whether they tell less than the specs."""

    first: int = 0
    last: int = 0
    step: int = 0
    are_incomplete: bool = False


@dataclass(frozen=True)
class Syntax:
    """What a syntax line says.

    `name` is in lower case, `container|subcommand` for two words, which count as two in every number here.
    `arity` is the reference's: the number of words if >= 0, else minus the least number. Dispatch compares
    the number of words with `least` and `most`.
    """

    name: bytes
    arity: int
    arguments: tuple[Argument, ...] = ()
    keys: tuple[KeySpec, ...] = ()
    least: int = field(init=False)
    most: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "least", abs(self.arity))
        object.__setattr__(self, "most", self.arity if self.arity > 0 else UNBOUNDED)

    @property
    def usage(self) -> str:
        """The line as a person reads it: without types."""
        name = self.name.decode().upper().replace("|", " ")
        return " ".join([name, *(one.usage for one in self.arguments)])

    def with_keys_joined(self) -> "Syntax":
        """The same, but for its keys, which stand side by side: they are one range instead of a spec each."""
        joined = replace(self.keys[0], last=len(self.keys) - 1)
        arguments = tuple(one if one.key_spec is None else replace(one, key_spec=0) for one in self.arguments)
        return Syntax(self.name, self.arity, arguments, (joined,))

    def with_slot_of(self, words: KeySpec) -> "Syntax":
        """The same as COMMAND shows it, which looks for what decides the slot where it looks for keys."""
        return Syntax(self.name, self.arity, self.arguments, (words,))

    @property
    def legacy_keys(self) -> LegacyKeys:
        """First key, last key and step, as clients older than key specs read them.

        Only ranges that begin at an index count. Several of them are joined when each has a step of 1 and
        begins where the one before ended; what cannot be joined is left out and makes the keys incomplete
        (the flag `movablekeys`).
        """
        ranges = [one for one in self.keys if one.index is not None and one.count_index is None]
        if len(self.keys) == 1 and ranges:
            only = ranges[0]
            return LegacyKeys(only.index or 0, _absolute_last(only), only.step)
        first = last = 0
        is_incomplete = len(ranges) < len(self.keys)
        for one in ranges:
            if one.step != 1 or (last and one.index != last + 1):
                is_incomplete = True
                continue
            first = first or one.index or 0
            last = _absolute_last(one)
        return LegacyKeys(first, last, 1 if first else 0, is_incomplete)


def _absolute_last(spec: KeySpec) -> int:
    return spec.last if spec.last < 0 else spec.last + (spec.index or 0)


def find_keys(syntax: Syntax, argv: list[bytes]) -> list[bytes]:
    """The keys that `argv` names, in the order of the key specs.

    Empty for a command without keys, and for one whose number of keys is not what its arguments hold: such
    a command fails when it runs.
    """
    return [argv[at] for spec in syntax.keys for at in spec.positions(argv)]


def parse(line: str) -> Syntax:
    """The meaning of a syntax line. Raises: ValueError, naming the line, if it has none."""
    words = _WORD.findall(line)
    name_words = 0
    while name_words < min(len(words), 2) and _LITERAL.fullmatch(words[name_words]):
        name_words += 1
    try:
        if not name_words:
            raise ValueError("the name is an uppercase word")
        arguments = _Parser(words, name_words).parse()
        specs: list[KeySpec] = []
        arguments = tuple(_with_keys(arguments, name_words, name_words, specs))
    except ValueError as error:
        raise ValueError(f"syntax line {line!r}: {error}") from None
    arity = name_words + sum(one.least_width for one in arguments)
    if any(one.width is None for one in arguments):
        arity = -arity
    return Syntax("|".join(words[:name_words]).lower().encode(), arity, arguments, tuple(specs))


class _Parser:
    """Recursive descent over the words of one line.

    Rule 1: a group collects its elements one by one, each with the word at which it began, so that a
    repetition can claim the words before it.
    Rule 2: literals are joined to what follows them when the group ends (`_bind`).
    """

    def __init__(self, words: list[str], at: int) -> None:
        self._words = words
        self._at = at

    def parse(self) -> tuple[Argument, ...]:
        """All arguments of the line."""
        elements = self._sequence(())
        if self._at < len(self._words):
            raise ValueError(f"{self._words[self._at]!r} outside a group")
        return tuple(elements)

    def _sequence(self, closers: tuple[str, ...]) -> list[Argument]:
        """The elements up to a word of `closers` (or of any group), which is left unread."""
        elements: list[Argument] = []
        starts: list[int] = []
        while self._at < len(self._words) and (word := self._words[self._at]) not in ("]", ">", "|"):
            start = self._at
            if word == "[" and (end := self._repetition_end()) is not None:
                self._repeat(elements, starts, self._words[start + 1 : end - 1])
                self._at = end + 1
                continue
            elements.append(self._group(word) if word in ("[", "<") else self._single(word))
            starts.append(start)
        if self._at == len(self._words) and closers:
            raise ValueError(f"{closers[0]!r} is missing")
        return _bind(elements)

    def _single(self, word: str) -> Argument:
        self._at += 1
        if word in SYMBOLS:
            return Argument(SYMBOLS[word], "pure-token", word)
        if _LITERAL.fullmatch(word):
            return Argument(word.lower(), "pure-token", word)
        if (match := _NAME.fullmatch(word)) is None:
            raise ValueError(f"{word!r} is neither a literal nor name or name:type")
        name, kind = match[1], match[2] or ("key" if match[1] == "key" else "string")
        if kind not in TYPES:
            raise ValueError(f"unknown type {kind!r}, one of {', '.join(TYPES)}")
        return Argument(name, TYPES[kind])

    def _group(self, opener: str) -> Argument:
        """`[...]` or `<...>`."""
        closer = "]" if opener == "[" else ">"
        alternatives: list[Argument] = []
        while True:
            self._at += 1
            elements = self._sequence((closer,))
            if not elements:
                raise ValueError("an empty group")
            alternatives.append(elements[0] if len(elements) == 1 else _block(elements))
            if self._words[self._at] != "|":
                break
        if self._words[self._at] != closer:
            raise ValueError(f"{self._words[self._at]!r} where {closer!r} is due")
        self._at += 1
        group = alternatives[0] if len(alternatives) == 1 else _oneof(alternatives)
        return replace(group, optional=True) if opener == "[" else group

    def _repetition_end(self) -> int | None:
        """Where the `]` stands if the `[` at hand opens a repetition, `[x ...]`."""
        depth = 0
        for at in range(self._at, len(self._words)):
            depth += (self._words[at] == "[") - (self._words[at] == "]")
            if not depth:
                return at if self._words[at - 1] == "..." else None
        raise ValueError("']' is missing")

    def _repeat(self, elements: list[Argument], starts: list[int], body: list[str]) -> None:
        """Make one repeated element of those that the words `body`, just before, stand for."""
        start = self._at - len(body)
        before = self._words[max(start, 0) : self._at]
        if start not in starts or not all(map(_is_same_word, before, body)):
            raise ValueError(f"[{' '.join(body)} ...] does not repeat the words before it")
        at = starts.index(start)
        inner = _bind(elements[at:])
        del elements[at + 1 :], starts[at + 1 :]
        element = inner[0] if len(inner) == 1 else _block(inner)
        if element.optional:
            raise ValueError(f"what is repeated, {' '.join(body)}, must not be optional itself")
        has_token = element.token is not None and element.kind != "pure-token"
        elements[at] = replace(element, multiple=True, multiple_token=has_token)


def _is_same_word(before: str, again: str) -> bool:
    """Whether a word repeats an earlier one; its type need not be said twice."""
    return before == again or before.partition(":")[0] == again


def _bind(elements: list[Argument]) -> list[Argument]:
    """Join each literal to the required arguments that follow it: to one directly, to several as a block."""
    bound: list[Argument] = []
    at = 0
    while at < len(elements):
        element = elements[at]
        at += 1
        if element.kind == "pure-token" and not element.optional and not element.multiple:
            start = at
            while at < len(elements) and _can_follow(elements[at]):
                at += 1
            if at - start == 1:
                element = replace(elements[start], token=element.token)
            elif at > start:
                element = Argument(element.name, "block", element.token, arguments=tuple(elements[start:at]))
        bound.append(element)
    return bound


def _can_follow(element: Argument) -> bool:
    return not element.optional and element.token is None


def _block(elements: list[Argument]) -> Argument:
    return Argument("-".join(one.name for one in elements), "block", arguments=tuple(elements))


def _oneof(alternatives: list[Argument]) -> Argument:
    if any(one.optional for one in alternatives):
        raise ValueError("an alternative must not be optional itself")
    return Argument("-or-".join(one.name for one in alternatives), "oneof", arguments=tuple(alternatives))


def _with_keys(
    arguments: tuple[Argument, ...],
    at: int | None,
    fixed: int,
    specs: list[KeySpec],
    after: tuple[Argument, ...] = (),
    keyword: str | None = None,
) -> Iterator[Argument]:
    """`arguments` with `key_spec` set on each key, whose spec is appended to `specs`.

    `at` is the index of the word at which they begin, None if that varies; `fixed` the index up to which it
    never varies; `after` what follows them; `keyword` the literal just before them, if it tells where they
    are.
    """
    count_at: int | None = None
    for number, one in enumerate(arguments):
        rest = arguments[number + 1 :] + after
        has_token = one.token is not None and one.kind != "pure-token"
        # An optional argument behind a literal is found by the literal: options come in any order.
        begin = at if not (one.optional and has_token) else None
        if begin is not None and has_token:
            begin += 1
        sign = one.token if has_token else keyword if number == 0 else None
        if one.kind == "key":
            begin_search = KeySpec(index=begin) if begin is not None else _behind(sign, fixed)
            one = replace(one, key_spec=len(specs))
            if count_at is not None:
                spec = replace(begin_search, index=count_at, count_index=0, first=1)
            elif one.multiple:
                spec = _range_to_the_end(begin_search, rest, 1)
            else:
                spec = begin_search
            specs.append(spec)
        elif one.kind == "block" and one.multiple:
            one = _with_keys_in_repeated_block(one, begin, rest, specs)
        elif one.arguments:
            # Alternatives of one width each begin where the group begins; so do those of several widths.
            if one.kind == "block":
                inner = tuple(_with_keys(one.arguments, begin, fixed, specs, rest, sign))
            else:
                inner = tuple(
                    replaced
                    for choice in one.arguments
                    for replaced in _with_keys((choice,), begin, fixed, specs, rest, sign)
                )
            one = replace(one, arguments=inner)
        yield one
        count_at = at if one.name == "numkeys" and one.kind == "integer" else None
        at = None if at is None or one.width is None else at + one.width
        fixed = at if at is not None else fixed


def _behind(keyword: str | None, start_from: int) -> KeySpec:
    return KeySpec() if keyword is None else KeySpec(keyword=keyword.encode(), start_from=start_from)


def _range_to_the_end(begin: KeySpec, rest: tuple[Argument, ...], step: int) -> KeySpec:
    """`begin` as a range of repeated words that only what `rest` stands for follows."""
    if begin.index is None and begin.keyword is None:
        return begin
    if len(rest) == 1 and rest[0].multiple and not rest[0].arguments:
        return replace(begin, last=-1, limit=2)
    if any(one.width is None for one in rest):
        return KeySpec()
    return replace(begin, last=-1 - sum(one.least_width for one in rest), step=step)


def _with_keys_in_repeated_block(
    block: Argument, begin: int | None, rest: tuple[Argument, ...], specs: list[KeySpec]
) -> Argument:
    """`key value [key value ...]`: every key of the block is a range with the block's width as its step."""
    inner = []
    width = sum(one.least_width for one in block.arguments)
    for number, one in enumerate(block.arguments):
        if one.kind == "key":
            offset = sum(earlier.least_width for earlier in block.arguments[:number])
            begin_search = KeySpec(index=begin + offset) if begin is not None else KeySpec()
            one = replace(one, key_spec=len(specs))
            specs.append(_range_to_the_end(begin_search, rest, width))
        inner.append(one)
    return replace(block, arguments=tuple(inner))
