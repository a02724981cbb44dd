"""Commands on sets. Source of all behaviour: redis-server 7.0 and 8.2, the order of their checks too."""

from typing import Final

from respkv.commands.args import INT64_MAX, Args, check_drawn, check_repetitions, parse_count, parse_within
from respkv.commands.events import GENERIC, SET
from respkv.commands.flags import DENYOOM, FAST, READONLY, WRITE
from respkv.commands.scanning import ScanOptions, parse_cursor
from respkv.commands.spec import CommandGroup
from respkv.engine.keyspace import Keyspace
from respkv.errors import BadSyntax, NegativeLimit, NumkeysTooSmall, ReplyError, TooManyKeys, WrongType
from respkv.reply import Members, Reply
from respkv.values.sets import Set

command = CommandGroup("set", __name__)

_EFFECT_MEMBERS: Final = 1024
"""Members that one SREM in the log has, where a single command removed many."""

_CHUNK: Final = 1024


def _as_set(value: object) -> Set | None:
    """What a door gave for a key, as a set. Raises WrongType if it is something else."""
    if value is None or isinstance(value, Set):
        return value
    raise WrongType


# Members


@command(
    "SADD key member [member ...]",
    WRITE | DENYOOM | FAST,
    keys="RW INSERT",
    since="1.0.0",
    cost="O(n), n = members given",
)
def sadd(db: Keyspace, argv: list[bytes]) -> Reply:
    """Add members to the set at `key`; the number that were new.

    > SADD s a b a
    (integer) 2
    """
    key = argv[1]
    count = len(argv) - 2
    limits = db.engine.limits
    value = _as_set(db.edit(key))
    if value is None:
        value = Set.begun(argv[2], count, limits)
        added = value.add_all(argv, limits, 2) if count > 1 else int(value.add(argv[2], limits))
        db.set(key, value)
        db.engine.dirty += added - 1
        db.notify(SET, b"sadd", key)
        return added
    before = value.nbytes
    if count == 1:
        if not value.add(argv[2], limits):
            return 0
        added = 1
    else:
        value.prepare(count, limits)
        added = value.add_all(argv, limits, 2)
        if not added and value.nbytes == before:
            return 0
    db.settle(key, value, before)
    if added:
        db.engine.dirty += added - 1
        db.notify(SET, b"sadd", key)
    return added


@command("SREM key member [member ...]", WRITE | FAST, keys="RW DELETE", since="1.0.0", cost="O(n), n = members given")
def srem(db: Keyspace, argv: list[bytes]) -> Reply:
    """Remove members from the set at `key`; the number that were there."""
    key = argv[1]
    value = _as_set(db.edit(key))
    if value is None:
        return 0
    before = value.nbytes
    removed = int(value.remove(argv[2])) if len(argv) == 3 else value.remove_all(argv, 2)
    if removed:
        db.engine.dirty += removed - 1
        _settle(db, key, value, before, b"srem")
    return removed


def _settle(db: Keyspace, key: bytes, value: Set, bytes_before: int, event: bytes) -> None:
    """The set of `key` lost members, which `event` tells of."""
    is_deleted = db.settle(key, value, bytes_before)
    db.notify(SET, event, key)
    if is_deleted:
        db.notify(GENERIC, b"del", key)


