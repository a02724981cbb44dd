"""Times to live."""

import pytest
from harness import START_MS, Client, World


@pytest.mark.parametrize(
    ("line", "at_ms"),
    [
        ("EXPIRE k 100", START_MS + 100_000),
        ("PEXPIRE k 100", START_MS + 100),
        ("EXPIREAT k 33177117420", 33_177_117_420_000),
        ("PEXPIREAT k 33177117420123", 33_177_117_420_123),
        ("PEXPIREAT k 9223372036854775807", 2**63 - 1),
    ],
)
def test_an_expiry_is_logged_as_an_absolute_time(world: World, client: Client, line: str, at_ms: int) -> None:
    client.run("SET k v")
    world.take_log()
    assert client.run(line) == 1
    assert world.take_log() == [[b"PEXPIREAT", b"k", b"%d" % at_ms]]
    assert client.run("PEXPIRETIME k") == at_ms


def test_a_condition_stays_in_the_log(world: World, client: Client) -> None:
    client.run("SET k v")
    world.take_log()
    client.run("EXPIRE k 100 lt")
    assert world.take_log() == [[b"PEXPIREAT", b"k", b"%d" % (START_MS + 100_000), b"lt"]]


@pytest.mark.parametrize(
    "line",
    [
        "EXPIRE k 0",
        "EXPIRE k -1",
        "PEXPIRE k -9223372036854775808",
        "EXPIREAT k 5 LT",
        "PEXPIREAT k 1 NX",
        "EXPIREAT k -1",
    ],
)
def test_a_time_that_has_passed_deletes_the_key(world: World, client: Client, line: str) -> None:
    client.run("SET k v")
    world.take_log()
    assert client.run(line) == 1
    assert client.run("EXISTS k") == 0
    assert world.take_log() == [[b"DEL", b"k"]]


def test_the_present_moment_has_passed(client: Client) -> None:
    client.run("SET k v")
    client.run("PEXPIREAT", "k", START_MS)
    assert client.run("EXISTS k") == 0


@pytest.mark.parametrize(
    ("expiry", "line", "is_done"),
    [
        (None, "EXPIRE k 100 NX", 1),
        (None, "EXPIRE k 100 XX", 0),
        (None, "EXPIRE k 100 GT", 0),
        (None, "EXPIRE k 100 LT", 1),
        (None, "EXPIRE k 100 XX LT", 0),
        (50, "EXPIRE k 100 NX", 0),
        (50, "EXPIRE k 100 XX", 1),
        (50, "EXPIRE k 100 GT", 1),
        (50, "EXPIRE k 50 GT", 0),
        (50, "EXPIRE k 50 LT", 0),
        (50, "EXPIRE k 49 lt xx xx", 1),
        (50, "EXPIRE k -1 GT", 0),
        (50, "EXPIRE k -1 NX", 0),
        (50, "EXPIRE k -1 LT", 1),
    ],
)
def test_conditions(world: World, client: Client, expiry: int | None, line: str, is_done: int) -> None:
    client.run("SET k v")
    if expiry is not None:
        client.run("EXPIRE", "k", expiry)
    world.take_log()
    assert client.run(line) == is_done
    assert len(world.take_log()) == is_done


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("EXPIRE k abc", "ERR value is not an integer or out of range"),
        ("expire k 9223372036854775807", "ERR invalid expire time in 'expire' command"),
        ("EXPIRE k 9223372036854775", "ERR invalid expire time in 'expire' command"),
        ("EXPIRE k -9223372036854776", "ERR invalid expire time in 'expire' command"),
        ("PEXPIRE k 9223372036854775807", "ERR invalid expire time in 'pexpire' command"),
        ("EXPIREAT k 9223372036854776", "ERR invalid expire time in 'expireat' command"),
        ("PEXPIREAT k 9223372036854775808", "ERR value is not an integer or out of range"),
        ("EXPIRE missing 9223372036854775807", "ERR invalid expire time in 'expire' command"),
        ("EXPIRE k abc FOO", "ERR Unsupported option FOO"),
        ("EXPIRE k 1 nx gt foo", "ERR Unsupported option foo"),
        ("EXPIRE k 1 NX XX", "ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("EXPIRE k 1 NX GT LT", "ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("EXPIRE k 1 GT LT XX", "ERR GT and LT options at the same time are not compatible"),
        ("EXPIRE k", "ERR wrong number of arguments for 'expire' command"),
        ("TTL k k", "ERR wrong number of arguments for 'ttl' command"),
    ],
)
def test_errors(client: Client, line: str, message: str) -> None:
    client.run("SET k v")
    assert client.error(line) == message


def test_a_missing_key_gets_no_expiry(client: Client) -> None:
    assert client.run("EXPIRE k 100") == 0
    assert client.run("PERSIST k") == 0
    assert [client.run(name, "k") for name in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME")] == [-2] * 4


def test_seconds_are_rounded(world: World, client: Client) -> None:
    client.run("SET k v")
    assert client.run("TTL k") == client.run("EXPIRETIME k") == -1
    client.run("PEXPIREAT k 33177117420499")
    assert client.run("EXPIRETIME k") == 33_177_117_420
    client.run("PEXPIREAT k 33177117420500")
    assert client.run("EXPIRETIME k") == 33_177_117_421
    client.run("PEXPIRE k 1400")
    assert (client.run("TTL k"), client.run("PTTL k")) == (1, 1400)
    world.advance(1000)
    assert (client.run("TTL k"), client.run("PTTL k")) == (0, 400)
    world.advance(400)
    assert client.run("PTTL k") == 0
    world.advance(1)
    assert client.run("PTTL k") == -2


def test_persist(world: World, client: Client) -> None:
    client.run("SET k v")
    assert client.run("PERSIST k") == 0
    client.run("EXPIRE k 100")
    world.take_log()
    assert client.run("PERSIST k") == 1
    assert client.run("PERSIST k") == 0
    assert world.take_log() == [[b"PERSIST", b"k"]]
    assert client.run("TTL k") == -1
