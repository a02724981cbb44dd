"""A thousand clients of each bad kind at once, while a good one is served and memory stays bounded.

What a server may take beyond `maxmemory` is what docs/durability.md and docs/operating.md say: about 5 KB a connection,
what has been received of unfinished requests (up to `client-query-buffer-limit`), and replies that are not read (up to
32 MB a client before its requests are left in its socket).
"""

import contextlib
import resource
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from net_servers import Raw, Served, eventually, pack

CLIENTS = {True: 8_000, False: 1_000}
MAXMEMORY_BYTES = 20_000_000


@pytest.fixture(params=["pump", "portable"])
def crowded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """A server that admits ten thousand clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = Served(
        tmp_path,
        *("--maxmemory", str(MAXMEMORY_BYTES), "--maxmemory-policy", "allkeys-lru", "--appendfsync", "everysec"),
        portable=request.param == "portable",
    )
    yield server
    server.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def dribble(sock: socket.socket) -> None:
    """A request begins and never ends."""
    sock.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nx")


def one_byte(sock: socket.socket) -> None:
    sock.sendall(b"*")


def half_close(sock: socket.socket) -> None:
    """A whole request, part of another, and no more to come."""
    sock.sendall(pack(("PING",)) + b"*1\r\n$4\r\nPI")
    sock.shutdown(socket.SHUT_WR)


def never_read(sock: socket.socket) -> None:
    """Asks for more than it ever takes."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with contextlib.suppress(BlockingIOError):
        sock.sendall(pack(("GET", "large")) * 3)


def reset(sock: socket.socket) -> None:
    """Asks, and is gone with a reset before it is answered."""
    sock.sendall(pack(("GET", "large")) * 3)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def announce(sock: socket.socket) -> None:
    """Says that a huge request comes."""
    sock.sendall(b"*1000000\r\n$400000000\r\n")


KINDS: list[Callable[[socket.socket], None]] = [dribble, one_byte, half_close, never_read, reset, announce]


def serve_well(raw: Raw) -> None:
    """What a good client does in between."""
    for number in range(50):
        assert raw.call("SET", f"good:{number}", "v" * 100) == b"OK"
        assert raw.call("GET", f"good:{number}") == b"v" * 100


def info(raw: Raw, name: bytes) -> int:
    """A number that INFO tells."""
    lines = raw.call("INFO", "everything").split(b"\r\n")
    return next(int(line[len(name) + 1 :]) for line in lines if line.startswith(name + b":"))


def let_in(server: Served) -> socket.socket:
    """A new connection; if there is none, why."""
    try:
        return socket.create_connection(("127.0.0.1", server.port))
    except OSError as error:
        raise AssertionError(f"{error}; the server: {server.process.poll()}, {server.log_text()}") from error


def test_replies_to_a_crowd_that_is_gone_are_not_kept_until_everybody_was_served(crowded: Served) -> None:
    good = crowded.connect()
    assert good.call("SET", "large", "x" * 50_000) == b"OK"
    before = crowded.memory_bytes()
    # The server comes back to find them all at once.
    crowded.signal(signal.SIGSTOP)
    for _ in range(400):
        reset(let_in(crowded))
    crowded.signal(signal.SIGCONT)
    eventually(lambda: info(good, b"total_connections_received") > 400, "them")
    eventually(lambda: info(good, b"connected_clients") == 1, "their end")
    assert crowded.memory_bytes() - before < 20_000_000


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_thousand_bad_clients_cost_a_bounded_amount_and_nobody_else(
    crowded: Served, is_long: bool, kind: Callable[[socket.socket], None]
) -> None:
    good = crowded.connect()
    assert good.call("SET", "large", "x" * 50_000) == b"OK"
    serve_well(good)
    before = crowded.memory_bytes()
    count = CLIENTS[is_long]
    bad = []
    try:
        for number in range(count):
            sock = let_in(crowded)
            bad.append(sock)
            kind(sock)
            if number % (count // 4) == 0:
                serve_well(good)
        serve_well(good)
        # 5 KB a connection, and for those that do not read what their requests have been answered with.
        allowed = count * (5_000 + (3 * 50_000 if kind is never_read else 2_000)) + 30_000_000
        assert crowded.memory_bytes() - before < allowed
    finally:
        for sock in bad:
            sock.close()
    eventually(lambda: info(good, b"connected_clients") == 1, "the end of the bad ones")
    serve_well(good)
    assert crowded.process.poll() is None
