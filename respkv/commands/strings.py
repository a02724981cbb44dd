"""Commands on strings.

A string is `bytes`, an `int` (after INCR and its like), or a `bytearray` (once it was edited in place: APPEND,
SETRANGE). What clients see is the same; the forms are what makes counting and appending cheap.

Source of all behaviour: redis-server 7, its string commands; the order of the checks too.
"""

from typing import Final

from respkv.commands import long_double
from respkv.commands.args import INT64_MAX, INT64_MIN, UNBOXED_MAX, parse_int
from respkv.commands.events import GENERIC, STRING
from respkv.commands.flags import DENYOOM, FAST, READONLY, WRITE
from respkv.commands.spec import CommandGroup
from respkv.engine.keyspace import Keyspace, string_bytes
from respkv.engine.long_strings import edit_string
from respkv.engine.many_keys import find_all, set_strings
from respkv.errors import (
    BadSyntax,
    IncrementNotFinite,
    IncrementOverflows,
    InvalidExpire,
    ReplyError,
    StringTooLong,
    WrongArity,
)
from respkv.reply import OK, Reply

command = CommandGroup("string", __name__)

# Getting and setting


@command("GET key", READONLY | FAST, since="1.0.0", cost="O(1)")
def get(db: Keyspace, argv: list[bytes]) -> Reply:
    """The string at `key`, or nil.

    > SET k v
    OK
    > GET k
    "v"
    """
    return db.find_string(argv[1])


