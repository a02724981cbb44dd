"""Commands on the expiry of a hash's fields, and those that get or set values along with it.

What goes into the log are times, not durations, and only of the fields that were changed; a field that was given a time
in the past is deleted there, as here. Source of all behaviour: the reference's 7.4 and 8.0, tried on 8.2.
"""

from typing import Final

from respkv.commands.args import parse_int
from respkv.commands.events import GENERIC, HASH
from respkv.commands.flags import DENYOOM, FAST, READONLY, WRITE
from respkv.commands.hashes import as_hash, let_expire, remove_fields
from respkv.commands.spec import CommandGroup
from respkv.engine.keyspace import Keyspace
from respkv.errors import InvalidExpire, NotAnInteger, ReplyError, WrongArity
from respkv.reply import Reply
from respkv.values.hashes import Hash

command = CommandGroup("hash", __name__)

AT_MS_MAX: Final = (1 << 46) - 1
"""The latest time at which a field may expire: the year 4199."""

_UNKNOWN: Final = -3
_NO_FIELD: Final = -2
_NO_EXPIRY: Final = -1
_CONDITION_FAILED: Final = 0
_DONE: Final = 1
_DELETED: Final = 2

_CONDITIONS: Final = (b"NX", b"XX", b"GT", b"LT")
_UNITS: Final = {b"EX": 1000, b"PX": 1, b"EXAT": 1000, b"PXAT": 1}
"""The options that say when a field expires, and the milliseconds of their unit."""

_INT32_MAX: Final = (1 << 31) - 1


class FieldsMissing(ReplyError):
    """Where FIELDS should stand there is something else."""

    def __init__(self) -> None:
        super().__init__(b"ERR Mandatory argument FIELDS is missing or not at the right position")


class OtherNumberOfFields(ReplyError):
    """There are not as many fields as was said."""

    def __init__(self) -> None:
        super().__init__(b"ERR The `numfields` parameter must match the number of arguments")


def _parse_at_ms(text: bytes, unit_ms: int, base_ms: int, command_name: bytes) -> int:
    """A time of expiry as unix ms. Raises NotAnInteger, ReplyError, InvalidExpire."""
    number = parse_int(text)
    if number < 0:
        raise ReplyError(b"ERR invalid expire time, must be >= 0")
    at_ms = number * unit_ms + base_ms
    if at_ms > AT_MS_MAX:
        raise InvalidExpire(command_name)
    return at_ms


def _parse_fields(argv: list[bytes], at: int) -> list[bytes]:
    """The fields behind `FIELDS n`, which stands at `at`. Raises ReplyError."""
    if at + 1 >= len(argv):
        raise WrongArity(argv[0].lower())
    if argv[at].upper() != b"FIELDS":
        raise FieldsMissing
    if _count_of(argv[at + 1]) < 1:
        raise ReplyError(b"ERR Number of fields must be a positive integer")
    fields = argv[at + 2 :]
    if _count_of(argv[at + 1]) != len(fields):
        raise OtherNumberOfFields
    return fields


def _count_of(text: bytes) -> int:
    """The integer `text`; 0 if it is none."""
    try:
        return parse_int(text)
    except NotAnInteger:
        return 0


def _find(db: Keyspace, key: bytes, value: Hash | None, fields: list[bytes]) -> Hash | None:
    """`value` of `key` without what has expired."""
    if value is None or value.ttls is None:
        return value
    return let_expire(db, key, value, fields)


# Setting times


@command(
    "HEXPIRE key seconds:int [NX | XX | GT | LT] FIELDS numfields:int field [field ...]",
    WRITE | FAST,
    keys="RW UPDATE",
    since="7.4.0",
    cost="O(n), n = fields given",
)
def hexpire(db: Keyspace, argv: list[bytes]) -> Reply:
    """Let fields of a hash expire after some seconds.

    For each field: 1 if that was done, 0 if the condition does not hold, 2 if it was deleted as the time has come, and
    -2 if there is no such field.

    > HSET h f v g w
    (integer) 2
    > HEXPIRE h 100 FIELDS 2 f none
    1) (integer) 1
    2) (integer) -2
    """
    return _expire(db, argv, 1000, db.engine.now_ms)


