"""Clients of all kinds against a real server, by the pump and portably."""

import socket
import struct
import threading

import pytest
import redis
from net_servers import Raw, Served, eventually, pack

HUGE = 64 << 20


@pytest.mark.parametrize("protocol", [2, 3])
def test_an_ordinary_redis_py_program(server: Served, protocol: int) -> None:
    client = server.client(protocol=protocol, decode_responses=True)
    assert client.set("city", "Kathmandu", ex=100)
    assert client.get("city") == "Kathmandu"
    assert 0 < client.ttl("city") <= 100
    assert client.incrby("n", 5) == 5
    assert client.mset({"a": "1", "b": "2"})
    assert client.mget("a", "b", "c") == ["1", "2", None]
    with client.pipeline(transaction=False) as pipe:
        for i in range(100):
            pipe.set(f"k{i}", i)
        pipe.get("k42")
        assert pipe.execute()[-1] == "42"
    with client.pipeline() as pipe:
        pipe.watch("n")  # type: ignore[no-untyped-call]
        server.client().incr("n")
        pipe.multi()
        pipe.set("n", 0)
        with pytest.raises(redis.WatchError):
            pipe.execute()
    with client.pipeline() as pipe:
        pipe.incr("n")
        assert pipe.execute() == [7]
    assert client.set("gone", 1, px=1)
    eventually(lambda: client.get("gone") is None, "the expiry")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        client.incr("city")


def test_a_request_cut_at_every_byte(server: Served) -> None:
    raw = server.connect()
    request = pack(("SET", "key", "va\r\nlue")) + b"GET key\r\n" + pack(("ECHO", "x" * 20))
    for at in range(1, len(request)):
        raw.send(request[:at])
        # Another round trip in between: the server has read the first part by itself.
        server_has_read(server, raw)
        raw.send(request[at:])
        assert [raw.reply() for _ in range(3)] == [b"OK", b"va\r\nlue", b"x" * 20], at


def server_has_read(server: Served, raw: Raw) -> None:
    other = server.connect()
    assert other.call("PING") == b"PONG"
    other.close()


def test_each_byte_by_itself(server: Served) -> None:
    raw = server.connect()
    raw.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in pack(("SET", "k", "v")) + pack(("GET", "k")):
        raw.send(bytes((byte,)))
    assert raw.reply() == b"OK"
    assert raw.reply() == b"v"


def test_ten_thousand_commands_before_a_reply_is_read(server: Served) -> None:
    raw = server.connect()
    raw.send(b"".join(pack(("SET", f"k{i}", i)) + pack(("GET", f"k{i}")) for i in range(5000)))
    replies = [raw.reply() for _ in range(10_000)]
    assert replies[::2] == [b"OK"] * 5000
    assert replies[1::2] == [b"%d" % i for i in range(5000)]


@pytest.mark.parametrize("last", [b"", pack(("GET", "k")), b"*2\r\n$3\r\nGE"])
def test_a_half_closed_client_gets_its_replies(server: Served, last: bytes) -> None:
    raw = server.connect()
    raw.send(pack(("SET", "k", "v")) + pack(("INCR", "n")) + last)
    raw.sock.shutdown(socket.SHUT_WR)
    assert raw.rest() == b"+OK\r\n:1\r\n" + (b"$1\r\nv\r\n" if b"GET" in last else b"")


def test_a_half_closed_client_gets_all_of_a_long_reply(server: Served) -> None:
    value = b"x" * 8_000_000
    server.client().set("long", value)
    raw = server.connect()
    raw.send(pack(("GET", "long")) * 3)
    raw.sock.shutdown(socket.SHUT_WR)
    assert raw.rest() == (b"$8000000\r\n" + value + b"\r\n") * 3


def test_clients_that_reset_harm_nobody(server: Served) -> None:
    other = server.connect()
    watcher = server.client()
    count = len(watcher.client_list())
    for _ in range(20):
        raw = server.connect()
        raw.send(pack(("SET", "reset", "x" * 100_000)) + pack(("GET", "reset")) * 20)
        raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
        assert other.call("PING") == b"PONG"
    eventually(lambda: len(watcher.client_list()) <= count, "the end of clients that reset")


