"""Random data of all types go from each real server to respkv and back, in each form of file, and are the same.

The data are compared as clients see them (`observation`): values, expiries of keys and fields, streams with their
groups. `DUMP` would compare encodings, which differ from version to version.
"""

from pathlib import Path
from random import Random

import pytest
import redis
from harness import encode
from net_servers import eventually
from observation import Observation, observe
from persistence_fakes import raw_client, real_server, respkv_server, server_binaries
from workload import Workload

ROUNDS = {True: 9, False: 1}
TURNS = 120
# How a real server is made to leave its data: its options, and what is asked of it at the end.
FORMS: dict[str, tuple[tuple[str, ...], str]] = {
    "log with an RDB base": (("--aof-use-rdb-preamble", "yes"), "BGREWRITEAOF"),
    "log with a RESP base": (("--aof-use-rdb-preamble", "no"), "BGREWRITEAOF"),
    "increments only": ((), "PING"),
    "snapshot": (("--appendonly", "no"), "SAVE"),
}


def fill(client: redis.Redis, rng: Random, *, fields_expire: bool) -> None:
    """Random commands; those that the server does not know are refused, and that is well."""
    workload = Workload(rng, keys_per_type=4)
    commands = [argv for _ in range(TURNS) for argv in workload.repeatable_turn() if argv[0] != b"BLMPOP"]
    if not fields_expire:
        commands = [argv for argv in commands if argv[0] not in (b"HEXPIRE", b"HSETEX")]
    else:
        commands += [
            [b"HSET", b"h", b"f", b"1", b"g", b"2"],
            [b"HPEXPIREAT", b"h", b"33177117420000", *b"FIELDS 1 f".split()],
        ]
    raw = raw_client(client)
    raw.send(b"".join(map(encode, commands)))
    for _ in commands:
        raw.reply()
    raw.close()


def finish(client: redis.Redis, command: str) -> None:
    """Let the server write its files."""
    raw = raw_client(client)
    raw.call(command)
    eventually(lambda: not raw.is_compacting(), "the files")
    raw.close()


def look(client: redis.Redis) -> Observation:
    raw = raw_client(client)
    try:
        return observe(raw.call)
    finally:
        raw.close()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("server", sorted(server_binaries()))
def test_there_and_back(tmp_path: Path, rng: Random, is_long: bool, server: str, form: str) -> None:
    binary = server_binaries()[server]
    options, last_word = FORMS[form]
    # Valkey's own form of fields that expire is read, but Redis's is written (docs/formats/rdb.md).
    fields_expire = not server.startswith("valkey")
    for number in range(ROUNDS[is_long]):
        directory = tmp_path / str(number)
        directory.mkdir()
        with real_server(binary, directory, *options) as client:
            fill(client, rng, fields_expire=fields_expire)
            finish(client, last_word)
        with real_server(binary, directory, *options) as client:
            # As it reads its own files: consumers that were given nothing, for one, are not in its log.
            first = look(client)
        assert first
        with respkv_server(directory) as client:
            assert look(client) == first
            fill(client, rng, fields_expire=fields_expire and server != "redis-7.0")
            if number % 2 == 0:
                finish(client, "BGREWRITEAOF")
            second = look(client)
        with real_server(binary, directory) as client:
            assert look(client) == second
