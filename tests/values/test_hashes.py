"""Hashes against a plain dict of values and one of expiries."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from respkv.values import listpack
from respkv.values.collection import ELEMENT_BYTES, NEVER_MS
from respkv.values.hashes import ENTRY_BYTES, EXPIRY_BYTES, PACKED_BYTES, Hash
from respkv.values.limits import Limits

FIELDS = [b"f%d" % number for number in range(8)] + [b"", b"7", b"-1", b"x" * 9]
VALUES = st.sampled_from([b"", b"v", b"12", b"-5000", b"y" * 8, b"y" * 9]) | st.binary(max_size=8)
TIMES = st.integers(1, 12)


def limits(entries: int = 6, longest: int = 8) -> Limits:
    new = Limits()
    new.hash_max_listpack_entries = entries
    new.hash_max_listpack_value = longest
    return new


def fitting_bytes(value: Hash) -> int:
    """What `nbytes` should be, from the contents."""
    expiries = sum(EXPIRY_BYTES + len(field) for field in value.expires)
    if value.is_packed:
        return PACKED_BYTES + len(value.packed) + expiries
    entries = sum(ENTRY_BYTES + len(field) + len(text) for field, text in value.pairs())
    return PACKED_BYTES - ELEMENT_BYTES + entries + expiries


class HashMachine(RuleBasedStateMachine):
    """Any changes, in any order, with limits that are soon reached."""

    def __init__(self) -> None:
        super().__init__()
        self.hash = Hash()
        self.model: dict[bytes, bytes] = {}
        self.expires: dict[bytes, int] = {}
        self.was_unpacked = False
        self.limits = limits()

    @rule(field=st.sampled_from(FIELDS), value=VALUES)
    def set(self, field: bytes, value: bytes) -> None:
        assert self.hash.set(field, value, self.limits) == (field not in self.model)
        self.model[field] = value
        self._notice(field, value)

    @rule(pairs=st.lists(st.tuples(st.sampled_from(FIELDS), VALUES), min_size=1, max_size=5))
    def update(self, pairs: list[tuple[bytes, bytes]]) -> None:
        flat = [b"ignored", *[text for pair in pairs for text in pair]]
        added = len({field for field, _ in pairs} - self.model.keys())
        assert self.hash.update(flat, 1, self.limits) == added
        for field, value in pairs:
            self.model[field] = value
            self._notice(field, value)

    @rule(field=st.sampled_from(FIELDS))
    def remove(self, field: bytes) -> None:
        assert self.hash.remove(field) == (field in self.model)
        self.model.pop(field, None)
        self.expires.pop(field, None)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), at_ms=TIMES)
    def expire_at(self, data: st.DataObject, at_ms: int) -> None:
        field = data.draw(st.sampled_from(sorted(self.model)))
        self.hash.expire_at(field, at_ms)
        self.expires[field] = at_ms

    @rule(field=st.sampled_from(FIELDS))
    def persist(self, field: bytes) -> None:
        assert self.hash.persist(field) == (field in self.expires)
        self.expires.pop(field, None)

    @rule(now_ms=TIMES, count=st.integers(1, 3))
    def remove_due(self, now_ms: int, count: int) -> None:
        due = sorted((at_ms, field) for field, at_ms in self.expires.items() if at_ms < now_ms)
        removed = self.hash.remove_due(now_ms, count)
        assert [self.expires[field] for field in removed] == [at_ms for at_ms, _ in due[:count]]
        for field in removed:
            del self.model[field], self.expires[field]

    @rule(now_ms=TIMES, names=st.lists(st.sampled_from(FIELDS), max_size=4))
    def remove_due_among(self, now_ms: int, names: list[bytes]) -> None:
        due = {field for field in names if self.expires.get(field, now_ms) < now_ms}
        removed = self.hash.remove_due_among(now_ms, names)
        assert sorted(removed) == sorted(due)
        for field in due:
            del self.model[field], self.expires[field]

    @precondition(lambda self: self.model)
    @rule(seed=st.integers(0, 100))
    def choose(self, seed: int) -> None:
        chance = random.Random(seed).random
        assert self.hash.pick(chance) in self.model
        sample = self.hash.sample(len(self.model) - 1, chance)
        assert len(set(sample)) == len(sample) == len(self.model) - 1
        drawn = self.hash.draw(7, chance)
        assert len(drawn) == 7
        assert {*sample, *drawn} <= self.model.keys()

    @rule()
    def copy(self) -> None:
        old = self.hash
        self.hash = old.copy()
        assert self.hash.digest() == old.digest()
        assert self.hash.encoding == old.encoding
        assert self.hash.nbytes == old.nbytes
        for container in old.parts():
            container.clear()

    def _notice(self, field: bytes, value: bytes) -> None:
        if max(len(field), len(value)) > 8 or len(self.model) > 6:
            self.was_unpacked = True

    @invariant()
    def is_as_the_model(self) -> None:
        value = self.hash
        assert len(value) == len(self.model)
        assert dict(value.pairs()) == self.model
        assert value.fields() == [field for field, _ in value.pairs()]
        assert value.values() == [text for _, text in value.pairs()]
        assert value.flat() == [text for pair in value.pairs() for text in pair]
        assert value.expires == self.expires
        assert value.next_expiry_ms() == min(self.expires.values(), default=NEVER_MS)
        assert value.is_packed is not self.was_unpacked
        assert value.nbytes == fitting_bytes(value)
        for field in FIELDS:
            assert value.get(field) == self.model.get(field)
            assert (field in value) == (field in self.model)
            if field in self.model:
                assert value.expiry_of(field) == self.expires.get(field, -1)

    @invariant()
    def a_listpack_has_what_expires_first_in_front(self) -> None:
        if self.hash.is_packed:
            times = [self.expires.get(field, NEVER_MS) for field in self.hash.fields()]
            assert times == sorted(times)
            assert listpack.unpack_untrusted(self.hash.packed) == self.hash.flat()


TestHashMachine = HashMachine.TestCase


@given(st.dictionaries(st.sampled_from(FIELDS[:11]), VALUES, min_size=1), st.data())
def test_of_makes_what_was_told(model: dict[bytes, bytes], data: st.DataObject) -> None:
    expires = data.draw(st.dictionaries(st.sampled_from(sorted(model)), TIMES))
    made = Hash.of(list(model.items()), limits(20, 20), expires)
    assert dict(made.pairs()) == model
    assert made.expires == expires
    assert made.encoding == (b"listpackex" if expires else b"listpack")
    times = [expires.get(field, NEVER_MS) for field in made.fields()]
    assert times == sorted(times)
    assert made.nbytes == fitting_bytes(made)


def test_an_update_keeps_the_order_and_appends() -> None:
    value = Hash.of([(b"a", b"1"), (b"b", b"2")], Limits())
    value.update([b"c", b"3", b"a", b"9", b"d", b"4", b"e", b"5", b"b", b"7"], 0, Limits())
    assert value.fields() == [b"a", b"b", b"c", b"d", b"e"]


def test_more_pairs_than_a_listpack_may_have_make_a_table_though_they_are_of_one_field() -> None:
    value = Hash.of([(b"a", b"1")] * 7, limits(6))
    assert (len(value), value.encoding) == (1, b"hashtable")


def big_hash(count: int) -> Hash:
    return Hash.of([(b"f%d" % number, b"v") for number in range(count)], limits(1))


@pytest.mark.parametrize(("count", "packed"), [(5, True), (100, True), (5, False), (100, False), (1000, False)])
def test_each_field_is_as_likely_as_any_other(count: int, packed: bool) -> None:
    value = Hash.of([(b"f%d" % number, b"v") for number in range(count)], Limits() if packed else limits(1))
    assert value.is_packed is packed
    chance = random.Random(1).random
    value.pick(chance)
    # Fields that go and come back change nothing about it.
    for number in range(0, count, 3):
        value.remove(b"f%d" % number)
    for number in range(0, count, 6):
        value.set(b"f%d" % number, b"w", Limits())
    value.set(b"new", b"v", Limits())
    total = len(value)
    for drawn in (
        [value.pick(chance) for _ in range(200 * total)],
        value.draw(200 * total, chance),
        [field for _ in range(1000) for field in value.sample(total // 4, chance)],
    ):
        counts = Counter(drawn)
        assert counts.keys() == set(value.fields())
        mean = len(drawn) / total
        chi_square = sum((found - mean) ** 2 / mean for found in counts.values())
        # Its mean is `total`, its variance twice that; a field twice as likely as others adds `mean`, 200 or more.
        assert chi_square < total + 6 * (2 * total) ** 0.5, (chi_square, total)


def test_the_queue_of_expiries_does_not_grow_with_their_changes() -> None:
    value = big_hash(10)
    for at_ms in range(1, 2000):
        value.expire_at(b"f1", at_ms)
    assert value.ttls is not None
    assert len(value.ttls.queue) < 100
    assert value.next_expiry_ms() == 1999
