"""The sweeper: what it deletes, when, and how it keeps to its time."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from respkv.engine import expiry
from respkv.engine.clock import steady_ns
from respkv.engine.expiry import LOOK_AGAIN_MS, Sweeper, is_sparse
from respkv.engine.keyspace import Keyspace, open_engine

START_MS = 1_700_000_000_000


def database() -> Keyspace:
    engine = open_engine()
    engine.now_ms = START_MS
    engine.logging = True
    return engine.databases[0]


def fill(db: Keyspace, count: int, in_ms: int) -> None:
    for number in range(count):
        db.load(b"key:%d" % number, b"v", db.engine.now_ms + in_ms)


def sweep(sweeper: Sweeper) -> None:
    while sweeper.run(1000):
        pass


def due(db: Keyspace) -> int:
    return sum(at_ms < db.engine.now_ms for shard in db.shards for at_ms in shard.expires.values())


def test_an_expired_key_is_deleted_and_propagated() -> None:
    db = database()
    fill(db, 1, 10)
    sweeper = Sweeper(db.engine)
    sweep(sweeper)
    assert db.size() == 1
    db.engine.now_ms += 10
    sweep(sweeper)
    assert db.size() == 1
    db.engine.now_ms += 1
    sweep(sweeper)
    assert db.size() == 0
    assert db.engine.effects == [[b"SELECT", b"0"], [b"DEL", b"key:0"]]
    assert db.engine.expired == 1


def test_keys_that_expire_together_are_deleted_by_few_effects_and_counted_each() -> None:
    db = database()
    fill(db, 60_000, 1000)
    names = {key for shard in db.shards for key in shard.values}
    sweeper = Sweeper(db.engine)
    sweep(sweeper)
    db.engine.now_ms += 1001
    changes = db.engine.changes
    while sweeper.run(1_000_000):
        pass
    deletions = [effect for effect in db.engine.effects if effect[0] == b"DEL"]
    assert len(deletions) < 60_000 // 16
    assert {bytes(key) for effect in deletions for key in effect[1:]} == names
    assert sum(len(effect) - 1 for effect in deletions) == 60_000
    assert db.engine.expired == 60_000
    assert db.engine.changes == changes + 60_000
    db.check()


def test_all_that_expire_at_once_are_deleted_in_slices() -> None:
    db = database()
    fill(db, 60_000, 1000)
    sweeper = Sweeper(db.engine)
    sweep(sweeper)
    db.engine.now_ms += 1001
    runs = 1
    while sweeper.run(200):
        runs += 1
    assert db.size() == 0
    assert runs > 5
    assert db.engine.expired_time_cap_reached >= runs - 1
    assert db.engine.expired_stale_percent > 99
    db.engine.check()


def test_a_shorter_expiry_set_later_is_not_missed() -> None:
    db = database()
    fill(db, 2000, 3_600_000)
    sweeper = Sweeper(db.engine)
    sweep(sweeper)
    db.engine.now_ms += 1
    for number in range(2000):
        db.expire(b"key:%d" % number, db.engine.now_ms + 50)
    sweep(sweeper)
    assert db.size() == 2000
    db.engine.now_ms += 51
    sweep(sweeper)
    assert db.size() == 0


def test_a_longer_expiry_set_later_counts() -> None:
    db = database()
    fill(db, 500, 100)
    sweeper = Sweeper(db.engine)
    for number in range(500):
        db.expire(b"key:%d" % number, db.engine.now_ms + 10_000)
    db.persist(b"key:0")
    db.engine.now_ms += 100
    sweep(sweeper)
    assert db.size() == 500
    db.engine.now_ms += 10_001
    sweep(sweeper)
    assert db.size() == 1


def test_few_stale_keys_among_many_others_go_too() -> None:
    """They are too few to pay for a look of their own, and so wait for the next one, `LOOK_AGAIN_MS` at most."""
    db = database()
    fill(db, 20_000, 10**9)
    sweeper = Sweeper(db.engine)
    sweep(sweeper)
    for number in range(100):
        db.expire(b"key:%d" % number, db.engine.now_ms + 10)
    db.engine.now_ms += LOOK_AGAIN_MS
    sweep(sweeper)
    assert db.size() == 20_000 - 100


def test_about_stale_percent_stay_at_most() -> None:
    """Expiries spread over an hour, new ones coming: few are due and still there at any time."""
    db = database()
    sweeper = Sweeper(db.engine)
    for number in range(20_000):
        db.load(b"key:%d" % number, b"v", START_MS + number * 180)
    worst = 0.0
    for second in range(300):
        db.engine.now_ms = START_MS + second * 1000
        db.load(b"new:%d" % second, b"v", db.engine.now_ms + 60_000)
        sweep(sweeper)
        worst = max(worst, due(db) / db.expiring_size())
    assert worst < 2 * sweeper.stale_percent / 100


def test_the_switch_of_debug_stops_it() -> None:
    db = database()
    fill(db, 10, 1)
    db.engine.now_ms += 2
    db.engine.active_expire = False
    sweep(Sweeper(db.engine))
    assert db.size() == 10
    assert db.engine.expired == 0


def test_swapdb_in_the_middle_of_a_shard() -> None:
    db = database()
    other = db.engine.database(3)
    fill(db, 60_000, 1)
    db.engine.now_ms += 2
    sweeper = Sweeper(db.engine)
    while sweeper._db is None:
        assert sweeper.run(1)
    db.swap_with(other)
    db.engine.dirty = 0
    db.engine.effects.clear()
    db.engine.effects_db = -1
    sweep(sweeper)
    assert db.size() == other.size() == 0
    assert db.engine.effects[0] == [b"SELECT", b"3"]
    assert not any(effect[0] == b"SELECT" for effect in db.engine.effects[1:])
    db.engine.check()


def test_flushall_in_the_middle_of_a_shard() -> None:
    db = database()
    fill(db, 60_000, 1)
    db.engine.now_ms += 2
    sweeper = Sweeper(db.engine)
    while sweeper._db is None:
        assert sweeper.run(1)
    expired = db.engine.expired
    db.clear()
    db.engine.dirty = 0
    sweep(sweeper)
    assert db.engine.expired == expired
    assert db.engine.discarded == []


def test_effort_sets_what_is_tolerated_and_spent() -> None:
    sweeper = Sweeper(open_engine())
    assert (sweeper.stale_percent, sweeper.share_percent) == (10, 25)
    sweeper.effort = 10
    assert (sweeper.stale_percent, sweeper.share_percent) == (1, 43)


def test_what_flushall_left_is_freed_in_slices() -> None:
    db = database()
    fill(db, 100_000, 10**9)
    db.clear()
    assert len(db.engine.discarded) == 512
    assert db.engine.freed_later == 100_000
    sweeper = Sweeper(db.engine)
    runs = 1
    while sweeper.run(500):
        runs += 1
    assert runs > 5
    assert db.engine.discarded == []


def test_sparse_dicts_are_exchanged_for_small_ones() -> None:
    db = database()
    for number in range(100_000):
        db.load(b"key:%d" % number, b"v", None)
    for number in range(99_000):
        db.remove(b"key:%d" % number)
    db.engine.dirty = 0
    before = sum(sys.getsizeof(shard.values) for shard in db.shards)
    sweeper = Sweeper(db.engine)
    for _ in range(16 * 256 // expiry.SHARDS_A_RUN):
        sweeper.run(1_000_000)
    assert sum(sys.getsizeof(shard.values) for shard in db.shards) < before / 10
    assert not any(is_sparse(shard.values) for shard in db.shards)
    assert db.size() == 1000
    db.engine.check()


def test_sparse_dicts_are_looked_for_only_after_changes() -> None:
    db = database()
    sweeper = Sweeper(db.engine)
    rounds = 16 * 256 // expiry.SHARDS_A_RUN
    for _ in range(rounds):
        sweeper.run(1_000_000)
    sparse = {b"%d" % number: b"v" for number in range(10_000)}
    db.shards[0].values = sparse
    sparse.clear()
    for _ in range(rounds):
        sweeper.run(1_000_000)
    assert db.shards[0].values is sparse
    db.engine.changes += 1
    for _ in range(rounds):
        sweeper.run(1_000_000)
    assert not is_sparse(db.shards[0].values)


def test_a_run_keeps_to_its_budget() -> None:
    """Not a benchmark: a run that ignores its budget takes a hundred times as long."""
    db = database()
    fill(db, 200_000, 1)
    db.engine.now_ms += 2
    sweeper = Sweeper(db.engine)
    spent_ns = []
    more = True
    while more:
        began_ns = steady_ns()
        more = sweeper.run(1000)
        spent_ns.append(steady_ns() - began_ns)
    spent_ns.sort()
    assert spent_ns[len(spent_ns) // 2] < 3_000_000


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["expire", "persist", "set", "advance", "sweep"]), st.integers(0, 7), st.integers(1, 99)
        ),
        max_size=60,
    )
)
def test_nothing_goes_too_early_and_of_a_few_nothing_too_late(steps: list[tuple[str, int, int]]) -> None:
    db = database()
    sweeper = Sweeper(db.engine)
    model: dict[bytes, int] = {}
    for action, number, amount in steps:
        key = b"key:%d" % number
        if action == "expire" and db.holds(key):
            db.expire(key, db.engine.now_ms + amount)
            model[key] = db.engine.now_ms + amount
        elif action == "persist" and db.holds(key):
            db.persist(key)
            model[key] = sys.maxsize
        elif action == "set":
            db.set(key, b"v")
            model[key] = sys.maxsize
        elif action == "advance":
            db.engine.now_ms += amount
        elif action == "sweep":
            sweep(sweeper)
            model = {key: at_ms for key, at_ms in model.items() if at_ms >= db.engine.now_ms}
            assert {key for shard in db.shards for key in shard.values} == set(model)
        db.engine.dirty = 0
    db.engine.check()
