"""Every value type through files and payloads, between respkv and the real servers, in both directions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from persistence_fakes import read_rdb, real_server, server_binaries
from real_data import LIMITS, fill, fill_field_expiries

from respkv.engine.engine import Engine
from respkv.engine.keyspace import open_engine
from respkv.persistence.base import write_base
from respkv.persistence.dump import decode_payload, encode_payload
from respkv.persistence.files import FileSystem
from respkv.server.digest import data_digest, value_digest

HAS_FIELD_EXPIRY = ("redis-8.2", "valkey-9.1")
CASES = [(server, limits) for server in server_binaries() for limits in LIMITS]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """One for what a real server writes, one for what it reads."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    ours.mkdir()
    return theirs, ours


def options(limits: str) -> list[str]:
    words = ["--appendonly", "no", "--enable-debug-command", "yes"]
    return words + [word for name, value in LIMITS[limits].items() for word in (f"--{name}", str(value))]


def value_digests(client: Any) -> dict[bytes, bytes]:
    keys = list(client.scan_iter(count=1000))
    return dict(zip(keys, client.execute_command("DEBUG", "DIGEST-VALUE", *keys), strict=True))


def field_times(client: Any, keys: Iterator[bytes] | list[bytes]) -> dict[bytes, Any]:
    times = {}
    for key in keys:
        if key.startswith(b"hash:expiring"):
            fields = sorted(client.hkeys(key))
            times[key] = client.execute_command("HPEXPIRETIME", key, "FIELDS", len(fields), *fields)
    return times


def our_digests(engine: Engine) -> dict[bytes, bytes]:
    database = engine.databases[0]
    return {key: value_digest(database, key).hex().encode() for shard in database.shards for key in shard.values}


@pytest.mark.parametrize(("server", "limits"), CASES)
def test_a_file_goes_there_and_back(folders: tuple[Path, Path], server: str, limits: str) -> None:
    theirs, ours = folders
    binary = server_binaries()[server]
    with real_server(binary, theirs, *options(limits)) as running:
        client: Any = running
        fill(client)
        if server == "redis-8.2":
            fill_field_expiries(client)
        client.save()
        digest = client.execute_command("DEBUG", "DIGEST")
        digests = value_digests(client)
        times = field_times(client, list(digests))

    engine, reader = read_rdb((theirs / "dump.rdb").read_bytes())
    engine.check()
    assert reader.is_verified
    if server == "redis-8.2":
        assert differing(our_digests(engine), digests) == []
        assert data_digest(engine).hex().encode() == digest

    write_base(FileSystem(), str(ours / "dump.rdb"), engine.databases, {})
    with real_server(binary, ours, *options(limits)) as running:
        client = running
        assert differing(value_digests(client), digests) == []
        assert client.execute_command("DEBUG", "DIGEST") == digest
        assert field_times(client, list(digests)) == times


def differing(one: dict[bytes, bytes], other: dict[bytes, bytes]) -> list[bytes]:
    return [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]


@pytest.mark.parametrize(("server", "limits"), CASES)
def test_payloads_go_there_and_back(folders: tuple[Path, Path], server: str, limits: str) -> None:
    theirs, _ = folders
    engine = open_engine()
    with real_server(server_binaries()[server], theirs, *options(limits)) as running:
        client: Any = running
        fill(client)
        if server == "redis-8.2":
            fill_field_expiries(client)
        digests = value_digests(client)
        times = field_times(client, list(digests))
        expiring = {key: client.pexpiretime(key) for key in digests}
        for key, at_ms in expiring.items():
            payload = encode_payload(decode_payload(client.dump(key), engine))
            client.restore(key, max(at_ms, 0), payload, replace=True, absttl=True)
        assert differing(value_digests(client), digests) == []
        assert field_times(client, list(digests)) == times