@command(
    "SET key value [NX | XX] [GET] [EX seconds:int | PX milliseconds:int | EXAT unix-time-seconds:unix-time"
    " | PXAT unix-time-milliseconds:unix-time | KEEPTTL]",
    WRITE | DENYOOM,
    keys="RW ACCESS UPDATE VARIABLE_FLAGS",
    since="1.0.0",
    cost="O(1)",
)
def set_(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give `key` the string `value`, whatever it held; with GET, the string that it held.

    > SET k v
    OK
    > SET k w NX
    (nil)
    > SET k w XX GET
    "v"
    """
    if len(argv) > 3:
        return _set_with_options(db, argv)
    db.set(argv[1], argv[2])
    db.notify(STRING, b"set", argv[1])
    return OK


_EXPIRY_UNITS: Final = {b"EX": 1000, b"PX": 1, b"EXAT": 1000, b"PXAT": 1}
"""The options that say when a key ends, and the milliseconds of their unit."""


def _set_with_options(db: Keyspace, argv: list[bytes]) -> Reply:
    only_if = b""
    gets = False
    keeps_ttl = False
    unit = b""
    amount = b""
    at = 3
    while at < len(argv):
        option = argv[at].upper()
        if option in _EXPIRY_UNITS and at + 1 < len(argv) and unit in (b"", option) and not keeps_ttl:
            unit = option
            at += 1
            amount = argv[at]
        elif option in (b"NX", b"XX") and only_if in (b"", option):
            only_if = option
        elif option == b"GET":
            gets = True
        elif option == b"KEEPTTL" and not unit:
            keeps_ttl = True
        else:
            raise BadSyntax
        at += 1
    at_ms = _expiry_at_ms(db, unit, amount, b"set") if unit else 0
    key, value = argv[1], argv[2]
    old = db.find_string(key) if gets else None
    if only_if and (db.edit(key) is None) != (only_if == b"NX"):
        return old
    if unit:
        _set_until(db, key, value, at_ms, argv)
    else:
        if keeps_ttl:
            # A time to live that is over is not kept.
            db.edit(key)
            db.put(key, value)
        else:
            db.set(key, value)
        db.notify(STRING, b"set", key)
        if gets:
            db.propagate_as(argv[:3] + [option for option in argv[3:] if option.upper() != b"GET"])
    return old if gets else OK


def _expiry_at_ms(db: Keyspace, unit: bytes, amount: bytes, command_name: bytes) -> int:
    """When a key ends, by an option of _EXPIRY_UNITS. Raises NotAnInteger, InvalidExpire."""
    number = parse_int(amount)
    factor = _EXPIRY_UNITS[unit]
    if number <= 0 or number > INT64_MAX // factor:
        raise InvalidExpire(command_name)
    number *= factor
    if len(unit) == 2:
        number += db.engine.now_ms
        if number > INT64_MAX:
            raise InvalidExpire(command_name)
    return number


def _set_until(db: Keyspace, key: bytes, value: bytes, at_ms: int, argv: list[bytes]) -> None:
    db.set_until(key, value, at_ms)
    db.notify(STRING, b"set", key)
    db.notify(GENERIC, b"expire", key)
    if len(argv) != 5 or argv[3] != b"PXAT":
        db.propagate_as([b"SET", key, value, b"PXAT", b"%d" % at_ms])


@command("SETNX key value", WRITE | DENYOOM | FAST, keys="OW INSERT", since="1.0.0", cost="O(1)")
def setnx(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give `key` the string `value` if it does not exist; 1 if so, else 0."""
    if db.edit(argv[1]) is not None:
        return 0
    db.set(argv[1], argv[2])
    db.notify(STRING, b"set", argv[1])
    return 1


@command("PUT key value", WRITE | DENYOOM | FAST, keys="OW UPDATE", since="respkv 0.1", cost="O(1)")
def put(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give `key` the string `value`, as SET without options does.

    > PUT k v
    OK
    """
    _, key, value = argv
    db.set(key, value)
    db.notify(STRING, b"set", key)
    db.propagate_as([b"SET", key, value])
    return OK


@command("SETEX key seconds:int value", WRITE | DENYOOM, keys="OW UPDATE", since="2.0.0", cost="O(1)")
def setex(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give `key` the string `value` and a time to live."""
    _set_until(db, argv[1], argv[3], _expiry_at_ms(db, b"EX", argv[2], b"setex"), argv)
    return OK


@command("PSETEX key milliseconds:int value", WRITE | DENYOOM, keys="OW UPDATE", since="2.6.0", cost="O(1)")
def psetex(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give `key` the string `value` and a time to live in milliseconds."""
    _set_until(db, argv[1], argv[3], _expiry_at_ms(db, b"PX", argv[2], b"psetex"), argv)
    return OK


@command("GETSET key value", WRITE | DENYOOM | FAST, keys="RW ACCESS UPDATE", since="1.0.0", cost="O(1)")
def getset(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give `key` the string `value`; the string that it held, or nil."""
    old = db.find_string(argv[1])
    db.set(argv[1], argv[2])
    db.notify(STRING, b"set", argv[1])
    db.propagate_as([b"SET", argv[1], argv[2]])
    return old


@command("GETDEL key", WRITE | FAST, keys="RW ACCESS DELETE", since="6.2.0", cost="O(1)")
def getdel(db: Keyspace, argv: list[bytes]) -> Reply:
    """Delete `key`; the string that it held, or nil."""
    old = db.find_string(argv[1])
    if old is not None:
        db.remove(argv[1])
        db.notify(GENERIC, b"del", argv[1])
        db.propagate_as([b"DEL", argv[1]])
    return old


@command(
    "GETEX key [EX seconds:int | PX milliseconds:int | EXAT unix-time-seconds:unix-time"
    " | PXAT unix-time-milliseconds:unix-time | PERSIST]",
    WRITE | FAST,
    keys="RW ACCESS UPDATE",
    since="6.2.0",
    cost="O(1)",
)
def getex(db: Keyspace, argv: list[bytes]) -> Reply:
    """The string at `key`, or nil; sets or takes away its expiry.

    > SET k v EX 100
    OK
    > GETEX k PERSIST
    "v"
    > TTL k
    (integer) -1
    """
    unit = b""
    amount = b""
    persists = False
    at = 2
    while at < len(argv):
        option = argv[at].upper()
        if option in _EXPIRY_UNITS and at + 1 < len(argv) and unit in (b"", option) and not persists:
            unit = option
            at += 1
            amount = argv[at]
        elif option == b"PERSIST" and not unit:
            persists = True
        else:
            raise BadSyntax
        at += 1
    key = argv[1]
    value = db.find_string(key)
    if value is None:
        return None
    if unit:
        _expire_after_get(db, key, unit, _expiry_at_ms(db, unit, amount, b"getex"))
    elif persists and db.persist(key):
        db.notify(GENERIC, b"persist", key)
        db.propagate_as([b"PERSIST", key])
    return value


def _expire_after_get(db: Keyspace, key: bytes, unit: bytes, at_ms: int) -> None:
    if at_ms <= db.engine.now_ms and len(unit) == 4:
        db.remove(key)
        db.notify(GENERIC, b"del", key)
        db.propagate_as([b"DEL", key])
    else:
        db.expire(key, at_ms)
        db.notify(GENERIC, b"expire", key)
        db.propagate_as([b"PEXPIREAT", key, b"%d" % at_ms])


@command(
    "MGET key [key ...]", READONLY | FAST, since="1.0.0", cost="O(n), n = keys given", tips="request_policy:multi_shard"
)
def mget(db: Keyspace, argv: list[bytes]) -> Reply:
    """The strings at several keys: nil for what does not exist or is no string.

    > MSET a 1 b 2
    OK
    > MGET a none b
    1) "1"
    2) (nil)
    3) "2"
    """
    replies = find_all(db, argv, 1)
    for at, value in enumerate(replies):
        if type(value) is not bytes and value is not None:
            replies[at] = string_bytes(value) if isinstance(value, int | bytearray) else None
    return replies


@command(
    "MSET key value [key value ...]",
    WRITE | DENYOOM,
    keys="OW UPDATE",
    since="1.0.1",
    cost="O(n), n = keys given",
    tips="request_policy:multi_shard response_policy:all_succeeded",
)
def mset(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give several keys a string each, all or none."""
    if len(argv) & 1 == 0:
        raise WrongArity(b"mset")
    set_strings(db, argv, 1)
    return OK


@command(
    "MSETNX key value [key value ...]", WRITE | DENYOOM, keys="OW INSERT", since="1.0.1", cost="O(n), n = keys given"
)
def msetnx(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give several keys a string each, if none of them exists; 1 if so, else 0."""
    if len(argv) & 1 == 0:
        raise WrongArity(b"msetnx")
    for at in range(1, len(argv), 2):
        if db.edit(argv[at]) is not None:
            return 0
    for at in range(1, len(argv), 2):
        db.set(argv[at], argv[at + 1])
        db.notify(STRING, b"set", argv[at])
    return 1


# Parts of a string


@command("STRLEN key", READONLY | FAST, keys="RO", since="2.2.0", cost="O(1)")
def strlen(db: Keyspace, argv: list[bytes]) -> Reply:
    """The length of the string at `key`, 0 if there is none."""
    value = db.find(argv[1])
    if value is None:
        return 0
    if isinstance(value, bytearray):
        return len(value)
    return len(string_bytes(value))


@command(
    "APPEND key value",
    WRITE | DENYOOM | FAST,
    keys="RW INSERT",
    since="2.0.0",
    cost="O(1) on average: the string grows by more than it needs",
)
def append(db: Keyspace, argv: list[bytes]) -> Reply:
    """Put `value` behind the string at `key`; its new length.

    > APPEND k Hello
    (integer) 5
    > APPEND k " World"
    (integer) 11
    """
    key, suffix = argv[1], argv[2]
    value = edit_string(db, key, 0, len(suffix))
    if value is None:
        db.set(key, suffix)
        db.notify(STRING, b"append", key)
        return len(suffix)
    if isinstance(value, bytearray):
        _check_length(db, len(value) + len(suffix))
        value += suffix
        db.changed(key, len(suffix))
        db.notify(STRING, b"append", key)
        return len(value)
    old = string_bytes(value)
    _check_length(db, len(old) + len(suffix))
    edited = bytearray(old)
    edited += suffix
    db.put(key, edited)
    db.notify(STRING, b"append", key)
    return len(edited)


@command("SETRANGE key offset:int value", WRITE | DENYOOM, keys="RW UPDATE", since="2.2.0", cost="O(length of value)")
def setrange(db: Keyspace, argv: list[bytes]) -> Reply:
    """Overwrite the string at `key` from `offset` on, after zero bytes where it was shorter; its new length.

    > SET k "Hello World"
    OK
    > SETRANGE k 6 Redis
    (integer) 11
    """
    key, patch = argv[1], argv[3]
    offset = parse_int(argv[2])
    if offset < 0:
        raise ReplyError(b"ERR offset is out of range")
    value = edit_string(db, key, offset + len(patch), 0)
    if value is None:
        length = 0
    elif isinstance(value, bytearray):
        length = len(value)
    else:
        value = string_bytes(value)
        length = len(value)
    if not patch:
        return length
    end = offset + len(patch)
    _check_length(db, end)
    if isinstance(value, bytearray):
        _overwrite(value, offset, patch)
        db.changed(key, len(value) - length)
        db.notify(STRING, b"setrange", key)
        return len(value)
    edited = bytearray(value) if value else bytearray(end)
    _overwrite(edited, offset, patch)
    db.put(key, edited)
    db.notify(STRING, b"setrange", key)
    return len(edited)


def _overwrite(text: bytearray, offset: int, patch: bytes) -> None:
    if offset > len(text):
        text += bytes(offset - len(text))
    text[offset : offset + len(patch)] = patch


def _check_length(db: Keyspace, length: int) -> None:
    if length > db.engine.bulk_max_bytes:
        raise StringTooLong


_VIEWED_BYTES: Final = 64 * 1024
"""Of an array, so much is copied by way of a view; a slice of it would be another array, and copied once more."""


@command("GETRANGE key start:int end:int", READONLY, since="2.4.0", cost="O(n), n = bytes returned")
def getrange(db: Keyspace, argv: list[bytes]) -> Reply:
    """The bytes of the string at `key` from `start` to `end`, both inclusive, negative ones counted from its end.

    > SET k "This is a string"
    OK
    > GETRANGE k -3 -1
    "ing"
    """
    start = parse_int(argv[2])
    end = parse_int(argv[3])
    value = db.find(argv[1])
    if value is None:
        return b""
    text = value if isinstance(value, bytearray) else string_bytes(value)
    length = len(text)
    if start < 0 and end < 0 and start > end:
        return b""
    if start < 0:
        start = max(start + length, 0)
    if end < 0:
        end = max(end + length, 0)
    if isinstance(text, bytearray) and end - start >= _VIEWED_BYTES:
        return bytes(memoryview(text)[start : end + 1])
    return bytes(text[start : end + 1])


@command("SUBSTR key start:int end:int", READONLY, since="1.0.0", cost="O(n), n = bytes returned")
def substr(db: Keyspace, argv: list[bytes]) -> Reply:
    """As GETRANGE, under its name from before Redis 2.0."""
    return getrange(db, argv)


# Counting


@command("INCR key", WRITE | DENYOOM | FAST, keys="RW ACCESS UPDATE", since="1.0.0", cost="O(1)")
def incr(db: Keyspace, argv: list[bytes]) -> Reply:
    """Add one to the integer at `key`, which begins at 0; the sum."""
    return _add(db, argv[1], 1)


@command("DECR key", WRITE | DENYOOM | FAST, keys="RW ACCESS UPDATE", since="1.0.0", cost="O(1)")
def decr(db: Keyspace, argv: list[bytes]) -> Reply:
    """Subtract one from the integer at `key`, which begins at 0; the difference."""
    return _add(db, argv[1], -1)


@command("INCRBY key increment:int", WRITE | DENYOOM | FAST, keys="RW ACCESS UPDATE", since="1.0.0", cost="O(1)")
def incrby(db: Keyspace, argv: list[bytes]) -> Reply:
    """Add to the integer at `key`, which begins at 0; the sum."""
    return _add(db, argv[1], parse_int(argv[2]))


@command("DECRBY key decrement:int", WRITE | DENYOOM | FAST, keys="RW ACCESS UPDATE", since="1.0.0", cost="O(1)")
def decrby(db: Keyspace, argv: list[bytes]) -> Reply:
    """Subtract from the integer at `key`, which begins at 0; the difference."""
    decrement = parse_int(argv[2])
    if decrement == INT64_MIN:
        raise ReplyError(b"ERR decrement would overflow")
    return _add(db, argv[1], -decrement)


def _add(db: Keyspace, key: bytes, increment: int) -> int:
    shard = db.shard_of(key)
    value = db.edit_in(shard, key)
    if isinstance(value, int):
        number = value
    elif value is None:
        number = 0
    else:
        number = parse_int(string_bytes(value))
    number += increment
    if not -UNBOXED_MAX <= number <= UNBOXED_MAX and not INT64_MIN <= number <= INT64_MAX:
        raise IncrementOverflows
    db.exchange(shard, key, value, number)
    db.notify(STRING, b"incrby", key)
    return number


@command(
    "INCRBYFLOAT key increment:double",
    WRITE | DENYOOM | FAST,
    keys="RW ACCESS UPDATE",
    since="2.6.0",
    cost="O(1)",
)
def incrbyfloat(db: Keyspace, argv: list[bytes]) -> Reply:
    """Add to the number at `key`, which begins at 0; the sum, as it is stored.

    > SET k 10.50
    OK
    > INCRBYFLOAT k 0.1
    "10.6"
    """
    value = db.edit(argv[1])
    if isinstance(value, int):
        number = long_double.of_int(value)
    else:
        number = long_double.parse(b"0" if value is None else string_bytes(value))
    increment = long_double.parse(argv[2])
    try:
        total = long_double.to_text(long_double.add(number, increment))
    except long_double.NotFinite:
        raise IncrementNotFinite from None
    db.put(argv[1], total)
    db.notify(STRING, b"incrbyfloat", argv[1])
    db.propagate_as([b"SET", argv[1], total, b"KEEPTTL"])
    return total
