"""Commands on ranges of sorted sets: by rank, by score, or by members where all have one score.

Whatever a range is given by, it ends up as a half-open range of ranks, ascending; so there is one way to read it, to
count it and to remove it.
"""

from typing import Final

from respkv.commands.args import Args, parse_int
from respkv.commands.flags import DENYOOM, FAST, READONLY, WRITE
from respkv.commands.sorted_sets import as_sorted_set, remove_ranks, settle, store
from respkv.commands.spec import CommandGroup
from respkv.engine.keyspace import Keyspace
from respkv.errors import BadSyntax, ReplyError
from respkv.reply import Reply, Scored
from respkv.values.score_index import backwards
from respkv.values.sorted_sets import Edge, SortedSet

command = CommandGroup("sorted-set", __name__)

BY_RANK: Final = 0
BY_SCORE: Final = 1
BY_LEX: Final = 2
UNSAID: Final = 3
"""What a range is given by; `UNSAID` while the options of ZRANGE may still say so."""


class _BadScoreEdge(ReplyError):
    def __init__(self) -> None:
        super().__init__(b"ERR min or max is not a float")


class _BadMemberEdge(ReplyError):
    def __init__(self) -> None:
        super().__init__(b"ERR min or max not valid string range item")


def parse_score_edge(text: bytes) -> Edge:
    """The end of a range by score: `1.5`, `(1.5`, `-inf`. Raises ReplyError."""
    excluded = len(text) > 0 and text[0] == 40
    number = text[1:] if excluded else text
    # No text at all is a zero, as in Redis; an integer is read faster than a float.
    score = 0.0
    if len(number) <= 15 and number.isdigit():
        score = float(int(number))
    elif number:
        if number[0] <= 32 or number[-1] <= 32 or number.find(95) >= 0:
            raise _BadScoreEdge
        try:
            score = float(number)
        except ValueError:
            raise _BadScoreEdge from None
        if score != score:
            raise _BadScoreEdge
    return Edge(score, b"", excluded, 0)


def parse_member_edge(text: bytes) -> Edge:
    """The end of a range by members: `[a`, `(a`, `-`, `+`. Raises ReplyError."""
    if text == b"-":
        return Edge(0.0, b"", False, -1)
    if text == b"+":
        return Edge(0.0, b"", False, 1)
    if text[:1] not in (b"[", b"("):
        raise _BadMemberEdge
    return Edge(0.0, text[1:], text[:1] == b"(", 0)