def test_a_huge_value_in_and_out(server: Served) -> None:
    value = bytes(range(256)) * (HUGE // 256)
    client = server.client()
    assert client.set("huge", value)
    assert client.get("huge") == value
    assert client.delete("huge") == 1


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"*1000000000000\r\n", b"invalid multibulk length"),
        (b"*1\r\n$999999999999\r\n", b"invalid bulk length"),
        (b"*2\r\n:1\r\n", b"expected '$', got ':'"),
        (b"x" * 70_000, b"too big inline request"),
        (b'set "k\r\n', b"unbalanced quotes in request"),
    ],
)
def test_hostile_requests_get_an_error_and_are_cut_off(server: Served, data: bytes, error: bytes) -> None:
    raw = server.connect()
    raw.send(b"PING\r\n" + data)
    assert raw.rest() == b"+PONG\r\n-ERR Protocol error: " + error + b"\r\n"


def test_a_hostile_header_costs_no_memory(server: Served) -> None:
    before = server.memory_bytes()
    clients = [server.connect() for _ in range(10)]
    for raw in clients:
        raw.send(b"*1000000000\r\n$500000000\r\nabc")
    assert server.connect().call("PING") == b"PONG"
    assert server.memory_bytes() - before < 20_000_000


def test_five_hundred_idle_clients(server: Served) -> None:
    idle = [server.connect() for _ in range(500)]
    working = server.client()
    assert len(working.client_list()) >= 501
    assert working.set("k", "v")
    assert idle[499].call("GET", "k") == b"v"
    for raw in idle:
        raw.close()
    eventually(lambda: len(working.client_list()) < 100, "the end of idle clients")


def test_an_unexpected_exception_ends_its_client_alone(server: Served) -> None:
    other = server.connect()
    raw = server.connect()
    raw.send(pack(("SET", "k", "v")) + pack(("EXPLODE",)) + pack(("SET", "k", "never")))
    answer = raw.rest()
    assert answer.startswith(b"+OK\r\n-ERR internal error")
    assert answer.count(b"\r\n") == 2
    assert other.call("GET", "k") == b"v"


def test_client_list_names_the_descriptor(shared: Served) -> None:
    assert int(shared.client().client_info()["fd"]) > 2


def test_client_kill(server: Served) -> None:
    victim = server.connect()
    number = victim.call("CLIENT", "ID")
    killer = server.connect()
    assert killer.call("CLIENT", "KILL", "ID", number) == 1
    assert victim.rest() == b""
    own = killer.call("CLIENT", "ID")
    assert killer.call("CLIENT", "KILL", "ID", own, "SKIPME", "no") == 1
    assert killer.rest() == b""


def test_client_pause_holds_and_resumes(server: Served) -> None:
    control = server.connect()
    writer = server.connect()
    assert control.call("CLIENT", "PAUSE", 100_000, "WRITE") == b"OK"
    writer.send(pack(("SET", "k", "v")) + pack(("GET", "k")))
    assert control.call("GET", "k") is None
    assert writer.is_silent()
    assert control.call("CLIENT", "UNPAUSE") == b"OK"
    assert [writer.reply(), writer.reply()] == [b"OK", b"v"]
    assert control.call("CLIENT", "PAUSE", 60) == b"OK"
    assert control.call("SET", "k", "later") == b"OK"


def test_a_paused_client_that_leaves_is_forgotten(server: Served) -> None:
    control = server.connect()
    assert control.call("CLIENT", "PAUSE", 100_000, "WRITE") == b"OK"
    writer = server.connect()
    number = writer.call("CLIENT", "ID")
    writer.send(pack(("SET", "k", "never")))
    eventually(lambda: b"flags=b" in control.call("CLIENT", "LIST", "ID", number), "the pause")
    writer.close()
    eventually(lambda: not control.call("CLIENT", "LIST", "ID", number), "the end of the client")
    assert control.call("CLIENT", "UNPAUSE") == b"OK"
    assert control.call("GET", "k") is None


def test_client_reply_off_and_skip(server: Served) -> None:
    raw = server.connect()
    raw.send(b"CLIENT REPLY OFF\r\nSET k v\r\nCLIENT REPLY ON\r\nCLIENT REPLY SKIP\r\nGET k\r\nGET k\r\n")
    assert [raw.reply(), raw.reply()] == [b"OK", b"v"]


def test_many_clients_count_together(server: Served) -> None:
    def work() -> None:
        client = server.client()
        for _ in range(100):
            client.incr("together")
        client.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.connect().call("GET", "together") == b"800"
