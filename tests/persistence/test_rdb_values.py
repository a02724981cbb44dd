"""Every value type through files and payloads, between respkv and the real servers, in both directions."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from persistence_fakes import read_rdb, real_server, respkv_server, server_binaries, start
from real_data import LIMITS, fill, fill_field_expiries

from respkv.engine.engine import Engine
from respkv.engine.keyspace import open_engine
from respkv.persistence.base import write_base
from respkv.persistence.check import check
from respkv.persistence.dump import decode_payload, encode_payload
from respkv.persistence.files import FileSystem
from respkv.server.digest import data_digest, value_digest
from respkv.values.hashes import Hash

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


@pytest.mark.parametrize("compressing", [False, True])
@pytest.mark.parametrize(("server", "limits"), CASES)
def test_payloads_go_there_and_back(folders: tuple[Path, Path], server: str, limits: str, compressing: bool) -> None:
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
            payload = encode_payload(decode_payload(client.dump(key), engine), compressing=compressing)
            client.restore(key, max(at_ms, 0), payload, replace=True, absttl=True)
        assert differing(value_digests(client), digests) == []
        assert field_times(client, list(digests)) == times


def test_a_server_keeps_all_types_in_log_base_and_snapshot(folders: tuple[Path, Path]) -> None:
    ours, theirs = folders
    with respkv_server(ours, "--enable-debug-command", "yes", "--appendfsync", "no") as running:
        client: Any = running
        fill(client)
        fill_field_expiries(client)
        digest = client.execute_command("DEBUG", "DIGEST")
        digests = value_digests(client)
        times = field_times(client, list(digests))
        assert client.execute_command("DEBUG", "RELOAD") == b"OK"
        assert client.execute_command("DEBUG", "DIGEST") == digest
        client.bgsave()
        wait_until(client, "persistence", "rdb_bgsave_in_progress")
        client.bgrewriteaof()
        wait_until(client, "persistence", "aof_rewrite_in_progress")
        assert client.info("persistence")["aof_last_bgrewrite_status"] == "ok"
        client.shutdown(nosave=True)

    report = check(str(ours))
    assert report.is_sound
    assert report.key_count == len(digests) + 1
    engine, _ = start(ours)
    assert data_digest(engine).hex().encode() == digest

    for server, binary in server_binaries().items():
        shutil.copy(ours / "dump.rdb", theirs / "dump.rdb")
        if server == "redis-8.2":
            with real_server(binary, theirs, *options("default limits")) as running:
                client = running
                assert client.execute_command("DEBUG", "DIGEST") == digest
                assert field_times(client, list(digests)) == times
        else:
            # Which do not have these fields, or store them otherwise: that they refuse the file is theirs to say.
            with pytest.raises(RuntimeError, match="RDB format version 12"):
                real_server(binary, theirs, *options("default limits")).__enter__()


def wait_until(client: Any, section: str, flag: str) -> None:
    for _ in range(1000):
        if not client.info(section)[flag]:
            return
        client.execute_command("DEBUG", "SLEEP", "0.01")
    raise AssertionError(f"{flag} stays")


def test_fields_that_expire_come_from_valkey_to_redis(folders: tuple[Path, Path]) -> None:
    theirs, ours = folders
    binaries = server_binaries()
    if not {"redis-8.2", "valkey-9.1"} <= set(binaries):
        pytest.skip("it takes both servers")
    with real_server(binaries["valkey-9.1"], theirs, *options("default limits")) as running:
        client: Any = running
        fill_field_expiries(client)
        times = field_times(client, list(value_digests(client)))
        client.save()
    assert (theirs / "dump.rdb").read_bytes()[:9] == b"VALKEY080"
    engine, _ = read_rdb((theirs / "dump.rdb").read_bytes())
    write_base(FileSystem(), str(ours / "dump.rdb"), engine.databases, {})
    assert (ours / "dump.rdb").read_bytes()[:9] == b"REDIS0012"
    with real_server(binaries["redis-8.2"], ours, *options("default limits")) as running:
        client = running
        assert value_digests(client) == our_digests(engine)
        assert field_times(client, list(times)) == times


def test_a_later_version_is_only_for_fields_that_expire(tmp_path: Path) -> None:
    engine = open_engine(1)
    value = Hash.of([(b"a", b"1")], engine.limits, {b"a": 4_102_444_800_000})
    engine.databases[0].load(b"k", value, None)
    write_base(FileSystem(), str(tmp_path / "12.rdb"), engine.databases, {})
    value.persist(b"a")
    write_base(FileSystem(), str(tmp_path / "10.rdb"), engine.databases, {})
    assert [(tmp_path / f"{version}.rdb").read_bytes()[:9] for version in (10, 12)] == [b"REDIS0010", b"REDIS0012"]