class _Query:
    """A range with its options, parsed: what ZRANGE and its older relatives ask for.

    Raises, while it is made: ReplyError.
    """

    def __init__(self, argv: list[bytes], at: int, by: int, is_reverse: bool, stores: bool) -> None:
        self.key = argv[at]
        self.by = by
        self.is_reverse = is_reverse
        self.with_scores = False
        self.offset = 0
        self.count = -1
        if len(argv) > at + 3:
            self._parse_options(Args(argv, at + 3), stores)
        if self.by == UNSAID:
            self.by = BY_RANK
        first = argv[at + 1]
        last = argv[at + 2]
        if self.by == BY_RANK:
            self.start = parse_int(first)
            self.stop = parse_int(last)
            return
        if self.is_reverse:
            first, last = last, first
        if self.by == BY_SCORE:
            self.low = parse_score_edge(first)
            self.high = parse_score_edge(last)
        else:
            self.low = parse_member_edge(first)
            self.high = parse_member_edge(last)

    def _parse_options(self, args: Args, stores: bool) -> None:
        is_unsaid = self.by == UNSAID
        while args.more():
            if not stores and args.token(b"WITHSCORES"):
                self.with_scores = True
            elif args.remaining() >= 3 and args.token(b"LIMIT"):
                self.offset = args.integer()
                self.count = args.integer()
            elif is_unsaid and not self.is_reverse and args.token(b"REV"):
                self.is_reverse = True
            elif self.by == UNSAID and args.token(b"BYLEX"):
                self.by = BY_LEX
            elif self.by == UNSAID and args.token(b"BYSCORE"):
                self.by = BY_SCORE
            else:
                raise BadSyntax
        # A limit without a count is as good as none.
        if self.count != -1 and self.by in (BY_RANK, UNSAID):
            raise ReplyError(b"ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
        if self.with_scores and self.by == BY_LEX:
            raise ReplyError(b"ERR syntax error, WITHSCORES not supported in combination with BYLEX")

    def ranks(self, value: SortedSet) -> tuple[int, int]:
        """The ranks asked for, half-open and ascending, LIMIT applied."""
        if self.by == BY_RANK:
            start, stop = ranks_between(self.start, self.stop, len(value))
            if self.is_reverse:
                size = len(value)
                return size - stop, size - start
            return start, stop
        if self.by == BY_SCORE:
            start, stop = value.ranks_of_scores(self.low, self.high)
        else:
            start, stop = value.ranks_of_members(self.low, self.high, self.is_reverse)
        if self.offset < 0:
            return 0, 0
        count = stop - start - self.offset
        if 0 <= self.count < count:
            count = self.count
        if count <= 0:
            return 0, 0
        if self.is_reverse:
            stop -= self.offset
            return stop - count, stop
        start += self.offset
        return start, start + count

    def reply(self, db: Keyspace) -> Reply:
        """What is there of it. Raises WrongType."""
        value = as_sorted_set(db.find(self.key))
        if value is None:
            return []
        start, stop = self.ranks(value)
        members = value.members_between(start, stop)
        if self.is_reverse:
            members.reverse()
        if not self.with_scores:
            return members
        scores = value.scores_between(start, stop)
        return Scored(members, backwards(scores) if self.is_reverse else scores)


def ranks_between(start: int, stop: int, size: int) -> tuple[int, int]:
    """The half-open range, within `size`, of ranks from `start` to `stop`, both included and negative from the end."""
    if start < 0:
        start = max(0, start + size)
    if stop < 0:
        stop += size
    stop = min(stop + 1, size)
    return (start, stop) if start < stop else (0, 0)


@command(
    "ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset:int count:int] [WITHSCORES]",
    READONLY,
    since="1.2.0",
    cost="O(log n + m), n = members, m = members returned",
)
def zrange(db: Keyspace, argv: list[bytes]) -> Reply:
    """The members of a range of ranks, both ends included; by score or members if the options say so.

    > ZADD k 1 a 2 b 3 c
    (integer) 3
    > ZRANGE k 1 -1
    1) "b"
    2) "c"
    > ZRANGE k (1 +inf BYSCORE LIMIT 0 1 WITHSCORES
    1) "b"
    2) "2"
    """
    if len(argv) > 4:
        return _Query(argv, 1, UNSAID, False, False).reply(db)
    first = parse_int(argv[2])
    last = parse_int(argv[3])
    value = as_sorted_set(db.find(argv[1]))
    if value is None:
        return []
    start, stop = ranks_between(first, last, len(value))
    return value.members_between(start, stop)


@command(
    "ZREVRANGE key start:int stop:int [WITHSCORES]",
    READONLY,
    since="1.2.0",
    cost="O(log n + m), n = members, m = members returned",
)
def zrevrange(db: Keyspace, argv: list[bytes]) -> Reply:
    """The members of a range of ranks that count from the highest score down."""
    return _Query(argv, 1, BY_RANK, True, False).reply(db)


@command(
    "ZRANGEBYSCORE key min:double max:double [WITHSCORES] [LIMIT offset:int count:int]",
    READONLY,
    since="1.0.5",
    cost="O(log n + m), n = members, m = members returned",
)
def zrangebyscore(db: Keyspace, argv: list[bytes]) -> Reply:
    """The members with scores from `min` to `max`; `(` in front of one leaves it out."""
    return _Query(argv, 1, BY_SCORE, False, False).reply(db)


@command(
    "ZREVRANGEBYSCORE key max:double min:double [WITHSCORES] [LIMIT offset:int count:int]",
    READONLY,
    since="2.2.0",
    cost="O(log n + m), n = members, m = members returned",
)
def zrevrangebyscore(db: Keyspace, argv: list[bytes]) -> Reply:
    """The members with scores from `max` down to `min`; `(` in front of one leaves it out."""
    return _Query(argv, 1, BY_SCORE, True, False).reply(db)


@command(
    "ZRANGEBYLEX key min max [LIMIT offset:int count:int]",
    READONLY,
    since="2.8.9",
    cost="O(log n + m), n = members, m = members returned",
)
def zrangebylex(db: Keyspace, argv: list[bytes]) -> Reply:
    """Where all members have one score: those from `min` to `max`, written as `[a`, `(a`, `-` or `+`."""
    return _Query(argv, 1, BY_LEX, False, False).reply(db)


@command(
    "ZREVRANGEBYLEX key max min [LIMIT offset:int count:int]",
    READONLY,
    since="2.8.9",
    cost="O(log n + m), n = members, m = members returned",
)
def zrevrangebylex(db: Keyspace, argv: list[bytes]) -> Reply:
    """Where all members have one score: those from `max` down to `min`, written as `[a`, `(a`, `-` or `+`."""
    return _Query(argv, 1, BY_LEX, True, False).reply(db)


@command(
    "ZRANGESTORE dst:key src:key min max [BYSCORE | BYLEX] [REV] [LIMIT offset:int count:int]",
    WRITE | DENYOOM,
    keys="OW UPDATE; RO ACCESS",
    since="6.2.0",
    cost="O(log n + m), n = members of the source, m = members stored",
)
def zrangestore(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give `dst` the members that ZRANGE finds in `src`; how many there are."""
    query = _Query(argv, 2, UNSAID, False, True)
    value = as_sorted_set(db.find(query.key))
    if value is None:
        return store(db, argv[1], [], [], b"zrangestore")
    start, stop = query.ranks(value)
    scores = list(value.scores_between(start, stop))
    return store(db, argv[1], value.members_between(start, stop), scores, b"zrangestore")


@command("ZCOUNT key min:double max:double", READONLY | FAST, since="2.0.0", cost="O(log n), n = members")
def zcount(db: Keyspace, argv: list[bytes]) -> Reply:
    """How many members have a score from `min` to `max`; `(` in front of one leaves it out."""
    low = parse_score_edge(argv[2])
    high = parse_score_edge(argv[3])
    value = as_sorted_set(db.find(argv[1]))
    if value is None:
        return 0
    start, stop = value.ranks_of_scores(low, high)
    return stop - start


@command("ZLEXCOUNT key min max", READONLY | FAST, since="2.8.9", cost="O(log n), n = members")
def zlexcount(db: Keyspace, argv: list[bytes]) -> Reply:
    """Where all members have one score: how many there are from `min` to `max`."""
    low = parse_member_edge(argv[2])
    high = parse_member_edge(argv[3])
    value = as_sorted_set(db.find(argv[1]))
    if value is None:
        return 0
    start, stop = value.ranks_of_members(low, high, False)
    return stop - start


@command(
    "ZREMRANGEBYRANK key start:int stop:int",
    WRITE,
    keys="RW DELETE",
    since="2.0.0",
    cost="O(log n + m), n = members, m = members removed",
)
def zremrangebyrank(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take the members of a range of ranks out, both ends included; how many there were."""
    return _remove(db, _Query(argv, 1, BY_RANK, False, False), b"zremrangebyrank")


@command(
    "ZREMRANGEBYSCORE key min:double max:double",
    WRITE,
    keys="RW DELETE",
    since="1.2.0",
    cost="O(log n + m), n = members, m = members removed",
)
def zremrangebyscore(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take the members with scores from `min` to `max` out; how many there were."""
    return _remove(db, _Query(argv, 1, BY_SCORE, False, False), b"zremrangebyscore")


@command(
    "ZREMRANGEBYLEX key min max",
    WRITE,
    keys="RW DELETE",
    since="2.8.9",
    cost="O(log n + m), n = members, m = members removed",
)
def zremrangebylex(db: Keyspace, argv: list[bytes]) -> Reply:
    """Where all members have one score: take those from `min` to `max` out; how many there were."""
    return _remove(db, _Query(argv, 1, BY_LEX, False, False), b"zremrangebylex")


def _remove(db: Keyspace, query: _Query, event: bytes) -> int:
    value = as_sorted_set(db.edit(query.key))
    if value is None:
        return 0
    start, stop = query.ranks(value)
    if start < stop:
        before = value.nbytes
        remove_ranks(db, value, start, stop)
        settle(db, query.key, value, before, event)
    return stop - start
