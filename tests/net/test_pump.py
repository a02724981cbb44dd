"""Clients that read slowly or not at all, limits of what is buffered for them, and who is told first."""

import socket
import time
from collections.abc import Iterator

import pytest
from net_servers import Raw, Serve, Served, eventually, pack

from respkv.net.pump import Pump
from respkv.server.session import Session

MEGABYTE = 1 << 20


def stop_reading(server: Served, size: int, times: int) -> Raw:
    """A client that asks for a value of `size` bytes so many times and reads nothing."""
    assert server.connect().call("SET", "big", "x" * size) == b"OK"
    raw = server.connect()
    raw.sock.settimeout(1)
    try:
        for _ in range(times):
            raw.send(pack(("GET", "big")))
    except OSError:
        pass  # its requests are left in the socket, or it was cut off
    return raw


def test_a_client_that_never_reads_is_cut_off_by_the_hard_limit(serve: Serve, is_portable: bool) -> None:
    server = serve("--client-output-buffer-limit", "normal 8mb 0 0", portable=is_portable)
    # One reply above the limit: portably a client never has more than one request's replies in memory.
    raw = stop_reading(server, 24 * MEGABYTE, 1)
    other = server.connect()
    eventually(lambda: b"output_buffer_limit_disconnections:1" in other.call("INFO", "stats"), "the end")
    assert len(raw.rest()) < 24 * MEGABYTE


def test_a_client_that_never_reads_is_cut_off_by_the_soft_limit(serve: Serve, is_portable: bool) -> None:
    server = serve("--client-output-buffer-limit", "normal 0 1mb 1", portable=is_portable)
    other = server.connect()
    began_s = time.monotonic()
    stop_reading(server, 24 * MEGABYTE, 1)
    eventually(lambda: b"output_buffer_limit_disconnections:1" in other.call("INFO", "stats"), "the end")
    assert time.monotonic() - began_s > 0.99
    assert other.call("PING") == b"PONG"


def test_a_client_that_never_reads_is_read_no_further(serve: Serve, is_portable: bool) -> None:
    server = serve(portable=is_portable)
    before = server.memory_bytes()
    raws = [server.connect() for _ in range(1)]
    assert server.connect().call("SET", "big", "x" * MEGABYTE) == b"OK"
    other = server.connect()
    for _ in range(400):  # a request at a time, so that each is received by itself
        raws[0].send(pack(("GET", "big")))
        assert other.call("PING") == b"PONG"
    assert server.memory_bytes() - before < 150 * MEGABYTE
    for _ in range(400):  # it lost nothing
        assert len(raws[0].reply()) == MEGABYTE


def test_one_read_full_of_requests_for_much_is_answered_by_and_by(serve: Serve, is_portable: bool) -> None:
    server = serve("--appendfsync", "no", portable=is_portable)
    other = server.connect()
    assert other.call("SET", "big", "x" * MEGABYTE) == b"OK"
    before = server.memory_bytes()
    raw = server.connect()
    raw.send(pack(("GET", "big")) * 400 + pack(("SET", "last", "1")))
    eventually(lambda: server.memory_bytes() - before > 30 * MEGABYTE, "the first replies")
    assert other.call("GET", "last") is None
    assert server.memory_bytes() - before < 150 * MEGABYTE
    for _ in range(400):
        assert len(raw.reply()) == MEGABYTE
    assert raw.reply() == b"OK"
    # The same through many small parts.
    assert raw.call("SET", "k", "y" * 5000) == b"OK"
    raw.send(pack(("MGET", *["k"] * 1000)) * 60 + pack(("SET", "last", "2")))
    assert len(raw.reply()) == 1000
    assert other.call("GET", "last") == b"1"
    assert server.memory_bytes() - before < 200 * MEGABYTE
    for _ in range(59):
        assert len(raw.reply()) == 1000
    assert raw.reply() == b"OK"


def test_held_output_is_sent_before_the_rest_is_answered(serve: Serve, is_portable: bool) -> None:
    server = serve(portable=is_portable)
    raw = server.connect()
    value = "x" * 20 * MEGABYTE
    raw.send(pack(("SET", "k", value)))
    raw.send((pack(("GET", "k")) + pack(("INCR", "n"))) * 4)
    assert raw.reply() == b"OK"
    for number in range(1, 5):
        assert len(raw.reply()) == len(value)
        assert raw.reply() == number


def test_the_arguments_of_an_unfinished_request_count(serve: Serve, is_portable: bool) -> None:
    server = serve("--client-query-buffer-limit", "1mb", portable=is_portable)
    raw = server.connect()
    raw.send(b"*1000000\r\n$4\r\nMGET\r\n")
    with pytest.raises(OSError):  # noqa: PT011  (a reset or a broken pipe)
        raw.send(b"$1000\r\n%b\r\n" % (b"x" * 1000) * 100_000)
    assert b"query_buffer_limit_disconnections:1" in server.connect().call("INFO", "stats")


def test_the_query_buffer_is_bounded(serve: Serve, is_portable: bool) -> None:
    server = serve("--client-query-buffer-limit", "1mb", portable=is_portable)
    raw = server.connect()
    raw.send(b"*2\r\n$4\r\nECHO\r\n$100000000\r\n")
    with pytest.raises(OSError):  # noqa: PT011  (a reset or a broken pipe)
        raw.send(b"x" * 90 * MEGABYTE)
    assert b"query_buffer_limit_disconnections:1" in server.connect().call("INFO", "stats")


# In this process: who is told first


class Couple:
    """One who asks and one who only listens, on one stream, in which stands what was sent first."""

    def __init__(self, pump: Pump) -> None:
        self.pump = pump
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        self.theirs.settimeout(10)
        self.asking, self.listening = (pump.server.open_session("127.0.0.1:1", "127.0.0.1:2") for _ in range(2))
        pump.admit(ours, self.asking)
        pump.admit(ours.dup(), self.listening)
        pump.poller.change(self.listening.fd, reads=False, writes=False, end=False)

    def ask(self, request: bytes) -> bytes:
        """What both are told when the one has sent `request`."""
        self.theirs.send(request)
        self.pump.run_turns()
        return self.theirs.recv(65536)


def tell(session: Session, requests: bytes) -> None:
    """Let the session run them, and drop the replies."""
    session.receive(requests)
    session.take_output()


@pytest.fixture
def couple(pump: Pump) -> Iterator[Couple]:
    couple = Couple(pump)
    yield couple
    couple.theirs.close()


def test_publishers_are_answered_before_subscribers_are_told(couple: Couple) -> None:
    tell(couple.listening, b"SUBSCRIBE c\r\n")
    message = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n"
    assert couple.ask(b"PUBLISH c x\r\n") == b":1\r\n" + message


def test_who_has_a_copy_is_told_of_a_change_before_the_one_who_made_it_is_answered(couple: Couple) -> None:
    tell(couple.listening, b"HELLO 3\r\nCLIENT TRACKING ON\r\nGET k\r\n")
    invalidation = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"
    assert couple.ask(b"SET k v\r\n") == invalidation + b"+OK\r\n"
