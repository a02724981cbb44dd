"""What is watched over several databases, and that it ends."""

from respkv.engine.engine import WATCHED
from respkv.engine.keyspace import open_engine
from respkv.engine.watcher import Watcher


def test_it_is_touched_by_a_change_of_any_of_its_keys_until_it_ends() -> None:
    engine = open_engine(2)
    one, two = engine.database(0), engine.database(1)
    watcher = Watcher()
    for db in (one, two, two):
        watcher.watch(db, b"k")
    one.set(b"other", b"v")
    assert not watcher.has_changed()
    two.set(b"k", b"v")
    assert watcher.has_changed()
    watcher.end()
    assert not watcher.has_changed()
    assert not one.alert & WATCHED
    assert not two.alert & WATCHED
    watcher.watch(one, b"k")
    two.set(b"k", b"w")
    assert not watcher.has_changed()


def test_a_key_that_ends_later_has_changed_and_one_that_had_ended_has_not() -> None:
    engine = open_engine(1)
    engine.now_ms = 1000
    (db,) = engine.databases
    db.set_until(b"ended", b"v", 999)
    db.set_until(b"ends", b"v", 1001)
    gone, going = Watcher(), Watcher()
    gone.watch(db, b"ended")
    going.watch(db, b"ends")
    assert not going.has_changed()
    engine.now_ms = 1002
    assert not gone.has_changed()
    assert going.has_changed()
