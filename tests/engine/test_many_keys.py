"""Doors for many keys at once: they do what those for one key do."""

import pytest

from respkv.engine.engine import ACCESS, UNSYNCED, WATCHED
from respkv.engine.keyspace import Keyspace, open_engine
from respkv.engine.many_keys import count_of, find_all, load_strings, remove_all, set_strings
from respkv.engine.watcher import Watcher

START_MS = 1_000_000


def test_loaded_strings_take_the_place_of_what_was_there() -> None:
    engine = open_engine(1)
    (db,) = engine.databases
    db.load(b"old", 5, 1000)
    names = [b"%d" % number for number in range(1000)]
    load_strings(db, [*names, b"old", b"twice", b"twice"], [*names, b"new", b"1", b"22"])
    assert {name: db.peek(name) for name in names} == {name: name for name in names}
    assert (db.peek(b"old"), db.expiry_of(b"old"), db.peek(b"twice")) == (b"new", -1, b"22")
    assert (engine.dirty, engine.effects) == (0, [])
    db.check()


@pytest.mark.parametrize("alert", [0, UNSYNCED, ACCESS, WATCHED])
@pytest.mark.parametrize("expiring", [False, True])
def test_many_keys_at_once_are_as_one_after_the_other(alert: int, expiring: bool) -> None:
    names = [b"key:%d" % number for number in range(600)]

    def opened() -> Keyspace:
        engine = open_engine(1)
        engine.logging = True
        engine.now_ms = START_MS
        if alert == WATCHED:
            engine.databases[0].watch(b"key:4", Watcher())
        elif alert:
            engine.set_alert(alert, True)
        db = engine.databases[0]
        for number in range(0, 600, 2):
            db.set(names[number], b"%d" % number)
        db.set(b"key:8", bytearray(b"abc"))
        db.set(b"key:10", 12)
        if expiring:
            db.expire(b"key:20", START_MS - 5)
            db.expire(b"key:30", START_MS + 5)
        engine.commit(db, [b"SET"])
        return db

    def state(db: Keyspace) -> object:
        db.engine.commit(db, [b"X"])
        db.check()
        engine = db.engine
        counters = (engine.hits, engine.misses, engine.changes, engine.expired, engine.waits_for)
        held = {key: (db.peek(key), db.expiry_of(key)) for key in db.names(None)}
        return counters, held, db.payload_bytes, db.unsynced, engine.effects

    one, other = opened(), opened()
    some = [b"", *names[5:300], b"key:8"]
    assert find_all(one, some, 1) == [other.find(name) for name in some[1:]]
    assert state(one) == state(other)
    assert count_of(one, some, 1) == sum([other.look(name) is not None for name in some[1:]])
    assert state(one) == state(other)
    flat = [b"", *[text for name in (*names[3:500], b"key:9") for text in (name, name * 2)]]
    set_strings(one, flat, 1)
    for at in range(1, len(flat), 2):
        other.set(flat[at], flat[at + 1])
    assert state(one) == state(other)
    some = [b"", *names[250:], b"key:251"]
    assert remove_all(one, some, 1) == sum([other.remove(name) for name in some[1:]])
    assert state(one) == state(other)
