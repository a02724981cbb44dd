"""How interactive transactions end, by whom and when, and what bounds them."""

import pytest
from harness import Client, World

from respkv.commands.flags import GATE_LOCKS


@pytest.fixture(autouse=True)
def _world(world: World) -> None:
    # What a transaction changes is propagated by its COMMIT, not by each command.
    world.checks_each_command = False


# Deadlocks and time


def test_a_deadlock_is_found_at_once_and_its_youngest_rolled_back(world: World, client: Client, other: Client) -> None:
    client.run("BEGIN")
    other.run("BEGIN")
    client.run("SET a 1")
    other.run("SET b 2")
    other.start("SET a 2")
    assert client.run("SET b 1") == "OK"
    (reply,) = world.replies_to(other)
    assert reply.message.startswith(b"DEADLOCK transaction 2 was rolled back")
    client.run("COMMIT")
    assert other.run("ROLLBACK") == "OK"
    assert other.run("MGET a b") == [b"1", b"1"]


def test_what_was_sent_ahead_of_a_deadlock_is_not_run_outside(world: World, client: Client, other: Client) -> None:
    client.run("BEGIN")
    other.run("BEGIN")
    client.run("SET a 1")
    other.run("SET b 2")
    assert other.raw(b"SET a 2\r\nSET x 2\r\nPING\r\nCOMMIT\r\nSET y 2\r\n") == b""
    client.run("SET b 1")
    first, second, pong, third, last = world.replies_to(other)
    assert pong == "PONG"
    assert [each.message[:8] for each in (first, second, third)] == [b"DEADLOCK"] * 3
    assert last == "OK"
    client.run("COMMIT")
    assert client.run("EXISTS x y") == 1


def test_a_wait_for_locks_is_bounded(world: World, client: Client, other: Client, third: Client) -> None:
    client.run("CONFIG SET lock-timeout 100")
    client.run("BEGIN")
    client.run("SET k v")
    assert other.raw(b"GET k\r\nPING\r\n") == b""
    third.run("BEGIN")
    third.run("SET mine v")
    third.start("SET k w")
    world.tick(99)
    assert other.replies() == []
    world.tick(1)
    error, pong = other.replies()
    assert (error.message[:11], pong) == (b"LOCKTIMEOUT", "PONG")
    assert third.replies()[0].message.startswith(b"LOCKTIMEOUT")
    assert third.run("GET mine") == b"v", "its transaction goes on"
    client.run("COMMIT")
    assert third.run("SET k w") == "OK"
    third.run("COMMIT")
    assert client.run("MGET k mine") == [b"w", b"v"]


def test_an_exec_that_waited_too_long_is_over(world: World, client: Client, other: Client) -> None:
    client.run("CONFIG SET lock-timeout 100")
    client.run("BEGIN")
    client.run("SET k v")
    other.run("MULTI")
    other.run("SET k w")
    other.start("EXEC")
    world.tick(100)
    assert other.replies()[0].message.startswith(b"LOCKTIMEOUT")
    assert other.error("EXEC") == "ERR EXEC without MULTI"


def test_an_idle_transaction_is_rolled_back(world: World, client: Client, other: Client) -> None:
    client.run("CONFIG SET transaction-timeout 1000")
    client.run("BEGIN")
    client.run("SET k v")
    other.run("BEGIN TIMEOUT 5000")
    world.tick(900)
    client.run("GET k")
    world.tick(900)
    other.start("GET k")
    world.tick(200)
    assert world.replies_to(other) == [None]
    assert client.error("SET k w") == "NOTXN transaction 1 has ended: it was idle for 1000 ms"
    assert client.error("COMMIT") == "NOTXN transaction 1 has ended: it was idle for 1000 ms"
    assert client.run("GET k") is None
    world.tick(5000)
    assert other.error("GET k") == "NOTXN transaction 2 has ended: it was idle for 5000 ms"
    assert other.run("BEGIN") > 2


def test_a_transaction_whose_command_waits_is_not_idle(world: World, client: Client, other: Client) -> None:
    client.run("CONFIG SET transaction-timeout 1000 lock-timeout 0")
    client.run("BEGIN TIMEOUT 100000")
    client.run("SET k v")
    other.run("BEGIN")
    other.start("SET k w")
    world.tick(1500)
    assert other.replies() == []
    client.run("COMMIT")
    assert world.replies_to(other) == ["OK"]


@pytest.mark.parametrize("how", ["close", "hang_up", "kill", "reset"])
def test_a_transaction_goes_with_its_connection(world: World, client: Client, other: Client, how: str) -> None:
    client.run("BEGIN")
    client.run("SET k v")
    other.start("GET k")
    getattr(client.session, how)()
    assert world.replies_to(other) == [None]
    assert not world.engine.locks


def test_who_goes_while_it_waits_leaves_nothing(world: World, client: Client, other: Client, third: Client) -> None:
    client.run("BEGIN")
    client.run("SET k v")
    other.run("BEGIN")
    other.run("SET mine v")
    other.start("GET k")
    third.start("GET k")
    other.close()
    third.close()
    client.run("COMMIT")
    assert not world.engine.locks
    assert world.engine.reserved_bytes == 0


def test_the_gate_is_open_again_when_no_transaction_is(world: World, client: Client) -> None:
    assert not client.session.gate & GATE_LOCKS
    client.run("BEGIN")
    assert client.session.gate & GATE_LOCKS
    client.run("COMMIT")
    world.tick()
    assert not client.session.gate & GATE_LOCKS


