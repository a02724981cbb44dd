"""INFO, TIME, ROLE, LOLWUT, MODULE and REPLICAOF as commands. The sections of INFO: tests/server/test_info.py."""

import pytest
from beside_redis import both
from harness import Client, World
from real_redis import RealRedis

from respkv.engine.clock import unix_us

AS_REDIS = (
    "TIME x", "ROLE x", "ROLE", "INFO nosuch", 'INFO ""', "INFO cluster", "LOLWUT VERSION x", "MODULE", "MODULE LIST",
    "MODULE LIST x", "MODULE NOSUCH", "REPLICAOF NO ONE", "REPLICAOF no one", "SLAVEOF NO ONE", "REPLICAOF",
    "REPLICAOF localhost x", "REPLICAOF localhost 65536",
)  # fmt: skip


@pytest.mark.parametrize("line", AS_REDIS)
def test_replies_are_those_of_redis(client: Client, real_redis: RealRedis, line: str) -> None:
    ours, theirs = both(client, real_redis, line)
    assert ours == theirs


def test_time_is_now(client: Client) -> None:
    before_us = unix_us()
    seconds, microseconds = client.run("TIME")
    assert before_us <= int(seconds) * 1_000_000 + int(microseconds) <= unix_us()


def test_info_is_a_verbatim_text(world: World) -> None:
    client = world.connect()
    client.session.protocol = 3
    assert client.raw(b"INFO cluster\r\n") == b"=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n"


def test_lolwut_ends_with_the_version(client: Client) -> None:
    *picture, version, end = client.run("LOLWUT").decode().split("\n")
    assert version == "Redis ver. 7.4.0"
    assert end == ""
    assert len(picture) == 12
    assert client.run("LOLWUT VERSION 5 1 2 3").endswith(b"Redis ver. 7.4.0\n")


def test_to_become_a_replica_is_refused(client: Client) -> None:
    assert client.error("REPLICAOF localhost 6380") == "ERR respkv cannot be a replica of another server"
