"""Putting load on a server: redis-benchmark for rates, our own pipeline to set each key once."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compat.servers import Server, ServerUnavailable, pinned_to

CHUNK_COMMANDS = 8000
VALUE_BYTES = 64
OK_BYTES = len(b"+OK\r\n")


@dataclass(frozen=True)
class Rate:
    """One run of redis-benchmark: requests a second, and the server's CPU time for each."""

    per_second: float
    cpu_us: float


def _argv(server: Server, test: str | Sequence[str], options: dict[str, int], connect: Sequence[str] = ()) -> list[str]:
    program = shutil.which("redis-benchmark")
    if program is None:
        raise ServerUnavailable("redis-benchmark is not on PATH (Debian: apt install redis-tools)")
    argv = [program, "-p", str(server.port), "-d", str(VALUE_BYTES), "--csv"]
    argv += [word for name, value in options.items() for word in (f"-{name}", str(value))]
    argv += connect
    return [*argv, "-t", test] if isinstance(test, str) else [*argv, *test]


def drive(
    server: Server,
    test: str | Sequence[str],
    *,
    requests: int,
    clients: int,
    depth: int,
    keys: int,
    core: int | None,
    connect: Sequence[str] = (),
) -> Rate:
    """Run one of redis-benchmark's tests, or a command of any words, over `keys` random keys, to the end.

    `connect` are options of redis-benchmark that say how to connect: as whom, by which port, with TLS.
    """
    options = {"n": requests, "c": clients, "P": depth, "r": keys}
    before_s = server.cpu_s()
    with pinned_to(core):
        argv = _argv(server, test, options, connect)
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
    cpu_s = server.cpu_s() - before_s
    return Rate(rate_of(done.stdout), cpu_s / requests * 1e6)


def rate_of(table: str) -> float:
    """Requests a second, from the table of one row that redis-benchmark wrote. Raises RuntimeError if it is none.

    The first column is the command as it was given: quotes in it are not doubled, so that columns count from the right.
    """
    lines = table.splitlines()
    if len(lines) == 2:
        heads = lines[0].strip('"').split('","')
        cells = lines[1].strip('"').rsplit('","', len(heads) - 1)
        if len(cells) == len(heads) and "rps" in heads:
            return float(cells[heads.index("rps")])
    raise RuntimeError(f"redis-benchmark said {table!r}")


@contextlib.contextmanager
def driving(server: Server, test: str, *, clients: int, depth: int, keys: int, core: int | None) -> Iterator[None]:
    """The same without end, for as long as the block lasts; begins when its clients are connected."""
    options = {"n": 1_000_000_000, "c": clients, "P": depth, "r": keys}
    with pinned_to(core):
        process = subprocess.Popen(_argv(server, test, options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and int(server.info("clients")["connected_clients"]) < clients:
            pass
        yield
    finally:
        process.kill()
        process.wait()


def key_name(number: int) -> bytes:
    """Sixteen bytes, as redis-benchmark names them."""
    return b"key:%012d" % number


def fill(server: Server, count: int, *, expire_at_ms: int | None = None, core: int | None = None) -> None:
    """SET `count` keys of 16 bytes to values of 64 bytes that all differ, pipelined.

    Raises: RuntimeError if the server refuses one or does not hold all of them afterwards.
    """
    ending = b""
    words = 3
    if expire_at_ms is not None:
        text = b"%d" % expire_at_ms
        ending = b"$4\r\nPXAT\r\n$%d\r\n%b\r\n" % (len(text), text)
        words = 5
    head = b"*%d\r\n$3\r\nSET\r\n$16\r\n" % words
    with pinned_to(core), socket.create_connection(("127.0.0.1", server.port), timeout=600) as connection:
        unread = 0
        for first in range(0, count, CHUNK_COMMANDS):
            numbers = range(first, min(first + CHUNK_COMMANDS, count))
            connection.sendall(
                b"".join(
                    b"%bkey:%012d\r\n$64\r\n%b\r\n%b" % (head, number, b"%016d" % number * 4, ending)
                    for number in numbers
                )
            )
            # One chunk stays in flight, so that the server always has work.
            _read_ok(connection, unread)
            unread = len(numbers)
        _read_ok(connection, unread)
    with server.connect() as connection_:
        size = connection_.ask("DBSIZE").text
    if size != str(count):
        raise RuntimeError(f"{server.kind.label} holds {size} keys of {count}")


def _read_ok(connection: socket.socket, count: int) -> None:
    left = count * OK_BYTES
    while left:
        data = connection.recv(min(left, 1 << 18))
        if not data or b"-" in data:
            raise RuntimeError(f"a SET failed: {data[:200]!r}")
        left -= len(data)
