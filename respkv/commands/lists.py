"""Commands on lists; those that wait are in `blocking_lists.py`. Source of all behaviour: redis-server 7.0 and 8.2."""

from typing import Final

from respkv.commands.args import INT64_MAX, Args, parse_count, parse_int, parse_within
from respkv.commands.events import GENERIC, LIST
from respkv.commands.flags import DENYOOM, FAST, READONLY, WRITE
from respkv.commands.spec import CommandGroup
from respkv.engine.keyspace import Keyspace
from respkv.errors import (
    BadSyntax,
    NoSuchKey,
    NotACount,
    NotAnInteger,
    NumkeysTooSmall,
    PopCountTooSmall,
    ReplyError,
    WrongArity,
    WrongType,
)
from respkv.reply import NULL_ARRAY, OK, Encoded, Reply
from respkv.values.lists import POPPED_SINGLY_MAX, List

command = CommandGroup("list", __name__)


def list_of(value: Reply) -> List | None:
    """A value of the keyspace as a list; None for none. Raises WrongType if it is of another type."""
    if value is None:
        return None
    if isinstance(value, List):
        return value
    raise WrongType


# Pushing and popping


@command("LPUSH key element [element ...]", WRITE | DENYOOM | FAST, keys="RW INSERT", since="1.0.0", cost="O(elements)")
def lpush(db: Keyspace, argv: list[bytes]) -> Reply:
    """Put elements before the first one of a list, each before the one given before it; the new length.

    > LPUSH l world
    (integer) 1
    > LPUSH l hello
    (integer) 2
    > LRANGE l 0 -1
    1) "hello"
    2) "world"
    """
    return push(db, argv, left=True)


@command("RPUSH key element [element ...]", WRITE | DENYOOM | FAST, keys="RW INSERT", since="1.0.0", cost="O(elements)")
def rpush(db: Keyspace, argv: list[bytes]) -> Reply:
    """Put elements behind the last one of a list; the new length.

    > RPUSH l a b c
    (integer) 3
    """
    return push(db, argv, left=False)


@command(
    "LPUSHX key element [element ...]", WRITE | DENYOOM | FAST, keys="RW INSERT", since="2.2.0", cost="O(elements)"
)
def lpushx(db: Keyspace, argv: list[bytes]) -> Reply:
    """As LPUSH, if the list exists; the new length, or 0."""
    return 0 if list_of(db.edit(argv[1])) is None else push(db, argv, left=True)


@command(
    "RPUSHX key element [element ...]", WRITE | DENYOOM | FAST, keys="RW INSERT", since="2.2.0", cost="O(elements)"
)
def rpushx(db: Keyspace, argv: list[bytes]) -> Reply:
    """As RPUSH, if the list exists; the new length, or 0."""
    return 0 if list_of(db.edit(argv[1])) is None else push(db, argv, left=False)


def push(db: Keyspace, argv: list[bytes], *, left: bool) -> int:
    """Push what stands from position 2 of `argv` on; the new length. Raises WrongType."""
    key = argv[1]
    value = list_of(db.edit(key))
    if value is None:
        value = List()
        value.push_all(argv, 2, db.engine.limits, left=left)
        db.set(key, value)
    else:
        bytes_before = value.nbytes
        value.push_all(argv, 2, db.engine.limits, left=left)
        db.settle(key, value, bytes_before)
    if len(argv) > 3:
        db.engine.dirty += len(argv) - 3
    db.notify(LIST, b"lpush" if left else b"rpush", key)
    return value.count


@command("LPOP key [count:int]", WRITE | FAST, keys="RW ACCESS DELETE", since="1.0.0", cost="O(count)")
def lpop(db: Keyspace, argv: list[bytes]) -> Reply:
    """Remove the first element of a list, or the first `count`; what was removed, nil if there is no list.

    > RPUSH l a b c d
    (integer) 4
    > LPOP l
    "a"
    > LPOP l 2
    1) "b"
    2) "c"
    """
    return _pop(db, argv, left=True)


@command("RPOP key [count:int]", WRITE | FAST, keys="RW ACCESS DELETE", since="1.0.0", cost="O(count)")
def rpop(db: Keyspace, argv: list[bytes]) -> Reply:
    """Remove the last element of a list, or the last `count`, the very last first; nil if there is no list."""
    return _pop(db, argv, left=False)


