"""The doors of a database against a naive model of them."""

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from respkv.engine.engine import ACCESS, AWAITED, NOTIFIED, SNAPSHOT, UNSYNCED, WATCHED, Engine
from respkv.engine.keyspace import Keyspace, open_engine, payload_of, string_bytes
from respkv.engine.watcher import Watcher
from respkv.errors import WrongType

KEYS = [b"a", b"b", b"c", b"", b"\x00\xff"]
keys = st.sampled_from(KEYS)
values = st.binary(max_size=10) | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=10).map(bytearray)
databases = st.integers(0, 1)
START_MS = 1_000_000


class Model:
    """One database as a dict: key to (bytes, expiry or None); and what is not yet durable."""

    def __init__(self) -> None:
        self.keys: dict[bytes, tuple[bytes, int | None]] = {}
        # The batch that a reader of the key has to wait for.
        self.written: dict[bytes, int] = dict.fromkeys(KEYS, 0)


class Doors(RuleBasedStateMachine):
    """Random doors of two databases; after each the model must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = open_engine(2)
        self.engine.logging = True
        self.engine.now_ms = START_MS
        self.engine.set_alert(UNSYNCED, True)
        self.models = [Model(), Model()]
        self.watchers: list[tuple[int, bytes, Watcher]] = []
        self.touched: dict[int, bool] = {}

    # What the model does

    def alive(self, index: int, key: bytes) -> tuple[bytes, int | None] | None:
        """What `key` holds; if it has just expired it goes, which is a change that no reply waits for."""
        model = self.models[index]
        held = model.keys.get(key)
        if held is not None and held[1] is not None and held[1] < self.engine.now_ms:
            del model.keys[key]
            self.touch(index, key)
            return None
        return held

    def changed(self, index: int, key: bytes) -> None:
        self.models[index].written[key] = self.engine.batch
        self.touch(index, key)

    def touch(self, index: int, key: bytes) -> None:
        for db_index, watched, watcher in self.watchers:
            if (db_index, watched) == (index, key):
                self.touched[id(watcher)] = True

    def must_wait(self, index: int, key: bytes) -> None:
        """A reply about `key` waits exactly if it is not durable."""
        written = self.models[index].written[key]
        expected = written if written > self.engine.durable else 0
        waits_for = self.engine.waits_for
        assert (waits_for if waits_for > self.engine.durable else 0) == expected
        self.engine.waits_for = 0

    def done(self) -> None:
        """As after a command."""
        self.engine.dirty = 0
        self.engine.waits_for = 0

    # Doors

    @rule(index=databases, key=keys)
    def find(self, index: int, key: bytes) -> None:
        hits, misses = self.engine.hits, self.engine.misses
        held = self.alive(index, key)
        value = self.engine.database(index).find(key)
        assert (None if value is None else string_bytes(value)) == (held and held[0])
        assert (self.engine.hits, self.engine.misses) == (hits + bool(held), misses + (not held))
        self.must_wait(index, key)

    @rule(index=databases, key=keys)
    def find_string(self, index: int, key: bytes) -> None:
        held = self.alive(index, key)
        assert self.engine.database(index).find_string(key) == (held and held[0])
        self.done()

    @rule(index=databases, key=keys)
    def peek(self, index: int, key: bytes) -> None:
        counts = self.engine.hits, self.engine.misses
        held = self.alive(index, key)
        value = self.engine.database(index).peek(key)
        assert (None if value is None else string_bytes(value)) == (held and held[0])
        assert (self.engine.hits, self.engine.misses) == counts
        self.must_wait(index, key)

    @rule(index=databases, key=keys)
    def holds(self, index: int, key: bytes) -> None:
        held = self.models[index].keys.get(key)
        assert self.engine.database(index).holds(key) == (
            held is not None and (held[1] is None or held[1] >= self.engine.now_ms)
        )

    @rule(index=databases, key=keys, value=values)
    def set(self, index: int, key: bytes, value: bytes | int | bytearray) -> None:
        self.models[index].keys[key] = string_bytes(value), None
        self.engine.database(index).set(key, value)
        self.changed(index, key)
        self.done()

    @rule(index=databases, key=keys, value=values, ms=st.integers(-5, 20))
    def set_until(self, index: int, key: bytes, value: bytes | int | bytearray, ms: int) -> None:
        at_ms = self.engine.now_ms + ms
        self.models[index].keys[key] = string_bytes(value), at_ms
        self.engine.database(index).set_until(key, value, at_ms)
        self.changed(index, key)
        self.done()

    @rule(index=databases, key=keys, value=values)
    def edit_and_put(self, index: int, key: bytes, value: bytes | int | bytearray) -> None:
        held = self.alive(index, key)
        db = self.engine.database(index)
        before = db.edit(key)
        assert (None if before is None else string_bytes(before)) == (held and held[0])
        db.put(key, value)
        self.models[index].keys[key] = string_bytes(value), held[1] if held else None
        self.changed(index, key)
        self.done()

    @rule(index=databases, key=keys, suffix=st.binary(max_size=5))
    def change_in_place(self, index: int, key: bytes, suffix: bytes) -> None:
        held = self.alive(index, key)
        db = self.engine.database(index)
        value = db.edit(key)
        if isinstance(value, bytearray):
            assert held is not None
            value += suffix
            db.changed(key, len(suffix))
            self.models[index].keys[key] = held[0] + suffix, held[1]
            self.changed(index, key)
        self.done()

    @rule(index=databases, key=keys)
    def remove(self, index: int, key: bytes) -> None:
        held = self.alive(index, key)
        expected = held is not None
        assert self.engine.database(index).remove(key) == expected
        if expected:
            del self.models[index].keys[key]
            self.changed(index, key)
        self.done()

    @rule(index=databases, key=keys, ms=st.integers(-5, 20))
    def expire(self, index: int, key: bytes, ms: int) -> None:
        held = self.alive(index, key)
        db = self.engine.database(index)
        if db.edit(key) is not None:
            assert held is not None
            at_ms = self.engine.now_ms + ms
            db.expire(key, at_ms)
            assert db.expiry_of(key) == at_ms
            self.models[index].keys[key] = held[0], at_ms
            self.changed(index, key)
        self.done()

    @rule(index=databases, key=keys)
    def persist(self, index: int, key: bytes) -> None:
        held = self.alive(index, key)
        db = self.engine.database(index)
        db.edit(key)
        had_expiry = held is not None and held[1] is not None
        assert db.persist(key) == had_expiry
        if had_expiry and held is not None:
            self.models[index].keys[key] = held[0], None
            self.changed(index, key)
        self.done()

    @rule(index=databases, key=keys, value=values, at_ms=st.none() | st.integers(START_MS, START_MS + 100))
    def load(self, index: int, key: bytes, value: bytes | int | bytearray, at_ms: int | None) -> None:
        self.engine.database(index).load(key, value, at_ms)
        self.models[index].keys[key] = string_bytes(value), at_ms
        assert self.engine.dirty == 0

    @rule(index=databases)
    def clear(self, index: int) -> None:
        model = self.models[index]
        for key in model.keys:
            self.touch(index, key)
        assert self.engine.database(index).clear() == len(model.keys)
        assert self.engine.database(index).payload_bytes == 0
        model.keys.clear()
        model.written = dict.fromkeys(KEYS, self.engine.batch)
        self.done()

    @rule()
    def swap(self) -> None:
        one, two = self.models
        for index in (0, 1):
            for db_index, key, _ in list(self.watchers):
                if db_index == index and (key in self.models[index].keys or self.alive(1 - index, key)):
                    self.touch(index, key)
        self.engine.database(0).swap_with(self.engine.database(1))
        one.keys, two.keys = two.keys, one.keys
        one.written = dict.fromkeys(KEYS, self.engine.batch)
        two.written = dict.fromkeys(KEYS, self.engine.batch)
        self.done()

    # Time and batches

    @rule(ms=st.integers(1, 8))
    def let_time_pass(self, ms: int) -> None:
        self.engine.now_ms += ms

    @rule()
    def end_the_batch(self) -> None:
        self.engine.take_effects()

    @precondition(lambda self: self.engine.durable < self.engine.batch - 1)
    @rule(data=st.data())
    def make_durable(self, data: st.DataObject) -> None:
        self.engine.made_durable(data.draw(st.integers(self.engine.durable + 1, self.engine.batch - 1)))
        for db in self.engine.databases:
            assert all(batch > self.engine.durable for batch in db.unsynced.values())

    # Watching

    @rule(index=databases, key=keys)
    def watch(self, index: int, key: bytes) -> None:
        self.alive(index, key)
        db = self.engine.database(index)
        db.peek(key)
        watcher = Watcher()
        db.watch(key, watcher)
        self.watchers.append((index, key, watcher))
        self.touched[id(watcher)] = False
        self.engine.waits_for = 0

    @precondition(lambda self: self.watchers)
    @rule()
    def unwatch(self) -> None:
        index, key, watcher = self.watchers.pop()
        assert watcher.touched == self.touched[id(watcher)]
        self.engine.database(index).unwatch(key, watcher)

    # Always

    @invariant()
    def the_model_agrees(self) -> None:
        self.engine.check()
        for index, model in enumerate(self.models):
            db = self.engine.database(index)
            held = {
                key: (string_bytes(value), shard.expires.get(key))
                for shard in db.shards
                for key, value in shard.values.items()
            }
            assert held == model.keys
            assert db.size() == len(held)
            assert db.expiring_size() == sum(at_ms is not None for _, at_ms in held.values())
            watched = {key for index, key, _ in self.watchers if index == db.index}
            assert set(db.watched) == watched
            assert bool(db.alert & WATCHED) == bool(watched)
        for _, _, watcher in self.watchers:
            assert watcher.touched == self.touched[id(watcher)]


TestDoors = Doors.TestCase
TestDoors.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@pytest.fixture
def engine() -> Engine:
    engine = open_engine(2)
    engine.now_ms = START_MS
    return engine


@pytest.fixture
def db(engine: Engine) -> Keyspace:
    return engine.databases[0]


def test_a_type_that_is_no_string_is_refused() -> None:
    with pytest.raises(WrongType):
        string_bytes([b"x"])


@pytest.mark.parametrize(("value", "size"), [(b"abc", 3), (bytearray(b"ab"), 2), (5, 8)])
def test_the_payload_of_a_string(value: bytes | bytearray | int, size: int) -> None:
    assert payload_of(value) == size


def test_an_expired_key_propagates_its_end(engine: Engine, db: Keyspace) -> None:
    engine.logging = True
    db.set_until(b"k", b"v", START_MS)
    engine.dirty = 0
    assert db.find(b"k") == b"v"
    engine.now_ms += 1
    assert db.find(b"k") is None
    assert engine.effects == [[b"SELECT", b"0"], [b"DEL", b"k"]]
    assert engine.expired == 1


def test_a_change_aside_is_no_matter_to_watchers_but_to_the_disk(engine: Engine, db: Keyspace) -> None:
    db.set(b"k", bytearray(b"v"))
    engine.set_alert(UNSYNCED, True)
    watcher = Watcher()
    db.watch(b"k", watcher)
    db.awaited[b"k"] = None
    db.set_alert(AWAITED, True)
    engine.dirty = 0
    db.changed_aside(b"k", 0)
    assert engine.dirty == 1
    assert not watcher.touched
    assert not engine.filled
    assert db.unsynced == {b"k": engine.batch}
    db.wake(b"k")
    db.wake(b"other")
    assert engine.filled == [(db, b"k")]


def test_effects_say_which_database_they_are_for(engine: Engine) -> None:
    engine.logging = True
    for index in (1, 1, 0):
        engine.database(index).set(b"k", b"v")
        engine.commit(engine.database(index), [b"SET", b"k", b"v"])
    select1, select0, write = [b"SELECT", b"1"], [b"SELECT", b"0"], [b"SET", b"k", b"v"]
    assert engine.take_effects() == [select1, write, write, select0, write]


def test_a_command_may_put_others_in_its_place(engine: Engine, db: Keyspace) -> None:
    engine.logging = True
    db.set(b"k", b"v")
    db.propagate_as([b"A"])
    db.propagate_as([b"B"])
    engine.commit(db, [b"SETX", b"k", b"v"])
    assert engine.effects == [[b"SELECT", b"0"], [b"A"], [b"B"]]
    assert engine.replacement is None


@pytest.mark.parametrize(
    ("effects", "framed"),
    [
        ([], []),
        ([[b"A"]], [[b"A"]]),
        ([[b"SELECT", b"1"], [b"A"]], [[b"SELECT", b"1"], [b"A"]]),
        ([[b"A"], [b"B"]], [[b"MULTI"], [b"A"], [b"B"], [b"EXEC"]]),
        ([[b"SELECT", b"1"], [b"A"], [b"B"]], [[b"SELECT", b"1"], [b"MULTI"], [b"A"], [b"B"], [b"EXEC"]]),
    ],
)
def test_a_frame_holds_what_is_more_than_one(
    engine: Engine, effects: list[list[bytes]], framed: list[list[bytes]]
) -> None:
    engine.effects = [[b"BEFORE"], *effects]
    engine.frame(1)
    assert engine.effects == [[b"BEFORE"], *framed]


def test_alerts_reach_all_databases(engine: Engine) -> None:
    engine.set_alert(SNAPSHOT, True)
    assert all(db.alert & SNAPSHOT and not db.attentive for db in engine.databases)
    engine.set_alert(ACCESS, True)
    assert all(db.attentive for db in engine.databases)
    engine.set_alert(ACCESS, False)
    engine.set_alert(SNAPSHOT, False)
    assert engine.alert == 0
    assert not any(db.alert or db.attentive for db in engine.databases)


def test_a_reply_about_many_keys_waits_for_all_that_is_not_durable(engine: Engine, db: Keyspace) -> None:
    engine.logging = True
    engine.set_alert(UNSYNCED, True)
    engine.wait_for_all()
    assert engine.waits_for == 0
    db.set(b"k", b"v")
    engine.commit(db, [b"SET", b"k", b"v"])
    engine.waits_for = 0
    engine.wait_for_all()
    assert engine.waits_for == 1
    engine.take_effects()
    engine.waits_for = 0
    engine.wait_for_all()
    assert engine.waits_for == 1
    engine.made_durable(1)
    engine.waits_for = 0
    engine.wait_for_all()
    assert engine.waits_for == 0


def test_a_database_is_made_when_somebody_first_uses_it() -> None:
    engine = open_engine(16)
    engine.set_alert(NOTIFIED, True)
    assert [db.index for db in engine.databases] == [0]
    for number in (7, 3, 12, 3):
        engine.database(number).set(b"k", b"%d" % number)
    assert [db.index for db in engine.databases] == [0, 3, 7, 12]
    assert [db.peek(b"k") for db in engine.databases] == [None, b"3", b"7", b"12"]
    assert engine.database(7).alert & NOTIFIED, "what was wanted of all databases before"
