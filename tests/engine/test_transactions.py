"""Transactions on the engine: what they see, what others see, how they end; deadlocks; bounds."""

# mypy: disable-error-code="unreachable"
# A call on a transaction changes what it says of itself.

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from harness import Client, World, digest

from respkv.commands.spec import COMMANDS
from respkv.engine.engine import NOTIFIED
from respkv.engine.eviction import Evictor
from respkv.engine.expiry import Sweeper
from respkv.engine.locks import Wants
from respkv.engine.memory import Meter
from respkv.engine.snapshot import Snapshot
from respkv.engine.transactions import Transaction, Transactions
from respkv.errors import (
    BadDatabaseIndex,
    Deadlock,
    NoSuchSavepoint,
    ReplyError,
    TooManyLocks,
    TooManySavepoints,
    TooManyTransactions,
    TransactionBusy,
    TransactionEnded,
    TransactionTooLarge,
)


class Actor:
    """A transaction, and a way to run commands in it."""

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.told = 0

    def when_free(self) -> None:
        self.told += 1

    def run(self, line: str, index: int = 0, *, reads: bool = False) -> object:
        """Run a command that need not wait; `reads` takes shared locks only."""
        argv = [word.encode() for word in line.split()]
        spec = COMMANDS[argv[0].lower()]
        wants: Wants = {(index, key): not reads for key in spec.keys(argv)}
        transaction = self.transaction
        assert transaction.acquire(wants, self.when_free), "it has to wait"
        transaction.prepare(wants)
        db = transaction.database(index)
        assert spec.handler is not None
        try:
            return spec.handler(db, argv)
        finally:
            if transaction.engine.dirty:
                transaction.engine.commit(db, argv)
            transaction.finish(wants)


Begin = Callable[[], Actor]


@pytest.fixture
def transactions(world: World) -> Iterator[Transactions]:
    world.checks_each_command = False
    transactions = Transactions(world.engine)
    yield transactions
    transactions.check()
    world.engine.locks.check()


@pytest.fixture
def begin(transactions: Transactions) -> Begin:
    return lambda: Actor(transactions.begin())


def test_nothing_is_seen_by_others_until_the_commit(world: World, client: Client, begin: Begin) -> None:
    client.run("SET k old")
    one = begin()
    one.run("SET k new")
    one.run("LPUSH l a")
    assert one.run("GET k") == b"new"
    assert world.engine.databases[0].peek(b"k") == b"old"
    assert not world.engine.databases[0].holds(b"l")
    one.transaction.commit()
    assert client.run("GET k") == b"new"
    assert client.run("LRANGE l 0 -1") == [b"a"]


def test_the_log_gets_one_block_at_the_commit(world: World, client: Client, begin: Begin) -> None:
    one = begin()
    one.run("SET a 1")
    one.run("SET b 2", 1)
    one.run("INCR a")
    assert world.take_log() == []
    one.transaction.commit()
    world.collect()
    assert [argv[0] for argv in world.log] == [
        b"SELECT",
        b"MULTI",
        b"SET",
        b"SELECT",
        b"SET",
        b"SELECT",
        b"INCR",
        b"EXEC",
    ]


@pytest.mark.parametrize(
    "change",
    [
        "DEL s",
        "APPEND s more",
        "SETBIT s 9 1",
        "SETRANGE a 2 x",
        "INCR n",
        "EXPIRE s 100",
        "PERSIST t",
        "SET t v",
        "LPUSH l x",
        "LPOP l",
        "LREM l 0 a",
        "HSET h f changed",
        "HEXPIRE h 5 FIELDS 1 f",
        "HPERSIST h FIELDS 1 e",
        "HDEL h f e",
        "SADD z x",
        "SPOP set 1",
        "ZADD z 9 a",
        "ZREM z a",
        "XADD x * f v",
        "XGROUP CREATE x g2 0",
        "XACK x g 1-1",
        "XREADGROUP GROUP g c COUNT 1 STREAMS x >",
        "PFADD p b",
        "RENAME l l2",
        "COPY h h2",
        "GETDEL s",
    ],
)
def test_a_rollback_restores_every_type_to_the_byte(
    world: World, client: Client, begin: Begin, change: str, transactions: Transactions
) -> None:
    client.run("SET s value")
    client.run("APPEND a xxxxxx")
    client.run("SET n 7")
    client.run("SET t v EX 100")
    client.run("RPUSH l a b c")
    client.run("HSET h f v e v")
    client.run("HEXPIRE h 50 FIELDS 1 e")
    client.run("SADD set a b c")
    client.run("ZADD z 1 a 2 b")
    client.run("XADD x 1-1 f v")
    client.run("XADD x 2-1 f v")
    client.run("XGROUP CREATE x g 0")
    client.run("XREADGROUP GROUP g c COUNT 1 STREAMS x >")
    client.run("PFADD p a")
    world.take_log()
    before = digest(world.engine)
    dump = world.engine.databases[0].payload_bytes
    one = begin()
    if change.startswith("SADD z"):
        with pytest.raises(ReplyError):
            one.run(change)
    else:
        one.run(change) if not change.startswith("XGROUP") else None
    transactions.check()
    one.transaction.rollback()
    assert digest(world.engine) == before
    assert world.engine.databases[0].payload_bytes == dump
    assert world.take_log() == []
    assert not world.engine.databases[0].lent


