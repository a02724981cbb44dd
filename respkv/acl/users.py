"""Users: passwords and selectors, and all users of a server.

Sessions hold a `User` and so follow its changes: SETUSER applies its rules to a copy first, and the user takes the
copy's place only if all of them could be applied.
"""

from collections.abc import Iterable
from typing import Final

from respkv.acl.selector import (
    READ_WRITE,
    BadRule,
    KeyPattern,
    Selector,
    access_of,
    has_spaces,
    join_selectors,
    selector_from,
)
from respkv.commands.flags import GATE_ALWAYS, GATE_USER, NO_AUTH
from respkv.commands.key_use import has_variable_flags
from respkv.commands.spec import Spec, exact_names
from respkv.engine.glob import Matcher

DEFAULT: Final = b"default"
"""The user of a client that has not said who it is."""

_HEX_DIGITS: Final = frozenset(b"0123456789abcdef")


class Guard:
    """What it takes to run an everyday command with one key: that the word at `at` matches one of `patterns`."""

    def __init__(self, spec: Spec, at: int, patterns: list[KeyPattern]) -> None:
        self.spec = spec
        self.at = at
        self.prefixes = tuple(one.prefix for one in patterns if one.prefix)
        self.matchers: list[Matcher] = [one.matches for one in patterns if not one.prefix]


class User:
    """A user. `permissions.py` asks it, `apply` changes it, and `settle` must follow the last change."""

    def __init__(self, name: bytes, *, all_channels: bool = False) -> None:
        self.name = name
        self.is_enabled = False
        self.has_no_password = False
        self.sanitizes_payload = True
        # SHA-256 in hexadecimal digits.
        self.passwords: list[bytes] = []
        # The first is the root selector, which rules outside parentheses are about.
        self.selectors = [Selector(all_channels=all_channels)]
        # What new selectors permit (acl-pubsub-default).
        self.all_channels_by_default = all_channels
        # What `settle` derives: the gate bit of its sessions, and the commands that it may run with any arguments by
        # their exact names, which is what its sessions know (None: all).
        self.gate = 0
        self.names: dict[bytes, Spec] | None = None
        # Of the others those that sessions may decide by one key, without the gate.
        self.guards: dict[bytes, Guard] = {}

    def copy(self) -> "User":
        """Another user with the same rules."""
        other = User(self.name, all_channels=self.all_channels_by_default)
        other.take_over(self)
        return other

    def take_over(self, other: "User") -> None:
        """Have the rules of `other` from now on."""
        self.is_enabled = other.is_enabled
        self.has_no_password = other.has_no_password
        self.sanitizes_payload = other.sanitizes_payload
        self.passwords = other.passwords.copy()
        self.selectors = [selector.copy() for selector in other.selectors]
        self.settle()

    def settle(self) -> None:
        """Derive what sessions need at each command from the rules. O(commands)."""
        if any(selector.permits_everything() for selector in self.selectors):
            self.gate = 0
            self.names = None
        else:
            self.gate = GATE_USER
            self.names = {name: spec for name, spec in exact_names().items() if self._is_free(spec)}
            self.guards = {}
            for name, spec in exact_names().items():
                if name not in self.names and (guard := self._guard_of(spec)) is not None:
                    self.guards[name] = guard

    def _is_free(self, spec: Spec) -> bool:
        """Whether it may run `spec` whatever the arguments are."""
        needs_keys = bool(spec.syntax.keys) or spec.key_finder is not None
        return spec.handler is not None and any(
            (selector.all_commands or spec.name in selector.commands or spec.flags & NO_AUTH)
            and (selector.all_keys or not needs_keys)
            and (selector.all_channels or spec.group != "pubsub")
            for selector in self.selectors
        )

    def _guard_of(self, spec: Spec) -> Guard | None:
        """What decides on an everyday command with one key in a fixed place; None for all others."""
        keys = spec.syntax.keys
        if spec.mask & GATE_ALWAYS or len(keys) != 1 or spec.key_finder is not None:
            return None
        at = keys[0].index
        if at is None or keys[0].last != 0 or keys[0].count_index is not None:
            return None
        # Where arguments decide, whoever may both read and write need not look at them.
        access = READ_WRITE if has_variable_flags(spec) else access_of(spec.key_flags[0])
        patterns = [
            one
            for selector in self.selectors
            if selector.all_commands or spec.name in selector.commands
            for one in selector.keys
            if one.access & access == access
        ]
        return Guard(spec, at, patterns) if patterns else None

    def accepts(self, password: bytes) -> bool:
        """Whether `password` is one of this user's. Takes the same time for all that are not."""
        import hmac  # here for the same reason as in `hash_of`

        given = hash_of(password)
        is_right = False
        for known in self.passwords:
            is_right = hmac.compare_digest(given, known) or is_right
        return self.is_enabled and (is_right or self.has_no_password)

    # Rules

    def apply(self, rule: bytes) -> None:
        """Apply one rule. Raises: BadRule."""
        word = rule.lower()
        simple = _SIMPLE.get(word)
        if not rule:
            return
        if simple is not None:
            setattr(self, simple[0], simple[1])
            if word in (b"nopass", b"resetpass"):
                self.passwords = []
        elif rule[:1] in (b">", b"#"):
            password = _hash_in(rule, b"#")
            if password not in self.passwords:
                self.passwords.append(password)
            self.has_no_password = False
        elif rule[:1] in (b"<", b"!"):
            password = _hash_in(rule, b"!")
            if password not in self.passwords:
                raise BadRule(b"The password you are trying to remove from the user does not exist")
            self.passwords.remove(password)
        elif rule[:1] == b"(" and rule[-1:] == b")":
            self.selectors.append(selector_from(rule, all_channels=self.all_channels_by_default))
        elif word == b"clearselectors":
            del self.selectors[1:]
        elif word == b"reset":
            self._reset()
        else:
            self.selectors[0].apply(rule)

    def apply_all(self, rules: Iterable[bytes]) -> None:
        """Apply rules up to the first that is wrong. Raises: BadRule, with the rule as `rule`."""
        for rule in rules:
            try:
                self.apply(rule)
            except BadRule as error:
                raise BadRuleIn(rule, error) from None

    def _reset(self) -> None:
        self.is_enabled = False
        self.has_no_password = False
        self.sanitizes_payload = True
        self.passwords = []
        self.selectors = [Selector(all_channels=self.all_channels_by_default)]

    # How it is shown

    def flags(self) -> list[bytes]:
        """The flags that GETUSER lists, in its order."""
        flags = [b"on" if self.is_enabled else b"off"]
        if self.has_no_password:
            flags.append(b"nopass")
        flags.append(b"sanitize-payload" if self.sanitizes_payload else b"skip-sanitize-payload")
        return flags

    def describe(self) -> bytes:
        """The rules that make this user of a new one."""
        words = [*self.flags(), *(b"#" + password for password in self.passwords), self.selectors[0].describe()]
        words += [b"(%b)" % selector.describe() for selector in self.selectors[1:]]
        return b" ".join(words)


