"""BEGIN, COMMIT and their kin: their syntax, their replies, and how they are declared."""

import pytest
from harness import Client, World


@pytest.fixture(autouse=True)
def _world(world: World) -> None:
    # What a transaction changes is propagated by its COMMIT, not by each command.
    world.checks_each_command = False


def test_begin_answers_with_an_id_that_grows(client: Client) -> None:
    first = client.run("begin readonly timeout 1000")
    assert client.run("ROLLBACK") == "OK"
    assert client.run("BEGIN TIMEOUT 5") > first
    assert client.error("BEGIN").startswith("ERR transaction 2 is open already")


@pytest.mark.parametrize("line", ["BEGIN x", "BEGIN TIMEOUT", "BEGIN READONLY x", "ROLLBACK FROM p"])
def test_what_does_not_follow_the_syntax_is_refused(client: Client, line: str) -> None:
    assert client.error(line) == "ERR syntax error"


@pytest.mark.parametrize("amount", ["0", "-1", "9007199254740992"])
def test_a_timeout_is_a_positive_number_of_milliseconds(client: Client, amount: str) -> None:
    assert client.error(f"BEGIN TIMEOUT {amount}") == "ERR invalid expire time in 'begin' command"
    assert client.error("BEGIN TIMEOUT x") == "ERR value is not an integer or out of range"


@pytest.mark.parametrize("line", ["COMMIT", "ROLLBACK", "ROLLBACK TO p", "SAVEPOINT p", "RELEASE p"])
def test_without_a_transaction_they_are_refused(client: Client, line: str) -> None:
    assert client.error(line) == "ERR no transaction is open; BEGIN opens one"


def test_commit_and_rollback_take_the_own_id_too(client: Client) -> None:
    number = client.run("BEGIN")
    client.run("SET k v")
    assert client.run(f"COMMIT {number}") == "OK"
    number = client.run("BEGIN")
    assert client.run(f"ROLLBACK {number}") == "OK"
    assert client.error("COMMIT") == "ERR no transaction is open; BEGIN opens one"


def test_savepoints(client: Client) -> None:
    client.run("BEGIN")
    client.run("RPUSH l a")
    assert client.run("SAVEPOINT p") == "OK"
    client.run("RPUSH l b")
    assert client.run("ROLLBACK TO p") == "OK"
    assert client.run("LRANGE l 0 -1") == [b"a"]
    assert client.run("RELEASE p") == "OK"
    assert client.error("RELEASE p") == "ERR no such savepoint: 'p'"
    assert client.error("ROLLBACK TO p") == "ERR no such savepoint: 'p'"
    client.run("COMMIT")
    assert client.run("LRANGE l 0 -1") == [b"a"]


def test_txn_info_tells_what_it_holds(world: World, client: Client) -> None:
    client.run("HELLO 3")
    number = client.run("BEGIN TIMEOUT 7000")
    client.run("SET k v")
    client.run("GET other")
    client.run("SAVEPOINT p")
    world.advance(50)
    info = client.run(f"TXN INFO {number}")
    assert info.pop(b"memory") > 0
    assert info == {
        b"id": number,
        b"client": client.session.number,
        b"user": b"default",
        b"state": b"open",
        b"readonly": 0,
        b"age-ms": 50,
        b"idle-ms": 50,
        b"timeout-ms": 7000,
        b"commands": 2,
        b"locked-keys": 2,
        b"changed-keys": 1,
        b"savepoints": [b"p"],
    }
    assert client.run("TXN LIST") == [number]
    client.run("ROLLBACK")
    assert client.error(f"TXN INFO {number}") == f"ERR no such transaction: {number}"
    assert client.error("TXN KILL x") == "ERR invalid transaction id 'x'"


def test_put_is_set(world: World, client: Client) -> None:
    assert client.run("SET k v EX 100") == "OK"
    assert client.run("PUT k w") == "OK"
    assert client.run("TTL k") == -1
    assert world.take_log()[-1] == [b"SET", b"k", b"w"]


def test_showall_shows_strings_and_the_types_of_the_rest(client: Client) -> None:
    client.run("SET s v")
    client.run("INCR n")
    client.run("APPEND a xy")
    client.run("LPUSH l x")
    client.run("BEGIN")
    client.run("LPUSH l y")
    assert sorted(client.run("SHOWALL")) == [[b"a", b"xy", []], [b"l", "list", [1]], [b"n", b"1", []], [b"s", b"v", []]]


def test_they_are_declared_as_all_commands_are(client: Client) -> None:
    assert client.run("COMMAND COUNT") > 0
    for name, categories in (
        ("begin", {"@transaction", "@fast"}),
        ("txn|kill", {"@admin", "@dangerous", "@transaction", "@slow"}),
        ("showall", {"@keyspace", "@read", "@transaction", "@dangerous", "@slow"}),
        ("put", {"@write", "@string", "@fast"}),
    ):
        (info,) = client.run(f"COMMAND INFO {name}")
        assert set(info[6]) == categories
    assert client.run("TXN HELP")[0].startswith("TXN <subcommand>")
