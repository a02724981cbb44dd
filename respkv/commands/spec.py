"""A command's declaration, and the table that all declarations fill.

    command = CommandGroup("string", __name__)

    @command("STRLEN key", READONLY | FAST, since="2.2.0", cost="O(1)")
    def strlen(db: Keyspace, argv: Argv) -> Reply:
        \"\"\"The length of the string at `key`; 0 if there is none.\"\"\"

Two kinds of handler, no third: on data, `(db, argv)`, and on a session, `(session, argv)`, in a group declared with
`session=True`. `@command` registers the function and returns it as it is. Everything else that is known of a command
(arity, key positions, gate mask, ACL categories, COMMAND's replies, the documentation) is derived here.
"""

import ast
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from respkv.commands.flags import (
    ADMIN,
    BLOCKING,
    DANGEROUS,
    ELSEWHERE,
    FAST,
    GATE_ALWAYS,
    GATE_LOCKS,
    MOVABLEKEYS,
    PUBSUB,
    READONLY,
    WRITE,
    mask_of,
)
from respkv.commands.histogram import Histogram
from respkv.commands.syntax import KeySpec, Syntax, find_keys, parse
from respkv.engine.locked_keys import LockedKeys

if TYPE_CHECKING:
    from mypy_extensions import i64

Handler = Callable[[Any, list[bytes]], Any]
KeyFinder = Callable[[list[bytes]], list[bytes]]

_GROUP_CATEGORIES: Final = {
    "string": "string",
    "generic": "keyspace",
    "connection": "connection",
    "transactions": "transaction",
    "server": "",
    "cluster": "",
    "bitmap": "bitmap",
    "list": "list",
    "hash": "hash",
    "set": "set",
    "sorted-set": "sortedset",
    "stream": "stream",
    "hyperloglog": "hyperloglog",
    "geo": "geo",
    "pubsub": "pubsub",
    "scripting": "scripting",
}
"""The group of a declaration to the ACL category that all its commands are in."""

CATEGORIES: Final = (
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
)
"""The ACL categories, in the order in which ACL CAT and COMMAND INFO list them."""


class Spec:
    """A declared command or subcommand, or (without handler) the container of subcommands.

    `name` is in lower case, `container|subcommand` for two words. Dispatch reads the first five attributes.
    """

    def __init__(
        self,
        syntax: Syntax,
        handler: Handler | None,
        flags: int,
        *,
        group: str,
        wants_session: bool,
        since: str,
        cost: str,
        summary: str,
        defined_in: str,
        key_flags: tuple[str, ...],
        categories: frozenset[str],
        key_finder: KeyFinder | None,
        tips: tuple[str, ...] = (),
        slot_of: KeySpec | None = None,
    ) -> None:
        self.handler = handler
        # Machine integers where compiled: the loop compares them before each command.
        self.least: i64 = syntax.least
        self.most: i64 = syntax.most
        self.wants_session = wants_session
        self.mask: i64 = mask_of(
            flags,
            wants_session=wants_session or handler is None,
            has_keys=bool(syntax.keys) or key_finder is not None,
        )
        # Counters of INFO commandstats. The time is exact for commands that are timed by themselves; that of a
        # chunk of others is divided among them.
        self.calls = 0
        self.nanoseconds = 0
        self.rejected_calls = 0
        self.failed_calls = 0
        self.name = syntax.name
        self.syntax = syntax
        self.flags = flags
        self.group = group
        self.since = since
        self.cost = cost
        # Of a container; that of a command is the first sentence of its handler's docstring.
        self._summary = summary
        self.defined_in = defined_in
        self.key_flags = key_flags
        self.categories = categories
        self.key_finder = key_finder
        # Its keys are words: the first alone, or some of every `key_step`th from there on. 0: it names none.
        self.has_one_key = False
        self.key_step = 1 if syntax.keys or key_finder is not None else 0
        if key_finder is None and len(syntax.keys) == 1 and not flags & ELSEWHERE:
            found = syntax.keys[0]
            if found.index == 1 and found.count_index is None:
                self.has_one_key = found.last == 0
                self.key_step = found.step
        self.tips = tips
        self.slot_of = slot_of
        # How long calls that were timed by themselves took.
        self.histogram = Histogram()
        self.subcommands: dict[bytes, Spec] = {}

    @property
    def summary(self) -> str:
        """What COMMAND DOCS says of it, in one sentence. Reads the source of its module at the first call."""
        if not self._summary and self.handler is not None:
            self._summary = first_sentences(self.defined_in)[self.handler.__name__]
        return self._summary

    def is_free(self, argv: list[bytes], locked: LockedKeys) -> bool:
        """Whether a quick look says that nobody has locked what `argv` touches, nor waits for it. O(arguments).

        False also where it cannot tell, as of EXEC, or commands that touch whole databases.
        """
        if self.has_one_key:
            return not locked.has(argv[1])
        if self.flags & ELSEWHERE:
            return not locked.has_any_anywhere(argv)
        if self.key_step:
            return not locked.has_any(argv, self.key_step)
        return not self.mask & GATE_LOCKS and self.name != b"exec"

    def keys(self, argv: list[bytes]) -> list[bytes]:
        """The keys that `argv` names. O(arguments)."""
        if self.key_finder is not None:
            return self.key_finder(argv)
        return find_keys(self.syntax, argv)