@command(
    "SMOVE source:key destination:key member",
    WRITE | FAST,
    keys="RW ACCESS DELETE; RW INSERT",
    since="1.0.0",
    cost="O(1)",
)
def smove(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take a member from one set to another; whether it was in the first.

    > SADD s a
    (integer) 1
    > SMOVE s t a
    (integer) 1
    > SMEMBERS t
    1) "a"
    """
    _, source, destination, member = argv
    value = db.edit(source)
    other = _as_set(db.edit(destination)) if value is not None else None
    value = _as_set(value)
    if value is None:
        return 0
    if source == destination:
        return int(value.has(member))
    before = value.nbytes
    if not value.remove(member):
        return 0
    _settle(db, source, value, before, b"srem")
    limits = db.engine.limits
    if other is None:
        other = Set.begun(member, 1, limits)
        other.add(member, limits)
        db.set(destination, other)
    else:
        before = other.nbytes
        if not other.add(member, limits):
            return 1
        db.settle(destination, other, before)
    db.notify(SET, b"sadd", destination)
    return 1


# Looking


@command("SISMEMBER key member", READONLY | FAST, keys="RO", since="1.0.0", cost="O(1)")
def sismember(db: Keyspace, argv: list[bytes]) -> Reply:
    """Whether `member` is in the set at `key`."""
    value = _as_set(db.find(argv[1]))
    return 1 if value is not None and value.has(argv[2]) else 0


@command("SMISMEMBER key member [member ...]", READONLY | FAST, since="6.2.0", cost="O(n), n = members given")
def smismember(db: Keyspace, argv: list[bytes]) -> Reply:
    """For each of several members, whether it is in the set at `key`.

    > SADD s a
    (integer) 1
    > SMISMEMBER s a b
    1) (integer) 1
    2) (integer) 0
    """
    value = _as_set(db.find(argv[1]))
    if value is None:
        return [0] * (len(argv) - 2)
    return value.flags(argv, 2)


@command("SCARD key", READONLY | FAST, keys="RO", since="1.0.0", cost="O(1)")
def scard(db: Keyspace, argv: list[bytes]) -> Reply:
    """The number of members of the set at `key`; 0 if there is none."""
    value = _as_set(db.find(argv[1]))
    return 0 if value is None else len(value)


@command("SMEMBERS key", READONLY, since="1.0.0", cost="O(n), n = members", tips="nondeterministic_output_order")
def smembers(db: Keyspace, argv: list[bytes]) -> Reply:
    """All members of the set at `key`."""
    value = _as_set(db.find(argv[1]))
    return Members([] if value is None else value.members())


@command(
    "SSCAN key cursor:int [MATCH pattern:pattern] [COUNT count:int]",
    READONLY,
    since="2.8.0",
    cost="O(count) a call, O(n) in all, n = members",
    tips="nondeterministic_output",
)
def sscan(db: Keyspace, argv: list[bytes]) -> Reply:
    """The next members of an iteration over the set at `key`: the cursor to go on with (0: it is done) and members."""
    place = parse_cursor(argv[2])
    value = _as_set(db.find(argv[1]))
    if value is None:
        return [b"0", []]
    options = ScanOptions(argv, 3)
    place, members = value.scan(place, options.count)
    return [b"%d" % place, options.matching(members)]


# At random


@command(
    "SPOP key [count:int]",
    WRITE | FAST,
    keys="RW ACCESS DELETE",
    since="1.0.0",
    cost="O(n), n = count",
    tips="nondeterministic_output",
)
def spop(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take a random member, or `count` of them, out of the set at `key`; the member or nil, or the members."""
    if len(argv) > 2:
        return _pop_many(db, argv)
    key = argv[1]
    value = _as_set(db.edit(key))
    if value is None:
        return None
    before = value.nbytes
    member = value.take(db.engine.random.random)
    _settle(db, key, value, before, b"spop")
    db.propagate_as([b"SREM", key, member])
    return member


def _pop_many(db: Keyspace, argv: list[bytes]) -> Reply:
    if len(argv) > 3:
        raise BadSyntax
    key = argv[1]
    count = parse_count(argv[2])
    value = _as_set(db.edit(key))
    if value is None or count == 0:
        return Members([])
    chance = db.engine.random.random
    total = len(value)
    rest = total - count
    if rest <= 0:
        members = value.members()
        db.remove(key)
        db.notify(SET, b"spop", key)
        db.notify(GENERIC, b"del", key)
        db.propagate_as([b"DEL", key])
        return Members(members)
    if rest * 5 > count:
        before = value.nbytes
        members = value.take_some(count, chance)
        db.settle(key, value, before)
    else:
        # What is left is little, so that it is chosen; as in the reference it becomes a new set, perhaps a packed one.
        left = value.sample(rest, chance)
        others = set(left)
        members = [member for member in value.members() if member not in others]
        db.put(key, Set.of_rest(left, value.kind, db.engine.limits))
    db.engine.dirty += count - 1
    db.notify(SET, b"spop", key)
    for start in range(0, count, _EFFECT_MEMBERS):
        db.propagate_as([b"SREM", key, *members[start : start + _EFFECT_MEMBERS]])
    return Members(members)