def test_everyday_commands_on_free_keys_stay_in_the_loop(client: Client, other: Client) -> None:
    client.run("BEGIN")
    client.run("SET k v")
    get = other.session.names[b"GET"]
    before = get.histogram.count()
    assert other.raw(b"GET a\r\nGET b\r\nMGET a b\r\nDEL a\r\n").count(b"\r\n") == 6
    assert get.histogram.count() == before, "it was not timed by itself"


# From other connections


def test_txn_runs_commands_in_it_from_elsewhere(world: World, client: Client, other: Client) -> None:
    number = client.run("BEGIN")
    client.run("SET k v")
    assert other.run(f"TXN {number} GET k") == b"v"
    assert other.run(f"TXN {number} SET k w") == "OK"
    assert client.run("GET k") == b"w"
    assert other.error(f"TXN {number} COMMIT") == "ERR TXN cannot run COMMIT"
    assert other.error(f"TXN {number} MULTI") == "ERR TXN cannot run MULTI"
    assert other.error(f"TXN {number} NOSUCH").startswith("ERR unknown command 'NOSUCH'")
    assert other.error("TXN 77 GET k") == "ERR no such transaction: 77"
    assert other.error("TXN x GET k") == "ERR invalid transaction id 'x'"
    assert other.run(f"COMMIT {number}") == "OK"
    assert other.run("GET k") == b"w"
    assert client.error("GET k") == "NOTXN transaction 1 has ended: it was committed"
    assert client.run("ROLLBACK") == "OK"


def test_a_command_of_txn_waits_for_locks_as_others_do(
    world: World, client: Client, other: Client, third: Client
) -> None:
    number = client.run("BEGIN")
    third.run("BEGIN")
    third.run("SET k v")
    other.start(f"TXN {number} GET k")
    assert client.error("GET k").startswith("ERR transaction 1 waits for locks")
    assert client.error("COMMIT").startswith("ERR transaction 1 waits for locks")
    third.run("COMMIT")
    assert world.replies_to(other) == [b"v"]
    client.run("COMMIT")


def test_who_waits_in_a_transaction_that_is_killed_is_told(
    world: World, client: Client, other: Client, third: Client
) -> None:
    client.run("BEGIN")
    client.run("SET k v")
    number = other.run("BEGIN")
    other.start("GET k")
    assert third.run(f"TXN KILL {number}") == "OK"
    assert world.replies_to(other)[0].message == b"NOTXN transaction 2 has ended: TXN KILL"
    assert third.run("ROLLBACK 1") == "OK"
    assert client.error("GET k") == "NOTXN transaction 1 has ended: ROLLBACK came from another connection"


def add_user(world: World, name: bytes, *rules: bytes) -> None:
    users = world.server.access.users
    users.put(users.staged(name, [b"on", b"nopass", *rules]))


def test_another_user_has_no_part_in_it(world: World, client: Client, other: Client) -> None:
    add_user(world, b"eve", b"+@all", b"~*")
    number = client.run("BEGIN")
    other.run("AUTH eve x")
    for line in (f"TXN {number} GET k", f"COMMIT {number}", f"ROLLBACK {number}"):
        assert other.error(line) == "ERR no such transaction: 1"


def test_who_may_not_write_a_key_may_not_by_txn(world: World, client: Client) -> None:
    add_user(world, b"bob", b"+@all", b"~mine:*")
    client.run("AUTH bob x")
    number = client.run("BEGIN")
    assert client.run("SET mine:k v") == "OK"
    assert client.error("SET k v").startswith("NOPERM")
    assert client.error(f"TXN {number} SET k v").startswith("NOPERM")
    assert client.run("COMMIT") == "OK"


def test_all_are_committed_or_rolled_back_by_an_operator(
    world: World, client: Client, other: Client, third: Client
) -> None:
    client.run("BEGIN")
    client.run("SET a 1")
    other.run("BEGIN")
    other.run("SET b 1")
    assert third.run("COMMITALL") == 2
    assert third.run("MGET a b") == [b"1", b"1"]
    client.run("BEGIN")
    client.run("SET a 2")
    assert third.run("ROLLBACKALL") == 1
    assert third.run("GET a") == b"1"
    assert third.run("TXN LIST") == []


# Bounds


def test_open_transactions_keys_savepoints_and_memory_are_bounded(client: Client, other: Client) -> None:
    client.run(
        "CONFIG SET transaction-max-open 1 transaction-max-keys 10 transaction-max-savepoints 2"
        " transaction-max-memory 1048576"
    )
    client.run("BEGIN")
    assert other.error("BEGIN") == "ERR transaction-max-open transactions are open already"
    assert client.error("MGET " + " ".join(map(str, range(20)))).startswith("ERR transaction 1 would lock more keys")
    client.run("SAVEPOINT a")
    client.run("SAVEPOINT b")
    assert client.error("SAVEPOINT c").startswith("ERR transaction 1 has transaction-max-savepoints")
    client.run("SET", "k", "x" * 1_100_000)
    assert client.error("SET a 1") == "OOM transaction 1 takes more than transaction-max-memory"
    assert client.run("STRLEN k") == 1_100_000
    client.run("COMMIT")
    assert client.run("STRLEN k") == 1_100_000


def test_client_reply_off_holds_within(client: Client, other: Client, world: World) -> None:
    client.run("BEGIN")
    assert client.raw(b"CLIENT REPLY OFF\r\nSET k v\r\nGET k\r\n") == b""
    other.start("GET k")
    assert client.raw(b"COMMIT\r\nCLIENT REPLY ON\r\n") == b"+OK\r\n"
    assert world.replies_to(other) == [b"v"]
