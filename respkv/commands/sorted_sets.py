"""Commands on members of sorted sets, and what all commands on sorted sets share.

Source of all behaviour: redis-server 7.0 and 8.2; the order of the checks too.
"""

from typing import Any, Final

from respkv.commands.args import INT64_MAX, check_drawn, check_repetitions, parse_float, parse_within
from respkv.commands.events import GENERIC, ZSET
from respkv.commands.flags import DENYOOM, FAST, READONLY, WRITE
from respkv.commands.scanning import ScanOptions, parse_cursor
from respkv.commands.spec import CommandGroup
from respkv.doubles import format_float
from respkv.engine.keyspace import Keyspace
from respkv.errors import BadSyntax, NotAFloat, OutOfRange, ReplyError, WrongArity, WrongType
from respkv.reply import NULL_ARRAY, Pairs, Reply
from respkv.values.sorted_sets import ADDED, UNCHANGED, UPDATED, SortedSet

command = CommandGroup("sorted-set", __name__)

_NX: Final = 1
_XX: Final = 2
_GT: Final = 4
_LT: Final = 8
_CH: Final = 16
_INCR: Final = 32
_ZADD_OPTIONS: Final = {b"NX": _NX, b"XX": _XX, b"GT": _GT, b"LT": _LT, b"CH": _CH, b"INCR": _INCR}


def as_sorted_set(value: Reply) -> SortedSet | None:
    """A value from a door of the keyspace, which must be a sorted set or None. Raises WrongType."""
    if value is None or isinstance(value, SortedSet):
        return value
    raise WrongType


def parse_score(text: bytes) -> float:
    """A score: a double, not NaN, and not beyond what a double holds. Raises NotAFloat."""
    # Most scores are whole; an integer is read three times as fast as a float.
    if len(text) <= 15 and text.isdigit():
        return float(int(text))
    number = parse_float(text)
    if number - number != 0.0:
        if b"n" not in text.lower():
            raise NotAFloat
    elif number == 0.0 and text.lower().partition(b"e")[0].strip(b"+-0.") not in (b"", b"x", b"x0"):
        raise NotAFloat
    return number


def settle(db: Keyspace, key: bytes, value: SortedSet, bytes_before: int, event: bytes) -> None:
    """`value` of `key` was changed in place: tell the keyspace, and whoever wants to know of `event`."""
    is_gone = db.settle(key, value, bytes_before)
    db.notify(ZSET, event, key)
    if is_gone:
        db.notify(GENERIC, b"del", key)


_FREED_AT_ONCE: Final = 1000
"""Up to so many members that a range loses are freed then; more are left to the sweeper."""


def remove_ranks(db: Keyspace, value: SortedSet, start: int, stop: int) -> None:
    """Take the members of the ranks from `start` on, before `stop`, out of `value`; `settle` follows."""
    gone = value.remove_between(start, stop)
    if stop - start > _FREED_AT_ONCE:
        db.engine.discarded.extend(gone)


def store(db: Keyspace, key: bytes, members: list[bytes], scores: list[Any], event: bytes) -> int:
    """Give `key` the sorted set of these members, no two the same, whatever it held; of none, delete it. How many."""
    if members:
        db.set(key, SortedSet.of_distinct(members, scores, db.engine.limits))
        db.notify(ZSET, event, key)
    elif db.remove(key):
        db.notify(GENERIC, b"del", key)
    return len(members)