def test_a_commit_gives_what_the_commands_give_by_themselves(world: World, client: Client, begin: Begin) -> None:
    client.run("RPUSH l a b c")
    client.run("HSET h f v")
    one = begin()
    for line in (
        "LPUSH l x",
        "HSET h g w",
        "EXPIRE l 100",
        "HEXPIRE h 50 FIELDS 1 g",
        "SET s v",
        "APPEND s w",
        "DEL n",
    ):
        one.run(line)
    one.transaction.commit()
    assert client.run("LRANGE l 0 -1") == [b"x", b"a", b"b", b"c"]
    assert client.run("TTL l") == 100
    assert client.run("HTTL h FIELDS 2 f g") == [-1, 50]
    assert client.run("GET s") == b"vw"


def test_a_large_collection_is_not_copied_to_be_read_or_deleted(world: World, client: Client, begin: Begin) -> None:
    client.run("RPUSH l a b c")
    value = world.engine.databases[0].peek(b"l")
    one = begin()
    one.run("LRANGE l 0 -1", reads=True)
    one.run("EXISTS l")
    assert one.transaction.database(0).peek(b"l") is value
    one.run("LPUSH l x")
    assert one.transaction.database(0).peek(b"l") is not value
    one.transaction.rollback()


def test_watchers_and_events_see_the_commit_only(world: World, client: Client, begin: Begin) -> None:
    events: list[tuple[bytes, bytes]] = []
    world.engine.notifier = lambda index, kind, event, key: events.append((event, key))
    world.engine.set_alert(NOTIFIED, True)
    client.run("SET k v")
    client.run("SET other v")
    client.run("WATCH k other")
    events.clear()
    one = begin()
    one.run("SET k w")
    one.run("SETNX other w")
    one.run("LPUSH l a")
    assert events == []
    assert not client.session.watcher.has_changed()
    one.transaction.commit()
    assert (b"set", b"k") in events
    assert events.count((b"lpush", b"l")) == 1
    assert events.count((b"new", b"l")) == 1
    assert client.session.watcher.has_changed()


def test_a_watcher_of_what_was_not_changed_is_left_alone(world: World, client: Client, begin: Begin) -> None:
    client.run("SET k v")
    client.run("WATCH k")
    one = begin()
    assert one.run("SETNX k w") == 0
    one.run("GET k")
    one.transaction.commit()
    assert not client.session.watcher.has_changed()


def test_a_snapshot_has_what_is_committed(world: World, client: Client, begin: Begin) -> None:
    client.run("RPUSH l a")
    client.run("SET s v")
    one = begin()
    one.run("RPUSH l b")
    one.run("DEL s")
    snapshot = Snapshot(world.engine)
    one.run("RPUSH l c")
    one.transaction.commit()
    items: dict[bytes, Any] = {}
    while (taken := snapshot.take(100)) is not None:
        items |= {key: value for key, value, _ in taken[1]}
    assert items[b"s"] == b"v"
    assert len(items[b"l"]) == 1


# Savepoints


def test_a_savepoint_is_gone_back_to_as_often_as_one_likes(world: World, client: Client, begin: Begin) -> None:
    client.run("RPUSH l a")
    one = begin()
    one.run("RPUSH l b")
    one.transaction.savepoint(b"p")
    for _ in range(2):
        one.run("RPUSH l c")
        one.run("SET s v")
        one.run("EXPIRE l 10")
        one.transaction.rollback_to(b"p")
        assert one.run("LRANGE l 0 -1") == [b"a", b"b"]
        assert one.run("GET s") is None
        assert one.run("TTL l") == -1
    one.transaction.commit()
    assert client.run("LRANGE l 0 -1") == [b"a", b"b"]
    world.collect()
    assert sum(argv[0] == b"RPUSH" for argv in world.log) == 2