def _pop(db: Keyspace, argv: list[bytes], *, left: bool) -> Reply:
    if len(argv) == 2:
        value = list_of(db.edit(argv[1]))
        return None if value is None else pop_one(db, argv[1], value, left=left)
    if len(argv) > 3:
        raise WrongArity(b"lpop" if left else b"rpop")
    count = parse_count(argv[2])
    value = list_of(db.edit(argv[1]))
    if value is None:
        return NULL_ARRAY
    return pop_many(db, argv[1], value, count, left=left)[1] if count else []


def pop_one(db: Keyspace, key: bytes, value: List, *, left: bool) -> bytes:
    """Remove an element of `value`, which `key` holds."""
    bytes_before = value.nbytes
    element = value.pop(db.engine.limits, left=left)
    is_deleted = db.settle(key, value, bytes_before)
    db.notify(LIST, b"lpop" if left else b"rpop", key)
    if is_deleted:
        db.notify(GENERIC, b"del", key)
    return element


def pop_many(db: Keyspace, key: bytes, value: List, count: int, *, left: bool) -> tuple[int, Reply]:
    """Remove up to `count` elements, from 1 on, of `value`, which `key` holds; how many, and they."""
    bytes_before = value.nbytes
    length = value.count
    limits = db.engine.limits
    elements: Reply
    if count <= POPPED_SINGLY_MAX:
        elements = value.pop_many(count, limits, left=left)
    else:
        elements = Encoded(value.pop_wires(count, limits, left=left))
    is_deleted = db.settle(key, value, bytes_before)
    popped = length - value.count
    db.engine.dirty += popped - 1
    db.notify(LIST, b"lpop" if left else b"rpop", key)
    if is_deleted:
        db.notify(GENERIC, b"del", key)
    return popped, elements


@command(
    "LMPOP numkeys:int key [key ...] <LEFT | RIGHT> [COUNT count:int]",
    WRITE,
    keys="RW ACCESS DELETE",
    since="7.0.0",
    cost="O(keys + count)",
)
def lmpop(db: Keyspace, argv: list[bytes]) -> Reply:
    """Remove elements from one end of the first of several lists that exists: its key and what was removed, or nil.

    > RPUSH l a b c
    (integer) 3
    > LMPOP 2 none l RIGHT COUNT 2
    1) "l"
    2) 1) "c"
       2) "b"
    """
    return pop_first(db, ManyPop(argv, 1)) or NULL_ARRAY


class ManyPop:
    """What LMPOP and BLMPOP say from position `at` of `argv` on. Raises ReplyError."""

    def __init__(self, argv: list[bytes], at: int) -> None:
        number = _parse_or_zero(argv[at])
        if number < 1:
            raise NumkeysTooSmall
        args = Args(argv, at + 1 + number)
        if not args.more():
            raise BadSyntax
        self.keys = argv[at + 1 : args.at]
        self.left = parse_end(args.next())
        self.count = 1
        is_counted = False
        while args.more():
            if is_counted or not args.token_with_value(b"COUNT"):
                raise BadSyntax
            is_counted = True
            self.count = _parse_or_zero(args.next())
            if self.count < 1:
                raise PopCountTooSmall


def _parse_or_zero(text: bytes) -> int:
    try:
        return parse_int(text)
    except NotAnInteger:
        return 0


def parse_end(word: bytes) -> bool:
    """Whether LEFT, and not RIGHT, is meant. Raises BadSyntax."""
    end = word.upper()
    if end not in (b"LEFT", b"RIGHT"):
        raise BadSyntax
    return end == b"LEFT"


def pop_first(db: Keyspace, pop: ManyPop) -> list[Reply] | None:
    """Pop from the first of its keys that exists: key and elements, None if there is no such key. Raises WrongType."""
    for key in pop.keys:
        value = list_of(db.edit(key))
        if value is not None:
            popped, elements = pop_many(db, key, value, pop.count, left=pop.left)
            db.propagate_as([b"LPOP" if pop.left else b"RPOP", key, b"%d" % popped])
            return [key, elements]
    return None


