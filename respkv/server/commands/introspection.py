"""COMMAND: what the server says of its own commands, all of it derived from their declarations."""

from typing import Any

from respkv.commands.flags import LOADING, NO_MANDATORY_KEYS, SHOWN, STALE
from respkv.commands.help import help_of
from respkv.commands.key_use import keys_and_flags
from respkv.commands.spec import CATEGORIES, COMMANDS, CommandGroup, Spec, every_spec, find_spec
from respkv.engine import glob
from respkv.errors import BadSyntax, ReplyError
from respkv.reply import Members, Reply, Status
from respkv.server.session import Session

command = CommandGroup("server", __name__, session=True)

_FLAGS = LOADING | STALE
_ANY_ORDER = "nondeterministic_output_order"

DEPRECATED: dict[bytes, tuple[bytes, bytes]] = {
    b"brpoplpush": (b"6.2.0", b"BLMOVE with RIGHT and LEFT"),
    b"cluster|slaves": (b"5.0.0", b"CLUSTER REPLICAS"),
    b"cluster|slots": (b"7.0.0", b"CLUSTER SHARDS"),
    b"georadius": (b"6.2.0", b"GEOSEARCH and GEOSEARCHSTORE with BYRADIUS"),
    b"georadius_ro": (b"6.2.0", b"GEOSEARCH with BYRADIUS"),
    b"georadiusbymember": (b"6.2.0", b"GEOSEARCH and GEOSEARCHSTORE with FROMMEMBER and BYRADIUS"),
    b"georadiusbymember_ro": (b"6.2.0", b"GEOSEARCH with FROMMEMBER and BYRADIUS"),
    b"getset": (b"6.2.0", b"SET with GET"),
    b"hmset": (b"4.0.0", b"HSET"),
    b"psetex": (b"2.6.12", b"SET with PX"),
    b"quit": (b"7.2.0", b"the end of the connection"),
    b"rpoplpush": (b"6.2.0", b"LMOVE with RIGHT and LEFT"),
    b"setex": (b"2.6.12", b"SET with EX"),
    b"setnx": (b"2.6.12", b"SET with NX"),
    b"slaveof": (b"5.0.0", b"REPLICAOF"),
    b"substr": (b"2.0.0", b"GETRANGE"),
    b"zrangebylex": (b"6.2.0", b"ZRANGE with BYLEX"),
    b"zrangebyscore": (b"6.2.0", b"ZRANGE with BYSCORE"),
    b"zrevrange": (b"6.2.0", b"ZRANGE with REV"),
    b"zrevrangebylex": (b"6.2.0", b"ZRANGE with REV and BYLEX"),
    b"zrevrangebyscore": (b"6.2.0", b"ZRANGE with REV and BYSCORE"),
}
"""Commands that Redis advises against: since which version, and what to use instead."""

INTERNAL = frozenset((b"debug", b"pfdebug", b"pfselftest", b"replconf"))
"""Commands that are for servers and their tests."""

_ARGUMENT_FLAGS = (b"optional", b"multiple", b"multiple_token")


@command(
    "COMMAND",
    _FLAGS,
    since="2.8.13",
    cost="O(n), n = commands",
    arity=-1,
    acl="+connection",
    tips=_ANY_ORDER,
)
def command_(session: Session, argv: list[bytes]) -> Reply:
    """What COMMAND INFO says, for all commands."""
    return [info_of(spec) for spec in COMMANDS.values()]


@command("COMMAND COUNT", _FLAGS, since="2.8.13", cost="O(1)", acl="+connection")
def command_count(session: Session, argv: list[bytes]) -> Reply:
    """How many commands there are, subcommands not counted."""
    return len(COMMANDS)


@command(
    "COMMAND LIST [FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern:pattern>]",
    _FLAGS,
    since="7.0.0",
    cost="O(n), n = commands",
    acl="+connection",
    tips=_ANY_ORDER,
)
def command_list(session: Session, argv: list[bytes]) -> Reply:
    """The names of all commands, or of those in a category, or of those that match a pattern."""
    if len(argv) == 2:
        return [spec.name for spec in every_spec()]
    if len(argv) != 5 or argv[2].upper() != b"FILTERBY":
        raise BadSyntax
    kind = argv[3].upper()
    if kind == b"MODULE":
        return []
    if kind == b"ACLCAT":
        category = argv[4].lower().decode("latin-1")
        return [spec.name for spec in every_spec() if category in spec.categories]
    if kind == b"PATTERN":
        matches = glob.compile(argv[4], nocase=True)
        return [spec.name for spec in every_spec() if matches(spec.name)]
    raise BadSyntax


@command(
    "COMMAND INFO [command-name [command-name ...]]",
    _FLAGS,
    since="2.8.13",
    cost="O(n), n = commands shown",
    acl="+connection",
    tips=_ANY_ORDER,
)
def command_info(session: Session, argv: list[bytes]) -> Reply:
    """Arity, flags, keys, categories and subcommands of these commands, or of all; nil for one that is unknown."""
    if len(argv) == 2:
        return [info_of(spec) for spec in COMMANDS.values()]
    return [None if spec is None else info_of(spec) for spec in map(_by_name, argv[2:])]


