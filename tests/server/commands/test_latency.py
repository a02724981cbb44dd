"""LATENCY: spikes and histograms."""

import pytest
from beside_redis import both
from harness import Client, World
from real_redis import RealRedis

from respkv.commands.spec import COMMANDS

AS_REDIS = ("LATENCY", "LATENCY NOSUCH", "LATENCY LATEST x", "LATENCY HISTORY", "LATENCY HISTORY nosuch",
            "LATENCY GRAPH nosuch", "LATENCY GRAPH", "LATENCY RESET nosuch", "LATENCY HISTOGRAM nosuch",
            "LATENCY DOCTOR x")  # fmt: skip


@pytest.mark.parametrize("line", AS_REDIS)
def test_replies_are_those_of_redis(client: Client, real_redis: RealRedis, line: str) -> None:
    ours, theirs = both(client, real_redis, line)
    assert ours == theirs


@pytest.fixture
def spiky(world: World, client: Client) -> Client:
    """A client of a server that has seen spikes, at three moments."""
    monitor = world.server.latency
    client.run("CONFIG SET latency-monitor-threshold 10")
    for ms in (15, 9, 40, 25):
        monitor.note(b"command", ms, world.engine.now_ms // 1000)
        world.advance(30_000)
    monitor.note(b"fast-command", 11, world.engine.now_ms // 1000)
    return client


def test_latest_and_history(spiky: Client) -> None:
    start_s = spiky.world.engine.now_ms // 1000 - 120
    assert spiky.run("LATENCY LATEST") == [
        [b"command", start_s + 90, 25, 40],
        [b"fast-command", start_s + 120, 11, 11],
    ]
    assert spiky.run("LATENCY HISTORY command") == [[start_s, 15], [start_s + 60, 40], [start_s + 90, 25]]


def test_reset_forgets(spiky: Client) -> None:
    assert spiky.run("LATENCY RESET command nosuch") == 1
    assert spiky.run("LATENCY HISTORY command") == []
    assert spiky.run("LATENCY RESET") == 1
    assert spiky.run("LATENCY LATEST") == []


def test_the_graph_has_a_column_for_each_spike(spiky: Client) -> None:
    title, line, *rows = spiky.run("LATENCY GRAPH command").decode().split("\n")
    assert title == "command - high 40 ms, low 15 ms (all time high 40 ms)"
    assert line == "-" * 80
    assert rows == [" # ", " | ", " |o", "_||", "", "213", "m0", " s0"] or rows[4] == ""
    assert [row[1:2] for row in rows[:4]] == ["#", "|", "|", "|"]
    assert rows[3][0] == "_"
    ages = ["".join(row[column : column + 1] for row in rows[5:]).strip() for column in range(3)]
    assert ages == ["2m", "1m", "30s"]


def test_the_doctor_speaks(client: Client) -> None:
    assert b"latency-monitor-threshold" in client.run("LATENCY DOCTOR")
    client.run("CONFIG SET latency-monitor-threshold 10")
    assert client.run("LATENCY DOCTOR").startswith(b"Nothing took 10 ms")
    client.world.server.latency.note(b"command", 15, 1)
    assert b"command: 1 spikes" in client.run("LATENCY DOCTOR")


def test_a_slow_command_is_a_spike(world: World, client: Client) -> None:
    client.run("CONFIG SET latency-monitor-threshold 1")
    world.server.note_slow(client.session, COMMANDS[b"set"], [b"SET"], 3_000_000)
    world.server.note_slow(client.session, COMMANDS[b"get"], [b"GET"], 5_000_000)
    assert [event[0] for event in client.run("LATENCY LATEST")] == [b"command", b"fast-command"]


def test_the_histogram_counts_calls_timed_by_themselves(client3: Client) -> None:
    for spec in (COMMANDS[b"set"], COMMANDS[b"get"]):
        spec.histogram.clear()
    client3.run("SET k v")
    client3.run("SET k v")
    reply = client3.run("LATENCY HISTOGRAM set get")
    assert list(reply) == [b"set"]
    assert reply[b"set"][b"calls"] == 2
    assert max(reply[b"set"][b"histogram_usec"].values()) == 2


def test_the_histogram_of_a_container_is_that_of_its_subcommands(client3: Client) -> None:
    client3.run("CONFIG GET timeout")
    assert b"config|get" in client3.run("LATENCY HISTOGRAM config")
    assert list(client3.run("LATENCY HISTOGRAM config|get")) == [b"config|get"]


def test_tracking_can_be_turned_off(client3: Client) -> None:
    client3.run("CONFIG SET latency-tracking no")
    COMMANDS[b"get"].histogram.clear()
    client3.run("GET k")
    assert client3.run("LATENCY HISTOGRAM get") == {}
