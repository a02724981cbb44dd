"""MEMORY."""

import pytest
from beside_redis import both
from harness import Client, World
from real_redis import RealRedis

AS_REDIS = ("MEMORY", "MEMORY NOSUCH", "MEMORY USAGE", "MEMORY USAGE missing", "MEMORY USAGE k SAMPLES",
            "MEMORY USAGE k SAMPLES -1", "MEMORY USAGE k SAMPLES x", "MEMORY USAGE k FOO 1", "MEMORY STATS x",
            "MEMORY PURGE", "MEMORY PURGE x")  # fmt: skip


@pytest.mark.parametrize("line", AS_REDIS)
def test_replies_are_those_of_redis(client: Client, real_redis: RealRedis, line: str) -> None:
    ours, theirs = both(client, real_redis, line)
    assert ours == theirs


def test_usage_grows_with_value_and_expiry(client: Client) -> None:
    client.run("SET", "k", "x" * 1000)
    usage = client.run("MEMORY USAGE k")
    assert 1000 < usage < 1600
    assert client.run("MEMORY USAGE k SAMPLES 0") == usage
    client.run("EXPIRE k 100")
    assert client.run("MEMORY USAGE k") > usage


def test_usage_is_no_use_of_the_key(world: World, client: Client) -> None:
    client.run("SET k v")
    client.run("OBJECT IDLETIME k")
    world.advance(50_000)
    client.run("MEMORY USAGE k")
    assert client.run("OBJECT IDLETIME k") == 50


def test_stats_have_the_names_that_redis_gives(client3: Client, fresh_redis: RealRedis) -> None:
    client3.run("SET k v")
    fresh_redis.call("SET", "k", "v")
    theirs = set(fresh_redis.call("MEMORY", "STATS")[::2])
    assert theirs <= set(client3.run("MEMORY STATS"))


def test_stats_add_up(client3: Client) -> None:
    client3.run("SET k v")
    stats = client3.run("MEMORY STATS")
    assert stats[b"keys.count"] == 1
    assert stats[b"overhead.total"] + stats[b"dataset.bytes"] == stats[b"total.allocated"]
    assert stats[b"peak.allocated"] >= stats[b"total.allocated"]
    assert stats[b"db.0"][b"overhead.hashtable.main"] > 0


def test_the_doctor_speaks(world: World, client: Client) -> None:
    assert client.run("MEMORY DOCTOR").startswith(b"There is too little data")
    world.checks_each_command = False
    client.run("SET", "k", "x" * 6_000_000)
    assert b"MEMORY PURGE" not in client.run("MEMORY DOCTOR")
    world.server.stats.peak_memory_bytes = 60_000_000
    assert b"MEMORY PURGE" in client.run("MEMORY DOCTOR")


def test_malloc_stats_and_help_say_something(client: Client) -> None:
    assert b"resident bytes" in client.run("MEMORY MALLOC-STATS")
    assert "USAGE key [SAMPLES count]" in client.run("MEMORY HELP")