COMMANDS: Final[dict[bytes, Spec]] = {}
"""All commands and containers by lower-case name; subcommands are in their container's `subcommands`."""


_SPECS: Final[list[Spec]] = []


def every_spec() -> Sequence[Spec]:
    """Each command, container and subcommand, as they were declared."""
    return _SPECS


def find_spec(argv: list[bytes]) -> Spec | None:
    """The command or subcommand that `argv` names, in any case; its container if the subcommand is unknown."""
    spec = COMMANDS.get(argv[0].lower())
    if spec is not None and spec.subcommands and len(argv) > 1:
        return spec.subcommands.get(argv[1].lower(), spec)
    return spec


class CommandGroup:
    """The declarations of one file: `group` is the name that COMMAND DOCS gives, and implies an ACL category."""

    def __init__(self, group: str, module: str, *, session: bool = False) -> None:
        if group not in _GROUP_CATEGORIES:
            raise ValueError(f"unknown command group {group!r}")
        self.group = group
        self.module = module
        self.session = session

    def __call__(
        self,
        line: str,
        flags: int = 0,
        *,
        since: str,
        cost: str,
        keys: str = "",
        acl: str = "",
        arity: int | None = None,
        find_keys: KeyFinder | None = None,
        tips: str = "",
        joins_keys: bool = False,
        slot_of: KeySpec | None = None,
    ) -> Callable[[Handler], Handler]:
        """Declare the command of syntax `line`.

        `keys` holds the flags of each key spec ("RW ACCESS UPDATE", several separated by a semicolon); reading
        commands need none. `acl` names categories that do not follow ("+dangerous -fast"), `tips` are
        COMMAND's hints for cluster clients, `joins_keys` makes one key spec of keys that stand side by side, `slot_of`
        finds words that are no keys but tell cluster clients whom to ask. With `find_keys`, flags of more keys than
        stand in a fixed place are those of keys in unknown ones.
        Raises ValueError for what does not fit together.
        """
        syntax = parse(line)
        if arity is not None:
            syntax = Syntax(syntax.name, arity, syntax.arguments, syntax.keys)
        if joins_keys:
            syntax = syntax.with_keys_joined()
        if syntax.legacy_keys.are_incomplete or find_keys is not None:
            flags |= MOVABLEKEYS
        if syntax.keys and not keys:
            if flags & WRITE:
                raise ValueError(f"{line!r} writes: say how by keys=")
            keys = ";".join(["RO ACCESS"] * len(syntax.keys))
        key_flags = tuple(part.strip() for part in keys.split(";")) if keys else ()
        if find_keys is not None and len(key_flags) > len(syntax.keys):
            # Where those keys stand that have no fixed place only `find_keys` knows.
            fixed = tuple(key for key in syntax.keys if key.index is not None)
            unknown = (KeySpec(),) * (len(key_flags) - len(fixed))
            syntax = Syntax(syntax.name, syntax.arity, syntax.arguments, fixed + unknown)
        if len(key_flags) != len(syntax.keys):
            raise ValueError(f"{line!r} has {len(syntax.keys)} key specs and flags for {len(key_flags)}")

        def register(handler: Handler) -> Handler:
            spec = Spec(
                syntax,
                handler,
                flags,
                group=self.group,
                wants_session=self.session,
                since=since,
                cost=cost,
                summary="",
                defined_in=self.module,
                key_flags=key_flags,
                categories=_categories(self.group, flags, acl),
                key_finder=find_keys,
                tips=tuple(tips.split()),
                slot_of=slot_of,
            )
            self._add(spec)
            return handler

        return register

    def container(self, name: str, *, since: str, summary: str) -> None:
        """Declare the container of subcommands `name`; it must come before them."""
        spec = Spec(
            Syntax(name.lower().encode(), -2),
            None,
            0,
            group=self.group,
            wants_session=self.session,
            since=since,
            cost="Depends on subcommand.",
            summary=summary,
            defined_in=self.module,
            key_flags=(),
            categories=frozenset(("slow",)),
            key_finder=None,
        )
        self._add(spec)

    def _add(self, spec: Spec) -> None:
        container, _, subcommand = spec.name.partition(b"|")
        table = COMMANDS[container].subcommands if subcommand else COMMANDS
        if (subcommand or container) in table:
            raise ValueError(f"command {spec.name!r} is declared twice")
        table[subcommand or container] = spec
        _SPECS.append(spec)