@command(
    "ZADD key [NX | XX] [GT | LT] [CH] [INCR] score:double member [score:double member ...]",
    WRITE | DENYOOM | FAST,
    keys="RW UPDATE",
    since="1.2.0",
    cost="O(log n) a member, n = members of the sorted set",
)
def zadd(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give members a score each, adding those that are not there; how many were added.

    With NX only new members, with XX only others, with GT or LT only to a higher or lower score; CH counts those that
    changed too; INCR adds to the score of one member, whose new score is the reply.

    > ZADD k 1 a 2 b
    (integer) 2
    > ZADD k CH 3 a
    (integer) 1
    """
    # An option, or a score without digits.
    if len(argv) > 4 or (argv[2] and argv[2][0] > 57):
        return _zadd_many(db, argv)
    score = parse_score(argv[2])
    key = argv[1]
    value = db.edit(key)
    if isinstance(value, SortedSet):
        before = value.nbytes
        result = value.add(argv[3], score, db.engine.limits)
        if result != UNCHANGED:
            db.changed(key, value.nbytes - before)
            db.notify(ZSET, b"zadd", key)
        return 1 if result == ADDED else 0
    if value is not None:
        raise WrongType
    made = SortedSet()
    made.add(argv[3], score, db.engine.limits)
    db.set(key, made)
    db.notify(ZSET, b"zadd", key)
    return 1


def _zadd_many(db: Keyspace, argv: list[bytes]) -> Reply:
    options = 0
    at = 2
    while at < len(argv):
        option = _ZADD_OPTIONS.get(argv[at].upper(), 0)
        if not option:
            break
        options |= option
        at += 1
    count = (len(argv) - at) // 2
    if count == 0 or (len(argv) - at) % 2:
        raise BadSyntax
    if options & _NX and options & _XX:
        raise ReplyError(b"ERR XX and NX options at the same time are not compatible")
    if (options & _GT != 0) + (options & _LT != 0) + (options & _NX != 0) > 1:
        raise ReplyError(b"ERR GT, LT, and/or NX options at the same time are not compatible")
    if options & _INCR and count > 1:
        raise ReplyError(b"ERR INCR option supports a single increment-element pair")
    scores = [parse_score(text) for text in argv[at::2]]
    members = argv[at + 1 :: 2]
    if options & _INCR:
        return _increment(db, argv[1], members[0], scores[0], options)
    return _add_all(db, argv[1], members, scores, options)


def _add_all(db: Keyspace, key: bytes, members: list[bytes], scores: list[float], options: int) -> int:
    limits = db.engine.limits
    value = as_sorted_set(db.edit(key))
    is_new = value is None
    if value is None:
        if options & _XX:
            return 0
        if len(members) > limits.zset_max_listpack_entries:
            # Whatever else the options say, all are new, unless one of them comes twice.
            made = SortedSet.of_many(members, scores)
            if made is not None:
                db.set(key, made)
                db.notify(ZSET, b"zadd", key)
                return len(members)
        value = SortedSet()
        if len(members) > limits.zset_max_listpack_entries:
            # Before scores go into a listpack, where a negative zero becomes a zero.
            value.unpack()
    before = value.nbytes
    added = updated = 0
    for member, score in zip(members, scores, strict=True):
        if options & (_NX | _XX | _GT | _LT) and not _is_wanted(value, member, score, options):
            continue
        result = value.add(member, score, limits)
        if result == ADDED:
            added += 1
        elif result == UPDATED:
            updated += 1
    if added or updated:
        if len(members) > limits.zset_max_listpack_entries:
            value.unpack()
        if is_new:
            db.set(key, value)
        else:
            db.changed(key, value.nbytes - before)
        db.notify(ZSET, b"zadd", key)
    return added + updated if options & _CH else added


def _is_wanted(value: SortedSet, member: bytes, score: float, options: int) -> bool:
    old = value.score(member)
    if old is None:
        return not options & _XX
    return _is_better(score, old, options)


def _is_better(score: float, old: float, options: int) -> bool:
    """Whether the options allow a member to go from score `old` to `score`."""
    return not (options & _NX or (options & _GT and score <= old) or (options & _LT and score >= old))


def _increment(db: Keyspace, key: bytes, member: bytes, increment: float, options: int) -> Reply:
    value = as_sorted_set(db.edit(key))
    old = value.score(member) if value is not None else None
    score = increment
    if old is None:
        if options & _XX:
            return None
    else:
        if options & _NX:
            return None
        score = old + increment
        if score != score:
            raise ReplyError(b"ERR resulting score is not a number (NaN)")
        if not _is_better(score, old, options):
            return None
    if value is None:
        value = SortedSet()
        value.add(member, score, db.engine.limits)
        db.set(key, value)
        db.notify(ZSET, b"zincr", key)
        return score
    before = value.nbytes
    if value.add(member, score, db.engine.limits) != UNCHANGED:
        db.changed(key, value.nbytes - before)
        db.notify(ZSET, b"zincr", key)
    return score


@command(
    "ZINCRBY key increment:double member",
    WRITE | DENYOOM | FAST,
    keys="RW ACCESS UPDATE",
    since="1.2.0",
    cost="O(log n), n = members",
)
def zincrby(db: Keyspace, argv: list[bytes]) -> Reply:
    """Add to the score of a member, which begins at 0; the new score."""
    if argv[2].upper() in _ZADD_OPTIONS:
        # As in the reference, which reads them here too, and misses score or member then.
        raise BadSyntax
    return _increment(db, argv[1], argv[3], parse_score(argv[2]), 0)


@command(
    "ZREM key member [member ...]",
    WRITE | FAST,
    keys="RW DELETE",
    since="1.2.0",
    cost="O(log n) a member, n = members of the sorted set",
)
def zrem(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take members out; how many were there."""
    key = argv[1]
    value = as_sorted_set(db.edit(key))
    if value is None:
        return 0
    before = value.nbytes
    count = int(value.remove(argv[2])) if len(argv) == 3 else value.remove_all(argv, 2)
    if count:
        settle(db, key, value, before, b"zrem")
    return count


@command("ZCARD key", READONLY | FAST, keys="RO", since="1.2.0", cost="O(1)")
def zcard(db: Keyspace, argv: list[bytes]) -> Reply:
    """How many members there are."""
    value = as_sorted_set(db.find(argv[1]))
    return 0 if value is None else len(value)


@command("ZSCORE key member", READONLY | FAST, since="1.2.0", cost="O(1)")
def zscore(db: Keyspace, argv: list[bytes]) -> Reply:
    """The score of a member, or nil."""
    value = as_sorted_set(db.find(argv[1]))
    return None if value is None else value.score(argv[2])


@command("ZMSCORE key member [member ...]", READONLY | FAST, since="6.2.0", cost="O(1) a member")
def zmscore(db: Keyspace, argv: list[bytes]) -> Reply:
    """The score of each member, or nil in its place."""
    value = as_sorted_set(db.find(argv[1]))
    if value is None:
        return [None] * (len(argv) - 2)
    return value.scores_of(argv, 2)


@command("ZRANK key member [WITHSCORE]", READONLY | FAST, since="2.0.0", cost="O(log n), n = members")
def zrank(db: Keyspace, argv: list[bytes]) -> Reply:
    """How many members are before this one, or nil; with WITHSCORE its score too."""
    return _rank(db, argv, b"zrank", False)


@command("ZREVRANK key member [WITHSCORE]", READONLY | FAST, since="2.0.0", cost="O(log n), n = members")
def zrevrank(db: Keyspace, argv: list[bytes]) -> Reply:
    """How many members are behind this one, or nil; with WITHSCORE its score too."""
    return _rank(db, argv, b"zrevrank", True)


def _rank(db: Keyspace, argv: list[bytes], name: bytes, is_reverse: bool) -> Reply:
    with_score = len(argv) > 3
    if with_score:
        if len(argv) > 4:
            raise WrongArity(name)
        if argv[3].upper() != b"WITHSCORE":
            raise BadSyntax
    value = as_sorted_set(db.find(argv[1]))
    rank = -1 if value is None else value.rank(argv[2])
    if value is None or rank < 0:
        return NULL_ARRAY if with_score else None
    if is_reverse:
        rank = len(value) - 1 - rank
    return [rank, value.score(argv[2])] if with_score else rank


@command(
    "ZRANDMEMBER key [count:int [WITHSCORES]]",
    READONLY,
    since="6.2.0",
    cost="O(count)",
    tips="nondeterministic_output",
)
def zrandmember(db: Keyspace, argv: list[bytes]) -> Reply:
    """A member by chance, or nil; with a count so many different ones, with a negative one that many, some twice.

    With WITHSCORES each comes with its score.
    """
    if len(argv) == 2:
        value = as_sorted_set(db.find(argv[1]))
        return None if value is None else value.at(db.engine.random.randrange(len(value)))[0]
    count = parse_within(argv[2], -INT64_MAX, INT64_MAX)
    with_scores = len(argv) > 3
    if with_scores:
        if len(argv) > 4 or argv[3].upper() != b"WITHSCORES":
            raise BadSyntax
        if abs(count) > INT64_MAX // 2:
            raise OutOfRange
    check_repetitions(count, b"members")
    value = as_sorted_set(db.find(argv[1]))
    if value is None:
        return []
    pairs = _random_pairs(db, value, count)
    members = [member for member, _ in pairs]
    check_drawn(members, max(db.engine.bulk_max_bytes, value.nbytes))
    return Pairs(pairs) if with_scores else members


def _random_pairs(db: Keyspace, value: SortedSet, count: int) -> list[tuple[Reply, Reply]]:
    size = len(value)
    random = db.engine.random
    if count >= size:
        return list(value.pairs())
    if count < 0:
        # As `randrange`, a few 2 ** -53 apart and four times as fast.
        chance = random.random
        ranks = [int(chance() * size) for _ in range(-count)]
    else:
        ranks = random.sample(range(size), count)
    if value.is_packed:
        pairs = value.pairs()
        return [pairs[rank] for rank in ranks]
    return [value.at(rank) for rank in ranks]


@command(
    "ZSCAN key cursor:int [MATCH pattern:pattern] [COUNT count:int]",
    READONLY,
    since="2.8.0",
    cost="O(count) a call, O(n) in all, n = members",
    tips="nondeterministic_output",
)
def zscan(db: Keyspace, argv: list[bytes]) -> Reply:
    """The next members of an iteration over all, with their scores, and the cursor to go on with (0: it is done)."""
    cursor = parse_cursor(argv[2])
    value = as_sorted_set(db.find(argv[1]))
    if value is None:
        return [b"0", []]
    options = ScanOptions(argv, 3)
    cursor, members = value.scan(cursor, options.count)
    flat: list[Reply] = []
    for member in options.matching(members):
        flat.append(member)
        # Redis writes the scores of a large set with all digits here, and only here.
        flat.append(format_float(value.score(member)) if value.is_packed else b"%.17g" % value.score(member))
    return [b"%d" % cursor, flat]
