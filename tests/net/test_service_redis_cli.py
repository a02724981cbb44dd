"""redis-cli's tools, run on a server of ours and, where their output is the same, beside a redis-server."""

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from net_servers import DEADLINE_S, Served
from real_redis import RealRedis

pytestmark = pytest.mark.skipif(shutil.which("redis-cli") is None, reason="redis-cli is not installed")

KEYS = (
    "SET s " + "x" * 1000,
    "SET s2 x",
    "RPUSH l " + " ".join(map(str, range(50))),
    "SADD set a b c 1",
    "HSET h a 1 b 2",
    "ZADD z 1 a",
    "XADD x 1-1 a b",
)


def fill(server: Served, redis: RealRedis) -> None:
    """The same keys in both."""
    for line in KEYS:
        redis.call(*line.split())
        server.connect().call(*line.split())


def cli(*words: str, feed: str | None = None, status: int = 0) -> str:
    done = subprocess.run(["redis-cli", *words], input=feed, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done
    return done.stdout


def on(server: Served) -> tuple[str, str]:
    return "-p", str(server.port)


def in_terminal(*words: str, until: str) -> str:
    """What redis-cli shows in a terminal, up to what matches `until`; it would go on for ever."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(["redis-cli", *words], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        end_s = time.monotonic() + DEADLINE_S
        while not re.search(until, shown.decode("latin-1")):
            assert time.monotonic() < end_s, shown
            if select.select([ours], [], [], 0.1)[0]:
                shown += os.read(ours, 65536)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return shown.decode("latin-1")


def summary(output: str) -> list[str]:
    """The lines behind `summary`, in an order of their own: keys come in any."""
    return sorted(line for line in output.partition("summary")[2].splitlines()[1:] if line)


def test_bigkeys_and_scan_are_as_on_redis(server: Served, reference: RealRedis) -> None:
    fill(server, reference)
    ours = cli(*on(server), "--bigkeys")
    assert summary(ours) == summary(cli("-s", reference.path, "--bigkeys"))
    assert "Sampled 7 keys in the keyspace!" in ours
    for pattern in ("*", "s*", "nosuch"):
        words = ("--scan", "--pattern", pattern)
        assert sorted(cli(*on(server), *words).split()) == sorted(cli("-s", reference.path, *words).split())


def test_memkeys_looks_at_every_key(server: Served, reference: RealRedis) -> None:
    fill(server, reference)
    output = cli(*on(server), "--memkeys")
    assert "Sampled 7 keys in the keyspace!" in output
    assert re.search(r"Biggest +string found '\"s\"' has \d{4} bytes", output)


def test_hotkeys_finds_the_key_that_is_used(server: Served) -> None:
    raw = server.connect()
    assert raw.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu") == b"OK"
    for number in range(20):
        raw.call("SET", f"cold{number}", "x")
    raw.call("SET", "hot", "x")
    for _ in range(2000):
        raw.call("GET", "hot")
    output = cli(*on(server), "--hotkeys")
    assert raw.call("CONFIG", "SET", "maxmemory-policy", "noeviction") == b"OK"
    counters = re.findall(r'hot key found with counter: (\d+)\s+keyname: "?(\w+)', output)
    assert max((int(counter), name) for counter, name in counters)[1] == "hot"


def test_pipe_sends_all_and_counts_errors(server: Served) -> None:
    lines = "".join(f"SET k{number} v\r\n" for number in range(5000)) + "NOSUCH\r\n"
    assert "errors: 1, replies: 5001" in cli(*on(server), "--pipe", feed=lines, status=1)
    assert server.connect().call("DBSIZE") == 5000


def test_rdb_gives_a_file_that_redis_loads(server: Served, reference: RealRedis, tmp_path: Path) -> None:
    fill(server, reference)
    folder = tmp_path / "loaded"
    folder.mkdir()
    cli(*on(server), "--rdb", str(folder / "dump.rdb"))
    loaded = RealRedis(folder, "--save", "")
    try:
        assert loaded.call("DBSIZE") == len(KEYS)
        assert loaded.call("LRANGE", "l", "0", "-1") == reference.call("LRANGE", "l", "0", "-1")
        assert loaded.call("XRANGE", "x", "-", "+") == reference.call("XRANGE", "x", "-", "+")
    finally:
        loaded.stop()
    cli(*on(server), "--functions-rdb", str(tmp_path / "functions.rdb"))
    assert (tmp_path / "functions.rdb").read_bytes().startswith(b"REDIS00")


def test_stat_shows_rows(server: Served) -> None:
    server.connect().call("SET", "k", "v")
    shown = in_terminal(*on(server), "--stat", "-i", "0.1", until=r"(\n[\d.]+ +[^\n]*){2}\n")
    assert re.search(r"keys +mem +clients +blocked +requests +connections", shown)
    assert re.search(r"\n1 +[\d.]+[MKB]+ +\d+ +0 +\d+ \(\+\d+\) +\d+", shown)


def test_latency_is_measured(server: Served) -> None:
    assert re.match(r"[\d.]+ [\d.]+ [\d.]+ \d+", cli(*on(server), "--latency", "--raw", "-i", "1"))
    shown = in_terminal(*on(server), "--latency-history", "-i", "1", until="seconds range")
    assert re.search(r"min: \d+, max: \d+, avg: [\d.]+ \(\d+ samples\)", shown)


def test_latency_dist_is_drawn(server: Served) -> None:
    shown = in_terminal(*on(server), "--latency-dist", "-i", "1", until="(?s)milliseconds.*38;5;0m.*38;5;0m")
    assert "from 1 to 9     milliseconds" in shown


def test_monitor_is_shown(server: Served) -> None:
    raw = server.connect()
    process = subprocess.Popen(["redis-cli", *on(server), "MONITOR"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "OK\n"
        raw.call("SET", "k", "v")
        assert re.fullmatch(r'\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "k" "v"\n', process.stdout.readline())
    finally:
        process.kill()
        process.communicate()