def exact_names() -> dict[bytes, Spec]:
    """The spellings that dispatch finds at once: each name in upper and in lower case."""
    names: dict[bytes, Spec] = {}
    for name, spec in COMMANDS.items():
        names[name] = names[name.upper()] = spec
    return names


@cache
def first_sentences(module: str) -> dict[str, str]:
    """The first sentence of the docstring of each function of `module`, by the function's name.

    From the source, since compiled functions have no docstrings. Raises OSError if there is no source.
    """
    package, _, name = module.rpartition(".")
    # By way of the package, which is never compiled: a compiled module that another one imported names a wrong file.
    folder = Path(sys.modules[package].__path__[0]) if package else Path(str(sys.modules[module].__file__)).parent
    source = folder / f"{name}.py"
    sentences: dict[str, str] = {}
    for node in ast.parse(source.read_bytes()).body:
        if isinstance(node, ast.FunctionDef):
            text = ast.get_docstring(node) or ""
            sentences[node.name] = text.partition("\n\n")[0].replace("\n", " ").replace("`", "").rstrip(".") + "."
    return sentences


def _categories(group: str, flags: int, explicit: str) -> frozenset[str]:
    """The ACL categories, by the reference's rules: those of the group, those of the flags, and explicit ones."""
    names = {"fast" if flags & FAST else "slow"}
    if _GROUP_CATEGORIES[group]:
        names.add(_GROUP_CATEGORIES[group])
    if flags & WRITE:
        names.add("write")
    if flags & READONLY and group != "scripting":
        names.add("read")
    if flags & ADMIN:
        names |= {"admin", "dangerous"}
    if flags & DANGEROUS:
        names.add("dangerous")
    if flags & PUBSUB:
        names.add("pubsub")
    if flags & BLOCKING:
        names.add("blocking")
    for word in explicit.split():
        if word[0] == "+":
            names.add(word[1:])
        elif word[0] == "-":
            names.discard(word[1:])
        else:
            raise ValueError(f"acl={explicit!r}: each category needs + or -")
    return frozenset(names)


__all__ = [
    "CATEGORIES",
    "COMMANDS",
    "GATE_ALWAYS",
    "CommandGroup",
    "Handler",
    "Spec",
    "every_spec",
    "exact_names",
    "find_spec",
]
