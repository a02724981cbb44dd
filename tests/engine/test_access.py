"""Marks of use: idle times and frequencies."""

import pytest

from respkv.engine.access import COUNTER_MAX, LFU_INIT, TICK_MS, Frequencies, IdleTimes, set_access_record
from respkv.engine.engine import ACCESS, AccessRecord
from respkv.engine.keyspace import Keyspace, open_engine

START_MS = 1_700_000_000_000
MINUTE_MS = 60_000


@pytest.fixture
def db() -> Keyspace:
    engine = open_engine()
    engine.now_ms = START_MS
    engine.random.seed(3)
    return engine.databases[0]


def idle_ms(db: Keyspace, key: bytes) -> int:
    return db.engine.access.idle_ms(db.shard_of(key), key)


def frequency(db: Keyspace, key: bytes) -> int:
    return db.engine.access.frequency(db.shard_of(key), key)


def test_idle_time_is_that_since_the_last_use(db: Keyspace) -> None:
    db.set(b"old", b"v")
    set_access_record(db.engine, IdleTimes(db.engine))
    db.set(b"k", b"v")
    db.engine.now_ms += 10_000
    assert idle_ms(db, b"old") == 10_000
    assert 10_000 <= idle_ms(db, b"k") < 10_000 + TICK_MS
    db.peek(b"k")
    db.look(b"k")
    assert idle_ms(db, b"k") >= 10_000
    for use in (db.find, db.edit):
        use(b"k")
        assert idle_ms(db, b"k") < TICK_MS
        db.engine.now_ms += 10_000


def test_marks_of_one_tick_are_one_object(db: Keyspace) -> None:
    set_access_record(db.engine, IdleTimes(db.engine))
    for number in range(100):
        db.set(b"key:%d" % number, b"v")
    assert len({id(mark) for shard in db.shards for mark in shard.accessed.values()}) == 1


def test_marks_go_with_their_keys(db: Keyspace) -> None:
    set_access_record(db.engine, IdleTimes(db.engine))
    for number in range(10):
        db.set(b"key:%d" % number, b"v")
    db.remove(b"key:1")
    db.evict(db.shard_of(b"key:2"), b"key:2")
    db.expire(b"key:3", START_MS - 1)
    assert db.find(b"key:3") is None
    assert sum(len(shard.accessed) for shard in db.shards) == 7
    db.engine.dirty = 0
    db.engine.check()


def test_a_new_key_has_the_frequency_5_and_uses_count_up(db: Keyspace) -> None:
    set_access_record(db.engine, Frequencies(db.engine))
    db.set(b"k", b"v")
    assert frequency(db, b"k") == LFU_INIT
    db.put(b"new", b"v")
    assert frequency(db, b"new") == LFU_INIT
    db.find(b"k")
    assert frequency(db, b"k") == LFU_INIT + 1
    db.set(b"k", b"w")
    assert frequency(db, b"k") >= LFU_INIT + 1


@pytest.mark.parametrize(("uses", "low", "high"), [(100, 8, 13), (1000, 14, 22), (100_000, 120, 165)])
def test_the_counter_grows_with_the_logarithm(db: Keyspace, uses: int, low: int, high: int) -> None:
    """The table in the reference's redis.conf for factor 10: 10, 18, 142."""
    set_access_record(db.engine, Frequencies(db.engine))
    db.set(b"k", b"v")
    for _ in range(uses):
        db.find(b"k")
    assert low <= frequency(db, b"k") <= high


def test_factor_0_counts_each_use_up_to_255(db: Keyspace) -> None:
    set_access_record(db.engine, Frequencies(db.engine, log_factor=0))
    db.set(b"k", b"v")
    for _ in range(300):
        db.find(b"k")
    assert frequency(db, b"k") == COUNTER_MAX


def test_the_counter_decays(db: Keyspace) -> None:
    set_access_record(db.engine, Frequencies(db.engine, decay_minutes=2))
    db.set(b"k", b"v")
    db.engine.now_ms += 2 * MINUTE_MS
    assert frequency(db, b"k") == LFU_INIT - 1
    db.engine.now_ms += 100 * MINUTE_MS
    assert frequency(db, b"k") == 0
    db.find(b"k")
    assert frequency(db, b"k") == 1


def test_decay_0_keeps_the_counter(db: Keyspace) -> None:
    set_access_record(db.engine, Frequencies(db.engine, decay_minutes=0))
    db.set(b"k", b"v")
    db.engine.now_ms += 10_000 * MINUTE_MS
    assert frequency(db, b"k") == LFU_INIT


def test_another_kind_of_record_forgets_the_marks(db: Keyspace) -> None:
    set_access_record(db.engine, IdleTimes(db.engine))
    db.set(b"k", b"v")
    set_access_record(db.engine, Frequencies(db.engine))
    assert frequency(db, b"k") == LFU_INIT
    set_access_record(db.engine, AccessRecord())
    assert not db.engine.alert & ACCESS
    assert all(not shard.accessed for shard in db.shards)


def test_where_the_clock_went_back_marks_of_before_count_as_the_oldest(db: Keyspace) -> None:
    set_access_record(db.engine, IdleTimes(db.engine))
    db.set(b"before", b"v")
    db.engine.now_ms -= 100 * MINUTE_MS
    db.set(b"after", b"v")
    db.engine.now_ms += 10_000
    assert idle_ms(db, b"before") > 1000 * idle_ms(db, b"after") > 0
    db.find(b"before")
    assert idle_ms(db, b"before") < TICK_MS
    # A clock that is put right by seconds changes nothing of that.
    db.engine.now_ms -= 5000
    assert idle_ms(db, b"before") == 0


def test_where_the_clock_went_back_frequencies_of_before_are_gone(db: Keyspace) -> None:
    db.set(b"untracked", b"v")
    set_access_record(db.engine, Frequencies(db.engine))
    db.set(b"k", b"v")
    db.engine.now_ms -= MINUTE_MS
    assert frequency(db, b"k") == LFU_INIT
    db.engine.now_ms -= 100 * MINUTE_MS
    assert frequency(db, b"k") == 0
    assert frequency(db, b"untracked") == LFU_INIT
    db.find(b"k")
    assert frequency(db, b"k") == 1
