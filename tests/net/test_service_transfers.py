"""Snapshots for clients that ask as replicas do."""

import socket
from pathlib import Path
from typing import Any

from net_servers import Raw, Serve, Served, eventually, pack
from real_redis import RealRedis

READ_BYTES = 65536


def _fill(server: Served, count: int, size: int = 100) -> None:
    raw = server.connect()
    raw.send(b"".join(pack(("SET", f"k{i}", "x" * size)) for i in range(count)))
    for _ in range(count):
        assert raw.reply() == b"OK"
    raw.close()


def ask(server: Served, *options: str, command: bytes = b"SYNC") -> socket.socket:
    """A connection on which a snapshot is about to arrive."""
    raw = server.connect()
    assert raw.call("REPLCONF", "rdb-only", 1, *options) == b"OK"
    raw.send(command + b"\r\n")
    return raw.sock


def receive(sock: socket.socket) -> tuple[bytes, bytes]:
    """What stands before the snapshot, and the snapshot, which is the last that comes."""
    data = bytearray()
    while part := sock.recv(READ_BYTES):
        data += part
    header, _, body = bytes(data).partition(b"$")
    size, _, body = body.partition(b"\r\n")
    assert len(body) == int(size)
    return header, body


def load(folder: Path, snapshot: bytes) -> RealRedis:
    (folder / "dump.rdb").write_bytes(snapshot)
    return RealRedis(folder, "--save", "")


def test_redis_loads_what_is_sent(serve: Serve, is_portable: bool, tmp_path: Path) -> None:
    server = serve("--appendfsync", "no", portable=is_portable)
    _fill(server, 20_000)
    raw = server.connect()
    assert raw.call("RPUSH", "list", "a", "b") == 2
    sock = ask(server)
    header, snapshot = receive(sock)
    assert header.strip(b"\n") == b""
    redis = load(tmp_path, snapshot)
    try:
        assert redis.call("DBSIZE") == 20_001
        assert redis.call("LRANGE", "list", "0", "-1") == [b"a", b"b"]
    finally:
        redis.stop()
    assert b"sync_full:1" in raw.call("INFO", "stats")
    assert not list(server.data.glob("transfer*"))


def test_psync_says_first_that_all_is_sent(serve: Serve) -> None:
    server = serve()
    assert server.connect().call("SET", "k", "v") == b"OK"
    header, snapshot = receive(ask(server, command=b"PSYNC ? -1"))
    assert header.startswith(b"+FULLRESYNC ")
    assert snapshot.startswith(b"REDIS00")
    assert b"k\x01v" in snapshot


def test_a_filter_leaves_the_data_out(serve: Serve) -> None:
    server = serve()
    assert server.connect().call("SET", "k", "v") == b"OK"
    _, snapshot = receive(ask(server, "rdb-filter-only", "functions"))
    assert b"k\x01v" not in snapshot
    assert snapshot.startswith(b"REDIS00")


def test_it_is_of_one_moment_and_others_go_on(serve: Serve, is_portable: bool, tmp_path: Path) -> None:
    server = serve("--appendonly", "no", portable=is_portable, faulty=True)
    _fill(server, 30_000)
    raw = server.connect()
    with server.fault("block-transfer"):
        sock = ask(server)
        eventually(lambda: b"rdb_bgsave_in_progress:1" in raw.call("INFO", "persistence"), "the snapshot")
        assert raw.call("BGSAVE") == b"ERR Background save already in progress"
        for i in range(0, 30_000, 100):
            assert raw.call("SET", f"k{i}", "new") == b"OK"
        assert raw.call("CLIENT", "LIST", "TYPE", "replica").count(b"flags=S ") == 1
    _, snapshot = receive(sock)
    redis = load(tmp_path, snapshot)
    try:
        assert redis.call("DBSIZE") == 30_000
        assert {redis.call("GET", f"k{i}") for i in range(0, 30_000, 100)} == {b"x" * 100}
    finally:
        redis.stop()


def test_all_who_ask_get_one(serve: Serve, is_portable: bool) -> None:
    server = serve("--appendonly", "no", portable=is_portable)
    _fill(server, 5_000)
    waiting = [ask(server) for _ in range(4)]
    waiting[1].close()
    snapshots = [receive(sock)[1] for at, sock in enumerate(waiting) if at != 1]
    assert {len(snapshot) for snapshot in snapshots} == {len(snapshots[0])}
    assert not list(server.data.glob("transfer*"))


def test_a_reader_that_is_slow_costs_no_memory_and_is_closed_in_the_end(serve: Serve, is_portable: bool) -> None:
    server = serve("--appendonly", "no", "--repl-timeout", "2", portable=is_portable, faulty=True)
    _fill(server, 200, 200_000)
    raw = server.connect()
    with server.fault("block-transfer"):
        sock = ask(server)
        eventually(lambda: b"rdb_bgsave_in_progress:1" in raw.call("INFO", "persistence"), "the snapshot")
    eventually(lambda: b"rdb_bgsave_in_progress:0" in raw.call("INFO", "persistence"), "its end")

    def told() -> dict[bytes, Any]:
        line = raw.call("CLIENT", "LIST", "TYPE", "replica")
        return dict(word.split(b"=", 1) for word in line.split())

    assert int(told()[b"tot-mem"]) < 2_000_000
    eventually(lambda: not told(), "the end of the slow client")
    assert raw.call("PING") == b"PONG"
    sock.close()


def test_the_end_of_the_server_ends_it(serve: Serve, is_portable: bool) -> None:
    server = serve("--appendonly", "no", portable=is_portable)
    _fill(server, 50_000)
    sock = ask(server)
    assert server.connect().call("PING") == b"PONG"
    stopper: Raw = server.connect()
    stopper.send(b"SHUTDOWN NOSAVE\r\n")
    assert server.exit_code() == 0
    assert not list(server.data.glob("*transfer*"))
    sock.close()


def test_a_client_that_leaves_leaves_nothing_behind(serve: Serve) -> None:
    server = serve("--appendonly", "no")
    _fill(server, 5_000)
    ask(server).close()
    raw = server.connect()
    eventually(lambda: b"sync_full:1" in raw.call("INFO", "stats"), "the transfer")
    eventually(lambda: b"rdb_bgsave_in_progress:0" in raw.call("INFO", "persistence"), "its end")
    eventually(lambda: not list(server.data.glob("*transfer*")), "the file's end")
