"""Commands on keys of any type. Source of all behaviour: the reference's `db.c` and `object.c`, tried on 7.0 and 8.2.

Times to live are in `ttl.py`, OBJECT in `objects.py`, whole databases in `databases.py`.
"""

from respkv.commands.args import Args, parse_int
from respkv.commands.events import GENERIC, NEW
from respkv.commands.flags import DENYOOM, ELSEWHERE, FAST, READONLY, TIMED, WRITE
from respkv.commands.scanning import ScanOptions, parse_cursor
from respkv.commands.spec import CommandGroup
from respkv.engine import glob
from respkv.engine.keyspace import Keyspace
from respkv.engine.many_keys import count_of, remove_all
from respkv.engine.shards import SHARD_COUNT, copy_of, type_name_of
from respkv.errors import BadDatabaseIndex, BadSyntax, NoSuchKey, ReplyError
from respkv.reply import OK, Reply, Status

command = CommandGroup("generic", __name__)


class SameObject(ReplyError):
    """A key would be moved or copied onto itself."""

    def __init__(self) -> None:
        super().__init__(b"ERR source and destination objects are the same")


@command(
    "DEL key [key ...]",
    WRITE,
    keys="RM DELETE",
    since="1.0.0",
    cost="O(n), n = keys given",
    tips="request_policy:multi_shard response_policy:agg_sum",
)
def del_(db: Keyspace, argv: list[bytes]) -> Reply:
    """Delete keys; the number that were there."""
    return remove_all(db, argv, 1)


@command(
    "UNLINK key [key ...]",
    WRITE | FAST,
    keys="RM DELETE",
    since="4.0.0",
    cost="O(n), n = keys given",
    tips="request_policy:multi_shard response_policy:agg_sum",
)
def unlink(db: Keyspace, argv: list[bytes]) -> Reply:
    """Delete keys, as DEL does; the number that were there."""
    return del_(db, argv)


@command(
    "EXISTS key [key ...]",
    READONLY | FAST,
    keys="RO",
    since="1.0.0",
    cost="O(n), n = keys given",
    tips="request_policy:multi_shard response_policy:agg_sum",
)
def exists(db: Keyspace, argv: list[bytes]) -> Reply:
    """How many of the keys exist; one given twice counts twice."""
    return count_of(db, argv, 1)


@command(
    "TOUCH key [key ...]",
    READONLY | FAST,
    keys="RO",
    since="3.2.1",
    cost="O(n), n = keys given",
    tips="request_policy:multi_shard response_policy:agg_sum",
)
def touch(db: Keyspace, argv: list[bytes]) -> Reply:
    """Count as a use of the keys; the number that exist."""
    found = 0
    for at in range(1, len(argv)):
        if db.find(argv[at]) is not None:
            found += 1
    return found


@command("TYPE key", READONLY | FAST, keys="RO", since="1.0.0", cost="O(1)")
def type_(db: Keyspace, argv: list[bytes]) -> Reply:
    """The type of the value at `key`, or none."""
    value = db.look(argv[1])
    return Status(b"none" if value is None else type_name_of(value))


