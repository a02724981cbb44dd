"""CONFIG, and what a change of a directive does to a running server. Values and errors: tests/server/config."""

import pytest
from beside_redis import both
from harness import Client, World
from real_redis import RealRedis

from respkv.commands.flags import GATE_MEMORY, GATE_TIMED

AS_REDIS = (
    "CONFIG", "CONFIG NOSUCH", "CONFIG GET", "CONFIG SET", "CONFIG SET a", "CONFIG SET a b c", "CONFIG GET nosuch",
    "CONFIG GET MAXMEMORY", "CONFIG SET nosuch 1",
    "CONFIG SET maxmemory 1 maxmemory 2", "CONFIG SET databases 3", "CONFIG REWRITE", "CONFIG RESETSTAT x",
    "CONFIG SET dir /", "CONFIG SET timeout -1",
)  # fmt: skip


@pytest.mark.parametrize("line", AS_REDIS)
def test_replies_are_those_of_redis(client: Client, real_redis: RealRedis, line: str) -> None:
    ours, theirs = both(client, real_redis, line)
    assert ours == theirs


def test_get_is_a_map(client3: Client) -> None:
    assert client3.run("CONFIG GET max*samples timeout") == {b"maxmemory-samples": b"5", b"timeout": b"0"}


def test_resetstat_sets_every_counter_to_zero(world: World, client: Client) -> None:
    client.run("GET k")
    client.error("NOSUCH")
    client.error("INCR")
    assert client.run("CONFIG RESETSTAT") == "OK"
    stats = world.server.stats
    assert (stats.connections, stats.errors, world.engine.misses) == (0, {}, 0)
    # RESETSTAT itself was counted before.
    assert stats.commands() == 0


def test_a_larger_bulk_is_taken_from_then_on(world: World, client: Client) -> None:
    client.run("CONFIG SET proto-max-bulk-len 2mb")
    assert client.session.reader.bulk_max_bytes == 2 * 1024 * 1024
    assert world.connect().session.reader.bulk_max_bytes == 2 * 1024 * 1024


def test_maxmemory_closes_and_opens_the_gate(client: Client) -> None:
    client.run("CONFIG SET maxmemory 100mb")
    assert client.session.gate & GATE_MEMORY
    client.run("CONFIG SET maxmemory 0")
    assert not client.session.gate & GATE_MEMORY


def test_low_thresholds_time_every_command(client: Client) -> None:
    assert not client.session.gate & GATE_TIMED
    client.run("CONFIG SET slowlog-log-slower-than 0")
    assert client.session.gate & GATE_TIMED
    client.run("CONFIG SET slowlog-log-slower-than 10000")
    assert not client.session.gate & GATE_TIMED
    client.run("CONFIG SET latency-monitor-threshold 100")
    assert client.session.gate & GATE_TIMED


def test_several_directives_are_set_together_or_not_at_all(client: Client) -> None:
    assert client.error("CONFIG SET maxmemory 100mb timeout x").startswith("ERR CONFIG SET failed")
    assert client.run("CONFIG GET maxmemory") == [b"maxmemory", b"0"]
