"""Commands on whole databases. Source of all behaviour: the reference's `db.c`, tried on 7.0 and 8.2."""

from respkv.commands.args import parse_int
from respkv.commands.flags import FAST, READONLY, WRITE
from respkv.commands.spec import CommandGroup
from respkv.engine.engine import TRACKED
from respkv.engine.keyspace import Keyspace
from respkv.errors import BadDatabaseIndex, BadSyntax, NotAnInteger, ReplyError
from respkv.reply import OK, Reply

command = CommandGroup("server", __name__)


@command(
    "DBSIZE",
    READONLY | FAST,
    acl="+keyspace",
    since="1.0.0",
    cost="O(shards)",
    tips="request_policy:all_shards response_policy:agg_sum",
)
def dbsize(db: Keyspace, argv: list[bytes]) -> Reply:
    """How many keys the database has, expired ones that nobody met yet included."""
    db.engine.wait_for_all()
    return db.size()


@command(
    "FLUSHDB [ASYNC | SYNC]",
    WRITE,
    acl="+keyspace +dangerous",
    arity=-1,
    since="1.0.0",
    cost="O(shards), and O(n) later in slices",
    tips="request_policy:all_shards response_policy:all_succeeded",
)
def flushdb(db: Keyspace, argv: list[bytes]) -> Reply:
    """Delete all keys of the database."""
    _check_mode(argv)
    db.clear()
    _tell_of_flush(db)
    _propagate_anyway(db)
    return OK


@command(
    "FLUSHALL [ASYNC | SYNC]",
    WRITE,
    acl="+keyspace +dangerous",
    arity=-1,
    since="1.0.0",
    cost="O(shards), and O(n) later in slices",
    tips="request_policy:all_shards response_policy:all_succeeded",
)
def flushall(db: Keyspace, argv: list[bytes]) -> Reply:
    """Delete all keys of all databases."""
    _check_mode(argv)
    for each in db.engine.databases:
        each.clear()
    _tell_of_flush(db)
    _propagate_anyway(db)
    return OK


def _check_mode(argv: list[bytes]) -> None:
    """ASYNC and SYNC are the same here: keys vanish at once, memory is freed in slices. Raises BadSyntax."""
    if len(argv) > 2 or (len(argv) == 2 and argv[1].upper() not in (b"ASYNC", b"SYNC")):
        raise BadSyntax


def _tell_of_flush(db: Keyspace) -> None:
    if db.alert & TRACKED:
        db.engine.tracker.flushed()


def _propagate_anyway(db: Keyspace) -> None:
    """The reference logs a flush of nothing too."""
    if db.engine.dirty == 0:
        db.engine.dirty = 1


@command(
    "SWAPDB index1:int index2:int",
    WRITE | FAST,
    acl="+keyspace +dangerous",
    since="4.0.0",
    cost="O(n), n = keys watched in the two",
)
def swapdb(db: Keyspace, argv: list[bytes]) -> Reply:
    """Exchange the keys of two databases."""
    first = _parse_index(argv[1], b"ERR invalid first DB index")
    second = _parse_index(argv[2], b"ERR invalid second DB index")
    count = db.engine.database_count
    if not (0 <= first < count and 0 <= second < count):
        raise BadDatabaseIndex
    if first == second:
        db.engine.dirty += 1
    else:
        db.engine.database(first).swap_with(db.engine.database(second))
    return OK


def _parse_index(text: bytes, error: bytes) -> int:
    try:
        index = parse_int(text)
    except NotAnInteger:
        raise ReplyError(error) from None
    if not -(2**31) <= index < 2**31:
        raise ReplyError(error)
    return index