@command("RENAME key newkey:key", WRITE, keys="RW ACCESS DELETE; OW UPDATE", since="1.0.0", cost="O(1)")
def rename(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give a key another name, under which whatever it held is overwritten."""
    _, key, new_key = argv
    value = db.edit(key)
    if value is None:
        raise NoSuchKey
    if key != new_key:
        _rename(db, key, new_key, value)
    return OK


@command("RENAMENX key newkey:key", WRITE | FAST, keys="RW ACCESS DELETE; OW INSERT", since="1.0.0", cost="O(1)")
def renamenx(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give a key another name unless there is a key of that name; whether it was done."""
    _, key, new_key = argv
    value = db.edit(key)
    if value is None:
        raise NoSuchKey
    if key == new_key or db.edit(new_key) is not None:
        return 0
    _rename(db, key, new_key, value)
    return 1


def _rename(db: Keyspace, key: bytes, new_key: bytes, value: object) -> None:
    _place(db, key, db, new_key, value)
    db.take(key)
    db.notify(GENERIC, b"rename_from", key)
    db.notify(GENERIC, b"rename_to", new_key)


@command("MOVE key db:int", WRITE | FAST | ELSEWHERE, keys="RW ACCESS UPDATE", since="1.0.0", cost="O(1)")
def move(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take a key to another database unless there is a key of that name; whether it was done."""
    key = argv[1]
    target = _database(db, argv[2])
    if target is db:
        raise SameObject
    value = db.edit(key)
    if value is None or target.edit(key) is not None:
        return 0
    _place(db, key, target, key, value)
    db.take(key)
    db.notify(GENERIC, b"move_from", key)
    target.notify(GENERIC, b"move_to", key)
    return 1


@command(
    "COPY source:key destination:key [DB destination-db:int] [REPLACE]",
    WRITE | DENYOOM | ELSEWHERE,
    keys="RO ACCESS; OW UPDATE",
    since="6.2.0",
    cost="O(n), n = size of the value",
)
def copy(db: Keyspace, argv: list[bytes]) -> Reply:
    """Copy a value and its expiry to another key; whether it was done."""
    _, source, destination, *_ = argv
    args = Args(argv, 3)
    target = db
    replace = False
    while args.more():
        if args.token(b"REPLACE"):
            replace = True
        elif args.token_with_value(b"DB"):
            target = _database(db, args.next())
        else:
            raise BadSyntax
    if target is db and source == destination:
        raise SameObject
    value = db.find(source)
    if value is None or (target.edit(destination) is not None and not replace):
        return 0
    _place(db, source, target, destination, copy_of(value))
    target.notify(GENERIC, b"copy_to", destination)
    return 1


def _database(db: Keyspace, number: bytes) -> Keyspace:
    """The database `number`. Raises NotAnInteger, BadDatabaseIndex."""
    index = parse_int(number)
    if not -(2**31) <= index < 2**31:
        raise ReplyError(b"ERR value is out of range, value must between -2147483648 and 2147483647")
    if not 0 <= index < db.engine.database_count:
        raise BadDatabaseIndex
    return db.engine.database(index)


def _place(db: Keyspace, key: bytes, target: Keyspace, new_key: bytes, value: object) -> None:
    """Let `new_key` of `target` hold `value` and expire when `key` of `db` does."""
    if target.peek(new_key) is not None:
        # In the reference what is overwritten is deleted first.
        target.notify(NEW, b"new", new_key)
    at_ms = db.expiry_of(key)
    if at_ms >= 0:
        target.set_until(new_key, value, at_ms)
    else:
        target.set(new_key, value)


@command(
    "RANDOMKEY",
    READONLY,
    since="1.0.0",
    cost="O(n / shards), n = keys of the database",
    tips="request_policy:all_shards response_policy:special nondeterministic_output",
)
def randomkey(db: Keyspace, argv: list[bytes]) -> Reply:
    """The name of some key, or nil if there is none."""
    db.engine.wait_for_all()
    return db.random_key()


@command(
    "KEYS pattern:pattern",
    READONLY | TIMED,
    acl="+dangerous",
    since="1.0.0",
    cost="O(n), n = keys of the database",
    tips="request_policy:all_shards nondeterministic_output_order",
)
def keys(db: Keyspace, argv: list[bytes]) -> Reply:
    """The names of all keys that match a glob pattern."""
    db.engine.wait_for_all()
    matches = None if argv[1] == b"*" else glob.compile(argv[1])
    return [*db.names(matches)]


@command(
    "SCAN cursor:int [MATCH pattern:pattern] [COUNT count:int] [TYPE type]",
    READONLY | TIMED,
    since="2.8.0",
    cost="O(count) a call, O(n) in all, n = keys of the database",
    tips="nondeterministic_output request_policy:special response_policy:special",
)
def scan(db: Keyspace, argv: list[bytes]) -> Reply:
    """The next keys of an iteration over all: the cursor to go on with (0: it is done) and key names."""
    cursor = parse_cursor(argv[1])
    options = ScanOptions(argv, 2, of_keys=True)
    db.engine.wait_for_all()
    cursor, names = db.scan(cursor, options.count)
    names = options.matching(names)
    type_name = options.type_name
    # To ask all shards whether anything expires costs as much as to ask for some hundred keys.
    if type_name or len(names) < SHARD_COUNT or db.expiring_size():
        names = [name for name in names if _is_of_type(db, name, type_name)]
    return [b"%d" % cursor, names]


def _is_of_type(db: Keyspace, key: bytes, type_name: bytes) -> bool:
    """Whether `key` has not expired (else it is deleted), and holds a value of that type, if one is asked for."""
    value = db.glance(key)
    return value is not None and (not type_name or type_name_of(value) == type_name)
