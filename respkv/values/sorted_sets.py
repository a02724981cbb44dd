"""Sorted sets: members with a score each, in order of score, then of their bytes.

A small one is a listpack, member and score by turns in order, as DUMP writes it. A larger one is a table from member
to score and, for order and ranks, a `ScoreIndex`. Scores are doubles, never NaN.
"""

from bisect import bisect_left, bisect_right
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Final

from librt.vecs import vec

from respkv.doubles import format_float
from respkv.values import listpack
from respkv.values.collection import ELEMENT_BYTES, OBJECT_BYTES, Collection
from respkv.values.hash_map import LARGE_PART_MAX, HashMap
from respkv.values.limits import Limits
from respkv.values.score_index import ScoreIndex, Sieve

if TYPE_CHECKING:
    from mypy_extensions import i64

MEMBER_BYTES: Final = ELEMENT_BYTES + 32 + 48 + 20
"""What a member takes beside its bytes: its object, that of its score, a place in the table, two in the index."""

INDEX_BYTES: Final = 600
"""Table and index without members."""

UNCHANGED: Final = 0
ADDED: Final = 1
UPDATED: Final = 2


class Edge:
    """One end of a range by score, or of one by members (`member`), as `(1.5`, `[a` or `-` say it.

    `infinity` is -1 or 1 for the ends of all members, which no member can be beyond.
    """

    def __init__(self, score: float, member: bytes, excluded: bool, infinity: int) -> None:
        self.score = score
        self.member = member
        self.excluded = excluded
        self.infinity = infinity

    def allows_from(self, member: bytes) -> bool:
        """Whether `member` is in a range that begins here."""
        if self.infinity:
            return self.infinity < 0
        return member > self.member or (member == self.member and not self.excluded)

    def allows_to(self, member: bytes) -> bool:
        """Whether `member` is in a range that ends here."""
        if self.infinity:
            return self.infinity > 0
        return member < self.member or (member == self.member and not self.excluded)


