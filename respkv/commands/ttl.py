"""Times to live. Source of all behaviour: the reference's `expire.c`, tried on 7.0 and 8.2."""

from respkv.commands.args import INT64_MAX, INT64_MIN, parse_int
from respkv.commands.events import GENERIC
from respkv.commands.flags import FAST, READONLY, WRITE
from respkv.commands.spec import CommandGroup
from respkv.engine.keyspace import Keyspace
from respkv.errors import InvalidExpire, ReplyError
from respkv.reply import Reply

command = CommandGroup("generic", __name__)

_NX, _XX, _GT, _LT = 1, 2, 4, 8
_CONDITIONS = {b"NX": _NX, b"XX": _XX, b"GT": _GT, b"LT": _LT}


@command(
    "EXPIRE key seconds:int [NX | XX | GT | LT]", WRITE | FAST, keys="RW UPDATE", arity=-3, since="1.0.0", cost="O(1)"
)
def expire(db: Keyspace, argv: list[bytes]) -> Reply:
    """Let a key end after some seconds; whether it was done."""
    return _expire(db, argv, 1000, db.engine.now_ms)


@command(
    "PEXPIRE key milliseconds:int [NX | XX | GT | LT]",
    WRITE | FAST,
    keys="RW UPDATE",
    arity=-3,
    since="2.6.0",
    cost="O(1)",
)
def pexpire(db: Keyspace, argv: list[bytes]) -> Reply:
    """Let a key end after some milliseconds; whether it was done."""
    return _expire(db, argv, 1, db.engine.now_ms)


@command(
    "EXPIREAT key unix-time-seconds:unix-time [NX | XX | GT | LT]",
    WRITE | FAST,
    keys="RW UPDATE",
    arity=-3,
    since="1.2.0",
    cost="O(1)",
)
def expireat(db: Keyspace, argv: list[bytes]) -> Reply:
    """Let a key end at a unix time in seconds; whether it was done."""
    return _expire(db, argv, 1000, 0)


@command(
    "PEXPIREAT key unix-time-milliseconds:unix-time [NX | XX | GT | LT]",
    WRITE | FAST,
    keys="RW UPDATE",
    arity=-3,
    since="2.6.0",
    cost="O(1)",
)
def pexpireat(db: Keyspace, argv: list[bytes]) -> Reply:
    """Let a key end at a unix time in milliseconds; whether it was done."""
    return _expire(db, argv, 1, 0)


def _expire(db: Keyspace, argv: list[bytes], unit_ms: int, base_ms: int) -> int:
    key = argv[1]
    conditions = _parse_conditions(argv) if len(argv) > 3 else 0
    at_ms = parse_int(argv[2]) * unit_ms
    if not INT64_MIN <= at_ms <= INT64_MAX - base_ms:
        raise InvalidExpire(argv[0].lower())
    at_ms += base_ms
    if db.edit(key) is None or (conditions and not _hold(conditions, db.expiry_of(key), at_ms)):
        return 0
    if at_ms <= db.engine.now_ms:
        db.remove(key)
        db.notify(GENERIC, b"del", key)
        db.propagate_as([b"DEL", key])
        return 1
    db.expire(key, at_ms)
    db.notify(GENERIC, b"expire", key)
    db.propagate_as([b"PEXPIREAT", key, b"%d" % at_ms, *argv[3:]])
    return 1


def _parse_conditions(argv: list[bytes]) -> int:
    conditions = 0
    for word in argv[3:]:
        condition = _CONDITIONS.get(word.upper())
        if condition is None:
            raise ReplyError(b"ERR Unsupported option %b" % word)
        conditions |= condition
    if conditions & _NX and conditions != _NX:
        raise ReplyError(b"ERR NX and XX, GT or LT options at the same time are not compatible")
    if conditions & _GT and conditions & _LT:
        raise ReplyError(b"ERR GT and LT options at the same time are not compatible")
    return conditions


def _hold(conditions: int, now_at_ms: int, at_ms: int) -> bool:
    """Whether an expiry may change from `now_at_ms` (-1: never) to `at_ms`. A key without one expires last of all."""
    has_expiry = now_at_ms >= 0
    if conditions & _NX and has_expiry:
        return False
    if conditions & _XX and not has_expiry:
        return False
    if conditions & _GT and (not has_expiry or at_ms <= now_at_ms):
        return False
    return not (conditions & _LT and has_expiry and at_ms >= now_at_ms)


@command("TTL key", READONLY | FAST, since="1.0.0", cost="O(1)", tips="nondeterministic_output")
def ttl(db: Keyspace, argv: list[bytes]) -> Reply:
    """The seconds until a key ends; -1 if it does not, -2 if there is no key."""
    at_ms = _expiry_or_status(db, argv[1])
    return at_ms if at_ms < 0 else (at_ms - db.engine.now_ms + 500) // 1000


@command("PTTL key", READONLY | FAST, since="2.6.0", cost="O(1)", tips="nondeterministic_output")
def pttl(db: Keyspace, argv: list[bytes]) -> Reply:
    """The milliseconds until a key ends; -1 if it does not, -2 if there is no key."""
    at_ms = _expiry_or_status(db, argv[1])
    return at_ms if at_ms < 0 else at_ms - db.engine.now_ms


@command("EXPIRETIME key", READONLY | FAST, since="7.0.0", cost="O(1)")
def expiretime(db: Keyspace, argv: list[bytes]) -> Reply:
    """The unix time in seconds at which a key ends; -1 if it does not, -2 if there is no key."""
    at_ms = _expiry_or_status(db, argv[1])
    return at_ms if at_ms < 0 else (at_ms + 500) // 1000


@command("PEXPIRETIME key", READONLY | FAST, since="7.0.0", cost="O(1)")
def pexpiretime(db: Keyspace, argv: list[bytes]) -> Reply:
    """The unix time in milliseconds at which a key ends; -1 if it does not, -2 if there is no key."""
    return _expiry_or_status(db, argv[1])


def _expiry_or_status(db: Keyspace, key: bytes) -> int:
    """When `key` expires, -1 for never, -2 if there is no such key."""
    return -2 if db.look(key) is None else db.expiry_of(key)


@command("PERSIST key", WRITE | FAST, keys="RW UPDATE", since="2.2.0", cost="O(1)")
def persist(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take the end of a key away; whether it had one."""
    if db.edit(argv[1]) is None or not db.persist(argv[1]):
        return 0
    db.notify(GENERIC, b"persist", argv[1])
    return 1
