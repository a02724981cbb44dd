"""Sets against a plain one, through all their encodings."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from respkv.values import intset, listpack
from respkv.values.collection import Collection
from respkv.values.limits import Limits
from respkv.values.sets import HASHTABLE, Set

INTEGERS = st.integers(-30, 30).map(lambda number: b"%d" % number)
MEMBERS = st.one_of(
    INTEGERS,
    st.integers(-(1 << 64), 1 << 64).map(lambda number: b"%d" % number),
    st.binary(max_size=4),
    st.sampled_from([b"x" * 12, b"x" * 13, b"-0", b"01"]),
)


def small_limits() -> Limits:
    limits = Limits()
    limits.set_max_intset_entries = 16
    limits.set_max_listpack_entries = 10
    limits.set_max_listpack_value = 12
    return limits


LIMITS = small_limits()


def expected_encoding(members: set[bytes], limits: Limits) -> bytes:
    """Of a set that only grew, one member after the other."""
    if all(intset.parse(member) is not None for member in members):
        return b"intset" if len(members) <= limits.set_max_intset_entries else b"hashtable"
    longest = max(map(len, members))
    is_small = len(members) <= limits.set_max_listpack_entries and longest <= limits.set_max_listpack_value
    return b"listpack" if is_small else b"hashtable"


@given(st.lists(st.tuples(st.booleans(), st.lists(MEMBERS, max_size=12)), max_size=12))
def test_it_is_a_set(changes: list[tuple[bool, list[bytes]]]) -> None:
    value = Set()
    model: set[bytes] = set()
    for is_added, members in changes:
        for member in members:
            assert value.has(member) == (member in model)
            if is_added:
                assert value.add(member, LIMITS) == (member not in model)
                model.add(member)
            else:
                assert value.remove(member) == (member in model)
                model.discard(member)
        assert len(value) == len(model)
        assert set(value.members()) == value.digest() == model
        value.check()
        assert value.among(members) == [member for member in members if member in model]
        assert value.among(members, False) == [member for member in members if member not in model]


@given(st.lists(MEMBERS, max_size=40))
def test_one_made_at_once_is_as_one_made_by_adding(members: list[bytes]) -> None:
    value = Set.of(members, LIMITS)
    value.check()
    assert value.digest() == set(members)
    assert value.encoding == expected_encoding(set(members), LIMITS)
    other = Set()
    assert other.add_all(members, LIMITS) == len(set(members))
    assert other.digest() == set(members)
    assert other.encoding == value.encoding


@given(st.sets(MEMBERS, max_size=40).map(list))
def test_an_intersection_is_packed_as_far_as_possible(members: list[bytes]) -> None:
    value = Set.of_intersection(members, LIMITS)
    value.check()
    assert value.digest() == set(members)
    assert value.encoding == expected_encoding(set(members), LIMITS)


def test_the_packed_forms_are_those_of_redis() -> None:
    limits = Limits()
    value = Set.of([b"3", b"1", b"70000"], limits)
    assert value.is_intset
    assert value.packed == intset.pack([1, 3, 70_000])
    value.add(b"a", limits)
    assert value.is_packed
    assert value.packed == listpack.pack([b"1", b"3", b"70000", b"a"])
    assert Set.of_packed(value.packed, limits).digest() == value.digest()
    assert Set.of_packed(value.packed, limits).encoding == b"listpack"
    limits.set_max_listpack_entries = 3
    assert Set.of_packed(value.packed, limits).encoding == b"hashtable"
    assert Set.of_intset(intset.pack([1, 3]), limits).encoding == b"intset"
    limits.set_max_intset_entries = 1
    assert Set.of_intset(intset.pack([1, 3]), limits).encoding == b"hashtable"


def test_what_is_left_does_not_go_back() -> None:
    value = Set.of([b"a" * 13, b"1"], LIMITS)
    value.remove(b"a" * 13)
    assert value.encoding == b"hashtable"
    value = Set.of([b"a", b"1"], LIMITS)
    value.remove(b"a")
    assert value.encoding == b"listpack"


def test_many_expected_members_are_prepared_for() -> None:
    assert Set.begun(b"1", 16, LIMITS).encoding == b"intset"
    assert Set.begun(b"a", 10, LIMITS).encoding == b"listpack"
    assert Set.begun(b"a", 11, LIMITS).encoding == b"hashtable"
    assert Set.begun(b"1", 17, LIMITS).encoding == b"hashtable"
    for members, most in (([b"1"], 16), ([b"a"], 10)):
        value = Set.of(members, LIMITS)
        value.prepare(most, LIMITS)
        assert value.encoding != b"hashtable"
        value.prepare(most + 1, LIMITS)
        assert value.encoding == b"hashtable"
        value.check()


FORMS = {
    b"intset": [b"%d" % number for number in range(-4, 6)],
    b"listpack": [b"m%d" % number for number in range(10)],
    b"hashtable": [b"m%d" % number for number in range(1000)],
}


@pytest.mark.parametrize("encoding", FORMS)
def test_members_are_picked_drawn_and_sampled_evenly(encoding: bytes) -> None:
    """The sum of squares has as mean the number of members less one, and deviates by the root of twice that."""
    chance = random.Random(5).random
    members = FORMS[encoding]
    value = Set.of(members, LIMITS)
    assert value.encoding == encoding
    rounds = 200 * len(members)
    most = len(members) + 5 * (2 * len(members)) ** 0.5
    ways = [
        [value.pick(chance) for _ in range(rounds)],
        value.draw(rounds, chance),
        [member for _ in range(rounds // 5) for member in value.sample(5, chance)],
        [member for _ in range(400) for member in value.sample(len(members) // 2, chance)],
    ]
    for drawn in ways:
        counts = Counter(drawn)
        expected = len(drawn) / len(members)
        assert sum((counts[member] - expected) ** 2 for member in members) / expected < most


@pytest.mark.parametrize("encoding", FORMS)
def test_members_that_are_taken_come_in_random_order(encoding: bytes) -> None:
    chance = random.Random(6).random
    members = FORMS[encoding][:100]
    positions = dict.fromkeys(members, 0)
    rounds = 400
    for _ in range(rounds):
        value = Set.of(FORMS[encoding], LIMITS)
        taken = [value.take(chance) for _ in range(len(value))]
        assert sorted(taken) == sorted(FORMS[encoding])
        assert len(value) == 0
        for position, member in enumerate(taken):
            if member in positions:
                positions[member] += position
    middle = (len(FORMS[encoding]) - 1) / 2
    deviation = len(FORMS[encoding]) / (12 * rounds) ** 0.5
    assert all(abs(total / rounds - middle) < 5 * deviation for total in positions.values())


@pytest.mark.parametrize("size", [1, 20, 1500, 1999])
def test_some_that_are_taken_are_gone(size: int) -> None:
    """Few are taken in another way than many."""
    members = [b"member:%d" % number for number in range(2000)]
    value = Set.of(members, LIMITS)
    taken = value.take_some(size, random.Random(8).random)
    assert len(set(taken)) == size
    assert sorted(value.members()) == sorted(set(members) - set(taken))
    value.check()


@given(st.sets(MEMBERS, max_size=30).map(list), st.sets(MEMBERS, max_size=30).map(list), st.booleans())
def test_what_another_set_has_or_has_not(members: list[bytes], others: list[bytes], wanted: bool) -> None:
    found = Set.of(members, LIMITS).members_in(Set.of(others, LIMITS), wanted)
    assert sorted(found) == sorted(member for member in members if (member in others) == wanted)


@given(st.sets(MEMBERS, min_size=1, max_size=30).map(list), st.integers(0, 40))
def test_a_sample_has_no_repetitions(members: list[bytes], size: int) -> None:
    value = Set.of(members, LIMITS)
    sample = value.sample(size, random.Random(1).random)
    assert len(sample) == len(set(sample)) == min(size, len(members))
    assert set(sample) <= set(members)


@settings(max_examples=20)
@given(st.sets(MEMBERS, max_size=30).map(list))
def test_a_copy_is_another_set(members: list[bytes]) -> None:
    value = Set.of(members, LIMITS)
    other = value.copy()
    assert (other.encoding, other.nbytes, other.digest()) == (value.encoding, value.nbytes, value.digest())
    value.add(b"another", LIMITS)
    assert other.digest() == set(members)
    other.check()
    assert isinstance(other, Collection)


def test_its_parts_are_small_sets_with_all_members() -> None:
    value = Set.of([b"m%d" % number for number in range(5000)], Limits())
    assert value.kind == HASHTABLE
    assert sum(map(len, value.parts())) == 5000
    assert all(isinstance(part, set) for part in value.parts())
    assert Set.of([b"1"], Limits()).parts() == []


def test_a_packed_one_is_scanned_as_a_whole() -> None:
    assert Set.of([b"2", b"1"], LIMITS).scan(0, 1) == (0, [b"1", b"2"])
    assert Set.of([b"b", b"a"], LIMITS).scan(5, 1) == (0, [b"b", b"a"])


@given(st.lists(st.lists(MEMBERS, max_size=30), max_size=4))
def test_a_union_is_as_one_made_by_adding(parts: list[list[bytes]]) -> None:
    sets = [Set.of(members, LIMITS) for members in parts]
    before = [value.digest() for value in sets]
    union = Set.of_union(sets, LIMITS)
    union.check()
    assert union.digest() == frozenset().union(*before)
    if len(union):
        assert union.encoding == expected_encoding(set(union.digest()), LIMITS)
    union.add(b"another", LIMITS)
    assert [value.digest() for value in sets] == before


def test_a_union_of_the_few_that_are_left_of_many_is_packed_again() -> None:
    value = Set.of([b"%d" % number for number in range(100)], LIMITS)
    for number in range(5, 100):
        value.remove(b"%d" % number)
    assert value.encoding == b"hashtable"
    assert Set.of_union([value], LIMITS).encoding == b"intset"