class SortedSet(Collection):
    """Distinct members, each with a score. n = members; of a packed one, each operation is O(bytes).

    Ranks count from 0; a range of ranks is half-open, and expected within the set.
    """

    type_name: ClassVar[bytes] = b"zset"

    def __init__(self) -> None:
        super().__init__()
        # The listpack of a small set, or nothing; and the two parts of a large one, which it has both or none of.
        self.packed = listpack.EMPTY
        self.scores: HashMap | None = None
        self.index: ScoreIndex | None = None
        self.nbytes = OBJECT_BYTES + ELEMENT_BYTES + len(listpack.EMPTY)

    @staticmethod
    def of(pairs: list[tuple[bytes, float]], limits: Limits) -> "SortedSet":
        """The sorted set of these members and scores, in any order; of a member given twice the last. O(n log n)."""
        scores: dict[bytes, Any] = dict(pairs)
        return SortedSet.of_distinct(list(scores), list(scores.values()), limits)

    @staticmethod
    def of_distinct(members: list[bytes], scores: list[Any], limits: Limits) -> "SortedSet":
        """The sorted set of these members, no two the same, each with its score. O(n log n), or O(n) in order."""
        members, scores = in_order(members, scores)
        made = SortedSet()
        longest = max(map(len, members), default=0)
        if len(members) <= limits.zset_max_listpack_entries and longest <= limits.zset_max_listpack_value:
            encoded: list[bytes] = []
            for at in range(len(members)):
                encoded.append(listpack.encode(members[at]))
                encoded.append(_encode_score(scores[at]))
            made._repack(listpack.join(encoded))
        else:
            made._fill(scores, members)
        return made

    @staticmethod
    def of_many(members: list[bytes], scores: list[Any]) -> "SortedSet | None":
        """A large sorted set of these members, each with its score; None if two are the same. O(n log n)."""
        members, scores = in_order(members, scores)
        made = SortedSet()
        made._fill(scores, members)
        return made if made.scores is not None and len(made.scores) == len(members) else None

    @staticmethod
    def of_packed(packed: bytes, limits: Limits) -> "SortedSet":
        """The sorted set in a well-formed listpack, which is in order. O(1), or O(n) if that is above the limits."""
        made = SortedSet()
        made._repack(packed)
        if listpack.count(packed) >> 1 > limits.zset_max_listpack_entries:
            made.unpack()
        return made

    @property
    def is_packed(self) -> bool:
        """Whether it is a listpack."""
        return self.index is None

    def __len__(self) -> int:
        """How many members there are. O(1)."""
        index = self.index
        return index.size if index is not None else listpack.count(self.packed) >> 1

    @property
    def encoding(self) -> bytes:
        """What OBJECT ENCODING says."""
        return b"listpack" if self.index is None else b"skiplist"

    def copy(self) -> "SortedSet":
        """A set that shares nothing with this one that can change. O(n)."""
        other = SortedSet()
        other.nbytes = self.nbytes
        other.packed = self.packed
        if self.index is not None and self.scores is not None:
            other.scores = self.scores.copy()
            other.index = self.index.copy()
        return other

    def digest(self) -> list[tuple[bytes, float]]:
        """The members with their scores, in order. O(n)."""
        return self.pairs()

    def parts(self) -> list[Any]:
        """The containers of a set that nobody needs any more."""
        if self.index is None or self.scores is None:
            return []
        return [*self.scores.dicts(), self.index.members, self.index.scores]

    # Single members

    def score(self, member: bytes) -> Any:
        """The score of `member`, a float, or None. O(1)."""
        if self.scores is not None:
            return self.scores.get(member)
        at = listpack.find(self.packed, listpack.encode(member), listpack.HEADER_BYTES, 2)
        return None if at < 0 else _score_at(self.packed, listpack.after(self.packed, at))

    def add(self, member: bytes, score: float, limits: Limits) -> int:
        """Give `member` this score: ADDED, UPDATED, or UNCHANGED. O(log n)."""
        index = self.index
        scores = self.scores
        if index is None or scores is None:
            return self._add_packed(member, score, limits)
        boxed: Any = score
        old: Any = scores.get(member)
        if old is None:
            scores.put(member, boxed)
            index.add(boxed, member)
            self.nbytes += MEMBER_BYTES + len(member)
            return ADDED
        before: float = old
        if before == score:
            return UNCHANGED
        scores.replace(member, boxed)
        index.add(boxed, index.remove(before, member))
        return UPDATED

    def remove(self, member: bytes) -> bool:
        """Take `member` out; whether it was there. O(log n)."""
        index = self.index
        scores = self.scores
        if index is None or scores is None:
            packed = self.packed
            at = listpack.find(packed, listpack.encode(member), listpack.HEADER_BYTES, 2)
            if at < 0:
                return False
            after = listpack.after(packed, listpack.after(packed, at))
            self._repack(listpack.splice(packed, at, after, b"", -2))
            return True
        score: Any = scores.pop(member)
        if score is None:
            return False
        index.remove(score, member)
        self.nbytes -= MEMBER_BYTES + len(member)
        return True

    def scores_of(self, members: list[bytes], start: int) -> list[Any]:
        """The score of each of `members` from `start` on, or None. O(members)."""
        if self.scores is not None:
            return self.scores.get_all(members, start)
        return [self.score(members[at]) for at in range(start, len(members))]

    def remove_all(self, members: list[bytes], start: int) -> int:
        """Take `members` from `start` on out; how many were there. O(log n) a member."""
        before = len(self)
        index = self.index
        scores = self.scores
        if index is None or scores is None:
            for at in range(start, len(members)):
                self.remove(members[at])
            return before - len(self)
        found = scores.pop_all(members, start)
        index.remove_all(found, members, start)
        removed_bytes: i64 = 0
        at = start
        for score in found:
            if score is not None:
                removed_bytes += len(members[at]) + MEMBER_BYTES
            at += 1
        self.nbytes -= removed_bytes
        return before - len(self)

    def rank(self, member: bytes) -> int:
        """The rank of `member`, or -1. O(log n + blocks / 64)."""
        index = self.index
        scores = self.scores
        if index is None or scores is None:
            members, _ = _unpack(self.packed)
            return members.index(member) if member in members else -1
        score: Any = scores.get(member)
        return -1 if score is None else index.rank(score, member)

    def at(self, rank: int) -> tuple[bytes, Any]:
        """Member and score of `rank`. O(blocks / 64)."""
        if self.index is not None:
            return self.index.at(rank)
        members, scores = _unpack(self.packed)
        return members[rank], scores[rank]

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """As `HashMap.scan`; a packed one is met as a whole. O(count)."""
        if self.scores is None:
            return 0, self.members_between(0, len(self))
        return self.scores.scan(cursor, count)

    # Ranges

    def pairs(self) -> list[tuple[bytes, float]]:
        """All members with their scores, in order. O(n)."""
        return self.pairs_between(0, len(self))

    def members_between(self, start: int, stop: int) -> list[bytes]:
        """The members of the ranks from `start` on, before `stop`. O(blocks / 64 + their number)."""
        if self.index is not None:
            return self.index.members_between(start, stop)
        return _unpack(self.packed)[0][start:stop]

    def scores_between(self, start: int, stop: int) -> vec[float]:
        """As `members_between`: their scores."""
        if self.index is not None:
            return self.index.scores_between(start, stop)
        return vec[float](_unpack(self.packed)[1][start:stop])

    def pairs_between(self, start: int, stop: int) -> list[tuple[bytes, float]]:
        """As `members_between`, with their scores."""
        index = self.index
        if index is not None:
            return list(zip(index.members_between(start, stop), index.scores_between(start, stop), strict=True))
        members, scores = _unpack(self.packed)
        return list(zip(members[start:stop], scores[start:stop], strict=True))

    def sift(self, low: float, high: float, sieve: Sieve) -> None:
        """Let `sieve` look at all with scores from `low` on and below `high`. O(log n + blocks / 64 + their number)."""
        start, stop = self.ranks_of_scores(Edge(low, b"", False, 0), Edge(high, b"", True, 0))
        index = self.index
        if index is not None:
            index.sift(start, stop, sieve)
        elif start < stop:
            members, scores = _unpack(self.packed)
            sieve.sift(vec[float](scores), members, start, stop)

    def ranks_of_scores(self, low: Edge, high: Edge) -> tuple[int, int]:
        """The range of ranks of the members with scores from `low` to `high`. O(log n + blocks / 64)."""
        index = self.index
        if index is None:
            _, scores = _unpack(self.packed)
            start = bisect_right(scores, low.score) if low.excluded else bisect_left(scores, low.score)
            stop = bisect_left(scores, high.score) if high.excluded else bisect_right(scores, high.score)
        else:
            start = index.rank_of_score(low.score, low.excluded)
            stop = index.rank_of_score(high.score, not high.excluded)
        return start, max(start, stop)

    def ranks_of_members(self, low: Edge, high: Edge, is_reverse: bool) -> tuple[int, int]:
        """The range of ranks of the members from `low` to `high`, where all have one score. O(log n + blocks / 64).

        Where they have not, a packed set is walked from its beginning (or in `is_reverse` from its end) for the first
        member that fits, and on to the first that does not, as Redis does; of a larger one, the answer is any range.
        """
        index = self.index
        if index is None:
            members, _ = _unpack(self.packed)
            return _walk_back(members, low, high) if is_reverse else _walk(members, low, high)
        start = _rank_of_edge(index, low, low.excluded)
        stop = _rank_of_edge(index, high, not high.excluded)
        return start, max(start, stop)

    def remove_between(self, start: int, stop: int) -> list[list[bytes]]:
        """Take out the members of the ranks from `start` on, before `stop`. O(blocks + their number).

        Those of a large set are given back, in lists: of many, the sweeper may free them.
        """
        index = self.index
        scores = self.scores
        if index is None or scores is None:
            packed = self.packed
            first = listpack.seek(packed, 2 * start)
            behind = listpack.seek(packed, 2 * stop)
            self._repack(listpack.splice(packed, first, behind, b"", 2 * (start - stop)))
            return []
        gone = index.remove_ranks(start, stop)
        removed_bytes: i64 = 0
        for members in gone:
            scores.drop_all(members)
            for member in members:
                removed_bytes += len(member) + MEMBER_BYTES
        self.nbytes -= removed_bytes
        return gone

    def pop_first(self) -> tuple[bytes, Any]:
        """Take out the first member of a set that has one; it and its score. O(1), now and then O(blocks / 64)."""
        index = self.index
        scores = self.scores
        if index is None or scores is None:
            found = self.at(0)
            self.remove_between(0, 1)
            return found
        found = index.pop_first()
        scores.pop(found[0])
        self.nbytes -= MEMBER_BYTES + len(found[0])
        return found

    def pop_last(self) -> tuple[bytes, Any]:
        """As `pop_first`, the last one."""
        index = self.index
        scores = self.scores
        if index is None or scores is None:
            size = len(self)
            found = self.at(size - 1)
            self.remove_between(size - 1, size)
            return found
        found = index.pop_last()
        scores.pop(found[0])
        self.nbytes -= MEMBER_BYTES + len(found[0])
        return found

    # Forms

    def unpack(self) -> None:
        """Give up the packed form. O(n)."""
        if self.index is None:
            members, scores = _unpack(self.packed)
            self._fill(scores, members)

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(n)."""
        index = self.index
        table = self.scores
        if index is None or table is None:
            members, scores = _unpack(self.packed)
            couples = list(zip(scores, members, strict=True))
            assert couples == sorted(couples), "couples out of order"
            assert len(set(members)) == len(members), "a member twice"
            assert self.nbytes == OBJECT_BYTES + ELEMENT_BYTES + len(self.packed), self.nbytes
            return
        index.check()
        table.check()
        assert all(table.get(member) == score for member, score in self.pairs()), "table and index differ"
        assert len(table) == index.size, "a member twice"
        size = OBJECT_BYTES + INDEX_BYTES + sum(len(member) + MEMBER_BYTES for member in table)
        assert self.nbytes == size, (self.nbytes, size)

    def _fill(self, scores: list[Any], members: list[bytes]) -> None:
        index = ScoreIndex()
        index.build(scores, members)
        self.packed = b""
        self.scores = HashMap.of_columns(members, scores, LARGE_PART_MAX)
        self.index = index
        self.nbytes = OBJECT_BYTES + INDEX_BYTES + len(members) * MEMBER_BYTES + sum(map(len, members))

    def _repack(self, packed: bytes) -> None:
        self.nbytes += len(packed) - len(self.packed)
        self.packed = packed

    def _add_packed(self, member: bytes, score: float, limits: Limits) -> int:
        packed = self.packed
        encoded = listpack.encode(member)
        at = listpack.find(packed, encoded, listpack.HEADER_BYTES, 2)
        if at >= 0:
            score_at = listpack.after(packed, at)
            if _score_at(packed, score_at) == score:
                return UNCHANGED
            place = _place_packed(packed, score, member)
            self._repack(_moved(packed, at, listpack.after(packed, score_at), place, encoded + _encode_score(score)))
            return UPDATED
        if (
            listpack.count(packed) >> 1 >= limits.zset_max_listpack_entries
            or len(member) > limits.zset_max_listpack_value
        ):
            self.unpack()
            return self.add(member, score, limits)
        place = _place_packed(packed, score, member)
        self._repack(listpack.splice(packed, place, place, encoded + _encode_score(score), 2))
        return ADDED


def in_order(members: list[bytes], scores: list[Any]) -> tuple[list[bytes], list[Any]]:
    """The same members with the same scores, by score, then by their bytes. O(n) where they are so already."""
    if _is_in_order(members, scores):
        return members, scores
    # To sort by numbers alone takes a third of the time of sorting couples.
    order = sorted(range(len(scores)), key=scores.__getitem__)
    ordered_members = [members[at] for at in order]
    ordered_scores = [scores[at] for at in order]
    if _is_in_order(ordered_members, ordered_scores):
        return ordered_members, ordered_scores
    couples = sorted(zip(ordered_scores, ordered_members, strict=True))
    return [member for _, member in couples], [score for score, _ in couples]


def _is_in_order(members: list[bytes], scores: list[Any]) -> bool:
    before = -inf
    for at in range(len(scores)):
        here: float = scores[at]
        if here < before or (here == before and at > 0 and members[at] < members[at - 1]):
            return False
        before = here
    return True


def _moved(packed: bytes, start: int, stop: int, place: int, encoded: bytes) -> bytes:
    """`packed` without what is from `start` to `stop`, and with `encoded`, which has as many elements, at `place`."""
    size = (len(packed) + len(encoded) - (stop - start)).to_bytes(4, "little")
    if place <= start:
        return b"%b%b%b%b%b" % (size, packed[4:place], encoded, packed[place:start], packed[stop:])
    return b"%b%b%b%b%b" % (size, packed[4:start], packed[stop:place], encoded, packed[place:])


def _rank_of_edge(index: ScoreIndex, edge: Edge, above: bool) -> int:
    if edge.infinity:
        return 0 if edge.infinity < 0 else index.size
    return index.rank_of_member(edge.member, above)


def _encode_score(score: float) -> bytes:
    # A negative zero becomes a zero, as in Redis's listpacks.
    return listpack.encode(format_float(score) if score else b"0")


def _score_at(packed: bytes, at: int) -> float:
    """The score that the element at `at` is."""
    first = packed[at]
    if first < 128:
        return float(first)
    if first < 0xC0:
        return float(packed[at + 1 : at + 1 + (first & 63)])
    return float(listpack.element_at(packed, at))


def _place_packed(packed: bytes, score: float, member: bytes) -> int:
    """The offset of the first couple that is behind (`score`, `member`), or of the end. O(n)."""
    at = listpack.HEADER_BYTES
    end = len(packed) - 1
    while at < end:
        score_at = listpack.after(packed, at)
        here = _score_at(packed, score_at)
        if here > score or (here == score and listpack.element_at(packed, at) > member):
            return at
        at = listpack.after(packed, score_at)
    return end


def _unpack(packed: bytes) -> tuple[list[bytes], list[Any]]:
    """The members of a listpack, and their scores. O(n)."""
    members: list[bytes] = []
    scores: list[Any] = []
    at = listpack.HEADER_BYTES
    end = len(packed) - 1
    while at < end:
        members.append(listpack.element_at(packed, at))
        at = listpack.after(packed, at)
        scores.append(_score_at(packed, at))
        at = listpack.after(packed, at)
    return members, scores


def _walk(members: list[bytes], low: Edge, high: Edge) -> tuple[int, int]:
    if not members or not low.allows_from(members[-1]) or not high.allows_to(members[0]):
        return 0, 0
    start = 0
    while not low.allows_from(members[start]):
        start += 1
    stop = start
    while stop < len(members) and high.allows_to(members[stop]):
        stop += 1
    return start, stop


def _walk_back(members: list[bytes], low: Edge, high: Edge) -> tuple[int, int]:
    if not members or not low.allows_from(members[-1]) or not high.allows_to(members[0]):
        return 0, 0
    stop = len(members)
    while not high.allows_to(members[stop - 1]):
        stop -= 1
    start = stop
    while start > 0 and low.allows_from(members[start - 1]):
        start -= 1
    return start, stop
