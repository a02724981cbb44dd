"""Interactive transactions in a running server: waiting, connections that end, and kill -9 in between."""

import contextlib
import random
import re
import signal
import threading
import time
from pathlib import Path

import redis
from net_servers import DEADLINE_S, Serve, Served, eventually

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
    three.call("BEGIN")
    three.call("SET", "k", "v")
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
