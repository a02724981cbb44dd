"""Waiting for keys with real sockets, by the pump and portably."""

import resource
import time
from pathlib import Path

import pytest
from net_servers import Raw, Serve, Served, eventually, pack


def blocked_count(server: Served, raw: Raw) -> int:
    """How many clients wait, as INFO tells."""
    line = next(line for line in raw.call("INFO", "clients").splitlines() if line.startswith(b"blocked_clients:"))
    return int(line.partition(b":")[2])


def block(server: Served, control: Raw, *words: str) -> Raw:
    """A client that waits."""
    before = blocked_count(server, control)
    raw = server.connect()
    raw.send(pack(words))
    eventually(lambda: blocked_count(server, control) == before + 1, "the wait")
    return raw


def test_served_in_order_of_arrival(server: Served) -> None:
    control = server.connect()
    clients = [block(server, control, "BLPOP", "l", "0") for _ in range(5)]
    assert control.call("RPUSH", "l", "a", "b", "c") == 3
    assert control.call("LLEN", "l") == 0
    assert [raw.reply() for raw in clients[:3]] == [[b"l", b"a"], [b"l", b"b"], [b"l", b"c"]]
    assert clients[3].is_silent(0.05)
    assert control.call("RPUSH", "l", "d", "e", "f") == 3
    assert [raw.reply() for raw in clients[3:]] == [[b"l", b"d"], [b"l", b"e"]]
    assert control.call("LRANGE", "l", "0", "-1") == [b"f"]


def test_a_chain_of_moves(server: Served) -> None:
    control = server.connect()
    one = block(server, control, "BLMOVE", "a", "b", "LEFT", "RIGHT", "0")
    two = block(server, control, "BRPOPLPUSH", "b", "c", "0")
    three = block(server, control, "BLPOP", "c", "0")
    assert control.call("RPUSH", "a", "x") == 1
    assert (one.reply(), two.reply(), three.reply()) == (b"x", b"x", [b"c", b"x"])


@pytest.mark.parametrize("timeout_s", [0.01, 0.05, 0.25])
def test_a_wait_ends_and_not_before_its_time(server: Served, timeout_s: float) -> None:
    raw = server.connect()
    for _ in range(3):
        began_s = time.monotonic()
        assert raw.call("BLPOP", "none", str(timeout_s)) is None
        assert time.monotonic() - began_s >= timeout_s - 0.001


def test_what_is_pipelined_behind_a_wait_runs_after_it(server: Served) -> None:
    control = server.connect()
    raw = server.connect()
    raw.send(pack(("BLPOP", "l", "0")) + pack(("SET", "k", "v")) + pack(("BLPOP", "m", "0")) + pack(("GET", "k")))
    eventually(lambda: blocked_count(server, control) == 1)
    raw.send(pack(("PING",)))
    assert control.call("EXISTS", "k") == 0
    assert control.call("RPUSH", "l", "a") == 1
    assert (raw.reply(), raw.reply()) == ([b"l", b"a"], b"OK")
    assert control.call("RPUSH", "m", "b") == 1
    assert (raw.reply(), raw.reply(), raw.reply()) == ([b"m", b"b"], b"v", b"PONG")


def test_clients_that_vanish_take_nothing(server: Served) -> None:
    control = server.connect()
    gone = [block(server, control, "BLPOP", "l", "0") for _ in range(3)]
    last = block(server, control, "BLPOP", "l", "0")
    for raw in gone:
        raw.close()
    eventually(lambda: blocked_count(server, control) == 1, "the end of the others")
    assert control.call("RPUSH", "l", "a", "b") == 2
    assert last.reply() == [b"l", b"a"]
    assert control.call("LRANGE", "l", "0", "-1") == [b"b"]


def test_client_unblock_and_kill(server: Served) -> None:
    control = server.connect()
    raw = server.connect()
    number = raw.call("CLIENT", "ID")
    for reason, reply in (("TIMEOUT", None), ("ERROR", b"UNBLOCKED client unblocked via CLIENT UNBLOCK")):
        raw.send(pack(("BLPOP", "l", "0")))
        eventually(lambda: blocked_count(server, control) == 1)
        assert control.call("CLIENT", "UNBLOCK", number, reason) == 1
        assert raw.reply() == reply
        assert control.call("CLIENT", "UNBLOCK", number) == 0
    raw.send(pack(("BLPOP", "l", "0")))
    eventually(lambda: blocked_count(server, control) == 1)
    assert control.call("CLIENT", "KILL", "ID", number) == 1
    assert raw.rest() == b""
    assert control.call("RPUSH", "l", "a") == 1
    assert control.call("LLEN", "l") == 1


def test_waiting_over_a_transaction(server: Served) -> None:
    control = server.connect()
    raw = block(server, control, "BLPOP", "l", "0")
    control.send(pack(("MULTI",)) + pack(("RPUSH", "l", "a", "b")) + pack(("LPOP", "l")) + pack(("EXEC",)))
    assert [control.reply() for _ in range(4)] == [b"OK", b"QUEUED", b"QUEUED", [2, b"a"]]
    assert raw.reply() == [b"l", b"b"]


def test_a_served_pop_waits_for_the_disk(server: Served) -> None:
    control = server.connect()
    raw = block(server, control, "BLPOP", "l", "0")
    with server.fault("block-sync"):
        control.send(pack(("RPUSH", "l", "a")))
        assert raw.is_silent()
        assert control.is_silent()
    assert raw.reply() == [b"l", b"a"]
    assert control.reply() == 1


def test_a_served_pop_is_refused_when_the_disk_fails(server: Served) -> None:
    control = server.connect()
    raw = block(server, control, "BLPOP", "l", "0")
    with server.fault("fail-sync"):
        control.send(pack(("RPUSH", "l", "a")))
        assert raw.reply().startswith(b"MISCONF")
        assert control.reply().startswith(b"MISCONF")
    eventually(lambda: control.call("SET", "k", "v") == b"OK", "the disk to be well again")


def test_what_was_served_is_in_the_log(serve: Serve, is_portable: bool) -> None:
    server = serve(portable=is_portable)
    control = server.connect()
    clients = [
        block(server, control, "BLPOP", "l", "0"),
        block(server, control, "BLMPOP", "0", "1", "l", "RIGHT", "COUNT", "2"),
        block(server, control, "BLMOVE", "l", "m", "LEFT", "RIGHT", "0"),
    ]
    assert control.call("RPUSH", "l", "a", "b", "c", "d", "e") == 5
    assert [raw.reply() for raw in clients] == [[b"l", b"a"], [b"l", [b"e", b"d"]], b"b"]
    server.restart()
    control = server.connect()
    assert control.call("LRANGE", "l", "0", "-1") == [b"c"]
    assert control.call("LRANGE", "m", "0", "-1") == [b"b"]
    log = b"".join(path.read_bytes() for path in sorted(Path(server.data).rglob("*.incr.aof")))
    assert b"BLPOP" not in log
    assert b"BLM" not in log


def test_one_of_thousands_that_wait_is_served(serve: Serve) -> None:
    count = 3000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 500:
        pytest.skip("too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 500), hard))
    server = serve()
    control = server.connect()
    clients = [server.connect() for _ in range(count)]
    for number, raw in enumerate(clients):
        raw.send(pack(("BLPOP", f"l{number}", "3600" if number % 2 else "0")))
    eventually(lambda: blocked_count(server, control) == count)
    assert control.call("RPUSH", "l1234", "a") == 1
    assert clients[1234].reply() == [b"l1234", b"a"]
