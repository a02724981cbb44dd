"""Policies, the pool, and how eviction ends. Hit rates are compared with a real server by compat.hitrate."""

# mypy: disable-error-code="unreachable"
# A call on the engine changes what its counters say.

import itertools
import random
from bisect import bisect_left

import pytest

from respkv.engine.access import IDLE, LFU, NOTHING, TICK_MS, Frequencies
from respkv.engine.engine import ACCESS, Engine
from respkv.engine.eviction import IDLE_RELEASE_MS, POLICIES, POOL_SIZE, Candidate, Evictor
from respkv.engine.keyspace import Keyspace, open_engine
from respkv.engine.memory import Meter

START_MS = 1_700_000_000_000


def make_engine(seed: int = 1) -> Engine:
    engine = open_engine()
    engine.now_ms = START_MS
    engine.logging = True
    engine.random.seed(seed)
    return engine


def make_evictor(engine: Engine, policy: str, tenacity: int = 100, samples: int = 5) -> Evictor:
    evictor = Evictor(engine, Meter(engine, payload_only=True))
    evictor.configure(policy, samples=samples, tenacity=tenacity)
    return evictor


def name_of(number: int) -> bytes:
    return b"key:%06d" % number


KEY_BYTES = 10 + 90


def fill(db: Keyspace, count: int, *, expiring: bool = False, start: int = 0) -> None:
    for number in range(start, start + count):
        db.set(name_of(number), b"x" * 90)
        if expiring:
            db.expire(name_of(number), START_MS + 1_000_000 + number)
    db.engine.dirty = 0


def names(db: Keyspace) -> set[bytes]:
    return {name for shard in db.shards for name in shard.values}


@pytest.mark.parametrize("policy", POLICIES)
def test_without_a_limit_nothing_goes(policy: str) -> None:
    engine = make_engine()
    fill(engine.databases[0], 100)
    assert make_evictor(engine, policy).make_room(0)
    assert engine.evicted == 0


@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "noeviction"])
def test_room_is_made_and_propagated(policy: str) -> None:
    engine = make_engine()
    db = engine.databases[0]
    evictor = make_evictor(engine, policy)
    fill(db, 1000, expiring=True)
    engine.effects.clear()
    before = names(db)
    assert evictor.make_room(900 * KEY_BYTES)
    assert db.size() == 900
    assert engine.evicted == 100
    gone = before - names(db)
    deleted = [effect for effect in engine.effects if effect[0] == b"DEL"]
    assert sorted(deleted) == sorted([b"DEL", name] for name in gone)
    engine.check()


def test_noeviction_says_no() -> None:
    engine = make_engine()
    fill(engine.databases[0], 10)
    evictor = make_evictor(engine, "noeviction")
    assert evictor.make_room(10 * KEY_BYTES)
    assert not evictor.make_room(10 * KEY_BYTES - 1)
    assert engine.evicted == 0


@pytest.mark.parametrize("policy", [name for name in POLICIES if name.startswith("volatile")])
def test_volatile_policies_leave_keys_without_expiry(policy: str) -> None:
    engine = make_engine()
    db = engine.databases[0]
    evictor = make_evictor(engine, policy)
    fill(db, 100)
    fill(db, 50, expiring=True, start=100)
    assert not evictor.make_room(90 * KEY_BYTES)
    assert names(db) == {name_of(number) for number in range(100)}
    assert evictor.make_room(100 * KEY_BYTES)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru"])
def test_lru_keeps_what_was_used_lately(policy: str) -> None:
    engine = make_engine()
    db = engine.databases[0]
    evictor = make_evictor(engine, policy, samples=10)
    fill(db, 2000, expiring=True)
    for number in range(0, 2000, 2):
        engine.now_ms += TICK_MS
        db.find(name_of(number))
    evictor.make_room(1500 * KEY_BYTES)
    left = names(db)
    kept = sum(name_of(number) in left for number in range(0, 2000, 2))
    assert kept > 980


