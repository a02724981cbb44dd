"""A dict of parts, against Python's own."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from respkv.values.hash_map import LARGE_PART_MAX, PART_MAX, HashMap


def key_of(number: int) -> bytes:
    return b"key:%d" % number


def filled(count: int, expected: int = 0) -> HashMap:
    table = HashMap(expected)
    for number in range(count):
        table.put(key_of(number), b"%d" % number)
    return table


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 4000), st.integers(1, 400)), max_size=20),
    st.integers(0, 2000),
    st.sampled_from([10, PART_MAX, LARGE_PART_MAX]),
)
def test_it_holds_what_a_dict_would(steps: list[tuple[bool, int, int]], expected: int, part_max: int) -> None:
    table = HashMap(expected, part_max)
    model: dict[bytes, bytes] = {}
    for puts, first, count in steps:
        for number in range(first, first + count):
            key = key_of(number)
            if puts:
                assert table.put(key, b"%d" % count) == model.get(key)
                model[key] = b"%d" % count
            else:
                assert table.pop(key) == model.pop(key, None)
        table.check()
        assert table.count == len(model)
    assert {key: value for part in table.dicts() for key, value in part.items()} == model
    assert sorted(table) == sorted(model)
    assert len(table) == len(model)
    HashMap.of(model, part_max).check()
    for number in range(0, 4400, 7):
        assert table.get(key_of(number)) == model.get(key_of(number))
        assert table.has(key_of(number)) == (key_of(number) in model)
    copy = table.copy()
    copy.check()
    copy.put(b"other", b"v")
    assert not table.has(b"other")


def test_it_grows_and_shrinks_part_by_part() -> None:
    table = filled(50_000)
    table.check()
    assert len(table.dicts()) > 50_000 // PART_MAX
    for number in range(49_950):
        table.pop(key_of(number))
    table.check()
    assert len(table.parts) == 1
    assert table.count == 50


def test_what_is_expected_is_made_room_for_at_once() -> None:
    table = HashMap(50_000)
    parts = len(table.parts)
    assert parts >= 50_000 // PART_MAX
    for number in range(50_000):
        table.put(key_of(number), b"v")
    assert len(table.parts) <= 4 * parts


def test_a_scan_meets_each_key_once() -> None:
    table = filled(5000)
    for count in (1, 7, 100, 10_000):
        found: list[bytes] = []
        place = 0
        while True:
            place, some = table.scan(place, count)
            found += some
            if place == 0:
                break
        assert sorted(found) == sorted(map(key_of, range(5000)))


@pytest.mark.parametrize("count", [1, 50, 600])
def test_a_scan_meets_what_stays_whatever_else_changes(count: int) -> None:
    table = filled(3000)
    calls = 0
    found: Counter[bytes] = Counter()
    place = 0
    while True:
        place, some = table.scan(place, count)
        found.update(some)
        if place == 0:
            break
        calls += 1
        if calls in (2, 9, 30, 70):
            # It grows to four times its size, or shrinks to a fifth of that.
            for number in range(600, 12_000):
                if calls in (2, 30):
                    table.put(key_of(number), b"v")
                else:
                    table.pop(key_of(number))
    assert found.keys() >= set(map(key_of, range(600)))
    assert all(found[key_of(number)] == 1 for number in range(600))


def test_any_place_is_one_to_go_on_from() -> None:
    table = filled(1000)
    for place in (0, 1, 2**44, 2**45 - 1, 2**45, 2**64 - 1):
        _, found = table.scan(place, 10)
        assert set(found) <= set(map(key_of, range(1000)))


def test_each_key_is_as_likely_as_any_other() -> None:
    table = filled(1000)
    chance = random.Random(5).random
    counts = Counter(table.pick(chance) for _ in range(100_000))
    assert len(counts) == 1000
    chi_square = sum((found - 100) ** 2 / 100 for found in counts.values())
    assert chi_square < 1000 + 6 * 2000**0.5


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 4000), st.integers(1, 800)), max_size=20),
    st.sampled_from([10, PART_MAX]),
)
def test_many_at_once_are_as_one_after_the_other(steps: list[tuple[bool, int, int]], part_max: int) -> None:
    table = HashMap(0, part_max)
    model: dict[bytes, bytes] = {}
    for puts, first, count in steps:
        # Some come twice.
        keys = [key_of(number) for number in range(first, first + count)] + [key_of(first)]
        size = sum(len(key) + len(value) for key, value in model.items())
        if puts:
            flat = [b"", *[text for key in keys for text in (key, b"%d" % count)]]
            grown = table.put_all(flat, 1)
            model.update(dict.fromkeys(keys, b"%d" % count))
            assert size + grown == sum(len(key) + len(value) for key, value in model.items())
        else:
            assert table.get_all([b"", *keys], 1) == [model.get(key) for key in keys]
            assert table.pop_all([b"", *keys], 1) == [model.pop(key, None) for key in keys]
        table.check()
        assert table.count == len(model)
    assert {key: value for part in table.dicts() for key, value in part.items()} == model