@command(
    "HPEXPIRE key milliseconds:int [NX | XX | GT | LT] FIELDS numfields:int field [field ...]",
    WRITE | FAST,
    keys="RW UPDATE",
    since="7.4.0",
    cost="O(n), n = fields given",
)
def hpexpire(db: Keyspace, argv: list[bytes]) -> Reply:
    """Let fields of a hash expire after some milliseconds, as HEXPIRE does."""
    return _expire(db, argv, 1, db.engine.now_ms)


@command(
    "HEXPIREAT key unix-time-seconds:unix-time [NX | XX | GT | LT] FIELDS numfields:int field [field ...]",
    WRITE | FAST,
    keys="RW UPDATE",
    since="7.4.0",
    cost="O(n), n = fields given",
)
def hexpireat(db: Keyspace, argv: list[bytes]) -> Reply:
    """Let fields of a hash expire at a unix time in seconds, as HEXPIRE does."""
    return _expire(db, argv, 1000, 0)


@command(
    "HPEXPIREAT key unix-time-milliseconds:unix-time [NX | XX | GT | LT] FIELDS numfields:int field [field ...]",
    WRITE | FAST,
    keys="RW UPDATE",
    since="7.4.0",
    cost="O(n), n = fields given",
)
def hpexpireat(db: Keyspace, argv: list[bytes]) -> Reply:
    """Let fields of a hash expire at a unix time in milliseconds, as HEXPIRE does."""
    return _expire(db, argv, 1, 0)


def _expire(db: Keyspace, argv: list[bytes], unit_ms: int, base_ms: int) -> list[int]:
    key = argv[1]
    value = as_hash(db.edit(key))
    at_ms = _parse_at_ms(argv[2], unit_ms, base_ms, argv[0].lower())
    condition = argv[3].upper()
    at = 3
    if condition in _CONDITIONS:
        at = 4
    else:
        condition = b""
    if argv[at].upper() != b"FIELDS":
        raise FieldsMissing
    count = _count_of(argv[at + 1])
    if count < 1:
        raise ReplyError(b"ERR Parameter `numFields` should be greater than 0")
    fields = argv[at + 2 :]
    if count != len(fields):
        raise OtherNumberOfFields
    value = _find(db, key, value, fields)
    if value is None:
        return [_NO_FIELD] * len(fields)
    is_past = at_ms <= db.engine.now_ms
    # As in the reference, where this alone shows in OBJECT ENCODING.
    value.prepare_expiries()
    statuses = _statuses(value, fields, condition, at_ms, is_past)
    changed = [fields[n] for n in range(len(fields)) if statuses[n] > 0]
    if is_past:
        if remove_fields(db, key, value, changed):
            db.propagate_as([b"HDEL", key, *changed])
    else:
        _expire_at(db, key, value, changed, at_ms)
    return statuses


def _statuses(value: Hash, fields: list[bytes], condition: bytes, at_ms: int, is_past: bool) -> list[int]:
    """What is to be told of each field that shall expire at `at_ms`; one given twice can be deleted only once."""
    statuses: list[int] = []
    # By field, when it expires as of then. To look at each as if those before it were done already.
    changed: dict[bytes, int] = {}
    for field in fields:
        now_at_ms = changed.get(field, _UNKNOWN)
        if now_at_ms == _UNKNOWN:
            now_at_ms = value.expiry_of(field) if field in value else _NO_FIELD
        if now_at_ms == _NO_FIELD:
            statuses.append(_NO_FIELD)
        elif condition and not _holds(condition, now_at_ms, at_ms):
            statuses.append(_CONDITION_FAILED)
        else:
            statuses.append(_DELETED if is_past else _DONE)
            changed[field] = _NO_FIELD if is_past else at_ms
    return statuses