class BadRuleIn(BadRule):
    """A `BadRule`, and which `rule` it was."""

    def __init__(self, rule: bytes, error: BadRule) -> None:
        super().__init__(error.reason, is_unknown_name=error.is_unknown_name)
        self.rule = rule


_SIMPLE: Final = {
    b"on": ("is_enabled", True),
    b"off": ("is_enabled", False),
    b"nopass": ("has_no_password", True),
    b"resetpass": ("has_no_password", False),
    b"sanitize-payload": ("sanitizes_payload", True),
    b"skip-sanitize-payload": ("sanitizes_payload", False),
}
"""Rules that set one attribute."""


class Users:
    """All users of a server by name; `default` is always there."""

    def __init__(self) -> None:
        # Whether new users may use all channels (acl-pubsub-default).
        self.all_channels = False
        self.default = User(DEFAULT)
        self.default.apply_all((b"on", b"nopass", b"~*", b"&*", b"+@all"))
        self.default.settle()
        self._by_name: dict[bytes, User] = {DEFAULT: self.default}

    def get(self, name: bytes) -> User | None:
        """The user called `name`."""
        return self._by_name.get(name)

    def all(self) -> list[User]:
        """All users in the order of their names."""
        return [self._by_name[name] for name in sorted(self._by_name)]

    def new(self, name: bytes) -> User:
        """A user who may nothing and is not among the users yet."""
        return User(name, all_channels=self.all_channels)

    def staged(self, name: bytes, rules: list[bytes]) -> User:
        """What `name` would be with these rules applied; nothing is changed. Raises: BadRule."""
        known = self._by_name.get(name)
        user = self.new(name) if known is None else known.copy()
        user.all_channels_by_default = self.all_channels
        user.apply_all(join_selectors(rules))
        return user

    def put(self, user: User) -> User:
        """Let the user of that name be as `user`; the user whom sessions hold."""
        known = self._by_name.get(user.name)
        if known is None:
            user.settle()
            self._by_name[user.name] = user
            return user
        known.take_over(user)
        return known

    def remove(self, name: bytes) -> User | None:
        """Delete a user who is not `default`; None if there is none."""
        return self._by_name.pop(name, None)


def hash_of(password: bytes) -> bytes:
    """What is kept of a password."""
    # Here, since it brings OpenSSL: 4 MB that a program without passwords need not have.
    import hashlib

    return hashlib.sha256(password).hexdigest().encode()


def _hash_in(rule: bytes, hashed_sign: bytes) -> bytes:
    """The hash that a rule on passwords names, or whose password it names. Raises: BadRule."""
    if rule[:1] != hashed_sign:
        return hash_of(rule[1:])
    digits = rule[1:]
    if len(digits) != 64 or not _HEX_DIGITS.issuperset(digits):
        raise BadRule(
            b"The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
        )
    return digits


__all__ = ["DEFAULT", "BadRule", "BadRuleIn", "User", "Users", "has_spaces", "hash_of"]
