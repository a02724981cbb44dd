"""Interactive transactions in a running server: waiting, connections that end, and kill -9 in between."""

import contextlib
import random
import re
import signal
import threading
import time
from pathlib import Path

import pytest
import redis
from net_servers import DEADLINE_S, Raw, Serve, Served, eventually

ACCOUNTS = 6
START = 100
ROUNDS = 3


def test_who_waits_goes_on_at_the_commit(serve: Serve, is_portable: bool) -> None:
    server = serve(portable=is_portable)
    one, two = server.connect(), server.connect()
    assert one.call("BEGIN") == 1
    assert one.call("SET", "k", "v") == b"OK"
    two.send(b"GET k\r\n")
    assert two.is_silent()
    assert server.connect().call("GET", "other") is None
    assert one.call("COMMIT") == b"OK"
    assert two.reply() == b"v"


def test_a_lock_is_waited_for_no_longer_than_lock_timeout(serve: Serve, is_portable: bool) -> None:
    server = serve("--lock-timeout", "50", portable=is_portable)
    one, two = server.connect(), server.connect()
    one.call("BEGIN")
    one.call("SET", "k", "v")
    assert two.call("GET", "k").startswith(b"LOCKTIMEOUT")
    assert two.call("PING") == b"PONG"


def test_a_connection_that_ends_takes_its_transaction_along(serve: Serve, is_portable: bool) -> None:
    server = serve("--transaction-timeout", "100", portable=is_portable)
    one, two, three = server.connect(), server.connect(), server.connect()
    one.call("BEGIN", "TIMEOUT", "100000")
    one.call("SET", "k", "v")
    two.send(b"GET k\r\n")
    one.close()
    assert two.reply() is None
    three.send(b"BEGIN\r\nSET k v\r\n")  # together: in between it could be idle for too long
    assert three.reply() > 0
    assert three.reply() == b"OK"
    assert two.call("GET", "k") is None, "it was idle"
    assert three.call("COMMIT").startswith(b"NOTXN")


def test_shutdown_and_snapshots_leave_out_what_is_not_committed(serve: Serve) -> None:
    server = serve()
    one, two = server.connect(), server.connect()
    two.call("SET", "k", "committed")
    one.call("BEGIN")
    one.call("SET", "k", "not")
    one.call("RPUSH", "l", "not")
    assert two.call("SAVE") == b"OK"
    two.call("BGREWRITEAOF")
    client = server.client()
    eventually(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0, "the compaction")
    server.signal(signal.SIGTERM)
    assert server.exit_code() == 0
    server.start()
    client = server.client()
    assert client.get("k") == b"committed"
    assert client.keys() == [b"k"]


SAVES = ["SAVE", "BGSAVE", "BGREWRITEAOF", "DEBUG RELOAD", "DEBUG LOADAOF"]


def beside_transactions(serve: Serve, command: str) -> tuple[Served, Raw, Raw]:
    """A server in which `command` was done beside two transactions, one that has changed keys and one that has read."""
    keeps_log = "AOF" in command
    server = serve("--enable-debug-command", "yes", "--appendonly", "yes" if keeps_log else "no")
    writer, reader, other = server.connect(), server.connect(), server.connect()
    for words in ("SET k old", "RPUSH l a", "SET gone v EX 1000", "SET read v"):
        other.call(*words.split())
    writer.call("BEGIN")
    for words in ("SET k new", "RPUSH l b", "DEL gone", "SADD s x"):
        writer.call(*words.split())
    reader.call("BEGIN")
    assert reader.call("GET", "read") == b"v"
    other.call(*command.split())
    client = server.client()
    done = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress")
    eventually(lambda: not any(client.info("persistence")[field] for field in done), command)
    return server, writer, reader


@pytest.mark.parametrize("command", SAVES)
def test_what_is_saved_beside_transactions_is_what_is_committed(serve: Serve, command: str) -> None:
    server, _, _ = beside_transactions(serve, command)
    server.kill()
    server.start()
    client = server.client()
    assert sorted(client.keys()) == [b"gone", b"k", b"l", b"read"]
    assert client.mget("k", "gone") == [b"old", b"v"]
    assert client.lrange("l", 0, -1) == [b"a"]


