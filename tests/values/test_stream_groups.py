"""Consumer groups against plain dicts and lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respkv.values.stream_groups import Group, SortedIds

IDS = st.integers(1, 60)


@given(st.lists(st.tuples(st.booleans(), IDS), max_size=200), IDS, st.integers(0, 70))
def test_sorted_ids_are_a_sorted_set(steps: list[tuple[bool, int]], low: int, most: int) -> None:
    ids = SortedIds()
    model: set[int] = set()
    for adds, number in steps:
        if adds and number not in model:
            ids.add(number)
            model.add(number)
        elif not adds and number in model:
            ids.remove(number)
            model.remove(number)
    ids.check()
    assert ids.from_(low, most) == sorted(number for number in model if number >= low)[:most]
    assert (ids.first(), ids.last()) == (min(model, default=0), max(model, default=0))


@pytest.mark.parametrize("order", ["up", "down", "zigzag"])
def test_sorted_ids_of_many_blocks(order: str) -> None:
    numbers = list(range(1, 5001))
    if order == "down":
        numbers.reverse()
    elif order == "zigzag":
        numbers.sort(key=lambda number: (number % 7, number))
    ids = SortedIds()
    for number in numbers:
        ids.add(number)
    ids.check()
    assert len(ids.blocks) > 3
    assert ids.from_(2500, 1000) == list(range(2500, 3500))
    for number in numbers[::2]:
        ids.remove(number)
    ids.check()
    assert ids.from_(0, 9999) == sorted(numbers[1::2])


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), IDS, st.sampled_from([b"a", b"b", b"c"])),
        st.tuples(st.just("ack"), IDS, st.just(b"")),
        st.tuples(st.just("remove"), st.just(0), st.sampled_from([b"a", b"b", b"c"])),
    ),
    max_size=100,
)


@given(STEPS)
def test_a_group_knows_what_is_pending_for_whom(steps: list[tuple[str, int, bytes]]) -> None:
    group = Group(b"g", 0, -1)
    model: dict[int, bytes] = {}
    for at_ms, (what, number, name) in enumerate(steps):
        if what == "deliver":
            group.deliver(number, group.consumer(name, at_ms), at_ms, 1)
            model[number] = name
        elif what == "ack":
            assert group.acknowledge(number) == (number in model)
            model.pop(number, None)
        elif name in group.consumers:
            assert group.remove_consumer(name) == sum(owner == name for owner in model.values())
            model = {number: owner for number, owner in model.items() if owner != name}
        group.check()
    assert {number: pending.consumer.name for number, pending in group.pending.items()} == model


def test_a_copy_shares_nothing() -> None:
    group = Group(b"g", 5, 2)
    group.deliver(1, group.consumer(b"a", 10), 20, 3)
    copy = group.copy()
    assert copy.digest() == group.digest()
    copy.acknowledge(1)
    copy.deliver(2, copy.consumer(b"b", 10), 20, 1)
    group.check()
    copy.check()
    assert list(group.pending) == [1]
    assert list(group.consumers) == [b"a"]


@given(st.sets(st.integers(1, 4000)), st.sets(st.integers(1, 4000)), st.integers(1, 3000))
def test_many_ids_are_removed_at_once(few: set[int], gone: set[int], count: int) -> None:
    model = {*few, *range(1, count)}
    ids = SortedIds()
    for number in sorted(model, key=lambda number: (number % 3, number)):
        ids.add(number)
    ids.remove_all(sorted(gone & model))
    ids.check()
    assert ids.from_(0, 9999) == sorted(model - gone)
    ids.remove_all(sorted(model - gone))
    ids.check()
    assert ids.size == 0


def test_many_are_acknowledged_at_once() -> None:
    group = Group(b"g", 0, 0)
    for number in range(1, 2001):
        group.deliver(number, group.consumer(b"abc"[number % 3 : number % 3 + 1], 1), 5, 1)
    assert group.acknowledge_all([*range(1, 1500), 7, 9000, 1999]) == 1500
    group.check()
    assert sorted(group.pending) == [*range(1500, 1999), 2000]


def test_pending_entries_as_a_reply() -> None:
    group = Group(b"g", 0, 0)
    group.deliver(1 << 64, group.consumer(b"one", 1), 500, 1)
    group.deliver(2 << 64 | 3, group.consumer(b"two", 1), 500, 1)
    group.deliver(2 << 64 | 4, group.consumer(b"two", 1), 900, 12)
    ids = group.ids.from_(0, 9)
    assert b"".join(group.wires_of(ids, 700, names_consumer=True)) == (
        b"*3\r\n"
        b"*4\r\n$3\r\n1-0\r\n$3\r\none\r\n:200\r\n:1\r\n"
        b"*4\r\n$3\r\n2-3\r\n$3\r\ntwo\r\n:200\r\n:1\r\n"
        b"*4\r\n$3\r\n2-4\r\n$3\r\ntwo\r\n:0\r\n:12\r\n"
    )
    assert b"".join(group.wires_of(ids[:1], None, names_consumer=False)) == b"*1\r\n*3\r\n$3\r\n1-0\r\n:500\r\n:1\r\n"
    assert b"".join(group.wires_of([], None, names_consumer=False)) == b"*0\r\n"
