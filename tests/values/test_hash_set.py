"""The hash table of large sets: against Python's set, its balance, its scans and its fairness."""

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from respkv.values.hash_set import PART_MAX, HashSet


def names(count: int, start: int = 0) -> list[bytes]:
    return [b"member:%d" % number for number in range(start, start + count)]


def filled(members: list[bytes]) -> HashSet:
    table = HashSet()
    for member in members:
        assert table.add(member)
    return table


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 2500), st.integers(1, 1500)), max_size=12), st.integers(0, 5000)
)
def test_it_is_a_set(changes: list[tuple[bool, int, int]], expected: int) -> None:
    table = HashSet(expected)
    model: set[bytes] = set()
    chance = random.Random(expected)
    for is_added, start, count in changes:
        for name in names(count, start):
            if is_added:
                assert table.add(name) == (name not in model)
                model.add(name)
            else:
                assert table.discard(name) == (name in model)
                model.discard(name)
        # Orders are made, kept and dropped.
        for _ in range(min(len(model), 300)):
            assert table.pick(chance.random) in model
            if chance.random() < 0.5:
                name = table.take(chance.random)
                model.remove(name)
                if chance.random() < 0.3:
                    assert table.add(name)
                    model.add(name)
        assert table.count == len(model)
        assert sorted(table.members()) == sorted(model)
        table.check()
    asked = names(100, 1000)
    assert [table.has(name) for name in asked] == [name in model for name in asked]
    assert table.among(asked, True) == [name for name in asked if name in model]
    assert table.among(asked, False) == [name for name in asked if name not in model]


def test_it_grows_by_splitting_and_shrinks_by_merging() -> None:
    members = names(50_000)
    table = filled(members)
    table.check()
    assert len(table.sets()) > 50_000 // PART_MAX
    assert max(map(len, table.sets())) <= PART_MAX
    for member in members[10:]:
        table.discard(member)
    table.check()
    assert table.depth == 0
    assert len(table.sets()) == 1
    for member in members[:10]:
        table.discard(member)
    assert table.count == 0
    table.check()


def test_a_part_that_was_just_split_is_not_merged_at_once() -> None:
    table = filled(names(PART_MAX + 1))
    assert len(table.sets()) == 2
    table.discard(names(1)[0])
    assert len(table.sets()) == 2
    for member in names(PART_MAX):
        table.discard(member)
        table.check()
    assert table.count == 1
    assert len(table.sets()) == 1


def test_a_copy_is_another_set() -> None:
    table = filled(names(2000))
    other = table.copy()
    other.check()
    for member in names(1500):
        table.discard(member)
    table.add(b"new")
    assert sorted(other.members()) == sorted(names(2000))
    other.check()
    table.check()


def test_a_scan_meets_each_member_once() -> None:
    table = filled(names(5000))
    for count in (1, 7, 100, 1000, 10_000):
        found: list[bytes] = []
        calls = 0
        place = 0
        while True:
            place, members = table.scan(place, count)
            found += members
            calls += 1
            assert len(members) < 2 * count + 10
            if not place:
                break
        assert sorted(found) == sorted(names(5000))
        assert 5000 / count / 2 < calls < 5000 / count * 2 + 2


def test_a_scan_goes_on_from_any_place() -> None:
    table = filled(names(1000))
    for place in (1, 1 << 20, (1 << 45) - 1):
        place, members = table.scan(place, 5000)
        assert place == 0
        assert set(members) <= set(names(1000))
    assert HashSet().scan(5, 10) == (0, [])


def test_a_scan_meets_all_that_stay_while_others_come_and_go() -> None:
    staying = names(700)
    table = filled(staying)
    met: set[bytes] = set()
    place = 0
    start = 1000
    is_growing = True
    while True:
        place, members = table.scan(place, 5)
        met |= set(members)
        if not place:
            break
        others = names(400, start)
        for name in others:
            if is_growing:
                table.add(name)
            else:
                table.discard(name)
        start += 400 if is_growing else -400
        if start in (600, 9000):
            is_growing = not is_growing
            start += 400 if is_growing else -400
    assert met >= set(staying)


def chi_square(counts: Counter[bytes], members: int) -> float:
    expected = counts.total() / members
    return sum((count - expected) ** 2 for count in counts.values()) / expected + (members - len(counts)) * expected


def test_members_are_picked_evenly() -> None:
    """Out of parts of different sizes and depths; the sum is 799 on average, its deviation 40."""
    chance = random.Random(20)
    members = names(20_000)
    table = filled(members)
    # All but a few are taken out of one half, whose parts are merged then.
    lower = [member for member in members if hash(member) >> 52 & 1 == 0]
    upper = [member for member in members if hash(member) >> 52 & 1]
    for member in lower[60:] + upper[740:]:
        table.discard(member)
    table.check()
    assert len(set(table.depths)) > 1
    counts = Counter(table.pick(chance.random) for _ in range(80_000))
    assert 599 < chi_square(counts, 800) < 999
    assert 599 < chi_square(Counter(table.pick_all(80_000, chance.random)), 800) < 999
    samples = [table.sample(80, chance.random) for _ in range(1000)]
    assert all(len(set(sample)) == 80 for sample in samples)
    # Which ones, the sum is a tenth less since each is there once; and at which place.
    assert 519 < chi_square(Counter(member for sample in samples for member in sample), 800) < 919
    assert 599 < chi_square(Counter(sample[-1] for sample in samples), 800) < 999


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2500), st.integers(1, 1500)), max_size=12))
def test_many_at_once_are_as_one_after_the_other(changes: list[tuple[bool, int, int]]) -> None:
    table = HashSet()
    model: set[bytes] = set()
    chance = random.Random(len(changes))
    for is_added, start, count in changes:
        some = names(count, start) + names(1, start)
        size = sum(map(len, model))
        assert table.flags([b"", *some], 1) == [int(name in model) for name in some]
        if is_added:
            size += table.add_all([b"", *some], 1)
            model.update(some)
        else:
            size -= table.discard_all([b"", *some], 1)
            model.difference_update(some)
        assert size == sum(map(len, model))
        table.check()
        # Orders are made, kept and dropped.
        for _ in range(min(len(model), 300)):
            model.remove(table.take(chance.random))
        table.check()
        assert sorted(table.members()) == sorted(model)
