"""Commands on hashes. Those on the expiry of fields are in `hash_ttl.py`.

Rule: whoever gets a hash that has ever had fields that expire (`ttls`) lets the expired ones go first, by `let_expire`.
So a field is gone at the moment it expires, whether the sweeper has come or not.

Source of all behaviour: the reference's hash commands, tried on 7.0 and 8.2.
"""

from typing import Any, Final

from respkv.commands import long_double
from respkv.commands.args import INT64_MAX, INT64_MIN, check_drawn, check_repetitions, is_int, parse_int, parse_within
from respkv.commands.events import GENERIC, HASH
from respkv.commands.flags import DENYOOM, FAST, READONLY, WRITE
from respkv.commands.scanning import ScanOptions, parse_cursor
from respkv.commands.spec import CommandGroup
from respkv.engine.keyspace import Keyspace
from respkv.errors import (
    BadSyntax,
    IncrementNotFinite,
    IncrementOverflows,
    OutOfRange,
    ReplyError,
    WrongArity,
    WrongType,
)
from respkv.reply import OK, FlatMap, Pairs, Reply
from respkv.values.hashes import Hash

command = CommandGroup("hash", __name__)

_EXPIRED_AT_ONCE: Final = 64
"""How many expired fields a command on others takes along, at least 20 us of work; the rest is left to the sweeper."""


def as_hash(value: Any) -> Hash | None:
    """The hash `value`, or None. Raises WrongType if it is another type's."""
    if value is None or isinstance(value, Hash):
        return value
    raise WrongType


def let_expire(db: Keyspace, key: bytes, value: Hash, fields: list[bytes] | None) -> Hash | None:
    """`value` of `key` without those of `fields` (None: of all) that have expired; None if nothing was left of it."""
    if value.next_expiry_ms() >= db.engine.now_ms:
        return value
    if db.engine.keeps_expired:
        value = value.copy()
        value.remove_due(db.engine.now_ms, len(value))
        return value if len(value) else None
    count = len(value) if fields is None else _EXPIRED_AT_ONCE
    return value if db.expire_members(key, value, count, fields) else None


def _read(db: Keyspace, argv: list[bytes]) -> Hash | None:
    """The hash at the key that is the first argument, for one that looks at all of it."""
    value = as_hash(db.find(argv[1]))
    if value is not None and value.ttls is not None:
        return let_expire(db, argv[1], value, None)
    return value


def _read_for(db: Keyspace, argv: list[bytes], fields: list[bytes]) -> Hash | None:
    value = as_hash(db.find(argv[1]))
    if value is not None and value.ttls is not None:
        return let_expire(db, argv[1], value, fields)
    return value


def _edit_for(db: Keyspace, argv: list[bytes], fields: list[bytes]) -> Hash | None:
    value = as_hash(db.edit(argv[1]))
    if value is not None and value.ttls is not None:
        return let_expire(db, argv[1], value, fields)
    return value


# Setting and getting


@command(
    "HSET key field value [field value ...]",
    WRITE | DENYOOM | FAST,
    keys="RW UPDATE",
    since="2.0.0",
    cost="O(n), n = fields given",
)
def hset(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give fields of the hash at `key` a value each; how many are new. A field that was to expire no longer is.

    > HSET h name Ada age 36
    (integer) 2
    > HGETALL h
    1) "name"
    2) "Ada"
    3) "age"
    4) "36"
    """
    if len(argv) & 1:
        raise WrongArity(b"hset")
    return _set(db, argv)


@command(
    "HMSET key field value [field value ...]",
    WRITE | DENYOOM | FAST,
    keys="RW UPDATE",
    since="2.0.0",
    cost="O(n), n = fields given",
)
def hmset(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give fields of the hash at `key` a value each, as HSET does."""
    if len(argv) & 1:
        raise WrongArity(b"hmset")
    _set(db, argv)
    return OK


