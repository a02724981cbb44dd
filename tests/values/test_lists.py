"""Lists against a plain Python list, in all sizes. Their nodes beside Redis: tests/compat/test_nodes_of_lists.py."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from respkv.values import listpack
from respkv.values.limits import Limits
from respkv.values.lists import List
from respkv.values.quicklist_nodes import node_of_listpack

ELEMENTS = st.one_of(
    st.sampled_from([b"", b"a", b"b", b"7", b"-1", b"007", b"dup", b"1234567"]),
    st.binary(max_size=30),
    st.integers(-(1 << 64), 1 << 64).map(lambda number: b"%d" % number),
    st.integers(1, 9000).map(lambda length: b"x" * length),
)
FILLS = st.sampled_from([-2, -1, 0, 1, 3, 20])


def limits_of(fill: int) -> Limits:
    limits = Limits()
    limits.list_max_listpack_size = fill
    return limits


class Lists(RuleBasedStateMachine):
    """Any sequence of changes has the effect that it has on a Python list."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits()
        self.value = List()
        self.model: list[bytes] = []

    @initialize(fill=FILLS, items=st.lists(ELEMENTS, min_size=1, max_size=30))
    def begin(self, fill: int, items: list[bytes]) -> None:
        self.limits = limits_of(fill)
        self.value = List.of(items, self.limits)
        self.model = items.copy()

    @rule(elements=st.lists(ELEMENTS, min_size=1, max_size=20), left=st.booleans())
    def push(self, elements: list[bytes], left: bool) -> None:
        self.value.push_all(elements, 0, self.limits, left=left)
        self.model = elements[::-1] + self.model if left else self.model + elements

    @precondition(lambda self: self.model)
    @rule(left=st.booleans())
    def pop(self, left: bool) -> None:
        assert self.value.pop(self.limits, left=left) == self.model.pop(0 if left else -1)

    @rule(count=st.integers(1, 40), left=st.booleans())
    def pop_many(self, count: int, left: bool) -> None:
        expected = [self.model.pop(0 if left else -1) for _ in range(min(count, len(self.model)))]
        assert self.value.pop_many(count, self.limits, left=left) == expected

    @precondition(lambda self: self.model)
    @rule(from_left=st.booleans(), to_left=st.booleans())
    def rotate(self, from_left: bool, to_left: bool) -> None:
        element = self.model.pop(0 if from_left else -1)
        self.model.insert(0 if to_left else len(self.model), element)
        assert self.value.rotate(self.limits, from_left=from_left, to_left=to_left) == element

    @precondition(lambda self: self.model)
    @rule(data=st.data(), element=ELEMENTS)
    def replace(self, data: st.DataObject, element: bytes) -> None:
        index = data.draw(st.integers(0, len(self.model) - 1))
        self.value.replace(index, element, self.limits)
        self.model[index] = element

    @precondition(lambda self: self.model)
    @rule(data=st.data(), element=ELEMENTS, after=st.booleans())
    def insert(self, data: st.DataObject, element: bytes, after: bool) -> None:
        pivot = data.draw(st.one_of(st.sampled_from(self.model), ELEMENTS))
        found = pivot in self.model
        assert self.value.insert(pivot, element, self.limits, after=after) == found
        if found:
            self.model.insert(self.model.index(pivot) + after, element)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), most=st.integers(0, 3), from_end=st.booleans())
    def remove(self, data: st.DataObject, most: int, from_end: bool) -> None:
        element = data.draw(st.one_of(st.sampled_from(self.model), ELEMENTS))
        indexes = [index for index, item in enumerate(self.model) if item == element]
        if most:
            indexes = indexes[-most:] if from_end else indexes[:most]
        assert self.value.remove(element, most, self.limits, from_end=from_end) == len(indexes)
        self.model = [item for index, item in enumerate(self.model) if index not in indexes]

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def trim(self, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(self.model)))
        stop = data.draw(st.integers(0, len(self.model)))
        self.value.trim(start, stop, self.limits)
        self.model = self.model[start:stop] if start < stop else []

    @rule()
    def copy(self) -> None:
        original = self.value
        self.value = original.copy()
        original.trim(0, 0, self.limits)

    @invariant()
    def is_the_same(self) -> None:
        value, model = self.value, self.model
        value.check()
        assert len(value) == len(model)
        assert value.items() == model
        if value.is_packed:
            assert listpack.unpack_untrusted(value.packed) == model

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        value, model = self.value, self.model
        index = data.draw(st.integers(0, len(model) - 1))
        assert value.get(index) == model[index]
        stop = data.draw(st.integers(0, len(model)))
        assert value.range(index, stop) == model[index:stop]
        element = data.draw(st.one_of(st.sampled_from(model), ELEMENTS))
        most = data.draw(st.integers(0, 3))
        skipped = data.draw(st.integers(0, 2))
        length_max = data.draw(st.integers(0, len(model) + 1))
        for from_end in (False, True):
            order = range(len(model) - 1, -1, -1) if from_end else range(len(model))
            seen = list(order)[:length_max] if length_max else order
            found = [at for at in seen if model[at] == element][skipped:]
            expected = found[:most] if most else found
            assert value.positions(element, skipped, most, length_max, from_end=from_end) == expected


