"""CLUSTER and its kin, on a server without cluster support."""

import pytest
from harness import Client
from real_redis import RealRedis

from respkv.commands.spec import COMMANDS

DISABLED = "ERR This instance has cluster support disabled"


@pytest.mark.parametrize(
    "line",
    ["CLUSTER INFO", "CLUSTER NODES", "CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER MYID", "CLUSTER KEYSLOT k",
     "CLUSTER COUNTKEYSINSLOT 1", "CLUSTER HELP", "READONLY", "READWRITE", "ASKING"],
)  # fmt: skip
def test_there_is_no_cluster(client: Client, line: str) -> None:
    assert client.error(line) == DISABLED


@pytest.mark.parametrize("line", ["CLUSTER", "CLUSTER FOO", "CLUSTER INFO x", "CLUSTER KEYSLOT", "READONLY x",
                                  "CLUSTER MEET a", "CLUSTER ADDSLOTS", "CLUSTER RESET", "ASKING"])  # fmt: skip
def test_errors_are_those_of_redis(client: Client, real_redis: RealRedis, line: str) -> None:
    assert client.error(line).encode() == real_redis.call(*line.split())


def test_every_subcommand_of_redis_is_known(client: Client, real_redis: RealRedis) -> None:
    theirs = set(real_redis.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "cluster|*"))
    ours = {b"cluster|" + name for name in COMMANDS[b"cluster"].subcommands}
    assert ours - theirs == {b"cluster|myshardid"}  # of 7.2
    assert theirs - ours == set()
