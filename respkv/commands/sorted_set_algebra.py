"""Unions, intersections and differences of sorted sets, and of sets, whose members all have a score of 1."""

from typing import Any

from librt.vecs import vec

from respkv.commands.args import Args, parse_int
from respkv.commands.flags import DENYOOM, READONLY, WRITE
from respkv.commands.sorted_sets import parse_score, store
from respkv.commands.spec import CommandGroup
from respkv.engine.keyspace import Keyspace
from respkv.engine.shards import type_name_of
from respkv.errors import BadSyntax, NegativeLimit, NotAFloat, ReplyError, WrongType
from respkv.reply import Reply, Scored
from respkv.values.hash_map import HashMap
from respkv.values.sorted_sets import SortedSet, in_order

command = CommandGroup("sorted-set", __name__)

_UNION = b"union"
_INTERSECTION = b"inter"
_DIFFERENCE = b"diff"


class _Source:
    """One of the sets that come in, and the factor that its scores are multiplied by."""

    def __init__(self, value: Any) -> None:
        self.weight = 1.0
        self.value: SortedSet | None = None
        # Scores by member: of a large sorted set its own table, with nothing copied.
        self.scores: HashMap
        if value is None:
            self.scores = HashMap()
        elif isinstance(value, SortedSet):
            self.value = value
            self.scores = HashMap.of(dict(value.pairs())) if value.scores is None else value.scores
        elif type_name_of(value) == b"set":
            self.scores = HashMap.of(dict.fromkeys(value.members(), 1.0))
        else:
            raise WrongType

    def columns(self) -> tuple[list[bytes], list[Any]]:
        """Members and scores, in order if they have one: so they are near each other in memory, and sorted soon."""
        if self.value is not None:
            size = len(self.value)
            return self.value.members_between(0, size), list(self.value.scores_between(0, size))
        members = list(self.scores)
        return members, self.scores.get_all(members, 0)

    def pairs(self) -> list[tuple[bytes, float]]:
        """As `columns`, in couples."""
        return list(zip(*self.columns(), strict=True))

    def weighted(self, score: float) -> float:
        """`score` times the weight; 0 where that is no number."""
        product = score * self.weight
        return product if product == product else 0.0


def _total(one: float, two: float) -> float:
    total = one + two
    # Infinities of both signs.
    return total if total == total else 0.0


_AGGREGATES = {b"SUM": _total, b"MIN": min, b"MAX": max}


class _Operation:
    """One command, parsed from its number of keys on, with the sets that it names.

    Raises, while it is made: ReplyError, for keys before options, as Redis does.
    """

    def __init__(self, db: Keyspace, argv: list[bytes], at: int, kind: bytes, name: bytes) -> None:
        self.kind = kind
        self.with_scores = False
        self.limit = 0
        self.aggregate: Any = _total
        count = parse_int(argv[at])
        if count < 1:
            raise ReplyError(b"ERR at least 1 input key is needed for '%b' command" % name)
        if count > len(argv) - at - 1:
            raise BadSyntax
        stores = name.endswith(b"store")
        counts = name == b"zintercard"
        self.sources = [_Source(db.find(key)) for key in argv[at + 1 : at + 1 + count]]
        args = Args(argv, at + 1 + count)
        while args.more():
            if kind != _DIFFERENCE and not counts and args.remaining() > count and args.token(b"WEIGHTS"):
                for source in self.sources:
                    source.weight = _weight(args.next())
            elif kind != _DIFFERENCE and not counts and args.token_with_value(b"AGGREGATE"):
                self.aggregate = _AGGREGATES.get(args.next().upper())
                if self.aggregate is None:
                    raise BadSyntax
            elif not stores and not counts and args.token(b"WITHSCORES"):
                self.with_scores = True
            elif counts and args.token_with_value(b"LIMIT"):
                self.limit = _limit(args.next())
            else:
                raise BadSyntax

    def find(self) -> tuple[list[bytes], list[Any]]:
        """The members of the result and their scores, often in order. O(members of all sets)."""
        if self.kind == _DIFFERENCE:
            return self._difference()
        found = self._union() if self.kind == _UNION else self._intersection()
        return list(found), list(found.values())

    def store(self, db: Keyspace, key: bytes, event: bytes) -> int:
        """Give `key` the result; how many members it has."""
        members, scores = self.find()
        return store(db, key, members, scores, event)

    def count(self) -> int:
        """How many members the intersection has, counted up to the limit."""
        smallest, *others = sorted((source.scores for source in self.sources), key=len)
        number = 0
        for member in smallest:
            if all(scores.has(member) for scores in others):
                number += 1
                if number == self.limit:
                    break
        return number

    # Smaller sets come first, which also decides how sums are rounded, as in Redis.

    def _union(self) -> dict[bytes, float]:
        found: dict[bytes, float] = {}
        for source in sorted(self.sources, key=_size):
            for member, own in source.pairs():
                score = source.weighted(own)
                old = found.get(member)
                found[member] = score if old is None else self.aggregate(old, score)
        return found

    def _intersection(self) -> dict[bytes, float]:
        smallest, *others = sorted(self.sources, key=_size)
        found: dict[bytes, float] = {}
        for member, own in smallest.pairs():
            score = smallest.weighted(own)
            for source in others:
                other = source.scores.get(member)
                if other is None:
                    break
                # A product that is no number stays one here: it is neither less nor more, and a sum with it is 0.
                score = self.aggregate(score, other * source.weight)
            else:
                found[member] = score
        return found

    def _difference(self) -> tuple[list[bytes], list[Any]]:
        members, scores = self.sources[0].columns()
        for source in self.sources[1:]:
            absent = source.scores.absent(members)
            members = [members[at] for at in absent]
            scores = [scores[at] for at in absent]
        return members, scores

    def reply(self) -> Reply:
        """The result in order, with scores if asked for."""
        members, scores = in_order(*self.find())
        return Scored(members, vec[float](scores)) if self.with_scores else members


