"""The parts of a store, put together."""

from harness import Nobody

from respkv.server.config import Config
from respkv.server.instance import Instance


def test_a_sweep_removes_what_has_expired_and_says_whether_there_is_more() -> None:
    instance = Instance(Config({"appendonly": "no"}), Nobody())
    db = instance.engine.databases[0]
    now_ms = instance.engine.now_ms
    for number in range(100):
        db.set_until(b"%d" % number, b"v", now_ms + 1)
    instance.engine.dirty = 0
    instance.engine.now_ms = now_ms + 100_000
    while instance.sweep(1000):
        pass
    assert db.size() == 0


def test_the_sweeper_follows_the_effort_of_the_configuration() -> None:
    instance = Instance(Config({"appendonly": "no"}), Nobody())
    instance.config.set_many([(b"active-expire-effort", b"7")])
    assert instance.sweeper.effort == 7


def test_nothing_is_removed_while_clients_are_paused() -> None:
    instance = Instance(Config({"appendonly": "no"}), Nobody())
    db = instance.engine.databases[0]
    db.set_until(b"k", b"v", instance.engine.now_ms + 1)
    instance.engine.dirty = 0
    instance.server.start_pause(instance.engine.now_ms + 1000, holds_reads=True)
    instance.engine.now_ms += 500
    assert not instance.sweep(1000)
    assert db.size() == 1