def test_savepoints_nest_and_are_released(world: World, client: Client, begin: Begin) -> None:
    one = begin()
    one.run("SET k 0")
    one.transaction.savepoint(b"a")
    one.run("SET k 1")
    one.transaction.savepoint(b"b")
    one.run("SET k 2")
    one.transaction.savepoint(b"c")
    one.run("SET k 3")
    one.transaction.release(b"b")
    with pytest.raises(NoSuchSavepoint):
        one.transaction.rollback_to(b"c")
    assert one.run("GET k") == b"3"
    one.transaction.rollback_to(b"a")
    assert one.run("GET k") == b"0"
    one.transaction.commit()
    assert client.run("GET k") == b"0"


def test_going_back_to_an_outer_savepoint_forgets_the_inner_ones(begin: Begin) -> None:
    one = begin()
    one.run("RPUSH l a")
    one.transaction.savepoint(b"a")
    one.run("RPUSH l b")
    one.transaction.savepoint(b"b")
    one.run("RPUSH l c")
    one.transaction.rollback_to(b"a")
    assert one.run("LRANGE l 0 -1") == [b"a"]
    with pytest.raises(NoSuchSavepoint):
        one.transaction.release(b"b")
    one.transaction.rollback()


def test_all_keys_are_deleted_and_come_back(world: World, client: Client, begin: Begin) -> None:
    client.run("SET old v")
    client.run("RPUSH l a")
    one = begin()
    one.run("SET new v")
    one.run("RPUSH l b")
    one.transaction.savepoint(b"p")
    one.run("RPUSH l c")
    wants: Wants = {(0, None): True}
    transaction = one.transaction
    assert transaction.acquire(wants, one.when_free)
    transaction.prepare(wants)
    db = transaction.database(0)
    assert db.clear() == 3
    transaction.engine.commit(db, [b"FLUSHDB"])
    transaction.finish(wants)
    assert one.run("GET old") is None
    one.run("SET after v")
    assert db.size() == 1
    assert db.names(None) == [b"after"]
    assert db.random_key() == b"after"
    assert db.scan(0, 10) == (0, [b"after"])
    transaction.rollback_to(b"p")
    assert one.run("GET old") == b"v"
    assert one.run("LRANGE l 0 -1") == [b"a", b"b"]
    assert sorted(db.names(None)) == [b"l", b"new", b"old"]
    transaction.prepare(wants)
    db.clear()
    transaction.engine.commit(db, [b"FLUSHDB"])
    one.run("SET last v")
    transaction.commit()
    assert client.run("KEYS *") == [b"last"]


# Time and memory


def test_a_locked_key_does_not_expire_under_the_transaction(world: World, client: Client, begin: Begin) -> None:
    client.run("SET k v PX 10")
    client.run("HSET h f v g w")
    client.run("HPEXPIRE h 10 FIELDS 1 f")
    one = begin()
    one.run("PERSIST k")
    one.run("HPERSIST h FIELDS 1 f")
    world.advance(100)
    Sweeper(world.engine).run(10_000)
    assert world.engine.databases[0].random_key() is not None
    one.transaction.commit()
    Sweeper(world.engine).run(10_000)
    assert client.run("GET k") == b"v"
    assert client.run("HGET h f") == b"v"


def test_what_ends_within_the_transaction_is_gone_for_it_and_then_for_all(
    world: World, client: Client, begin: Begin
) -> None:
    client.run("SET k v PX 10")
    client.run("SET r v PX 10")
    client.run("HSET h f v g w")
    client.run("HPEXPIRE h 10 FIELDS 1 f")
    one = begin()
    one.run("APPEND k w")
    assert one.run("GET r", reads=True) == b"v"
    one.run("HSET h x y")
    world.advance(100)
    assert one.run("GET k") is None
    assert one.run("GET r", reads=True) is None
    assert one.run("HGET h f") is None
    assert one.run("SETNX k new") == 1
    assert one.run("SETNX r new") == 1
    one.transaction.commit()
    assert client.run("MGET k r") == [b"new", b"new"]
    assert client.run("HGETALL h") == [b"g", b"w", b"x", b"y"]


def test_a_rollback_lets_what_has_ended_go(world: World, client: Client, begin: Begin) -> None:
    client.run("SET k v PX 10")
    client.run("HSET h f v")
    client.run("HPEXPIRE h 10 FIELDS 1 f")
    one = begin()
    one.run("GET k")
    one.run("HGET h f")
    world.advance(100)
    assert one.run("HGET h f") is None
    Sweeper(world.engine).run(10_000)
    one.transaction.rollback()
    world.advance(60_000)
    Sweeper(world.engine).run(10_000)
    assert world.engine.databases[0].size() == 0