@command(
    "COMMAND DOCS [command-name [command-name ...]]",
    _FLAGS,
    since="7.0.0",
    cost="O(n), n = commands shown",
    acl="+connection",
    tips=_ANY_ORDER,
)
def command_docs(session: Session, argv: list[bytes]) -> Reply:
    """What these commands do, or all, and which arguments they take."""
    if len(argv) == 2:
        return {spec.name: docs_of(spec) for spec in COMMANDS.values()}
    return {spec.name: docs_of(spec) for spec in map(_by_name, argv[2:]) if spec is not None}


@command(
    "COMMAND GETKEYS command [arg [arg ...]]",
    _FLAGS,
    since="2.8.13",
    cost="O(n), n = arguments",
    acl="+connection",
)
def command_getkeys(session: Session, argv: list[bytes]) -> Reply:
    """The keys in a command with its arguments."""
    spec = _checked(argv[2:])
    return _not_none(spec, spec.keys(argv[2:]))


@command(
    "COMMAND GETKEYSANDFLAGS command [arg [arg ...]]",
    _FLAGS,
    since="7.0.0",
    cost="O(n), n = arguments",
    acl="+connection",
)
def command_getkeysandflags(session: Session, argv: list[bytes]) -> Reply:
    """The keys in a command with its arguments, and what the command does with each."""
    request = argv[2:]
    spec = _checked(request)
    return _not_none(spec, [[request[at], _key_flags(flags)] for at, flags in keys_and_flags(spec, request)])


@command("COMMAND HELP", _FLAGS, since="5.0.0", cost="O(1)", acl="+connection")
def command_help(session: Session, argv: list[bytes]) -> Reply:
    """Print this help."""
    return help_of(b"command")


def info_of(spec: Spec) -> list[Reply]:
    """The ten facts that COMMAND INFO tells."""
    syntax, key_flags = spec.syntax, spec.key_flags
    if spec.slot_of is not None:
        syntax, key_flags = syntax.with_slot_of(spec.slot_of), ("NOT_KEY",)
    legacy = syntax.legacy_keys
    return [
        spec.name,
        spec.syntax.arity,
        Members([Status(name) for flag, name in SHOWN if spec.flags & flag]),
        legacy.first,
        legacy.last,
        legacy.step,
        Members([Status(b"@" + name.encode()) for name in CATEGORIES if name in spec.categories]),
        Members([tip.encode() for tip in spec.tips]),
        Members(
            [
                {b"flags": _key_flags(flags), **keys.describe()}
                for keys, flags in zip(syntax.keys, key_flags, strict=True)
            ]
        ),
        Members([info_of(subcommand) for subcommand in spec.subcommands.values()]),
    ]


def docs_of(spec: Spec) -> dict[bytes, Reply]:
    """What COMMAND DOCS tells."""
    docs: dict[bytes, Reply] = {
        b"summary": spec.summary.encode(),
        b"since": spec.since.encode(),
        b"group": spec.group.encode(),
        b"complexity": spec.cost.encode(),
    }
    deprecation = DEPRECATED.get(spec.name)
    if deprecation is not None:
        docs[b"doc_flags"] = Members([Status(b"deprecated")])
        docs[b"deprecated_since"], docs[b"replaced_by"] = deprecation
    elif spec.name in INTERNAL:
        docs[b"doc_flags"] = Members([Status(b"syscmd")])
    if spec.syntax.arguments:
        docs[b"arguments"] = [_docs_value(argument.describe()) for argument in spec.syntax.arguments]
    if spec.subcommands:
        docs[b"subcommands"] = {one.name: docs_of(one) for one in spec.subcommands.values()}
    return docs


def _key_flags(flags: str) -> Members:
    words = flags.split()
    return Members(
        [Status(word.encode() if word in ("RW", "RO", "OW", "RM") else word.lower().encode()) for word in words]
    )


def _docs_value(value: Any) -> Reply:
    """An argument's description with its flags as simple strings, in the order of the reference."""
    if isinstance(value, dict):
        return {name: _docs_value(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_docs_value(one) for one in value]
    if isinstance(value, set):
        return Members([Status(flag) for flag in _ARGUMENT_FLAGS if flag in value])
    return value


def _by_name(name: bytes) -> Spec | None:
    """The command `name`, with `container|subcommand` for a subcommand."""
    container, bar, subcommand = name.lower().partition(b"|")
    spec = COMMANDS.get(container)
    return spec.subcommands.get(subcommand) if spec is not None and bar else spec


def _checked(request: list[bytes]) -> Spec:
    """The command of `request`, which has keys and takes so many arguments. Raises ReplyError."""
    spec = find_spec(request)
    if spec is None or (spec.subcommands and len(request) > 1):
        raise ReplyError(b"ERR Invalid command specified")
    if not spec.syntax.keys and spec.key_finder is None:
        raise ReplyError(b"ERR The command has no key arguments")
    if not spec.least <= len(request) <= spec.most:
        raise ReplyError(b"ERR Invalid number of arguments specified for command")
    return spec


def _not_none(spec: Spec, keys: list[Any]) -> list[Any]:
    if not keys and not spec.flags & NO_MANDATORY_KEYS:
        raise ReplyError(b"ERR Invalid arguments specified for command")
    return keys
