"""What a server without replicas says of replication. That snapshots arrive: tests/net/test_service_transfers.py."""

import pytest
from beside_redis import both
from harness import Client, World
from real_redis import RealRedis


@pytest.mark.parametrize(
    "line",
    ["ROLE", "REPLICAOF NO ONE", "REPLICAOF NO TWO", "REPLICAOF x 99999", "SLAVEOF no one", "FAILOVER",
     "FAILOVER ABORT",
     "FAILOVER TO x 1", "FAILOVER TO x y", "FAILOVER FOO", "FAILOVER TIMEOUT -1", "FAILOVER TIMEOUT x",
     "FAILOVER FORCE",
     "FAILOVER TIMEOUT 10", "FAILOVER TO x 1 FORCE TIMEOUT 10", "FAILOVER ABORT ABORT", "REPLCONF", "REPLCONF x",
     "REPLCONF listening-port x", "REPLCONF listening-port 1", "REPLCONF capa eof capa psync2", "REPLCONF rdb-only x",
     "REPLCONF foo bar", "REPLCONF rdb-filter-only functions", "REPLCONF rdb-filter-only foo",
     "REPLCONF ip-address 1.2.3.4", "REPLCONF version 7.0.0", "SYNC x", "PSYNC", "PSYNC a", "PSYNC a b"],
)  # fmt: skip
def test_replies_are_those_of_redis(client: Client, reference: RealRedis, line: str) -> None:
    ours, theirs = both(client, reference, line)
    assert ours == theirs


def test_acknowledgements_of_replicas_have_no_reply(client: Client) -> None:
    assert client.raw(b"REPLCONF ACK 0\r\nREPLCONF GETACK *\r\nPING\r\n") == b"+PONG\r\n"


def test_who_wants_the_changes_too_is_refused(client: Client) -> None:
    text = "ERR respkv sends a snapshot but no changes behind it: REPLCONF rdb-only 1 asks for that"
    assert client.error("SYNC") == text
    assert client.error("PSYNC ? -1") == text
    client.run("REPLCONF rdb-only 1")
    client.run("REPLCONF rdb-only 0")
    assert client.error("SYNC") == text


def test_a_snapshot_does_not_mix_with_other_replies(client: Client) -> None:
    client.run("REPLCONF rdb-only 1")
    assert client.raw(b"PING\r\nSYNC\r\n") == b"+PONG\r\n-ERR SYNC and PSYNC are invalid with pending output\r\n"


def test_a_server_without_a_directory_has_no_snapshot(client: Client, world: World) -> None:
    client.run("REPLCONF rdb-only 1")
    assert client.error("SYNC") == "ERR the snapshot could not be begun, see the log"
    assert world.server.persistence.transfers_begun == 0