def test_locked_keys_are_not_evicted(world: World, client: Client, begin: Begin) -> None:
    for number in range(50):
        client.run(f"SET k{number} v")
    one = begin()
    for number in range(25):
        one.run(f"GET k{number}", reads=True)
    evictor = Evictor(world.engine, Meter(world.engine))
    evictor.configure("allkeys-random", tenacity=100)
    world.server.evictor.release()
    db = world.engine.databases[0]
    for _ in range(25):
        victim = evictor._next_victim(evictor.policy)  # type: ignore[arg-type]
        if victim is not None:
            victim.db.evict(victim.shard, victim.key)
    assert all(db.holds(b"k%d" % number) for number in range(25))
    one.transaction.rollback()


def test_what_a_transaction_keeps_counts_as_used_memory(world: World, begin: Begin) -> None:
    meter = Meter(world.engine)
    before = meter.used_bytes()
    one = begin()
    one.run("SET k " + "x" * 100_000)
    assert meter.used_bytes() > before + 200_000, "the value, and the effect that holds it too"
    one.transaction.rollback()
    assert world.engine.reserved_bytes == 0


# Other transactions


def test_readers_go_side_by_side_and_writers_wait(begin: Begin) -> None:
    one, two = begin(), begin()
    one.run("GET k", reads=True)
    two.run("GET k", reads=True)
    assert not two.transaction.acquire({(0, b"k"): True}, two.when_free)
    with pytest.raises(TransactionBusy):
        two.transaction.commit()
    with pytest.raises(TransactionBusy):
        two.transaction.acquire({(0, b"x"): True}, two.when_free)
    one.transaction.commit()
    assert two.told == 1
    two.run("SET k v")
    two.transaction.commit()


def test_who_gives_up_waiting_keeps_what_it_has(begin: Begin) -> None:
    one, two, three = begin(), begin(), begin()
    one.run("SET k v")
    two.run("SET other v")
    assert not two.transaction.acquire({(0, b"k"): True}, two.when_free)
    assert not three.transaction.acquire({(0, b"k"): False}, three.when_free)
    two.transaction.give_up_waiting()
    one.transaction.commit()
    assert (two.told, three.told) == (0, 1)
    two.transaction.commit()
    three.transaction.rollback()


def test_the_youngest_of_a_deadlock_is_rolled_back(transactions: Transactions, begin: Begin) -> None:
    one, two = begin(), begin()
    reasons: list[ReplyError] = []
    two.transaction.on_abort = reasons.append
    one.run("SET a 1")
    two.run("SET b 1")
    assert not two.transaction.acquire({(0, b"a"): True}, two.when_free)
    assert one.transaction.acquire({(0, b"b"): True}, one.when_free)
    assert [type(reason) for reason in reasons] == [Deadlock]
    with pytest.raises(ReplyError, match="DEADLOCK"):
        two.transaction.check_open()
    assert transactions.deadlocks == 1
    one.transaction.commit()


def test_who_closes_the_circle_as_the_youngest_is_told_so(begin: Begin) -> None:
    one, two = begin(), begin()
    one.run("SET a 1")
    two.run("SET b 1")
    assert not one.transaction.acquire({(0, b"b"): True}, one.when_free)
    with pytest.raises(ReplyError, match="DEADLOCK"):
        two.transaction.acquire({(0, b"a"): True}, two.when_free)
    assert one.told == 1
    one.transaction.commit()


def test_a_transaction_that_ended_does_nothing_more(begin: Begin) -> None:
    one = begin()
    one.transaction.commit()
    for call in (one.transaction.commit, one.transaction.rollback):
        with pytest.raises(ReplyError, match="NOTXN transaction 1 has ended: it was committed"):
            call()
    one.transaction.abort(TransactionEnded(1, b"somebody said so"))
    with pytest.raises(ReplyError, match="committed"):
        one.run("GET k")


# Bounds


def test_everything_that_grows_has_a_bound(transactions: Transactions, begin: Begin) -> None:
    bounds = transactions.bounds
    bounds.open, bounds.locks, bounds.savepoints = 2, 4, 1
    one = begin()
    begin()
    with pytest.raises(TooManyTransactions):
        begin()
    one.run("MSET a 1 b 1 c 1")
    one.run("MSET a 1 b 1 c 1")
    with pytest.raises(TooManyLocks):
        one.run("SET d 1")
    one.transaction.savepoint(b"p")
    with pytest.raises(TooManySavepoints):
        one.transaction.savepoint(b"p")
    bounds.bytes = one.transaction.used_bytes - 1
    with pytest.raises(TransactionTooLarge):
        one.run("SET a 2")
    assert one.run("GET a", reads=True) == b"1"
    with pytest.raises(BadDatabaseIndex):
        one.transaction.database(16)