def _size(source: _Source) -> int:
    return len(source.scores)


def _weight(word: bytes) -> float:
    try:
        return parse_score(word)
    except NotAFloat:
        raise ReplyError(b"ERR weight value is not a float") from None


def _limit(word: bytes) -> int:
    try:
        limit = parse_int(word)
    except ReplyError:
        limit = -1
    if limit < 0:
        raise NegativeLimit
    return limit


@command(
    "ZUNION numkeys:int key [key ...] [WEIGHTS weight:int [weight:int ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]",
    READONLY,
    since="6.2.0",
    cost="O(n) + O(m log m), n = members of all sets, m = members of the result",
)
def zunion(db: Keyspace, argv: list[bytes]) -> Reply:
    """The members of any of some sorted sets, in order of their scores, which are added up or AGGREGATE otherwise.

    > ZADD a 1 x 2 y
    (integer) 2
    > ZADD b 3 y
    (integer) 1
    > ZUNION 2 a b WEIGHTS 1 10 WITHSCORES
    1) "x"
    2) "1"
    3) "y"
    4) "32"
    """
    return _Operation(db, argv, 1, _UNION, b"zunion").reply()


@command(
    "ZINTER numkeys:int key [key ...] [WEIGHTS weight:int [weight:int ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]",
    READONLY,
    since="6.2.0",
    cost="O(n k) + O(m log m), n = members of the smallest of k sets, m = members of the result",
)
def zinter(db: Keyspace, argv: list[bytes]) -> Reply:
    """The members that some sorted sets have in common, in order of their scores."""
    return _Operation(db, argv, 1, _INTERSECTION, b"zinter").reply()


@command(
    "ZDIFF numkeys:int key [key ...] [WITHSCORES]",
    READONLY,
    since="6.2.0",
    cost="O(n k) + O(m log m), n = members of the first of k sets, m = members of the result",
)
def zdiff(db: Keyspace, argv: list[bytes]) -> Reply:
    """The members of the first sorted set that are in none of the others, in order of their scores."""
    return _Operation(db, argv, 1, _DIFFERENCE, b"zdiff").reply()


@command(
    "ZINTERCARD numkeys:int key [key ...] [LIMIT limit:int]",
    READONLY,
    since="7.0.0",
    cost="O(n k), n = members of the smallest of k sets",
)
def zintercard(db: Keyspace, argv: list[bytes]) -> Reply:
    """How many members some sorted sets have in common; no more than the limit, if it is not 0."""
    return _Operation(db, argv, 1, _INTERSECTION, b"zintercard").count()


@command(
    "ZUNIONSTORE destination:key numkeys:int key [key ...] [WEIGHTS weight:int [weight:int ...]]"
    " [AGGREGATE <SUM | MIN | MAX>]",
    WRITE | DENYOOM,
    keys="OW UPDATE; RO ACCESS",
    since="2.0.0",
    cost="O(n) + O(m log m), n = members of all sets, m = members of the result",
)
def zunionstore(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give `destination` the members and scores that ZUNION finds; how many there are."""
    return _Operation(db, argv, 2, _UNION, b"zunionstore").store(db, argv[1], b"zunionstore")


@command(
    "ZINTERSTORE destination:key numkeys:int key [key ...] [WEIGHTS weight:int [weight:int ...]]"
    " [AGGREGATE <SUM | MIN | MAX>]",
    WRITE | DENYOOM,
    keys="OW UPDATE; RO ACCESS",
    since="2.0.0",
    cost="O(n k) + O(m log m), n = members of the smallest of k sets, m = members of the result",
)
def zinterstore(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give `destination` the members and scores that ZINTER finds; how many there are."""
    return _Operation(db, argv, 2, _INTERSECTION, b"zinterstore").store(db, argv[1], b"zinterstore")


@command(
    "ZDIFFSTORE destination:key numkeys:int key [key ...]",
    WRITE | DENYOOM,
    keys="OW UPDATE; RO ACCESS",
    since="6.2.0",
    cost="O(n k) + O(m log m), n = members of the first of k sets, m = members of the result",
)
def zdiffstore(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give `destination` the members and scores that ZDIFF finds; how many there are."""
    return _Operation(db, argv, 2, _DIFFERENCE, b"zdiffstore").store(db, argv[1], b"zdiffstore")
