"""The time of day jumps, for- and backwards, under a real process: what docs/durability.md says of that.

Expiries are moments, so a jump decides what has expired; all else goes on. What a client found gone stays so, though
the clock goes back across a crash.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from net_servers import Raw, Served, eventually, pack

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

# What may be asked of a key, and the answer if it is gone.
ASKED = {"EXISTS": 0, "TTL": -2, "TYPE": b"none", "DUMP": None, "STRLEN": 0}


@pytest.fixture(params=["always, pump", "everysec, portable"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    policy, way = request.param.split(", ")
    server = Served(tmp_path, "--appendfsync", policy, portable=way == "portable", jumping=True)
    yield server
    server.close()


def fill(raw: Raw) -> int:
    """Keys, and fields of a hash, that expire in an hour, in two days and never; the time now, in unix ms."""
    seconds, microseconds = raw.call("TIME")
    now_ms = int(seconds) * 1000 + int(microseconds) // 1000
    for name, at_ms in (("hour", now_ms + HOUR_MS), ("unseen", now_ms + HOUR_MS), ("days", now_ms + 2 * DAY_MS)):
        assert raw.call("SET", name, "v", "PXAT", at_ms) == b"OK"
    assert raw.call("HSET", "hash", "hour", "1", "days", "2", "ever", "3") == 3
    assert raw.call("HPEXPIREAT", "hash", now_ms + HOUR_MS, "FIELDS", 1, "hour") == [1]
    assert raw.call("HPEXPIREAT", "hash", now_ms + 2 * DAY_MS, "FIELDS", 1, "days") == [1]
    assert raw.call("SET", "ever", "v") == b"OK"
    return now_ms


def test_a_jump_forwards_expires_what_is_due_by_it_and_nothing_of_that_comes_back(server: Served) -> None:
    raw = server.connect()
    now_ms = fill(raw)
    for asked in ASKED:
        assert raw.call("SET", asked, "v", "PXAT", now_ms + HOUR_MS) == b"OK"
    server.set_clock(DAY_MS)
    assert raw.call("GET", "hour") is None
    assert [raw.call(asked, asked) for asked in ASKED] == list(ASKED.values())
    assert raw.call("HMGET", "hash", "hour", "days", "ever") == [None, b"2", b"3"]
    # Killed at once, and the clock is put right: whoever saw that it is gone was told the truth.
    server.kill()
    server.set_clock(0)
    server.start()
    raw = server.connect()
    assert raw.call("EXISTS", "hour", *ASKED) == 0
    assert raw.call("HMGET", "hash", "hour", "days", "ever") == [None, b"2", b"3"]
    assert raw.call("PEXPIRETIME", "days") == now_ms + 2 * DAY_MS
    assert raw.call("HPEXPIRETIME", "hash", "FIELDS", 1, "days") == [now_ms + 2 * DAY_MS]
    assert [raw.call("GET", name) for name in ("days", "ever")] == [b"v", b"v"]


def test_a_jump_backwards_takes_nothing_and_moves_no_expiry(server: Served) -> None:
    raw = server.connect()
    now_ms = fill(raw)
    entries = [raw.call("XADD", "stream", "*", "f", "v")]
    server.set_clock(-DAY_MS)
    for _ in range(2):  # also behind a crash
        assert [raw.call("GET", name) for name in ("hour", "days", "ever")] == [b"v"] * 3
        assert raw.call("HVALS", "hash") == [b"1", b"2", b"3"]
        assert raw.call("PEXPIRETIME", "hour") == now_ms + HOUR_MS
        assert raw.call("PTTL", "hour") > HOUR_MS
        # Identifiers still grow.
        entries.append(raw.call("XADD", "stream", "*", "f", "v"))
        server.restart()
        raw = server.connect()
    # What is set now expires by the clock as it is now, whether anybody asks for it or not.
    for number in range(100):
        assert raw.call("SET", f"brief:{number}", "v", "PX", 1) == b"OK"
    eventually(lambda: raw.call("DBSIZE") == 6, "the sweeper")
    moments = [tuple(map(int, name.split(b"-"))) for name in entries]
    assert moments == sorted(set(moments))
    assert raw.call("XADD", "other", "*", "f", "v") < b"%d" % now_ms


def test_syncs_compactions_snapshots_and_time_limits_go_on_when_the_clock_goes_back(tmp_path: Path) -> None:
    options = ["--appendfsync", "everysec", "--save", "1 1", "--timeout", "1000"]
    server = Served(tmp_path, *options, jumping=True)
    try:
        raw, other = server.connect(), server.connect()
        for number in (1, 2):
            server.set_clock(-number * DAY_MS)
            # One that would have to wait for long, and need not: what is due is looked at anew, in vain.
            other.send(pack(("BLPOP", "list", "60")))
            raw.call("RPUSH", "list", "v")
            assert other.reply() == [b"list", b"v"]
            assert raw.call("BLPOP", "none", "0.01") is None
            assert raw.call("SET", f"key{number}", "v") == b"OK"
            # The sync of each second.
            assert raw.call("WAITAOF", 1, 0, 0) == [1, 0]
            raw.call("BGREWRITEAOF")
            eventually(lambda: has(raw, f"aof_rewrites:{number}"), "a compaction")  # noqa: B023
            saved_at_s = raw.call("LASTSAVE")
            server.set_clock(-number * DAY_MS - HOUR_MS)
            assert raw.call("SET", f"key{number}", "w") == b"OK"
            eventually(lambda: raw.call("LASTSAVE") < saved_at_s, "a snapshot")  # noqa: B023
        server.set_clock(-3 * DAY_MS)
        assert raw.call("CONFIG", "SET", "timeout", 1) == b"OK"
        eventually(raw.is_closed, "the end of who is silent")
    finally:
        server.close()


def has(raw: Raw, line: str) -> bool:
    """Whether INFO says so."""
    told: bytes = raw.call("INFO", "persistence")
    return f"{line}\r".encode() in told


def test_eviction_goes_on_and_what_it_leaves_is_there_behind_a_crash(tmp_path: Path, rng: Random) -> None:
    options = ["--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru", "--appendfsync", "everysec"]
    server = Served(tmp_path, *options, jumping=True)
    try:
        raw = server.connect()
        for number in range(2000):
            if number % 200 == 0:
                server.set_clock(rng.randrange(-400, 400) * DAY_MS)
            assert raw.call("SET", f"key:{number}", f"{number}:" + "x" * 2000) == b"OK"
            if number % 50 == 0:
                assert raw.call("OBJECT", "IDLETIME", f"key:{number}") < 3600
        told = raw.call("INFO", "memory")
        used_bytes = next(int(line[12:]) for line in told.split(b"\r\n") if line.startswith(b"used_memory:"))
        assert used_bytes < 3_300_000
        names = set(raw.call("KEYS", "*"))
        assert 100 < len(names) < 2000
        server.kill()
        server.start()
        raw = server.connect()
        found = set(raw.call("KEYS", "*"))
        # A few may have to go at the start, where what is loaded takes a little more.
        assert found <= names
        assert len(found) > len(names) // 2
        for name in found:
            assert raw.call("GET", name).startswith(name.removeprefix(b"key:") + b":")
    finally:
        server.close()