@pytest.mark.parametrize("command", SAVES)
def test_transactions_go_on_after_a_save_or_reload_beside_them(serve: Serve, command: str) -> None:
    server, writer, reader = beside_transactions(serve, command)
    assert (writer.call("GET", "k"), reader.call("GET", "read")) == (b"new", b"v")
    other = server.connect()
    other.send(b"SET read w\r\n")
    assert other.is_silent(), "the reader has its lock still"
    assert reader.call("COMMIT") == b"OK"
    assert other.reply() == b"OK"
    assert writer.call("COMMIT") == b"OK"
    assert other.call("MGET", "k", "gone", "read") == [b"new", None, b"w"]
    assert (other.call("LRANGE", "l", 0, -1), other.call("SMEMBERS", "s")) == ([b"a", b"b"], [b"x"])
    if "AOF" in command:
        server.kill()
        server.start()
        assert server.connect().call("LRANGE", "l", 0, -1) == [b"a", b"b"]


class Banker(threading.Thread):
    """Moves money between accounts, reading before it writes, until the server is gone."""

    def __init__(self, server: Served, number: int, first: int) -> None:
        super().__init__(daemon=True)
        self.raw = server.connect()
        self.number = number
        self.next = first
        self.acknowledged: list[int] = []

    def has_moved_some(self) -> bool:
        return len(self.acknowledged) > 3

    def run(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                at = self.next
                self.next += 1
                if self.transfer(at):
                    self.acknowledged.append(at)
                else:
                    self.raw.call("ROLLBACK")

    def transfer(self, at: int) -> bool:
        """Whether it was done; not if it was the victim of a deadlock."""
        call = self.raw.call
        source, target = random.sample(range(ACCOUNTS), 2)
        call("BEGIN")
        have, has = call("GET", f"account:{source}"), call("GET", f"account:{target}")
        if b"DEADLOCK" in have + has:
            return False
        for words in (
            ("SET", f"account:{source}", int(have) - 1),
            ("SAVEPOINT", "p"),
            ("SET", f"account:{target}", 0),
            ("RPUSH", "undone", at),
            ("ROLLBACK", "TO", "p"),
            ("SET", f"account:{target}", int(has) + 1),
            ("HSET", f"moved:{self.number}", at, f"{source} {target}"),
        ):
            reply = call(*words)
            if b"DEADLOCK" in str(reply).encode():
                return False
        return bool(call("COMMIT") == b"OK")


def test_all_of_a_transaction_survives_kill_9_or_nothing(serve: Serve) -> None:
    server = serve()
    client = server.client(decode_responses=True)
    client.mset({f"account:{number}": START for number in range(ACCOUNTS)})
    firsts = [0] * 4
    kept: list[set[int]] = [set() for _ in firsts]
    for round_ in range(ROUNDS):
        dirty = server.connect()
        dirty.call("BEGIN")
        dirty.call("SET", "dirty", "never")
        bankers = [Banker(server, number, first) for number, first in enumerate(firsts)]
        for banker in bankers:
            banker.start()
        for banker in bankers:
            eventually(banker.has_moved_some, "some transfers")
        if round_ % 2:
            server.connect().call("BGREWRITEAOF")
        time.sleep(random.random() * 0.4)  # the moment is what is tried out
        server.kill()
        for banker in bankers:
            banker.join(DEADLINE_S)
            kept[banker.number].update(banker.acknowledged)
            firsts[banker.number] = banker.next
        server.start()
        client = server.client(decode_responses=True)
        accounts = [int(client.get(f"account:{number}") or 0) for number in range(ACCOUNTS)]
        expected = [START] * ACCOUNTS
        for number, acknowledged in enumerate(kept):
            moved = client.hgetall(f"moved:{number}")
            assert acknowledged <= {int(at) for at in moved}
            for move in moved.values():
                source, target = map(int, move.split())
                expected[source] -= 1
                expected[target] += 1
        assert accounts == expected
        assert client.exists("dirty", "undone") == 0


def test_the_example_of_the_documentation_runs(serve: Serve) -> None:
    text = (Path(__file__).parents[2] / "docs" / "transactions.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    server = serve()
    names: dict[str, object] = {"PORT": server.port}
    exec(compile(example, "transactions.md", "exec"), names)  # what it asserts is the test
    client = names["client"]
    assert isinstance(client, redis.Redis)
    client.close()