@command("SRANDMEMBER key [count:int]", READONLY, since="1.0.0", cost="O(n), n = count", tips="nondeterministic_output")
def srandmember(db: Keyspace, argv: list[bytes]) -> Reply:
    """A random member of the set at `key`, or nil; or `count` different ones, or -`count` that may repeat."""
    chance = db.engine.random.random
    if len(argv) == 2:
        value = _as_set(db.find(argv[1]))
        return None if value is None else value.pick(chance)
    if len(argv) > 3:
        raise BadSyntax
    count = parse_within(argv[2], -INT64_MAX, INT64_MAX)
    value = _as_set(db.find(argv[1]))
    if value is None or count == 0:
        return []
    if count > 0:
        return value.sample(count, chance)
    check_repetitions(count, b"members")
    members = value.draw(-count, chance)
    check_drawn(members, max(db.engine.bulk_max_bytes, value.nbytes))
    return members


# Algebra


def _sets(db: Keyspace, argv: list[bytes], first: int, stop: int) -> list[Set | None]:
    """The sets at the keys from argument `first` to `stop`. Raises WrongType if any holds something else."""
    return [_as_set(db.find(argv[at])) for at in range(first, stop)]


def _by_size(sets: list[Set | None]) -> list[Set]:
    """The sets, smallest first; empty if one is."""
    found = [value for value in sets if value is not None]
    if len(found) < len(sets):
        return []
    found.sort(key=len)
    return found


def _intersection(sets: list[Set]) -> list[bytes]:
    if not sets:
        return []
    others = [value for value in sets[1:] if value is not sets[0]]
    if not others:
        return sets[0].members()
    members = sets[0].members_in(others[0])
    for at in range(1, len(others)):
        members = others[at].among(members)
    return members


def _union(sets: list[Set | None]) -> list[bytes]:
    members: set[bytes] = set()
    for value in sets:
        if value is not None:
            members.update(value.members())
    return list(members)


def _difference(sets: list[Set | None]) -> list[bytes]:
    first = sets[0]
    if first is None:
        return []
    others = [value for value in sets[1:] if value is not None]
    if not others:
        return first.members()
    if first in others:
        return []
    members = first.members_in(others[0], False)
    for at in range(1, len(others)):
        members = others[at].among(members, False)
    return members


def _store(db: Keyspace, key: bytes, value: Set, event: bytes) -> int:
    """Let `key` have the result `value`, or nothing if it is empty; how many members that are."""
    if len(value):
        db.set(key, value)
        db.notify(SET, event, key)
    elif db.remove(key):
        db.notify(GENERIC, b"del", key)
    return len(value)


@command(
    "SINTER key [key ...]",
    READONLY,
    since="1.0.0",
    cost="O(n * keys), n = members of the smallest set",
    tips="nondeterministic_output_order",
)
def sinter(db: Keyspace, argv: list[bytes]) -> Reply:
    """The members that several sets have in common.

    > SADD a 1 2 3
    (integer) 3
    > SADD b 3 4
    (integer) 2
    > SINTER a b
    1) "3"
    """
    return Members(_intersection(_by_size(_sets(db, argv, 1, len(argv)))))


@command(
    "SINTERSTORE destination:key key [key ...]",
    WRITE | DENYOOM,
    keys="RW UPDATE; RO ACCESS",
    since="1.0.0",
    cost="O(n * keys), n = members of the smallest set",
)
def sinterstore(db: Keyspace, argv: list[bytes]) -> Reply:
    """Let `destination` hold what several sets have in common; the number of members."""
    sets = _by_size(_sets(db, argv, 2, len(argv)))
    return _store(db, argv[1], Set.of_intersection(_intersection(sets), db.engine.limits), b"sinterstore")