def _holds(condition: bytes, now_at_ms: int, at_ms: int) -> bool:
    """Whether an expiry may change from `now_at_ms` (-1: never) to `at_ms`. A field without one expires last of all."""
    if condition == b"NX":
        return now_at_ms < 0
    if condition == b"XX":
        return now_at_ms >= 0
    if condition == b"GT":
        return 0 <= now_at_ms < at_ms
    return now_at_ms < 0 or at_ms < now_at_ms


def _expire_at(db: Keyspace, key: bytes, value: Hash, fields: list[bytes], at_ms: int) -> None:
    """Let `fields`, which `value` has, expire at `at_ms`; propagate that."""
    if not fields:
        return
    bytes_before = value.nbytes
    for field in fields:
        value.expire_at(field, at_ms)
    db.settle(key, value, bytes_before)
    db.propagate_as([b"HPEXPIREAT", key, b"%d" % at_ms, b"FIELDS", b"%d" % len(fields), *fields])
    db.notify(HASH, b"hexpire", key)


@command(
    "HPERSIST key FIELDS numfields:int field [field ...]",
    WRITE | FAST,
    keys="RW UPDATE",
    since="7.4.0",
    cost="O(n), n = fields given",
)
def hpersist(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take the expiry of fields of a hash away; for each 1, -1 if it had none, -2 if there is no such field."""
    key = argv[1]
    value = as_hash(db.edit(key))
    fields = _parse_fields(argv, 2)
    value = _find(db, key, value, fields)
    if value is None:
        return [_NO_FIELD] * len(fields)
    bytes_before = value.nbytes
    statuses: list[int] = []
    for field in fields:
        if value.persist(field):
            statuses.append(_DONE)
        else:
            statuses.append(_NO_EXPIRY if field in value else _NO_FIELD)
    if _DONE in statuses:
        db.settle(key, value, bytes_before)
        db.notify(HASH, b"hpersist", key)
    return statuses


# Asking for times


@command(
    "HTTL key FIELDS numfields:int field [field ...]",
    READONLY | FAST,
    since="7.4.0",
    cost="O(n), n = fields given",
    tips="nondeterministic_output",
)
def httl(db: Keyspace, argv: list[bytes]) -> Reply:
    """The seconds until fields of a hash expire; -1 for one that does not, -2 if there is no such field."""
    now_ms = db.engine.now_ms
    return [at_ms if at_ms < 0 else (at_ms - now_ms + 999) // 1000 for at_ms in _times(db, argv)]


@command(
    "HPTTL key FIELDS numfields:int field [field ...]",
    READONLY | FAST,
    since="7.4.0",
    cost="O(n), n = fields given",
    tips="nondeterministic_output",
)
def hpttl(db: Keyspace, argv: list[bytes]) -> Reply:
    """The milliseconds until fields of a hash expire; -1 for one that does not, -2 if there is no such field."""
    now_ms = db.engine.now_ms
    return [at_ms if at_ms < 0 else at_ms - now_ms for at_ms in _times(db, argv)]


@command(
    "HEXPIRETIME key FIELDS numfields:int field [field ...]",
    READONLY | FAST,
    since="7.4.0",
    cost="O(n), n = fields given",
)
def hexpiretime(db: Keyspace, argv: list[bytes]) -> Reply:
    """The unix times in seconds at which fields of a hash expire; -1 for never, -2 if there is no such field."""
    return [at_ms if at_ms < 0 else (at_ms + 999) // 1000 for at_ms in _times(db, argv)]


@command(
    "HPEXPIRETIME key FIELDS numfields:int field [field ...]",
    READONLY | FAST,
    since="7.4.0",
    cost="O(n), n = fields given",
)
def hpexpiretime(db: Keyspace, argv: list[bytes]) -> Reply:
    """The unix times in milliseconds at which fields of a hash expire; -1 for never, -2 if there is no such field."""
    return _times(db, argv)


def _times(db: Keyspace, argv: list[bytes]) -> list[int]:
    """When each field expires: unix ms, -1 for never, -2 if there is no such field."""
    value = as_hash(db.find(argv[1]))
    fields = _parse_fields(argv, 2)
    value = _find(db, argv[1], value, fields)
    if value is None:
        return [_NO_FIELD] * len(fields)
    return [value.expiry_of(field) if field in value else _NO_FIELD for field in fields]


# Values along with times


@command(
    "HGETEX key [EX seconds:int | PX milliseconds:int | EXAT unix-time-seconds:unix-time"
    " | PXAT unix-time-milliseconds:unix-time | PERSIST] FIELDS numfields:int field [field ...]",
    WRITE | FAST,
    keys="RW ACCESS UPDATE",
    since="8.0.0",
    cost="O(n), n = fields given",
)
def hgetex(db: Keyspace, argv: list[bytes]) -> Reply:
    """The values of fields of a hash, nil for those that it does not have; sets or takes away their expiry.

    > HSET h f v
    (integer) 1
    > HGETEX h EX 100 FIELDS 1 f
    1) "v"
    > HTTL h FIELDS 1 f
    1) (integer) 100
    """
    key = argv[1]
    value = as_hash(db.edit(key))
    option = argv[2].upper()
    at = 2
    at_ms = 0
    if option in _UNITS:
        at_ms = _parse_at_ms(argv[3], _UNITS[option], db.engine.now_ms if len(option) == 2 else 0, b"hgetex")
        at = 4
    elif option == b"PERSIST":
        at = 3
    fields = _parse_fields(argv, at)
    value = _find(db, key, value, fields)
    if value is None:
        return [None] * len(fields)
    if option in _UNITS:
        value.prepare_expiries()
    if option in _UNITS and at_ms <= db.engine.now_ms:
        return _get_and_remove(db, key, value, fields)
    found = [value.get(field) for field in fields]
    if option == b"PERSIST":
        _persist(db, key, value, fields)
    elif option in _UNITS:
        # A dict, since a field may be given twice.
        _expire_at(db, key, value, list({field: None for field in fields if field in value}), at_ms)
    return found


def _get_and_remove(db: Keyspace, key: bytes, value: Hash, fields: list[bytes]) -> list[bytes | None]:
    """The values of `fields`, which are taken out: if one is given twice, there is nothing the second time."""
    found: list[bytes | None] = []
    seen: set[bytes] = set()
    for field in fields:
        found.append(None if field in seen else value.get(field))
        seen.add(field)
    if remove_fields(db, key, value, fields):
        db.propagate_as([b"HDEL", key, *fields])
    return found


def _persist(db: Keyspace, key: bytes, value: Hash, fields: list[bytes]) -> None:
    bytes_before = value.nbytes
    persisted = [field for field in fields if value.persist(field)]
    if persisted:
        db.settle(key, value, bytes_before)
        db.propagate_as([b"HPERSIST", key, b"FIELDS", b"%d" % len(persisted), *persisted])
        db.notify(HASH, b"hpersist", key)


@command(
    "HGETDEL key FIELDS numfields:int field [field ...]",
    WRITE | FAST,
    keys="RW ACCESS DELETE",
    since="8.0.0",
    cost="O(n), n = fields given",
)
def hgetdel(db: Keyspace, argv: list[bytes]) -> Reply:
    """The values of fields of a hash, nil for those that it does not have, and the fields are deleted."""
    key = argv[1]
    value = as_hash(db.edit(key))
    fields = _parse_fields(argv, 2)
    value = _find(db, key, value, fields)
    if value is None:
        return [None] * len(fields)
    return _get_and_remove(db, key, value, fields)


@command(
    "HSETEX key [FNX | FXX] [EX seconds:int | PX milliseconds:int | EXAT unix-time-seconds:unix-time"
    " | PXAT unix-time-milliseconds:unix-time | KEEPTTL] FIELDS numfields:int field value [field value ...]",
    WRITE | DENYOOM | FAST,
    keys="RW UPDATE",
    since="8.0.0",
    cost="O(n), n = fields given",
)
def hsetex(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give fields of a hash a value each and an expiry, if none (FNX) or all (FXX) of them exist; whether it was done.

    > HSETEX h EX 100 FIELDS 1 f v
    (integer) 1
    > HSETEX h FNX FIELDS 2 f w g w
    (integer) 0
    """
    only_if = b""
    expiry = b""
    at_ms = 0
    at = 2
    while True:
        if at >= len(argv):
            raise WrongArity(b"hsetex")
        option = argv[at].upper()
        if option == b"FIELDS":
            break
        if option in (b"FNX", b"FXX"):
            if only_if:
                raise ReplyError(b"ERR Only one of FXX or FNX arguments can be specified")
            only_if = option
        elif option in _UNITS or option == b"KEEPTTL":
            if expiry:
                raise ReplyError(b"ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified")
            expiry = option
            if option != b"KEEPTTL":
                at += 1
                if at >= len(argv):
                    raise WrongArity(b"hsetex")
                base_ms = db.engine.now_ms if len(option) == 2 else 0
                at_ms = _parse_at_ms(argv[at], _UNITS[option], base_ms, b"hsetex")
        else:
            raise ReplyError(b"ERR unknown argument: %b" % argv[at])
        at += 1
    first = at + 2
    if first > len(argv):
        raise WrongArity(b"hsetex")
    count = _count_of(argv[at + 1])
    if not 1 <= count <= _INT32_MAX:
        raise ReplyError(b"ERR invalid number of fields")
    if 2 * count != len(argv) - first:
        raise WrongArity(b"hsetex")
    return _set_with_expiry(db, argv, first, only_if, expiry, at_ms)