@command(
    "LMOVE source:key destination:key <LEFT | RIGHT> <LEFT | RIGHT>",
    WRITE | DENYOOM,
    keys="RW ACCESS DELETE; RW INSERT",
    since="6.2.0",
    cost="O(1)",
)
def lmove(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take an element from one end of a list to one end of another, or of the same; the element, nil if there is none.

    > RPUSH l a b c
    (integer) 3
    > LMOVE l m RIGHT LEFT
    "c"
    """
    from_left = parse_end(argv[3])
    to_left = parse_end(argv[4])
    return move_element(db, argv[1], argv[2], from_left=from_left, to_left=to_left)


@command(
    "RPOPLPUSH source:key destination:key",
    WRITE | DENYOOM,
    keys="RW ACCESS DELETE; RW INSERT",
    since="1.2.0",
    cost="O(1)",
)
def rpoplpush(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take the last element of a list to the beginning of another; the element, nil if there is none."""
    return move_element(db, argv[1], argv[2], from_left=False, to_left=True)


def move_element(db: Keyspace, key: bytes, new_key: bytes, *, from_left: bool, to_left: bool) -> bytes | None:
    """Take an element of the list at `key` to that at `new_key`; None if there is none. Raises WrongType."""
    source = list_of(db.edit(key))
    if source is None:
        return None
    limits = db.engine.limits
    target = source if key == new_key else list_of(db.edit(new_key))
    bytes_before = source.nbytes
    if target is source:
        element = source.rotate(limits, from_left=from_left, to_left=to_left)
    else:
        element = source.pop(limits, left=from_left)
    if target is None:
        target = List()
        target.push_all([element], 0, limits, left=to_left)
        db.set(new_key, target)
    elif target is not source:
        target_before = target.nbytes
        target.push_all([element], 0, limits, left=to_left)
        db.settle(new_key, target, target_before)
    db.notify(LIST, b"lpush" if to_left else b"rpush", new_key)
    is_deleted = db.settle(key, source, bytes_before)
    db.notify(LIST, b"lpop" if from_left else b"rpop", key)
    if is_deleted:
        db.notify(GENERIC, b"del", key)
    return element


# Looking


@command("LLEN key", READONLY | FAST, keys="RO", since="1.0.0", cost="O(1)")
def llen(db: Keyspace, argv: list[bytes]) -> Reply:
    """The length of a list, 0 if there is none."""
    value = list_of(db.find(argv[1]))
    return 0 if value is None else value.count


@command("LINDEX key index:int", READONLY, since="1.0.0", cost="O(log n)")
def lindex(db: Keyspace, argv: list[bytes]) -> Reply:
    """The element at `index`, negative ones counted from the end; nil if there is none.

    > RPUSH l a b c
    (integer) 3
    > LINDEX l -1
    "c"
    > LINDEX l 3
    (nil)
    """
    value = list_of(db.find(argv[1]))
    if value is None:
        return None
    index = parse_int(argv[2])
    if index < 0:
        index += value.count
    return value.get(index) if 0 <= index < value.count else None


_ENCODED_MIN: Final = 4096
"""Of so many elements no objects are made; of fewer ones that are alike, as they often are, making them is quicker."""


@command("LRANGE key start:int stop:int", READONLY, since="1.0.0", cost="O(log n + m), m = elements returned")
def lrange(db: Keyspace, argv: list[bytes]) -> Reply:
    """The elements from `start` to `stop`, both inclusive, negative ones counted from the end.

    > RPUSH l a b c
    (integer) 3
    > LRANGE l 1 -1
    1) "b"
    2) "c"
    """
    start = parse_int(argv[2])
    stop = parse_int(argv[3])
    value = list_of(db.find(argv[1]))
    if value is None:
        return []
    count = value.count
    if start < 0:
        start = max(start + count, 0)
    stop = stop + count + 1 if stop < 0 else min(stop + 1, count)
    if start >= stop:
        return []
    return value.range(start, stop) if stop - start < _ENCODED_MIN else Encoded(value.to_wires(start, stop))


@command(
    "LPOS key element [RANK rank:int] [COUNT num-matches:int] [MAXLEN len:int]",
    READONLY,
    since="6.0.6",
    cost="O(n)",
)
def lpos(db: Keyspace, argv: list[bytes]) -> Reply:
    """The index of an element that equals `element`, or nil; with COUNT those of so many, or of all (0).

    RANK n begins at the n-th of them, a negative one at the n-th from the end; MAXLEN bounds how many are looked at.

    > RPUSH l a b c b
    (integer) 4
    > LPOS l b
    (integer) 1
    > LPOS l b RANK -1 COUNT 0
    1) (integer) 3
    2) (integer) 1
    """
    args = Args(argv, 3)
    rank = 1
    count = -1
    length_max = 0
    while args.more():
        if args.token_with_value(b"RANK"):
            rank = parse_within(args.next(), -INT64_MAX, INT64_MAX)
            if rank == 0:
                raise ReplyError(
                    b"ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ..."
                    b" or use negative to start from the end of the list"
                )
        elif args.token_with_value(b"COUNT"):
            count = _not_negative(args.next(), b"ERR COUNT can't be negative")
        elif args.token_with_value(b"MAXLEN"):
            length_max = _not_negative(args.next(), b"ERR MAXLEN can't be negative")
        else:
            raise BadSyntax
    value = list_of(db.find(argv[1]))
    if value is None:
        return None if count < 0 else []
    most = 1 if count < 0 else count
    found = value.positions(argv[2], abs(rank) - 1, most, length_max, from_end=rank < 0)
    if count >= 0:
        return found
    return found[0] if found else None


def _not_negative(text: bytes, error: bytes) -> int:
    try:
        return parse_count(text)
    except NotACount:
        raise ReplyError(error) from None


# Changing what is in the middle


@command("LSET key index:int element", WRITE | DENYOOM, keys="RW UPDATE", since="1.0.0", cost="O(log n)")
def lset(db: Keyspace, argv: list[bytes]) -> Reply:
    """Replace the element at `index`, negative ones counted from the end.

    > RPUSH l a b c
    (integer) 3
    > LSET l -1 d
    OK
    """
    key = argv[1]
    value = list_of(db.edit(key))
    if value is None:
        raise NoSuchKey
    index = parse_int(argv[2])
    if index < 0:
        index += value.count
    if not 0 <= index < value.count:
        raise ReplyError(b"ERR index out of range")
    bytes_before = value.nbytes
    value.replace(index, argv[3], db.engine.limits)
    db.settle(key, value, bytes_before)
    db.notify(LIST, b"lset", key)
    return OK


@command("LINSERT key <BEFORE | AFTER> pivot element", WRITE | DENYOOM, keys="RW INSERT", since="2.2.0", cost="O(n)")
def linsert(db: Keyspace, argv: list[bytes]) -> Reply:
    """Put an element beside the first one that equals `pivot`: the new length, -1 without pivot, 0 without list.

    > RPUSH l a c
    (integer) 2
    > LINSERT l BEFORE c b
    (integer) 3
    """
    where = argv[2].upper()
    if where not in (b"BEFORE", b"AFTER"):
        raise BadSyntax
    key = argv[1]
    value = list_of(db.edit(key))
    if value is None:
        return 0
    bytes_before = value.nbytes
    if not value.insert(argv[3], argv[4], db.engine.limits, after=where == b"AFTER"):
        return -1
    db.settle(key, value, bytes_before)
    db.notify(LIST, b"linsert", key)
    return value.count


@command("LREM key count:int element", WRITE, keys="RW DELETE", since="1.0.0", cost="O(n)")
def lrem(db: Keyspace, argv: list[bytes]) -> Reply:
    """Remove elements that equal `element`, the first `count`, the last `-count`, or all (0); how many they were.

    > RPUSH l a b a b a
    (integer) 5
    > LREM l -2 a
    (integer) 2
    > LRANGE l 0 -1
    1) "a"
    2) "b"
    3) "b"
    """
    count = parse_within(argv[2], -INT64_MAX, INT64_MAX)
    key = argv[1]
    value = list_of(db.edit(key))
    if value is None:
        return 0
    bytes_before = value.nbytes
    removed = value.remove(argv[3], abs(count), db.engine.limits, from_end=count < 0)
    if removed:
        is_deleted = db.settle(key, value, bytes_before)
        db.engine.dirty += removed - 1
        db.notify(LIST, b"lrem", key)
        if is_deleted:
            db.notify(GENERIC, b"del", key)
    return removed


_NODES_FREED_AT_ONCE: Final = 32
"""Up to so many nodes that a list loses are freed then; more are left to the sweeper."""


@command("LTRIM key start:int stop:int", WRITE, keys="RW DELETE", since="1.0.0", cost="O(nodes)")
def ltrim(db: Keyspace, argv: list[bytes]) -> Reply:
    """Remove all elements but those from `start` to `stop`, both inclusive, negative ones counted from the end.

    > RPUSH l a b c d
    (integer) 4
    > LTRIM l 1 -2
    OK
    > LRANGE l 0 -1
    1) "b"
    2) "c"
    """
    start = parse_int(argv[2])
    stop = parse_int(argv[3])
    key = argv[1]
    value = list_of(db.edit(key))
    if value is None:
        return OK
    count = value.count
    if start < 0:
        start = max(start + count, 0)
    stop = stop + count + 1 if stop < 0 else min(stop + 1, count)
    bytes_before = value.nbytes
    gone = value.trim(start, stop, db.engine.limits)
    is_deleted = db.settle(key, value, bytes_before)
    if len(gone) > _NODES_FREED_AT_ONCE:
        db.engine.discarded.append(gone)
    db.engine.dirty += count - value.count - 1 if value.count < count else 0
    db.notify(LIST, b"ltrim", key)
    if is_deleted:
        db.notify(GENERIC, b"del", key)
    return OK