def test_lfu_keeps_what_is_used_often_even_if_not_lately() -> None:
    engine = make_engine()
    db = engine.databases[0]
    evictor = make_evictor(engine, "allkeys-lfu")
    evictor.configure("allkeys-lfu", samples=10, tenacity=100, lfu_log_factor=0)
    fill(db, 2000)
    for _ in range(20):
        for number in range(0, 2000, 2):
            db.find(name_of(number))
    for number in range(1, 2000, 2):
        db.find(name_of(number))
    evictor.make_room(1500 * KEY_BYTES)
    left = names(db)
    assert sum(name_of(number) in left for number in range(0, 2000, 2)) > 980


def test_volatile_ttl_takes_what_ends_first() -> None:
    engine = make_engine()
    db = engine.databases[0]
    evictor = make_evictor(engine, "volatile-ttl", samples=10)
    fill(db, 2000, expiring=True)
    evictor.make_room(1800 * KEY_BYTES)
    gone = [number for number in range(2000) if name_of(number) not in names(db)]
    assert len(gone) == 200
    assert sum(gone) / 200 < 200


def test_random_takes_from_everywhere() -> None:
    engine = make_engine()
    db = engine.databases[0]
    evictor = make_evictor(engine, "allkeys-random")
    fill(db, 2000)
    evictor.make_room(1000 * KEY_BYTES)
    assert 400 < sum(name_of(number) in names(db) for number in range(1000)) < 600


def test_a_key_used_since_it_was_sampled_stays() -> None:
    """Everything is in the pool; then all but one are used."""
    engine = make_engine()
    db = engine.databases[0]
    evictor = make_evictor(engine, "allkeys-lru", samples=64)
    fill(db, 12)
    evictor.make_room(11 * KEY_BYTES)
    left = sorted(names(db))
    engine.now_ms += TICK_MS
    for name in left[1:]:
        db.find(name)
    evictor.make_room(10 * KEY_BYTES)
    assert left[0] not in names(db)


def test_deleted_and_exchanged_candidates_are_passed_over() -> None:
    engine = make_engine()
    db, other = engine.database(0), engine.database(1)
    evictor = make_evictor(engine, "allkeys-lru", samples=8)
    fill(db, 200)
    fill(other, 200, start=1000)
    evictor.make_room(390 * KEY_BYTES)
    db.swap_with(other)
    for name in list(names(db))[:100]:
        db.remove(name)
    engine.dirty = 0
    evictor.make_room(200 * KEY_BYTES)
    assert db.size() + other.size() == 200
    engine.check()


def test_the_pool_keeps_the_best() -> None:
    engine = make_engine()
    db = engine.databases[0]
    evictor = Evictor(engine, Meter(engine))
    ranks = random.Random(2).sample(range(1000), 100)
    for rank in ranks:
        evictor._offer(Candidate(rank, db, db.shards[0], b"k"))
    assert [candidate.rank for candidate in evictor._pool] == sorted(ranks, reverse=True)[-POOL_SIZE:]


def test_the_time_limit_is_that_of_the_reference() -> None:
    evictor = Evictor(open_engine(), Meter(open_engine()))
    limits = {}
    for tenacity in (0, 1, 10, 20, 99, 100):
        evictor.tenacity = tenacity
        limits[tenacity] = evictor.time_limit_us()
    assert limits == {0: 0, 1: 50, 10: 500, 20: 2022, 99: int(500 * 1.15**89), 100: -1}


def test_at_the_time_limit_the_write_goes_on_and_eviction_later() -> None:
    engine = make_engine()
    db = engine.databases[0]
    fill(db, 20_000)
    evictor = make_evictor(engine, "allkeys-random", tenacity=0)
    assert evictor.make_room(KEY_BYTES)
    assert evictor.is_behind
    assert 0 < engine.evicted < 20_000
    rounds = 1
    while db.size() > 1:
        assert evictor.make_room(KEY_BYTES)
        rounds += 1
    assert rounds > 10


def test_copies_of_names_go_when_eviction_rests() -> None:
    engine = make_engine()
    fill(engine.databases[0], 1000)
    evictor = make_evictor(engine, "allkeys-lru")
    evictor.make_room(990 * KEY_BYTES)
    assert evictor._drawn
    evictor.make_room(990 * KEY_BYTES)
    assert evictor._drawn
    engine.now_ms += IDLE_RELEASE_MS + 1
    evictor.make_room(990 * KEY_BYTES)
    assert not evictor._drawn


