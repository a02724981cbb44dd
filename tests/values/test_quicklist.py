"""Nodes of large lists: how they split and merge. That they hold what they should is for `test_lists.py`."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from respkv.values.quicklist import Quicklist
from respkv.values.quicklist_nodes import exceeds, is_large

# Elements of 1000 bytes take 1003; with the estimate for one more, eight fit into 8 KB.
KILOBYTE = b"x" * 1000


def filled(count: int, fill: int = -2) -> Quicklist:
    """A quicklist of so many kilobytes."""
    quicklist = Quicklist(fill)
    for _ in range(count):
        quicklist.push_right(KILOBYTE)
    return quicklist


def counts(quicklist: Quicklist) -> list[int]:
    """The elements of each node."""
    quicklist.check()
    return [node.count for node in quicklist.nodes]


@pytest.mark.parametrize(
    ("fill", "size", "count", "result"),
    [
        (-2, 8192, 5000, False),
        (-2, 8193, 1, True),
        (-1, 4097, 1, True),
        (-5, 65536, 1, False),
        (-9, 65536, 1, False),
        (3, 100, 3, False),
        (3, 100, 4, True),
        (3, 8193, 1, True),
        (0, 100, 1, False),
        (0, 100, 2, True),
    ],
)
def test_limits_by_size_and_by_count(fill: int, size: int, count: int, result: bool) -> None:
    assert exceeds(fill, size, count) is result


def test_an_element_above_the_limit_is_large() -> None:
    assert not is_large(-2, 8192)
    assert is_large(-2, 8193)
    assert is_large(5, 8193)


def test_nodes_are_filled_one_after_the_other() -> None:
    assert counts(filled(20)) == [8, 8, 4]
    quicklist = filled(8)
    quicklist.push_left(KILOBYTE)
    assert counts(quicklist) == [1, 8]


def test_popping_empties_nodes_without_moving_what_is_in_others() -> None:
    quicklist = filled(20)
    for _ in range(9):
        quicklist.pop_left()
    assert counts(quicklist) == [7, 4]
    for _ in range(5):
        quicklist.pop_right()
    assert counts(quicklist) == [6]


def test_an_insertion_into_a_full_node_splits_it() -> None:
    quicklist = filled(24)
    quicklist.insert(12, KILOBYTE, after=True)
    assert counts(quicklist) == [8, 5, 4, 8]
    quicklist = filled(24)
    quicklist.insert(12, KILOBYTE, after=False)
    assert counts(quicklist) == [8, 5, 4, 8]


def test_an_insertion_at_the_edge_of_a_full_node_goes_to_its_neighbour() -> None:
    quicklist = filled(20)
    quicklist.pop_left()
    assert counts(quicklist) == [7, 8, 4]
    quicklist.insert(7, b"y" * 1000, after=False)
    assert counts(quicklist) == [8, 8, 4]
    assert quicklist.get(7) == b"y" * 1000
    quicklist.insert(15, b"z" * 1000, after=True)
    assert counts(quicklist) == [8, 8, 5]
    assert quicklist.get(16) == b"z" * 1000


def test_parts_of_a_split_node_join_small_neighbours() -> None:
    quicklist = filled(24)
    quicklist.delete(9, 16)
    quicklist.delete(0, 6)
    assert counts(quicklist) == [2, 1, 8]
    quicklist.insert(6, KILOBYTE, after=True)
    assert counts(quicklist) == [7, 5]


def test_a_large_element_has_a_node_of_its_own() -> None:
    quicklist = filled(8)
    quicklist.replace(3, b"y" * 9000)
    assert counts(quicklist) == [3, 1, 4]
    quicklist.replace(3, b"z" * 9001)
    assert counts(quicklist) == [3, 1, 4]
    quicklist.replace(3, b"small")
    assert counts(quicklist) == [3, 5]
    assert quicklist.get(3) == b"small"


def test_ranges_go_over_nodes() -> None:
    quicklist = Quicklist(3)
    for number in range(20):
        quicklist.push_right(b"%d" % number)
    for number in range(1, 10):
        quicklist.push_left(b"-%d" % number)
    everything = [b"%d" % number for number in range(-9, 20)]
    assert quicklist.slice(0, 29) == everything
    assert quicklist.slice(2, 27) == everything[2:27]
    assert quicklist.slice(4, 4) == []
    assert [quicklist.get(index) for index in range(29)] == everything


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([-2, -1, 3, 0]),
    st.lists(
        st.tuples(
            st.booleans(),
            st.lists(
                st.sampled_from([b"", b"7", b"-12", b"1" * 30, b"x" * 40, KILOBYTE, b"x" * 5000, b"x" * 9000]),
                max_size=40,
            ),
        ),
        max_size=6,
    ),
)
def test_pushing_many_leaves_the_nodes_of_pushing_each(fill: int, pushes: list[tuple[bool, list[bytes]]]) -> None:
    one = Quicklist(fill)
    other = Quicklist(fill)
    model: list[bytes] = []
    for left, elements in pushes:
        one.push_all([b"", *elements], 1, left=left)
        for element in elements:
            if left:
                other.push_left(element)
                model.insert(0, element)
            else:
                other.push_right(element)
                model.append(element)
        if model:
            assert counts(one) == counts(other)
            assert [node.size for node in one.nodes] == [node.size for node in other.nodes]
            assert one.slice(0, len(model)) == model
    for start in range(0, len(model), 7):
        for stop in range(start + 1, len(model) + 1, 5):
            wire = b"".join([b"$%d\r\n%b\r\n" % (len(element), element) for element in model[start:stop]])
            assert b"".join(one.to_wires(start, stop, backwards=False)) == wire
            turned = [b"$%d\r\n%b\r\n" % (len(element), element) for element in reversed(model[start:stop])]
            assert b"".join(one.to_wires(start, stop, backwards=True)) == b"".join(turned)
