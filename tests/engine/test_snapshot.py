"""A snapshot shows the databases as they were when it began, whatever happens meanwhile."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from respkv.commands.keys import copy, rename
from respkv.engine.engine import SNAPSHOT, Engine
from respkv.engine.expiry import Sweeper
from respkv.engine.keyspace import Keyspace, open_engine
from respkv.engine.snapshot import Snapshot, SnapshotRunning

NAMES = [b"key:%d" % number for number in range(12)]
Image = dict[tuple[int, bytes], tuple[bytes, int]]


def as_bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, bytes | bytearray) else b"%d" % value


def image_of(engine: Engine) -> Image:
    return {
        (db.index, key): (as_bytes(value), shard.expires.get(key, -1))
        for db in engine.databases
        for shard in db.shards
        for key, value in shard.values.items()
    }


def take_all(snapshot: Snapshot, image: Image, count: int, slices: int = 1 << 30) -> None:
    """Add what `snapshot` hands out to `image`."""
    for _ in range(slices):
        taken = snapshot.take(count)
        if taken is None:
            return
        index, items = taken
        assert 1 <= len(items) <= count
        for key, value, at_ms in items:
            assert (index, key) not in image, "a key came twice"
            image[index, key] = (as_bytes(value), at_ms)


def append(db: Keyspace, key: bytes, more: bytes) -> None:
    """As the command: in place from the second time on."""
    value = db.edit(key)
    if isinstance(value, bytearray):
        value += more
        db.changed(key, len(more))
    else:
        db.put(key, bytearray(b"" if value is None else as_bytes(value)) + more)


class Machine(RuleBasedStateMachine):
    @initialize(names=st.sets(st.sampled_from(NAMES)), in_place=st.booleans())
    def fill(self, names: set[bytes], in_place: bool) -> None:
        self.engine = open_engine(3)
        self.engine.now_ms = 1000
        self.sweeper = Sweeper(self.engine)
        self.snapshot: Snapshot | None = None
        self.expected: Image = {}
        self.found: Image = {}
        for db in self.engine.databases:
            for name in names:
                db.set(name, b"first")
                if in_place:
                    append(db, name, b"+")
        self.engine.dirty = 0

    databases = st.integers(0, 2)
    names = st.sampled_from(NAMES)

    @rule(index=databases, name=names, value=st.sampled_from([b"new", 7]))
    def set(self, index: int, name: bytes, value: Any) -> None:
        self.engine.database(index).set(name, value)

    @rule(index=databases, name=names)
    def append(self, index: int, name: bytes) -> None:
        append(self.engine.database(index), name, b"!")

    @rule(index=databases, name=names)
    def remove(self, index: int, name: bytes) -> None:
        self.engine.database(index).remove(name)

    @rule(index=databases, name=names, new=names)
    def rename(self, index: int, name: bytes, new: bytes) -> None:
        db = self.engine.database(index)
        if db.holds(name):
            rename(db, [b"RENAME", name, new])

    @rule(index=databases, name=names, new=names)
    def copy(self, index: int, name: bytes, new: bytes) -> None:
        if name != new:
            copy(self.engine.database(index), [b"COPY", name, new, b"REPLACE"])

    @rule(index=databases, name=names, in_ms=st.integers(1, 50))
    def expire(self, index: int, name: bytes, in_ms: int) -> None:
        db = self.engine.database(index)
        if db.holds(name):
            db.expire(name, self.engine.now_ms + in_ms)

    @rule(index=databases, name=names)
    def persist(self, index: int, name: bytes) -> None:
        self.engine.database(index).persist(name)

    @rule(index=databases, name=names)
    def read(self, index: int, name: bytes) -> None:
        self.engine.database(index).find(name)

    @rule(by_ms=st.integers(1, 40))
    def advance(self, by_ms: int) -> None:
        self.engine.now_ms += by_ms

    @rule()
    def sweep(self) -> None:
        while self.sweeper.run(1000):
            pass

    @rule(index=databases, name=names)
    def evict(self, index: int, name: bytes) -> None:
        db = self.engine.database(index)
        shard = db.shard_of(name)
        if name in shard.values:
            db.evict(shard, name)

    @rule(index=databases)
    def clear(self, index: int) -> None:
        self.engine.database(index).clear()

    @rule(one=databases, other=databases)
    def swap(self, one: int, other: int) -> None:
        if one != other:
            self.engine.database(one).swap_with(self.engine.database(other))

    @precondition(lambda self: self.snapshot is None)
    @rule()
    def begin(self) -> None:
        self.snapshot = Snapshot(self.engine)
        self.expected = image_of(self.engine)
        self.found = {}

    @precondition(lambda self: self.snapshot is not None)
    @rule(count=st.integers(1, 5))
    def take(self, count: int) -> None:
        assert self.snapshot is not None
        take_all(self.snapshot, self.found, count, slices=1)

    @precondition(lambda self: self.snapshot is not None)
    @rule(count=st.integers(1, 5), abort=st.booleans())
    def finish(self, count: int, abort: bool) -> None:
        assert self.snapshot is not None
        if abort:
            self.snapshot.close()
        else:
            take_all(self.snapshot, self.found, count)
            assert self.found == self.expected
        assert not any(shard.unsaved for db in self.engine.databases for shard in db.shards)
        assert not self.engine.alert & SNAPSHOT
        self.snapshot = None

    @invariant()
    def holds_together(self) -> None:
        if hasattr(self, "engine"):
            self.engine.dirty = 0
            self.engine.check()

    def teardown(self) -> None:
        if hasattr(self, "snapshot") and self.snapshot is not None:
            take_all(self.snapshot, self.found, 3)
            assert self.found == self.expected


Machine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestMachine = Machine.TestCase


def test_sizes_count_keys_and_expiries_of_each_database() -> None:
    engine = open_engine()
    for number in range(100):
        engine.database(2).set(b"key:%d" % number, b"v")
    engine.database(2).expire(b"key:7", 5000)
    engine.database(5).set(b"k", b"v")
    snapshot = Snapshot(engine)
    assert snapshot.sizes == {2: (100, 1), 5: (1, 0)}
    snapshot.close()


def test_the_databases_come_one_after_the_other() -> None:
    engine = open_engine(4)
    for index in (2, 3, 0, 1):
        for number in range(50):
            engine.database(index).set(b"key:%d" % number, b"v")
    snapshot = Snapshot(engine)
    engine.database(3).set(b"key:1", b"changed first")
    order = []
    while (taken := snapshot.take(7)) is not None:
        order.append(taken[0])
    assert order == sorted(order)
    assert set(order) == {0, 1, 2, 3}


def test_a_second_snapshot_is_refused_while_one_runs() -> None:
    engine = open_engine()
    engine.databases[0].set(b"k", b"v")
    first = Snapshot(engine)
    with pytest.raises(SnapshotRunning):
        Snapshot(engine)
    first.close()
    Snapshot(engine).close()


def test_flushall_copies_nothing() -> None:
    engine = open_engine()
    db = engine.databases[0]
    for number in range(1000):
        db.set(b"key:%d" % number, b"v")
    values = db.shards[0].values
    snapshot = Snapshot(engine)
    db.clear()
    assert not any(discarded is values for discarded in engine.discarded)
    found: Image = {}
    take_all(snapshot, found, 100)
    assert len(found) == 1000