def _set(db: Keyspace, argv: list[bytes]) -> int:
    key = argv[1]
    value = db.edit(key)
    if value is not None:
        if not isinstance(value, Hash):
            raise WrongType
        if value.ttls is not None:
            return _set_expiring(db, argv)
        bytes_before = value.nbytes
        if len(argv) == 4:
            added = 1 if value.set(argv[2], argv[3], db.engine.limits) else 0
        else:
            added = value.update(argv, 2, db.engine.limits)
        db.settle(key, value, bytes_before)
    else:
        added = _create(db, argv)
    db.notify(HASH, b"hset", key)
    return added


def _create(db: Keyspace, argv: list[bytes]) -> int:
    value = Hash()
    added = value.update(argv, 2, db.engine.limits)
    db.set(argv[1], value)
    return added


def _set_expiring(db: Keyspace, argv: list[bytes]) -> int:
    value = _edit_for(db, argv, argv[2::2])
    if value is None:
        added = _create(db, argv)
    else:
        bytes_before = value.nbytes
        added = value.update(argv, 2, db.engine.limits)
        for at in range(2, len(argv), 2):
            value.persist(argv[at])
        db.settle(argv[1], value, bytes_before)
    db.notify(HASH, b"hset", argv[1])
    return added


@command("HSETNX key field value", WRITE | DENYOOM | FAST, keys="RW INSERT", since="2.0.0", cost="O(1)")
def hsetnx(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give `field` of the hash at `key` a value if it has none; 1 if so, else 0."""
    value = _edit_for(db, argv, argv[2:3])
    if value is None:
        _create(db, argv)
    else:
        if argv[2] in value:
            return 0
        bytes_before = value.nbytes
        value.set(argv[2], argv[3], db.engine.limits)
        db.settle(argv[1], value, bytes_before)
    db.notify(HASH, b"hset", argv[1])
    return 1


@command("HGET key field", READONLY | FAST, since="2.0.0", cost="O(1)")
def hget(db: Keyspace, argv: list[bytes]) -> Reply:
    """The value of `field` of the hash at `key`, or nil."""
    value = db.find(argv[1])
    if value is None:
        return None
    if not isinstance(value, Hash):
        raise WrongType
    if value.ttls is not None and let_expire(db, argv[1], value, argv[2:]) is None:
        return None
    return value.get(argv[2])


@command("HMGET key field [field ...]", READONLY | FAST, since="2.0.0", cost="O(n), n = fields given")
def hmget(db: Keyspace, argv: list[bytes]) -> Reply:
    """The values of several fields of the hash at `key`: nil for those that it does not have."""
    value = as_hash(db.find(argv[1]))
    if value is not None and value.ttls is not None:
        value = let_expire(db, argv[1], value, argv[2:])
    if value is None:
        return [None] * (len(argv) - 2)
    return value.get_all(argv, 2)


@command(
    "HGETALL key", READONLY, since="2.0.0", cost="O(n), n = fields of the hash", tips="nondeterministic_output_order"
)
def hgetall(db: Keyspace, argv: list[bytes]) -> Reply:
    """All fields of the hash at `key` with their values."""
    value = _read(db, argv)
    return FlatMap([] if value is None else value.flat())


@command(
    "HKEYS key", READONLY, since="2.0.0", cost="O(n), n = fields of the hash", tips="nondeterministic_output_order"
)
def hkeys(db: Keyspace, argv: list[bytes]) -> Reply:
    """The names of all fields of the hash at `key`."""
    value = _read(db, argv)
    return [] if value is None else value.fields()


@command(
    "HVALS key", READONLY, since="2.0.0", cost="O(n), n = fields of the hash", tips="nondeterministic_output_order"
)
def hvals(db: Keyspace, argv: list[bytes]) -> Reply:
    """The values of all fields of the hash at `key`."""
    value = _read(db, argv)
    return [] if value is None else value.values()


@command("HLEN key", READONLY | FAST, keys="RO", since="2.0.0", cost="O(1)")
def hlen(db: Keyspace, argv: list[bytes]) -> Reply:
    """How many fields the hash at `key` has.

    Of many fields that expired just now some may be counted until the sweeper was there, as in Redis.
    """
    value = _read_for(db, argv, [])
    return 0 if value is None else len(value)


@command("HSTRLEN key field", READONLY | FAST, keys="RO", since="3.2.0", cost="O(1)")
def hstrlen(db: Keyspace, argv: list[bytes]) -> Reply:
    """The length of the value of `field` of the hash at `key`, 0 if there is none."""
    value = _read_for(db, argv, argv[2:])
    text = None if value is None else value.get(argv[2])
    return 0 if text is None else len(text)


@command("HEXISTS key field", READONLY | FAST, keys="RO", since="2.0.0", cost="O(1)")
def hexists(db: Keyspace, argv: list[bytes]) -> Reply:
    """Whether the hash at `key` has `field`."""
    value = _read_for(db, argv, argv[2:])
    return 1 if value is not None and argv[2] in value else 0


@command("HDEL key field [field ...]", WRITE | FAST, keys="RW DELETE", since="2.0.0", cost="O(n), n = fields given")
def hdel(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take fields out of the hash at `key`, which goes with its last one; how many there were."""
    value = as_hash(db.edit(argv[1]))
    if value is not None and value.ttls is not None:
        value = let_expire(db, argv[1], value, argv[2:])
    return 0 if value is None else remove_fields(db, argv[1], value, argv, 2)


def remove_fields(db: Keyspace, key: bytes, value: Hash, fields: list[bytes], start: int = 0) -> int:
    """Take `fields` from `start` on out of `value`, got from `edit`, with all that follows; how many there were."""
    bytes_before = value.nbytes
    is_single = len(fields) == start + 1
    removed = int(value.remove(fields[start])) if is_single else value.remove_all(fields, start)
    if removed:
        is_gone = db.settle(key, value, bytes_before)
        db.notify(HASH, b"hdel", key)
        if is_gone:
            db.notify(GENERIC, b"del", key)
    return removed


# Counting


@command("HINCRBY key field increment:int", WRITE | DENYOOM | FAST, keys="RW ACCESS UPDATE", since="2.0.0", cost="O(1)")
def hincrby(db: Keyspace, argv: list[bytes]) -> Reply:
    """Add to the integer that is the value of `field` of the hash at `key`, which begins at 0; the sum."""
    _, key, field, _ = argv
    number = parse_int(argv[3])
    value = _edit_for(db, argv, argv[2:3])
    text = None if value is None else value.get(field)
    if text is not None:
        if not is_int(text):
            raise ReplyError(b"ERR hash value is not an integer")
        number += int(text)
        if not INT64_MIN <= number <= INT64_MAX:
            raise IncrementOverflows
    _replace(db, key, value, field, b"%d" % number)
    db.notify(HASH, b"hincrby", key)
    return number


@command(
    "HINCRBYFLOAT key field increment:double",
    WRITE | DENYOOM | FAST,
    keys="RW ACCESS UPDATE",
    since="2.6.0",
    cost="O(1)",
)
def hincrbyfloat(db: Keyspace, argv: list[bytes]) -> Reply:
    """Add to the number that is the value of `field` of the hash at `key`, which begins at 0; the sum, as stored.

    > HSET h f 10.50
    (integer) 1
    > HINCRBYFLOAT h f 0.1
    "10.6"
    """
    _, key, field, _ = argv
    increment = long_double.parse(argv[3])
    if increment[1] == long_double.INFINITE_EXPONENT:
        raise ReplyError(b"ERR value is NaN or Infinity")
    value = _edit_for(db, argv, argv[2:3])
    text = None if value is None else value.get(field)
    try:
        total = long_double.to_text(long_double.add(_parse_float(b"0" if text is None else text), increment))
    except long_double.NotFinite:
        raise IncrementNotFinite from None
    _replace(db, key, value, field, total)
    if value is not None and value.expiry_of(field) >= 0:
        # HSET would take the expiry away.
        db.propagate_as([b"HSETEX", key, b"KEEPTTL", b"FIELDS", b"1", field, total])
    else:
        db.propagate_as([b"HSET", key, field, total])
    db.notify(HASH, b"hincrbyfloat", key)
    return total


def _parse_float(text: bytes) -> long_double.LongDouble:
    try:
        return long_double.parse(text)
    except ReplyError:
        raise ReplyError(b"ERR hash value is not a float") from None


def _replace(db: Keyspace, key: bytes, value: Hash | None, field: bytes, text: bytes) -> None:
    """Give `field` of `value`, got from `edit`, or of a new hash another value; its expiry stays."""
    if value is None:
        value = Hash()
        value.set(field, text, db.engine.limits)
        db.set(key, value)
    else:
        bytes_before = value.nbytes
        value.set(field, text, db.engine.limits)
        db.settle(key, value, bytes_before)


# Chance and iteration


@command(
    "HRANDFIELD key [count:int [WITHVALUES]]",
    READONLY,
    since="6.2.0",
    cost="O(n), n = fields returned",
    tips="nondeterministic_output",
)
def hrandfield(db: Keyspace, argv: list[bytes]) -> Reply:
    """A random field of the hash at `key`, or nil; or `count` different ones, or -`count` that may repeat."""
    chance = db.engine.random.random
    if len(argv) == 2:
        value = _read(db, argv)
        return None if value is None else value.pick(chance)
    count = parse_within(argv[2], -INT64_MAX, INT64_MAX)
    with_values = False
    if len(argv) > 3:
        if len(argv) > 4 or argv[3].upper() != b"WITHVALUES":
            raise BadSyntax
        with_values = True
        if not -(INT64_MAX >> 1) <= count <= INT64_MAX >> 1:
            raise OutOfRange
    value = _read(db, argv)
    if value is None or count == 0:
        return []
    if count >= len(value):
        return Pairs(value.pairs()) if with_values else value.fields()
    if count > 0:
        fields = value.sample(count, chance)
    else:
        check_repetitions(count, b"fields")
        fields = value.draw(-count, chance)
    # What is there but once counts each time in the reply.
    most_bytes = max(db.engine.bulk_max_bytes, value.nbytes)
    check_drawn(fields, most_bytes)
    if not with_values:
        return fields
    values = value.get_all(fields, 0)
    check_drawn([text for text in values if text is not None], most_bytes)
    return Pairs(list(zip(fields, values, strict=True)))


@command(
    "HSCAN key cursor:int [MATCH pattern:pattern] [COUNT count:int] [NOVALUES]",
    READONLY,
    since="2.8.0",
    cost="O(count) a call, O(n) in all, n = fields of the hash",
    tips="nondeterministic_output",
)
def hscan(db: Keyspace, argv: list[bytes]) -> Reply:
    """The next fields of an iteration over the hash at `key`: the cursor to go on with (0: it is done), and fields.

    With their values, unless NOVALUES is given. A small hash comes as a whole.
    """
    cursor = parse_cursor(argv[2])
    # Fields that have expired are passed over below.
    value = _read_for(db, argv, [])
    if value is None:
        return [b"0", []]
    options = ScanOptions(argv, 3, of_fields=True)
    cursor, fields = value.scan(cursor, options.count)
    fields = options.matching(fields)
    if value.ttls is not None:
        now_ms = db.engine.now_ms
        fields = [field for field in fields if not value.is_due(field, now_ms)]
    if not options.with_values:
        return [b"%d" % cursor, fields]
    flat: list[bytes | None] = []
    if value.table is None and len(fields) == len(value):
        return [b"0", value.flat()]
    for field in fields:
        flat.append(field)
        flat.append(value.get(field))
    return [b"%d" % cursor, flat]
