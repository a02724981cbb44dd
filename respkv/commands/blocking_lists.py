"""Commands on lists that wait for an element; in transactions they do not.

Who waits is asked again when one of the keys has changed (`respkv.server.blocking`), and then does all over what the
command does: of several keys that have elements by then, the one named first is taken.

The log gets what was done, the LPOP, LMOVE and so on, since nothing waits in a replay.
"""

from functools import partial

from respkv.commands.flags import BLOCKING, DENYOOM, WRITE
from respkv.commands.lists import ManyPop, list_of, move_element, parse_end, pop_first, pop_one
from respkv.commands.spec import CommandGroup
from respkv.commands.timeouts import deadline_ms_of_seconds
from respkv.engine.keyspace import Keyspace
from respkv.reply import NULL_ARRAY, Block, Reply

command = CommandGroup("list", __name__)


@command("BLPOP key [key ...] timeout:double", WRITE | BLOCKING, keys="RW ACCESS DELETE", since="2.0.0", cost="O(keys)")
def blpop(db: Keyspace, argv: list[bytes]) -> Reply:
    """Remove the first element of the first of several lists that exists, or wait for one: its key and the element.

    Nil when `timeout` seconds are over; 0 waits without end.

    > RPUSH l a b c
    (integer) 3
    > BLPOP none l 0
    1) "l"
    2) "a"
    """
    return _pop_or_wait(db, argv, left=True)


@command("BRPOP key [key ...] timeout:double", WRITE | BLOCKING, keys="RW ACCESS DELETE", since="2.0.0", cost="O(keys)")
def brpop(db: Keyspace, argv: list[bytes]) -> Reply:
    """As BLPOP, with the last element."""
    return _pop_or_wait(db, argv, left=False)


def _pop_or_wait(db: Keyspace, argv: list[bytes], *, left: bool) -> Reply:
    deadline_ms = deadline_ms_of_seconds(argv[-1], db.engine.now_ms)
    return _pop_from_first(db, argv[1:-1], left, deadline_ms, b"")


def _pop_from_first(db: Keyspace, keys: list[bytes], left: bool, deadline_ms: int, changed: bytes) -> Reply:
    for key in keys:
        value = list_of(db.edit(key))
        if value is not None:
            element = pop_one(db, key, value, left=left)
            db.propagate_as([b"LPOP" if left else b"RPOP", key])
            return [key, element]
    return Block(deadline_ms, NULL_ARRAY, keys, b"list", partial(_pop_from_first, db, keys, left, deadline_ms))


@command(
    "BLMPOP timeout:double numkeys:int key [key ...] <LEFT | RIGHT> [COUNT count:int]",
    WRITE | BLOCKING,
    keys="RW ACCESS DELETE",
    since="7.0.0",
    cost="O(keys + count)",
)
def blmpop(db: Keyspace, argv: list[bytes]) -> Reply:
    """As LMPOP, and waits up to `timeout` seconds (0: without end) if none of the lists exists.

    > RPUSH l a b c
    (integer) 3
    > BLMPOP 0 2 none l LEFT COUNT 2
    1) "l"
    2) 1) "a"
       2) "b"
    """
    pop = ManyPop(argv, 2)
    return _pop_many_or_wait(db, pop, deadline_ms_of_seconds(argv[1], db.engine.now_ms), b"")


def _pop_many_or_wait(db: Keyspace, pop: ManyPop, deadline_ms: int, changed: bytes) -> Reply:
    popped = pop_first(db, pop)
    if popped is not None:
        return popped
    return Block(deadline_ms, NULL_ARRAY, pop.keys, b"list", partial(_pop_many_or_wait, db, pop, deadline_ms))


@command(
    "BLMOVE source:key destination:key <LEFT | RIGHT> <LEFT | RIGHT> timeout:double",
    WRITE | DENYOOM | BLOCKING,
    keys="RW ACCESS DELETE; RW INSERT",
    since="6.2.0",
    cost="O(1)",
)
def blmove(db: Keyspace, argv: list[bytes]) -> Reply:
    """As LMOVE, and waits up to `timeout` seconds (0: without end) if there is no source."""
    parse_end(argv[3])
    parse_end(argv[4])
    deadline_ms = deadline_ms_of_seconds(argv[5], db.engine.now_ms)
    return _move_or_wait(db, [b"LMOVE", *argv[1:5]], deadline_ms, b"")


@command(
    "BRPOPLPUSH source:key destination:key timeout:double",
    WRITE | DENYOOM | BLOCKING,
    keys="RW ACCESS DELETE; RW INSERT",
    since="2.2.0",
    cost="O(1)",
)
def brpoplpush(db: Keyspace, argv: list[bytes]) -> Reply:
    """As RPOPLPUSH, and waits up to `timeout` seconds (0: without end) if there is no source."""
    deadline_ms = deadline_ms_of_seconds(argv[3], db.engine.now_ms)
    return _move_or_wait(db, [b"RPOPLPUSH", argv[1], argv[2]], deadline_ms, b"")


def _move_or_wait(db: Keyspace, argv: list[bytes], deadline_ms: int, changed: bytes) -> Reply:
    """Do what `argv` says, an LMOVE or RPOPLPUSH."""
    from_left = to_left = False
    if len(argv) > 3:
        from_left = parse_end(argv[3])
        to_left = parse_end(argv[4])
    else:
        to_left = True
    element = move_element(db, argv[1], argv[2], from_left=from_left, to_left=to_left)
    if element is not None:
        db.propagate_as(argv)
        return element
    block = Block(deadline_ms, NULL_ARRAY, [argv[1]], b"list", partial(_move_or_wait, db, argv, deadline_ms))
    block.at_once = None
    return block