Lists.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestLists = Lists.TestCase


@given(st.lists(ELEMENTS, min_size=1, max_size=60), FILLS)
@example([b"x" * 4000, b"y" * 4000, b"z" * 200], -2)
@settings(deadline=None)
def test_a_list_goes_by_its_listpacks(items: list[bytes], fill: int) -> None:
    limits = limits_of(fill)
    value = List.of(items, limits)
    value.check()
    assert value.items() == items
    packs = [value.packed] if value.nodes is None else [listpack.pack(n.slice(0, n.count)) for n in value.nodes.nodes]
    again = List.of_nodes([node_of_listpack(packed) for packed in packs], limits)
    again.check()
    assert again.items() == items
    assert again.encoding == value.encoding
    assert again.digest() == value.digest()


def test_the_default_limit_is_eight_kilobytes_of_listpack() -> None:
    limits = Limits()
    value = List.of([b"x" * 100] * 80, limits)  # 103 bytes each
    assert value.encoding == b"quicklist"
    value = List.of([b"x" * 100] * 79, limits)
    assert value.encoding == b"listpack"
    value.push_all([b"x" * 100], 0, limits, left=False)
    assert value.encoding == b"quicklist"


def test_it_is_packed_again_at_half_of_the_limit() -> None:
    limits = Limits()
    value = List.of([b"x" * 100] * 80, limits)
    lengths = []
    while len(value) > 1:
        value.pop(limits, left=False)
        lengths.append(value.encoding)
    assert lengths.count(b"quicklist") == 40
    assert lengths == [b"quicklist"] * 40 + [b"listpack"] * 39


def test_the_middle_of_a_large_list_is_packed() -> None:
    limits = Limits()
    items = [b"%08d" % number for number in range(20_000)]
    value = List()
    value.push_all(items, 0, limits, left=False)
    assert value.nodes is not None
    assert [node.is_open for node in value.nodes.nodes] == [True] + [False] * (len(value.nodes.nodes) - 2) + [True]
    # An open element takes more than 60 bytes.
    assert value.nbytes < 20_000 * 15
    value.check()
    while len(value) > 1:
        assert value.pop(limits, left=True) == items[len(items) - len(value) - 1]
    assert value.nbytes < 300


def test_the_estimate_follows_pushes_and_pops_of_any_order() -> None:
    limits = Limits()
    value = List()
    for number in range(6000):
        value.push_all([b"%d" % number * 3], 0, limits, left=number % 3 == 0)
        if number % 5 == 0:
            value.pop(limits, left=number % 2 == 0)
    value.check()


def test_what_is_discarded_is_in_its_parts() -> None:
    limits = Limits()
    value = List.of([b"%d" % number for number in range(9000)], limits)
    count = sum(len(part) for part in value.parts())
    assert value.nodes is not None
    open_nodes = [node for node in value.nodes.nodes if node.is_open]
    assert count == len(value.nodes.nodes) + sum(node.count for node in open_nodes)
    assert List.of([b"a"], limits).parts() == []


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("most", [10, 64, 65, 700, 999])
def test_many_are_popped_as_one_after_the_other(most: int, left: bool) -> None:
    limits = Limits()
    limits.list_max_listpack_size = 50
    items = [b"element:%d" % number for number in range(1000)]
    at_once = List.of(items, limits)
    singly = List.of(items, limits)
    assert at_once.pop_many(most, limits, left=left) == [singly.pop(limits, left=left) for _ in range(most)]
    at_once.check()
    assert at_once.items() == singly.items()
    assert at_once.encoding == singly.encoding
