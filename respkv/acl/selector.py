"""One set of permissions (commands, keys, channels), and the rules that change it.

A selector holds what it permits in the form in which it is asked (`permissions.py`), and beside it the rules on
commands in the order in which they were given, since that is how it is shown: `-@all +@read -keys`.

Rule 1: a rule that cannot be applied raises `BadRule` and changes nothing.
Rule 2: rules on commands name what there was when they were given: a command that is new in a later version is
permitted by `+@all` alone.
"""

from collections.abc import Iterator
from typing import Final

from respkv.commands.spec import CATEGORIES, COMMANDS, Spec, every_spec
from respkv.engine import glob
from respkv.resp.inline import split_args

READ: Final = 1
WRITE: Final = 2
READ_WRITE: Final = READ | WRITE


_ACCESS: Final[dict[str, int]] = {}


def access_of(flags: str) -> int:
    """What the flags of a key spec need: `READ`, `WRITE`, both or nothing but that the key may be known."""
    access = _ACCESS.get(flags)
    if access is None:
        words = flags.split()
        access = READ if "ACCESS" in words else 0
        if not {"INSERT", "DELETE", "UPDATE"}.isdisjoint(words):
            access |= WRITE
        _ACCESS[flags] = access
    return access


class BadRule(Exception):
    """A rule that means nothing, or cannot be applied. `is_unknown_name`: it names no command or category."""

    def __init__(self, reason: bytes, *, is_unknown_name: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_unknown_name = is_unknown_name


class KeyPattern:
    """A pattern of keys, and what may be done with those (`READ`, `WRITE` or both)."""

    def __init__(self, pattern: bytes, access: int) -> None:
        self.pattern = pattern
        self.access = access
        self.matches = glob.compile(pattern)
        # What a key must begin with, where the pattern says no more: many of these are tried at once.
        before = pattern[:-1]
        self.prefix = before if pattern[-1:] == b"*" and before and glob.is_literal(before) else b""

    def rule(self) -> bytes:
        """The rule that gives it."""
        sign = {READ_WRITE: b"~", READ: b"%R~", WRITE: b"%W~"}[self.access]
        return sign + self.pattern


class Selector:
    """What one selector of a user permits. A new one permits nothing, but for channels if `all_channels`."""

    def __init__(self, *, all_channels: bool = False) -> None:
        self.all_commands = False
        self.all_keys = False
        self.all_channels = all_channels
        # Full names of commands, subcommands and containers; whether commands to come are among them.
        self.commands: set[bytes] = set()
        self.has_future_commands = False
        # Commands that are permitted with certain first arguments only (in lower case).
        self.first_arguments: dict[bytes, list[bytes]] = {}
        self.keys: list[KeyPattern] = []
        self.channels: list[bytes] = []
        # The rules on commands behind the +@all or -@all that they began with.
        self.rules: list[bytes] = []

    def copy(self) -> "Selector":
        """Another selector with the same permissions."""
        other = Selector(all_channels=self.all_channels)
        other.all_commands = self.all_commands
        other.all_keys = self.all_keys
        other.commands = self.commands.copy()
        other.has_future_commands = self.has_future_commands
        other.first_arguments = {name: words.copy() for name, words in self.first_arguments.items()}
        other.keys = [KeyPattern(one.pattern, one.access) for one in self.keys]
        other.channels = self.channels.copy()
        other.rules = self.rules.copy()
        return other

    def permits_everything(self) -> bool:
        """Whether nothing at all is left out."""
        return self.all_commands and self.all_keys and self.all_channels

    # How it is shown

    def describe_commands(self) -> bytes:
        """The rules on commands."""
        return b" ".join([b"+@all" if self.has_future_commands else b"-@all", *self.rules])

    def describe_keys(self) -> bytes:
        """The rules on keys."""
        return b"~*" if self.all_keys else b" ".join(one.rule() for one in self.keys)

    def describe_channels(self) -> bytes:
        """The patterns of channels as rules."""
        return b"&*" if self.all_channels else b" ".join(b"&" + channel for channel in self.channels)

    def describe(self) -> bytes:
        """The rules that make this selector of an empty one."""
        parts = [self.describe_keys()] if self.all_keys or self.keys else []
        parts.append(self.describe_channels() if self.all_channels else b"resetchannels")
        if self.channels:
            parts.append(self.describe_channels())
        parts.append(self.describe_commands())
        return b" ".join(parts)

    # Rules

    def apply(self, rule: bytes) -> None:
        """Apply one rule. Raises: BadRule."""
        word = rule.lower()
        if word in (b"allkeys", b"~*"):
            self.all_keys = True
            self.keys = []
        elif word == b"resetkeys":
            self.all_keys = False
            self.keys = []
        elif word in (b"allchannels", b"&*"):
            self.all_channels = True
            self.channels = []
        elif word == b"resetchannels":
            self.all_channels = False
            self.channels = []
        elif word in (b"allcommands", b"+@all"):
            self._set_all(True)
        elif word in (b"nocommands", b"-@all"):
            self._set_all(False)
        elif rule[:1] in (b"~", b"%"):
            self._add_keys(rule)
        elif rule[:1] == b"&":
            self._add_channels(rule[1:])
        elif word[:2] in (b"+@", b"-@"):
            self._set_category(word[1:], word[:1] == b"+")
        elif rule[:1] == b"+":
            self._permit(rule[1:])
        elif rule[:1] == b"-":
            self._forbid(rule[1:])
        else:
            raise BadRule(b"Syntax error")

    def _set_all(self, permits: bool) -> None:
        self.all_commands = self.has_future_commands = permits
        self.commands = {spec.name for spec in every_spec()} if permits else set()
        self.first_arguments = {}
        self.rules = []

    def _add_keys(self, rule: bytes) -> None:
        if self.all_keys:
            raise BadRule(
                b"Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any"
                b" effect. Try 'resetkeys' to start with an empty list of patterns"
            )
        kind, _, pattern = rule.partition(b"~")
        # A rule %R without a tilde names the empty pattern, as in Redis.
        access = READ_WRITE if rule[:1] == b"~" else _access(kind[1:])
        if has_spaces(pattern):
            raise BadRule(b"Syntax error")
        for one in self.keys:
            if one.pattern == pattern:
                one.access |= access
                return
        self.keys.append(KeyPattern(pattern, access))

    def _add_channels(self, pattern: bytes) -> None:
        if self.all_channels:
            raise BadRule(
                b"Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any"
                b" effect. Try 'resetchannels' to start with an empty list of channels"
            )
        if has_spaces(pattern):
            raise BadRule(b"Syntax error")
        if pattern not in self.channels:
            self.channels.append(pattern)

    def _set_category(self, word: bytes, permits: bool) -> None:
        category = word[1:].decode("latin-1")
        if category not in CATEGORIES:
            raise _unknown_name()
        for spec in COMMANDS.values():
            if category in spec.categories:
                self._set(spec, permits)
            for subcommand in spec.subcommands.values():
                if category in subcommand.categories:
                    self._set(subcommand, permits)
        self._note(word, permits)

    def _permit(self, name: bytes) -> None:
        container, bar, word = name.rpartition(b"|")
        if not bar:
            spec = _find(name)
            self._set(spec, True)
            self._note(spec.name, True)
            return
        spec = _find(container)
        if b"|" in spec.name:
            raise BadRule(b"Allowing first-arg of a subcommand is not supported")
        if not word:
            raise BadRule(b"Syntax error")
        if spec.subcommands:
            self._set(_find(name), True)
        else:
            words = self.first_arguments.setdefault(spec.name, [])
            if word.lower() not in words:
                words.append(word.lower())
        self._note(name.lower(), True)

    def _forbid(self, name: bytes) -> None:
        spec = _find(name)
        self._set(spec, False)
        self._note(spec.name, False)

    def _set(self, spec: Spec, permits: bool) -> None:
        """Permit or forbid a command, with its subcommands if it has any."""
        for one in (spec, *spec.subcommands.values()):
            if permits:
                self.commands.add(one.name)
            else:
                self.commands.discard(one.name)
                self.all_commands = False
            self.first_arguments.pop(one.name, None)

    def _note(self, name: bytes, permits: bool) -> None:
        """Remember a rule; those before it that it makes void go."""
        self.rules = [rule for rule in self.rules if rule[1:] != name and not rule[1:].startswith(name + b"|")]
        self.rules.append((b"+" if permits else b"-") + name)


def selector_from(text: bytes, *, all_channels: bool) -> Selector:
    """The selector that rules in parentheses make. Raises: BadRule."""
    selector = Selector(all_channels=all_channels)
    # With unbalanced quotes there are no words at all, as in Redis.
    for rule in split_args(text[1:-1]) or []:
        if rule[:1] in (b"~", b"%", b"&") and (rule.endswith(b")") or b'"' in rule or b"'" in rule):
            # In parentheses it would be read back as something else, or not at all: the file that ACL SAVE writes, the
            # next start could not load. Redis takes it.
            raise BadRule(b"Syntax error")
        selector.apply(rule)
    return selector


def join_selectors(words: list[bytes]) -> list[bytes]:
    """`words` with those that belong to one selector in parentheses joined to one.

    Raises: BadRule, whose reason is the word at which a selector begins that does not end.
    """
    joined: list[bytes] = []
    open_words: list[bytes] = []
    for word in words:
        if open_words:
            open_words.append(word)
        elif word.startswith(b"(") and not word.endswith(b")"):
            open_words = [word]
            continue
        else:
            joined.append(word)
            continue
        if word.endswith(b")"):
            joined.append(b" ".join(open_words))
            open_words = []
    if open_words:
        raise BadRule(open_words[0])
    return joined


def has_spaces(text: bytes) -> bool:
    """Whether `text` holds white space or a zero byte, and so cannot be a word of a rule or a name."""
    return any(byte in b" \t\n\v\f\r\0" for byte in text)


def _access(letters: bytes) -> int:
    """What the letters between `%` and `~` permit. Raises: BadRule."""
    access = 0
    for letter in _each(letters.upper()):
        bit = {b"R": READ, b"W": WRITE}.get(letter, 0)
        if not bit or access & bit:
            raise BadRule(b"Syntax error")
        access |= bit
    if not access:
        raise BadRule(b"Syntax error")
    return access


def _each(text: bytes) -> Iterator[bytes]:
    return (text[at : at + 1] for at in range(len(text)))


def _find(name: bytes) -> Spec:
    """The command, or with `|` the subcommand, called `name`. Raises: BadRule."""
    container, bar, subcommand = name.lower().partition(b"|")
    spec = COMMANDS.get(container)
    if spec is not None and bar:
        spec = spec.subcommands.get(subcommand)
    if spec is None:
        raise _unknown_name()
    return spec


def _unknown_name() -> BadRule:
    return BadRule(b"Unknown command or category name in ACL", is_unknown_name=True)