@command(
    "SINTERCARD numkeys:int key [key ...] [LIMIT limit:int]",
    READONLY,
    since="7.0.0",
    cost="O(n * keys), n = members of the smallest set",
)
def sintercard(db: Keyspace, argv: list[bytes]) -> Reply:
    """How many members several sets have in common, counted up to a limit."""
    try:
        numkeys = parse_within(argv[1], 1, INT64_MAX)
    except ReplyError:
        raise NumkeysTooSmall from None
    if numkeys > len(argv) - 2:
        raise TooManyKeys
    args = Args(argv, 2 + numkeys)
    limit = 0
    while args.more():
        if not args.token_with_value(b"LIMIT"):
            raise BadSyntax
        limit = _parse_limit(args.next())
    sets = _by_size(_sets(db, argv, 2, 2 + numkeys))
    if not sets:
        return 0
    if not limit:
        return len(_intersection(sets))
    members = sets[0].members()
    count = 0
    for start in range(0, len(members), _CHUNK):
        chunk = members[start : start + _CHUNK]
        for at in range(1, len(sets)):
            chunk = sets[at].among(chunk)
        count += len(chunk)
        if count >= limit:
            return limit
    return count


def _parse_limit(text: bytes) -> int:
    try:
        return parse_within(text, 0, INT64_MAX)
    except ReplyError:
        raise NegativeLimit from None


@command(
    "SUNION key [key ...]",
    READONLY,
    since="1.0.0",
    cost="O(n), n = members of all sets",
    tips="nondeterministic_output_order",
)
def sunion(db: Keyspace, argv: list[bytes]) -> Reply:
    """The members that at least one of several sets has."""
    return Members(_union(_sets(db, argv, 1, len(argv))))


@command(
    "SUNIONSTORE destination:key key [key ...]",
    WRITE | DENYOOM,
    keys="OW UPDATE; RO ACCESS",
    since="1.0.0",
    cost="O(n), n = members of all sets",
)
def sunionstore(db: Keyspace, argv: list[bytes]) -> Reply:
    """Let `destination` hold what at least one of several sets has; the number of members."""
    sets = [value for value in _sets(db, argv, 2, len(argv)) if value is not None]
    return _store(db, argv[1], Set.of_union(sets, db.engine.limits), b"sunionstore")


@command(
    "SDIFF key [key ...]",
    READONLY,
    since="1.0.0",
    cost="O(n * keys), n = members of the first set",
    tips="nondeterministic_output_order",
)
def sdiff(db: Keyspace, argv: list[bytes]) -> Reply:
    """The members of the first set that none of the others has.

    > SADD a 1 2 3
    (integer) 3
    > SADD b 3 4 1
    (integer) 3
    > SDIFF a b
    1) "2"
    """
    return Members(_difference(_sets(db, argv, 1, len(argv))))


@command(
    "SDIFFSTORE destination:key key [key ...]",
    WRITE | DENYOOM,
    keys="OW UPDATE; RO ACCESS",
    since="1.0.0",
    cost="O(n * keys), n = members of the first set",
)
def sdiffstore(db: Keyspace, argv: list[bytes]) -> Reply:
    """Let `destination` hold what the first set has and none of the others; the number of members."""
    sets = _sets(db, argv, 2, len(argv))
    limits = db.engine.limits
    first = sets[0]
    if first is None or not _is_made_by_removal(first, sets):
        return _store(db, argv[1], Set.of(_difference(sets), limits), b"sdiffstore")
    value = Set.of(first.members(), limits)
    for other in sets[1:]:
        if other is not None:
            for member in other.members():
                value.remove(member)
    return _store(db, argv[1], value, b"sdiffstore")


def _is_made_by_removal(first: Set, sets: list[Set | None]) -> bool:
    """Whether the reference copies `first` and removes the others' members, which the result's encoding shows.

    It does so where that is less than half the work of looking for each member in each of the others.
    """
    sizes = [len(value) for value in sets if value is not None]
    return first not in sets[1:] and len(first) * len(sizes) // 2 > sum(sizes)
