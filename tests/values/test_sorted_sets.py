"""Sorted sets, packed and not, against a dict and a sorted list; the packed form against what redis-server dumps."""

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from real_redis import RealRedis

from respkv.values import listpack
from respkv.values.limits import Limits
from respkv.values.sorted_sets import ADDED, UNCHANGED, UPDATED, Edge, SortedSet

MEMBERS = st.one_of(
    st.binary(max_size=2),
    st.integers(-200, 200).map(lambda number: b"%d" % number),
    st.sampled_from([b"x" * 64, b"01", b"9223372036854775808"]),
)
LONG = b"y" * 65
SCORES = st.one_of(
    st.integers(-3, 3).map(float), st.floats(allow_nan=False), st.sampled_from([float("inf"), float("-inf"), 1e17])
)


def small(entries: int = 128, value: int = 64) -> Limits:
    limits = Limits()
    limits.zset_max_listpack_entries = entries
    limits.zset_max_listpack_value = value
    return limits


def edge(score: float, *, excluded: bool = False) -> Edge:
    return Edge(score, b"", excluded, 0)


class Life(RuleBasedStateMachine):
    """A sorted set beside a plain dict, through all that can happen to it, below and above the limits."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = small(entries=6)
        self.value = SortedSet()
        self.model: dict[bytes, float] = {}

    def ordered(self) -> list[tuple[float, bytes]]:
        return sorted((score, member) for member, score in self.model.items())

    @rule(member=MEMBERS, score=SCORES)
    def add(self, member: bytes, score: float) -> None:
        old = self.model.get(member)
        result = self.value.add(member, score, self.limits)
        assert result == (ADDED if old is None else UNCHANGED if old == score else UPDATED)
        if old != score:
            self.model[member] = score

    @rule(member=MEMBERS)
    def remove(self, member: bytes) -> None:
        assert self.value.remove(member) == (self.model.pop(member, None) is not None)

    @rule(members=st.lists(MEMBERS))
    def remove_all(self, members: list[bytes]) -> None:
        assert self.value.scores_of([b"", *members], 1) == [self.model.get(member) for member in members]
        there = self.model.keys() & set(members)
        assert self.value.remove_all([b"", *members], 1) == len(there)
        for member in there:
            del self.model[member]

    @rule()
    def pop_first(self) -> None:
        if self.model:
            score, member = self.ordered()[0]
            assert self.value.pop_first() == (member, score)
            del self.model[member]

    @rule()
    def pop_last(self) -> None:
        if self.model:
            score, member = self.ordered()[-1]
            assert self.value.pop_last() == (member, score)
            del self.model[member]

    @rule(data=st.data())
    def remove_ranks(self, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(self.model)))
        stop = data.draw(st.integers(start, len(self.model)))
        for _, member in self.ordered()[start:stop]:
            del self.model[member]
        self.value.remove_between(start, stop)

    @rule(low=SCORES, high=SCORES, without_low=st.booleans(), without_high=st.booleans())
    def scores(self, low: float, high: float, *, without_low: bool, without_high: bool) -> None:
        found = self.value.ranks_of_scores(edge(low, excluded=without_low), edge(high, excluded=without_high))
        expected = [
            member
            for score, member in self.ordered()
            if (score > low or (score == low and not without_low))
            and (score < high or (score == high and not without_high))
        ]
        assert self.value.members_between(*found) == expected

    @rule()
    def copy_and_rebuild(self) -> None:
        copy = self.value.copy()
        self.value.add(b"only here", 1.0, self.limits)
        assert copy.score(b"only here") is None
        copy.check()
        self.value = copy

    @rule(twice=st.booleans())
    def build_from_many(self, *, twice: bool) -> None:
        members, scores = list(self.model), list(self.model.values())
        if twice and members:
            assert SortedSet.of_many([*members, members[0]], [*scores, 1.0]) is None
        made = SortedSet.of_many(members, scores)
        assert made is not None
        self.value = made

    @rule()
    def build_anew(self) -> None:
        self.value = SortedSet.of(list(self.model.items()), self.limits)
        assert self.value.is_packed == (len(self.model) <= 6)

    @invariant()
    def holds(self) -> None:
        self.value.check()
        ordered = self.ordered()
        assert self.value.pairs() == [(member, score) for score, member in ordered]
        assert len(self.value) == len(ordered)
        assert [self.value.rank(member) for _, member in ordered] == list(range(len(ordered)))
        assert self.value.rank(b"not there") == -1
        assert [self.value.score(member) for _, member in ordered] == [score for score, _ in ordered]
        assert [self.value.at(rank) for rank in range(len(ordered))] == self.value.pairs()
        assert self.value.encoding == (b"listpack" if self.value.is_packed else b"skiplist")


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(members=st.sets(MEMBERS, max_size=20), low=MEMBERS, high=MEMBERS, packed=st.booleans(), reverse=st.booleans())
def test_ranges_by_members(members: set[bytes], low: bytes, high: bytes, *, packed: bool, reverse: bool) -> None:
    value = SortedSet.of([(member, 0.0) for member in members], small() if packed else small(0))
    for without_low in (False, True):
        for without_high in (False, True):
            found = value.ranks_of_members(Edge(0.0, low, without_low, 0), Edge(0.0, high, without_high, 0), reverse)
            assert value.members_between(*found) == sorted(
                member
                for member in members
                if (member > low or (member == low and not without_low))
                and (member < high or (member == high and not without_high))
            )
    least, greatest = Edge(0.0, b"", False, -1), Edge(0.0, b"", False, 1)
    assert value.ranks_of_members(least, greatest, reverse) == (0, len(members))
    start, stop = value.ranks_of_members(greatest, least, reverse)
    assert start == stop


@pytest.mark.parametrize(
    ("count", "longest", "encoding"),
    [(128, 64, b"listpack"), (129, 64, b"skiplist"), (1, 65, b"skiplist"), (0, 0, b"listpack")],
)
def test_the_limits_decide_the_form(count: int, longest: int, encoding: bytes) -> None:
    pairs = [(b"%0*d" % (longest, number), float(number)) for number in range(count)]
    assert SortedSet.of(pairs, Limits()).encoding == encoding
    value = SortedSet()
    for member, score in pairs:
        value.add(member, score, Limits())
    assert value.encoding == encoding
    assert value.pairs() == pairs
    value.check()


def test_a_set_that_shrinks_stays_as_it_is() -> None:
    value = SortedSet()
    value.add(LONG, 1.0, Limits())
    value.add(b"a", 2.0, Limits())
    value.remove(LONG)
    assert value.encoding == b"skiplist"


def test_of_a_member_given_twice_the_last_counts() -> None:
    assert SortedSet.of([(b"a", 1.0), (b"a", 2.0)], Limits()).pairs() == [(b"a", 2.0)]


def test_a_negative_zero_is_kept_by_large_sets_only() -> None:
    packed = SortedSet.of([(b"a", -0.0)], Limits())
    assert str(packed.score(b"a")) == "0.0"
    assert str(SortedSet.of([(LONG, -0.0)], Limits()).score(LONG)) == "-0.0"


def test_equal_sets_have_equal_digests_whatever_their_form() -> None:
    pairs = [(b"a", 1.0), (b"b", 2.5)]
    assert SortedSet.of(pairs, small()).digest() == SortedSet.of(pairs[::-1], small(0)).digest()


def test_the_parts_of_a_large_set_hold_all_its_members() -> None:
    value = SortedSet.of([(b"%d" % number, 1.0) for number in range(1000)], Limits())
    assert sum(len(part) for part in value.parts() if isinstance(part, dict)) == 1000
    assert SortedSet.of([(b"a", 1.0)], Limits()).parts() == []


def listpack_in(dump: Any) -> bytes:
    """The listpack in what DUMP answers: type 17, a length, the listpack, ten bytes of version and checksum."""
    assert dump[0] == 17
    at = 2 if dump[1] < 64 else 3
    return bytes(dump[at:-10])


@pytest.mark.parametrize(
    "words",
    [
        ["1", "a", "2", "b"],
        ["0", "a", "-0", "b", "-1", "c", "4096", "d"],
        ["1.5", "a", "inf", "b", "-inf", "c"],
        ["3", "1", "2", "-1", "1", "9223372036854775807"],
        ["100000000000000000", "a", "3", string.ascii_letters + string.digits],
    ],
)
def test_the_packed_form_is_that_of_redis(reference: RealRedis, words: list[str]) -> None:
    reference.call("ZADD", "k", *words)
    value = SortedSet()
    for score, member in zip(words[::2], words[1::2], strict=True):
        value.add(member.encode(), float(score), Limits())
    assert value.packed == listpack_in(reference.call("DUMP", "k"))
    assert listpack.count(value.packed) == len(words)


def test_nothing_is_removed_from_behind_the_end() -> None:
    value = SortedSet.of([(b"%d" % number, 0.0) for number in range(7)], Limits())
    for _ in range(2):
        value.remove_between(7, 7)
        assert len(value) == 7
        value.check()
        value.unpack()