def test_a_policy_switches_the_record_of_uses() -> None:
    engine = make_engine()
    db = engine.databases[0]
    evictor = make_evictor(engine, "noeviction")
    fill(db, 10)
    assert engine.access.kind == NOTHING
    assert not engine.alert & ACCESS
    kinds: dict[str, int | None] = {
        name: None if policy is None else policy.records for name, policy in POLICIES.items()
    }
    assert [kinds[name] for name in ("allkeys-lru", "volatile-lfu", "volatile-ttl")] == [IDLE, LFU, NOTHING]
    evictor.configure("allkeys-lru")
    assert engine.access.kind == IDLE
    db.find(name_of(1))
    assert sum(len(shard.accessed) for shard in db.shards) == 1
    evictor.configure("volatile-lru", samples=7)
    assert sum(len(shard.accessed) for shard in db.shards) == 1
    evictor.configure("allkeys-lfu", lfu_log_factor=3)
    assert sum(len(shard.accessed) for shard in db.shards) == 0
    record = engine.access
    assert isinstance(record, Frequencies)
    assert (record.log_factor, record.decay_minutes) == (3, 1)
    evictor.configure("allkeys-lfu", lfu_log_factor=4, lfu_decay_minutes=5)
    assert engine.access is record
    assert (record.log_factor, record.decay_minutes) == (4, 5)
    evictor.configure("noeviction")
    assert not engine.alert & ACCESS


def test_eviction_frees_by_the_real_meter_too() -> None:
    """A limit far below what is there does not make it delete everything, though dicts do not shrink."""
    engine = make_engine()
    db = engine.databases[0]
    fill(db, 30_000)
    meter = Meter(engine)
    evictor = Evictor(engine, meter)
    evictor.configure("allkeys-random", tenacity=100)
    limit = meter.used_bytes() // 10
    assert evictor.make_room(limit)
    assert meter.used_bytes() <= limit
    assert db.size() > 1500


def zipf(count: int, seed: int) -> list[int]:
    """Numbers below 2000; the n-th is asked for in proportion to 1 / n."""
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(2000)))
    chance = random.Random(seed)
    shuffled = list(range(2000))
    chance.shuffle(shuffled)
    return [shuffled[bisect_left(weights, chance.random() * weights[-1])] for _ in range(count)]


def hit_rate(policy: str, trace: list[int], room_for: int) -> float:
    engine = make_engine()
    db = engine.databases[0]
    evictor = make_evictor(engine, policy)
    hits = 0
    for at, number in enumerate(trace):
        engine.now_ms += 5
        if db.find(name_of(number)) is not None:
            hits += at >= len(trace) // 2
            continue
        evictor.make_room((room_for - 1) * KEY_BYTES)
        db.set(name_of(number), b"x" * 90)
    engine.dirty = 0
    return hits / (len(trace) // 2)


def exact_lru_hit_rate(trace: list[int], room_for: int) -> float:
    order: dict[int, None] = {}
    hits = 0
    for at, number in enumerate(trace):
        if number in order:
            del order[number]
            hits += at >= len(trace) // 2
        elif len(order) >= room_for:
            del order[next(iter(order))]
        order[number] = None
    return hits / (len(trace) // 2)


def test_hit_rates_on_a_zipf_workload() -> None:
    """LRU is close to an exact one, LFU is better, and chance is worse."""
    trace = zipf(40_000, seed=7)
    exact = exact_lru_hit_rate(trace, 200)
    lru = hit_rate("allkeys-lru", trace, 200)
    assert lru > exact - 0.01
    assert hit_rate("allkeys-lfu", trace, 200) > lru + 0.02
    assert hit_rate("allkeys-random", trace, 200) < lru - 0.01


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu"])
def test_where_the_clock_went_back_what_was_used_since_stays(policy: str) -> None:
    engine = make_engine()
    db = engine.databases[0]
    evictor = make_evictor(engine, policy)
    fill(db, 1000)
    engine.now_ms -= 24 * 3600 * 1000
    fill(db, 100, start=1000)
    assert evictor.make_room(evictor.meter.used_bytes() * 2 // 3)
    assert {name_of(number) for number in range(1000, 1100)} <= names(db)
