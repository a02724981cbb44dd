"""Transactions of threads."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

import respkv


@pytest.fixture
def store() -> Iterator[respkv.Store]:
    with respkv.Store(codec="json", lock_timeout=10_000) as store:
        store.multi_put({"a": 1, "b": 2})
        yield store


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def wait_until_queued(store: respkv.Store, count: int = 1) -> None:
    """Return when so many wait for locks."""
    end_s = time.monotonic() + 30
    while True:
        with store._core.latch:
            entries = store._core.engine.locks.keys_of(0).entries.values()
            if sum(len(entry.queue) for entry in entries) >= count:
                return
        assert time.monotonic() < end_s
        time.sleep(0.001)


def test_all_changes_are_seen_at_once_and_the_transaction_sees_its_own(store: respkv.Store) -> None:
    with store.transaction() as transaction:
        transaction["c"] = 3
        transaction.put("d", 4, ttl=100)
        assert transaction.delete("c") == 3
        assert transaction.delete("c") is None
        del transaction["a"]
        with pytest.raises(KeyError):
            transaction["a"]
        with pytest.raises(KeyError):
            del transaction["a"]
        assert ("d" in transaction, transaction.contains("a"), transaction.get("a", 0)) == (True, False, 0)
        assert sorted(store) == ["a", "b"]
    assert dict(store) == {"b": 2, "d": 4}
    assert 99 < (store.ttl("d") or 0) <= 100


def test_an_exception_rolls_back(store: respkv.Store) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction() as transaction:
        transaction["a"] = 1 / 0
    with store.transaction() as transaction:
        transaction["a"] = 9
        transaction.rollback()
    assert store["a"] == 1
    with pytest.raises(respkv.TransactionEndedError):
        transaction.get("a")
    assert not store._core.engine.locks


def test_others_wait_for_a_key_that_was_changed_and_for_no_other(store: respkv.Store) -> None:
    seen: list[int] = []
    with store.transaction() as transaction:
        transaction["a"] = 10
        reader = in_thread(lambda: seen.append(store["a"]))
        wait_until_queued(store)
        assert store["b"] == 2
        store["c"] = 3
        assert not seen
    reader.join(10)
    assert seen == [10]


def test_writers_wait_for_a_key_that_was_read(store: respkv.Store) -> None:
    with store.transaction() as transaction:
        assert transaction["a"] == 1
        assert store["a"] == 1
        writer = in_thread(lambda: store.put("a", 5))
        wait_until_queued(store)
        assert transaction["a"] == 1
    writer.join(10)
    assert store["a"] == 5


def test_a_wait_for_a_lock_has_an_end() -> None:
    with respkv.Store(codec="json", lock_timeout=20) as store:
        with store.transaction() as transaction:
            transaction["a"] = 1
            for call in (lambda: store.get("a"), lambda: store.put("a", 2), store.clear, lambda: "a" in store):
                with pytest.raises(respkv.LockTimeoutError, match="20 ms"):
                    call()
        assert store["a"] == 1


def test_of_two_that_wait_for_each_other_the_younger_is_rolled_back(store: respkv.Store) -> None:
    errors: list[Exception] = []
    elder, younger = store.transaction(), store.transaction()
    elder["a"] = 10
    younger["b"] = 20

    def go_on() -> None:
        with elder:
            elder["b"] = 11

    thread = in_thread(go_on)
    wait_until_queued(store)
    try:
        with younger:
            younger["a"] = 21
    except respkv.DeadlockError as error:
        errors.append(error)
    thread.join(10)
    assert len(errors) == 1
    assert dict(store) == {"a": 10, "b": 11}


def test_one_that_waits_is_told_that_it_was_rolled_back(store: respkv.Store) -> None:
    errors: list[Exception] = []
    elder, younger = store.transaction(), store.transaction()
    elder["a"] = 10
    younger["b"] = 20

    def go_on() -> None:
        try:
            with younger:
                younger["a"] = 21
        except respkv.DeadlockError as error:
            errors.append(error)

    thread = in_thread(go_on)
    wait_until_queued(store)
    with elder:
        elder["b"] = 11
    thread.join(10)
    assert len(errors) == 1
    assert dict(store) == {"a": 10, "b": 11}


def test_get_and_update_loses_no_update_and_calls_the_function_once(store: respkv.Store) -> None:
    calls: list[int] = []

    def add(value: int | None) -> int:
        calls.append(1)
        return (value or 0) + 1

    def work() -> None:
        for _ in range(20):
            store.get_and_update("n", add)

    threads = [in_thread(work) for _ in range(6)]
    for thread in threads:
        thread.join(30)
    assert store["n"] == len(calls) == 120
    assert store.get_and_update("n", lambda value: None) is None
    assert "n" not in store


def test_a_committed_transaction_is_one_block_in_the_log_and_an_uncommitted_one_is_not_there(tmp_path: Path) -> None:
    with respkv.Store(tmp_path, codec="json") as store:
        with store.transaction() as transaction:
            transaction["a"] = 1
            transaction["b"] = 2
        store.transaction()["never"] = 3
    log = (tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof").read_bytes()
    assert log.count(b"MULTI") == log.count(b"EXEC") == 1
    assert b"never" not in log
    with respkv.Store(tmp_path, codec="json") as store:
        assert dict(store) == {"a": 1, "b": 2}


def test_transfers_of_many_threads_keep_the_sum(store: respkv.Store) -> None:
    accounts = [f"account{number}" for number in range(4)]
    store.multi_put(dict.fromkeys(accounts, 100))

    def transfer(number: int) -> None:
        for step in range(15):
            source, target = accounts[(number + step) % 4], accounts[(number * 3 + step * 2 + 1) % 4]
            while source != target:
                try:
                    with store.transaction() as transaction:
                        transaction[source] -= 1
                        transaction[target] += 1
                    break
                except respkv.DeadlockError:
                    continue

    threads = [in_thread(lambda number=number: transfer(number)) for number in range(4)]  # type: ignore[misc]
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert sum(store[account] for account in accounts) == 400
    store._core.engine.check()
    assert not store._core.engine.locks


def test_a_redis_client_of_the_same_store_waits_too(store: respkv.Store) -> None:
    client: redis.Redis = respkv.connect(store)
    replies: list[object] = []
    with store.transaction() as transaction:
        transaction["a"] = 10
        thread = in_thread(lambda: replies.append(client.get("a")))
        wait_until_queued(store)
    thread.join(10)
    assert replies == [b"10"]
    client.close()


def test_an_idle_transaction_is_rolled_back_and_its_thread_is_told() -> None:
    with respkv.Store(codec="json", transaction_timeout=50) as store:

        def stay_idle() -> None:
            with store.transaction() as transaction:
                transaction["a"] = 1
                end_s = time.monotonic() + 30
                while store.stats().transactions and time.monotonic() < end_s:
                    time.sleep(0.005)

        with pytest.raises(respkv.TransactionEndedError, match="it was idle for 50 ms"):
            stay_idle()
        assert "a" not in store
        assert not store._core.engine.locks


def test_stats_and_clients_see_the_transactions_of_the_program(store: respkv.Store) -> None:
    assert (store.stats().transactions, store.stats().oldest_transaction_s) == (0, 0)
    with respkv.connect(store, protocol=3) as client, store.transaction() as transaction:
        transaction["a"] = 9
        transaction.get("b")
        stats = store.stats()
        assert (stats.transactions, stats.waiting_transactions, stats.locked_keys) == (1, 0, 2)
        assert 0 <= stats.oldest_transaction_s < 60
        (number,) = client.execute_command("TXN LIST")
        info = client.execute_command("TXN INFO", number)
        assert (info[b"client"], info[b"user"], info[b"locked-keys"]) == (0, b"", 2)
        with pytest.raises(redis.ResponseError):
            client.execute_command("COMMIT", number)
        transaction.rollback()
    assert store.stats().transactions == 0


@pytest.mark.parametrize(
    ("command", "reason", "value"),
    [("TXN KILL 1", "TXN KILL", 1), ("COMMITALL", "committed", 9), ("ROLLBACKALL", "ROLLBACKALL", 1)],
)
def test_an_operator_may_end_a_transaction_of_the_program(
    store: respkv.Store, command: str, reason: str, value: int
) -> None:
    with respkv.connect(store) as client:

        def be_ended() -> None:
            with store.transaction() as transaction:
                transaction["a"] = 9
                client.execute_command(*command.split())

        with pytest.raises(respkv.TransactionEndedError, match=reason):
            be_ended()
    assert store["a"] == value
