"""OBJECT."""

import pytest
from harness import Client, World

from respkv.engine.access import Frequencies, IdleTimes, set_access_record


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        (b"12345", b"int"),
        (b"9223372036854775807", b"int"),
        (b"-9223372036854775808", b"int"),
        (b"9223372036854775808", b"embstr"),
        (b"", b"embstr"),
        (b"01", b"embstr"),
        (b"+1", b"embstr"),
        (b" 1", b"embstr"),
        (b"1.5", b"embstr"),
        (b"x" * 44, b"embstr"),
        (b"x" * 45, b"raw"),
    ],
)
def test_encodings_of_strings(client: Client, value: bytes, encoding: bytes) -> None:
    client.run("SET", "k", value)
    assert client.run("OBJECT ENCODING k") == encoding


def test_a_string_edited_in_place_is_raw_and_one_counted_up_an_int(world: World, client: Client) -> None:
    db = world.engine.databases[0]
    db.set(b"k", bytearray(b"x"))
    db.set(b"n", 7)
    world.engine.commit(db, [b"MSET", b"k", b"x", b"n", b"7"])
    assert client.run("OBJECT ENCODING k") == b"raw"
    assert client.run("object encoding n") == b"int"


def test_refcounts(world: World, client: Client) -> None:
    client.run("MSET small 9999 big 10000 negative -1 text x")
    assert client.run("OBJECT REFCOUNT small") == 2**31 - 1
    assert [client.run("OBJECT", "REFCOUNT", key) for key in ("big", "negative", "text")] == [1, 1, 1]
    set_access_record(world.engine, IdleTimes(world.engine))
    assert client.run("OBJECT REFCOUNT small") == 1


def test_of_nothing_is_nil(client: Client) -> None:
    for name in ("ENCODING", "REFCOUNT", "IDLETIME", "FREQ"):
        assert client.run("OBJECT", name, "missing") is None


def test_idle_time_counts_from_the_first_question(world: World, client: Client) -> None:
    client.run("SET k v")
    world.advance(50_000)
    assert client.run("OBJECT IDLETIME k") == 0
    world.advance(10_000)
    assert client.run("OBJECT IDLETIME k") == 10
    client.run("EXISTS k")
    client.run("TTL k")
    assert client.run("OBJECT IDLETIME k") == 10
    client.run("TOUCH k")
    assert client.run("OBJECT IDLETIME k") == 0
    world.advance(3000)
    client.run("SET k w")
    assert client.run("OBJECT IDLETIME k") == 0
    world.advance(3000)
    assert client.run("OBJECT IDLETIME k") == 3


def test_freq_needs_an_lfu_policy(world: World, client: Client) -> None:
    client.run("SET k v")
    assert client.error("OBJECT FREQ k").startswith(
        "ERR An LFU maxmemory policy is not selected, access frequency not "
    )
    set_access_record(world.engine, Frequencies(world.engine))
    assert client.run("OBJECT FREQ k") == 5
    client.run("SET new v")
    assert client.run("OBJECT FREQ new") == 5
    client.run("GET new")
    assert client.run("OBJECT FREQ new") == 6
    assert client.error("OBJECT IDLETIME k").startswith(
        "ERR An LFU maxmemory policy is selected, idle time not tracked. "
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("OBJECT", "ERR wrong number of arguments for 'object' command"),
        ("OBJECT ENCODING", "ERR wrong number of arguments for 'object|encoding' command"),
        ("OBJECT ENCODING a b", "ERR wrong number of arguments for 'object|encoding' command"),
        ("OBJECT HELP x", "ERR wrong number of arguments for 'object|help' command"),
        ("OBJECT NOSUCH k", "ERR unknown subcommand 'NOSUCH'. Try OBJECT HELP."),
    ],
)
def test_errors(client: Client, line: str, message: str) -> None:
    assert client.error(line) == message


def test_help_is_simple_strings(client: Client) -> None:
    lines = client.run("OBJECT HELP")
    assert lines[0] == "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert lines[-1] == "    Print this help."