def _set_with_expiry(db: Keyspace, argv: list[bytes], first: int, only_if: bytes, expiry: bytes, at_ms: int) -> int:
    key = argv[1]
    fields = argv[first::2]
    value = _find(db, key, as_hash(db.edit(key)), fields)
    if only_if:
        for field in fields:
            if (value is not None and field in value) != (only_if == b"FXX"):
                return 0
    is_timed = expiry in _UNITS
    if is_timed and at_ms <= db.engine.now_ms:
        _set_for_no_time(db, key, value, fields)
        return 1
    is_new = value is None
    if value is None:
        value = Hash()
    bytes_before = value.nbytes
    value.update(argv, first, db.engine.limits)
    if is_timed:
        for field in fields:
            value.expire_at(field, at_ms)
    elif expiry != b"KEEPTTL":
        for field in fields:
            value.persist(field)
    if is_new:
        db.set(key, value)
    else:
        db.settle(key, value, bytes_before)
    if is_timed:
        pairs = argv[first:]
        db.propagate_as([b"HSETEX", key, b"PXAT", b"%d" % at_ms, b"FIELDS", b"%d" % len(fields), *pairs])
    db.notify(HASH, b"hset", key)
    if is_timed:
        db.notify(HASH, b"hexpire", key)
    return 1


def _set_for_no_time(db: Keyspace, key: bytes, value: Hash | None, fields: list[bytes]) -> None:
    """`fields` are set and expire at once: what is left of that is that they are gone."""
    db.notify(HASH, b"hset", key)
    if value is None:
        db.notify(HASH, b"hdel", key)
        db.notify(GENERIC, b"del", key)
    elif remove_fields(db, key, value, fields):
        db.propagate_as([b"HDEL", key, *fields])
    else:
        db.notify(HASH, b"hdel", key)
