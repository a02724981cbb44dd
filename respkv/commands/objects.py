"""OBJECT: how a value is kept, and how much it is used."""

from respkv.commands.args import is_int
from respkv.commands.flags import LOADING, READONLY, STALE
from respkv.commands.spec import CommandGroup
from respkv.engine.access import IDLE, LFU, NOTHING, track_idle_time
from respkv.engine.keyspace import Keyspace
from respkv.errors import ReplyError
from respkv.reply import Reply, Status

command = CommandGroup("generic", __name__)
command.container("OBJECT", since="2.2.3", summary="A container for object introspection commands.")

EMBSTR_BYTES_MAX = 44
"""Longest string that the reference keeps in one allocation with its header, encoding `embstr`."""

SHARED_INTEGERS = 10_000
"""Integers from 0 up to this are one shared object each in the reference, which OBJECT REFCOUNT shows."""

_SWITCHING = (
    b"Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
)


def encoding_of(value: object) -> bytes:
    """What OBJECT ENCODING says of `value`."""
    if isinstance(value, bytes):
        if is_int(value):
            return b"int"
        return b"embstr" if len(value) <= EMBSTR_BYTES_MAX else b"raw"
    if isinstance(value, int):
        return b"int"
    if isinstance(value, bytearray):
        return b"raw"
    encoding: bytes = value.encoding  # type: ignore[attr-defined]
    return encoding


@command(
    "OBJECT ENCODING key",
    READONLY,
    keys="RO",
    acl="+keyspace",
    since="2.2.3",
    cost="O(1)",
    tips="nondeterministic_output",
)
def encoding(db: Keyspace, argv: list[bytes]) -> Reply:
    """The name of the representation of a value, or nil."""
    value = db.examine(argv[2])
    return None if value is None else encoding_of(value)


@command("OBJECT REFCOUNT key", READONLY, keys="RO", since="2.2.3", cost="O(1)", tips="nondeterministic_output")
def refcount(db: Keyspace, argv: list[bytes]) -> Reply:
    """How many share a value, by the reference's rules, or nil."""
    value = db.examine(argv[2])
    if value is None:
        return None
    if db.engine.access.kind == NOTHING and encoding_of(value) == b"int" and 0 <= int(value) < SHARED_INTEGERS:
        return 2**31 - 1
    return 1


@command("OBJECT IDLETIME key", READONLY, keys="RO", since="2.2.3", cost="O(1)", tips="nondeterministic_output")
def idletime(db: Keyspace, argv: list[bytes]) -> Reply:
    """The seconds since a key was last used, or nil.

    Without an LRU policy, uses are noted only from the first time that somebody asks.
    """
    if db.examine(argv[2]) is None:
        return None
    if db.engine.access.kind == LFU:
        raise ReplyError(b"ERR An LFU maxmemory policy is selected, idle time not tracked. " + _SWITCHING)
    if db.engine.access.kind != IDLE:
        track_idle_time(db.engine)
    return db.engine.access.idle_ms(db.shard_of(argv[2]), argv[2]) // 1000


@command("OBJECT FREQ key", READONLY, keys="RO", since="4.0.0", cost="O(1)", tips="nondeterministic_output")
def freq(db: Keyspace, argv: list[bytes]) -> Reply:
    """The logarithmic counter of a key's uses under an LFU policy, or nil."""
    if db.examine(argv[2]) is None:
        return None
    if db.engine.access.kind != LFU:
        raise ReplyError(b"ERR An LFU maxmemory policy is not selected, access frequency not tracked. " + _SWITCHING)
    return db.engine.access.frequency(db.shard_of(argv[2]), argv[2])


@command("OBJECT HELP", LOADING | STALE, since="6.2.0", cost="O(1)")
def help_(db: Keyspace, argv: list[bytes]) -> Reply:
    """What the subcommands of OBJECT do."""
    return [Status(line.encode()) for line in _HELP.splitlines()]


_HELP = """\
OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
ENCODING <key>
    Return the kind of internal representation used in order to store the value
    associated with a <key>.
FREQ <key>
    Return the access frequency index of the <key>. The returned integer is
    proportional to the logarithm of the recent access frequency of the key.
IDLETIME <key>
    Return the idle time of the <key>, that is the approximated number of
    seconds elapsed since the last access to the key.
REFCOUNT <key>
    Return the number of references of the value associated with the specified
    <key>.
HELP
    Print this help."""
