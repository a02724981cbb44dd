"""A server's life: loading, shutting down, crashing, coming back."""

import contextlib
import os
import random
import signal
import threading
import time

import pytest
import redis
from net_servers import DEADLINE_S, Serve, Served, eventually, pack

ROUNDS = int(os.environ.get("RESPKV_KILL_ROUNDS", "5"))
"""How often the kill -9 test kills."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_cleanly(serve: Serve, is_portable: bool, number: int) -> None:
    server = serve("--appendfsync", "no", portable=is_portable)
    raw = server.connect()
    raw.send(b"".join(pack(("SET", f"k{i}", i)) for i in range(1000)))
    assert [raw.reply() for _ in range(1000)] == [b"OK"] * 1000
    server.signal(number)
    assert server.exit_code() == 0
    assert raw.rest() == b""
    server.start()
    assert server.connect().call("DBSIZE") == 1000
    assert "torn" not in server.log_text()


@pytest.mark.parametrize("words", ["SHUTDOWN", "SHUTDOWN NOSAVE", "SHUTDOWN SAVE", "SHUTDOWN NOW FORCE"])
def test_shutdown(serve: Serve, is_portable: bool, words: str) -> None:
    server = serve(portable=is_portable)
    raw = server.connect()
    assert raw.call("SHUTDOWN", "ABORT") == b"ERR No shutdown in progress."
    assert raw.call("SHUTDOWN", "SAVE", "NOSAVE") == b"ERR syntax error"
    raw.send(pack(("SET", "k", "v")) + words.encode() + b"\r\n" + pack(("SET", "k", "never")))
    assert raw.rest() == b"+OK\r\n"
    assert server.exit_code() == 0
    assert (server.data / "dump.rdb").exists() == (words == "SHUTDOWN SAVE")
    server.start()
    assert server.connect().call("GET", "k") == b"v"


def test_a_snapshot_is_what_remains_without_a_log(serve: Serve, is_portable: bool) -> None:
    server = serve("--appendonly", "no", "--save", "3600 1", portable=is_portable)
    assert server.connect().call("SET", "k", "v") == b"OK"
    server.signal(signal.SIGTERM)
    assert server.exit_code() == 0
    server.start()
    raw = server.connect()
    assert raw.call("GET", "k") == b"v"
    assert raw.call("CONFIG", "SET", "save", "1 1") == b"OK"
    assert raw.call("SET", "k", "w") == b"OK"
    eventually(lambda: b"rdb_changes_since_last_save:0" in raw.call("INFO", "persistence"), "the save point")
    server.restart()
    assert server.connect().call("GET", "k") == b"w"


def _fill(server: Served, count: int) -> None:
    raw = server.connect()
    for start in range(0, count, 5000):
        raw.send(b"".join(pack(("SET", f"k{i}", "x" * 100)) for i in range(start, start + 5000)))
        assert {raw.reply() for _ in range(5000)} == {b"OK"}


@pytest.mark.parametrize("options", [("--appendonly", "yes"), ("--appendonly", "no", "--save", "3600 1")])
def test_loading(serve: Serve, is_portable: bool, options: tuple[str, ...]) -> None:
    server = serve(*options, faulty=True, portable=is_portable)
    _fill(server, 60_000)
    server.connect().send(b"SHUTDOWN\r\n")
    assert server.exit_code() == 0
    before = {path: path.read_bytes() for path in server.data.rglob("*") if path.is_file()}
    for end in ("signal", "SHUTDOWN", "SHUTDOWN SAVE", "none"):
        (server.control / "slow-read").touch()
        server.start(wait=False)
        raw = eventually(lambda: _try_to_connect(server), "the port")
        assert raw.call("GET", "k1") == b"LOADING Redis is loading the dataset in memory"
        assert b"loading:1" in raw.call("INFO", "persistence")
        if end == "none":
            (server.control / "slow-read").unlink()
            server.wait_until_ready()
            assert raw.call("DBSIZE") == 60_000
        elif end == "signal":
            server.signal(signal.SIGTERM)
        else:
            raw.send(end.encode() + b"\r\n")
        if end != "none":
            assert server.exit_code() == 0
            after = {path: path.read_bytes() for path in server.data.rglob("*") if path in before}
            assert after == before


def _try_to_connect(server: Served) -> object:
    try:
        return server.connect()
    except OSError:
        return None


class Writer(threading.Thread):
    """Writes unique values until the server is gone, and remembers what was acknowledged."""

    def __init__(self, server: Served, number: int, first: int) -> None:
        super().__init__(daemon=True)
        self.client = server.client()
        self.number = number
        self.first = self.next = first
        self.acknowledged: list[int] = []

    def has_written(self) -> bool:
        return len(self.acknowledged) > 5

    def run(self) -> None:
        try:
            while True:
                at, me = self.next, self.number
                self.next += 1
                with self.client.pipeline() as pipe:
                    pipe.multi()
                    for name in ("a", "b"):
                        pipe.set(f"{name}:{me}:{at}", at)
                    pipe.incr(f"n:{me}")
                    pipe.execute()
                self.client.set(f"s:{me}:{at}", at)
                self.acknowledged.append(at)
        except redis.RedisError:
            return


def test_every_acknowledged_write_survives_kill_9(serve: Serve) -> None:
    server = serve()
    firsts = [0] * 4
    kept: list[set[int]] = [set() for _ in firsts]
    for round_ in range(ROUNDS):
        writers = [Writer(server, number, firsts[number]) for number in range(len(firsts))]
        for writer in writers:
            writer.start()
        for writer in writers:
            eventually(writer.has_written, "some writes")
        if round_ % 2:
            server.connect().call("BGREWRITEAOF")
        time.sleep(random.random() * 0.4)  # the moment is what is tried out
        server.kill()
        for writer in writers:
            writer.join(DEADLINE_S)
            kept[writer.number].update(writer.acknowledged)
            firsts[writer.number] = writer.next
        server.start()
        client = server.client(decode_responses=True)
        for number, acknowledged in enumerate(kept):
            names = [f"{kind}:{number}:{at}" for at in sorted(acknowledged) for kind in "sab"]
            assert None not in client.mget(names)
            # No part of a transaction without the rest of it.
            tried = range(firsts[number])
            a = client.mget([f"a:{number}:{at}" for at in tried])
            b = client.mget([f"b:{number}:{at}" for at in tried])
            assert a == b
            assert int(client.get(f"n:{number}") or 0) == sum(value is not None for value in a)


def _incr_until(server: Served, is_over: threading.Event) -> threading.Thread:
    client = server.client(db=3)

    def run() -> None:
        while not is_over.is_set():
            client.incr("n")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def _disk_bytes(server: Served) -> int:
    total = 0
    for path in server.data.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


@pytest.mark.parametrize("automatic", [False, True])
def test_compaction_under_writes(serve: Serve, is_portable: bool, automatic: bool) -> None:
    server = serve("--appendfsync", "everysec", "--auto-aof-rewrite-min-size", "1mb", portable=is_portable)
    raw = server.connect()
    if not automatic:
        assert raw.call("CONFIG", "SET", "auto-aof-rewrite-percentage", 0) == b"OK"
    is_over = threading.Event()
    thread = _incr_until(server, is_over)
    for _ in range(30):
        assert raw.call("SET", "k", "x" * 100_000) == b"OK"
    if not automatic:
        assert raw.call("BGREWRITEAOF").startswith(b"Background append only file rewriting")
    eventually(lambda: list(server.data.glob("appendonlydir/*.base.rdb")), "a base")
    # What came while it ran may be so much that another one follows.
    eventually(lambda: not raw.is_compacting() and _disk_bytes(server) < 2_000_000, "the end of the compaction")
    is_over.set()
    thread.join()
    number = server.client(db=3).get("n")
    server.restart()
    assert server.client(db=3).get("n") == number
    assert server.connect().call("DBSIZE") == 1


def test_a_compaction_that_waits_for_the_disk_is_in_progress(serve: Serve, is_portable: bool) -> None:
    server = serve("--appendfsync", "everysec", portable=is_portable, faulty=True)
    raw = server.connect()
    with server.fault("block-sync"):
        assert raw.call("SET", "k", "v") == b"OK"
        assert raw.call("BGREWRITEAOF").startswith(b"Background append only file rewriting")
        until_s = time.monotonic() + 0.4  # several ticks
        while time.monotonic() < until_s:
            told = raw.call("INFO", "persistence")
            assert b"aof_rewrite_in_progress:1" in told
            assert b"aof_current_rewrite_time_sec:-1" not in told
        assert raw.call("BGREWRITEAOF") == b"ERR Background append only file rewriting already in progress"
    eventually(lambda: b"aof_rewrite_in_progress:0" in raw.call("INFO", "persistence"), "its end")
    assert b"aof_rewrites:1" in raw.call("INFO", "persistence")


def test_bgsave_is_of_one_moment(serve: Serve, is_portable: bool) -> None:
    server = serve("--appendonly", "no", portable=is_portable)
    _fill(server, 10_000)
    raw = server.connect()
    appends = b"".join(pack(("APPEND", f"k{i}", "y")) for i in range(5000))
    raw.send(b"SET moment 1\r\nBGSAVE\r\nSET moment 2\r\nSET late 1\r\n" + appends)
    assert [raw.reply() for _ in range(5004)][1] == b"Background saving started"
    eventually(lambda: b"rdb_bgsave_in_progress:0" in raw.call("INFO", "persistence"), "the end of the snapshot")
    server.restart()
    raw = server.connect()
    assert raw.call("DBSIZE") == 10_001
    assert raw.call("MGET", "moment", "late", "k0", "k4999") == [b"1", None, b"x" * 100, b"x" * 100]
