"""Streams in RDB form: to and from the real servers, and damaged."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from harness import Client, World
from persistence_fakes import real_server, server_binaries

from respkv.engine.keyspace import open_engine
from respkv.persistence.crc64 import crc64
from respkv.persistence.damage import DamagedFile, UnsupportedFile
from respkv.persistence.rdb_reader import RdbReader
from respkv.persistence.rdb_streams import STREAM_DECODERS, encode_stream
from respkv.persistence.rdb_writer import encode_length, encode_string
from respkv.values.streams import Stream

COMMANDS = [
    *[f"XADD s {number}-{number % 3} f {number * 37}" for number in range(1, 120)],
    "XADD s 200-1 f v g w",
    "XADD s 200-2 other -5",
    "XADD s 200-300 f " + "x" * 5000,
    "XADD s 201-0 f 12345678901",
    "XADD s 18446744073709551615-1 f v",
    "XDEL s 5-2 7-1 200-1",
    "XTRIM s MAXLEN 115",
    "XGROUP CREATE s g 0",
    "XGROUP CREATE s h $",
    "XGROUP CREATECONSUMER s g idle",
    "XREADGROUP GROUP g a COUNT 20 STREAMS s >",
    "XREADGROUP GROUP g b COUNT 2 STREAMS s >",
    "XCLAIM s g b 0 20-2 RETRYCOUNT 300 TIME 1000",
    "XACK s g 15-0",
    "XGROUP CREATE empty g 5 MKSTREAM",
]


def read(kind: int, body: bytes) -> Stream:
    """The stream in the RDB form `kind`."""
    engine = open_engine(1)
    data = b"REDIS0011" + bytes((kind,)) + encode_string(b"key") + body + b"\xff"
    data += crc64(data, 0).to_bytes(8, "little")
    reader = RdbReader(lambda at, size: data[at : at + size], len(data), "f.rdb", engine, STREAM_DECODERS)
    while reader.step(10):
        pass
    value = engine.databases[0].find(b"key")
    assert isinstance(value, Stream)
    return value


def payload(value: Stream) -> bytes:
    """What RESTORE takes."""
    kind, body = encode_stream(value, False)
    data = bytes((kind,)) + body + b"\x0a\x00"
    return data + crc64(data, 0).to_bytes(8, "little")


def ours(world: World, client: Client) -> Stream:
    for line in COMMANDS:
        client.run(line)
    value = world.engine.databases[0].find(b"s")
    assert isinstance(value, Stream)
    return value


def test_a_stream_is_read_as_it_was_written(world: World, client: Client) -> None:
    value = ours(world, client)
    for kind, body in (encode_stream(value, False), encode_stream(Stream(), False)):
        assert kind == 19
        back = read(kind, body)
        back.check()
        assert encode_stream(back, False) == (kind, body)
    back = read(*encode_stream(value, False))
    assert back.digest() == value.digest()
    # The youngest node grows on.
    assert [node.to_listpack() for node in back.nodes] == [node.to_listpack() for node in value.nodes]
    assert back.groups[b"g"].consumers[b"a"].active_ms == value.groups[b"g"].consumers[b"a"].seen_ms


def test_the_form_of_redis_5_has_no_marks(world: World, client: Client) -> None:
    client.run("XADD s 1-1 f v")
    client.run("XADD s 2-1 f v")
    value = world.engine.databases[0].find(b"s")
    node = value.nodes[0]
    nodes = encode_length(1) + encode_string(node.key()) + encode_string(b"".join(node.to_listpack()))
    marks = encode_length(2) + encode_length(9) + encode_length(5)
    group = encode_string(b"g") + encode_length(2) + encode_length(1) + encode_length(0) + encode_length(0)
    back = read(15, nodes + marks + encode_length(1) + group)
    back.check()
    assert (back.last_id, back.first_id) == (9 << 64 | 5, 1 << 64 | 1)
    assert (back.max_deleted_id, back.entries_added) == (0, 2)
    assert back.groups[b"g"].entries_read == -1


@contextmanager
def running(name: str, directory: Path) -> Iterator[Any]:
    binaries = server_binaries()
    if name not in binaries:
        pytest.skip(f"{name} is not installed")
    with real_server(binaries[name], directory) as server:
        yield server


def without_active_times(reply: Any) -> Any:
    """XINFO's reply without what the form that is written does not have."""
    if isinstance(reply, dict):
        return {name: without_active_times(fact) for name, fact in reply.items() if name != b"active-time"}
    return [without_active_times(part) for part in reply] if isinstance(reply, list) else reply


@pytest.mark.parametrize("name", ["redis-7.0", "redis-8.2", "valkey-9.1"])
def test_streams_go_to_real_servers_and_back(name: str, tmp_path: Path, world: World, client: Client) -> None:
    value = ours(world, client)
    with running(name, tmp_path) as server:
        for line in COMMANDS:
            server.execute_command(*line.split())
        dump = server.execute_command("DUMP", "s", NEVER_DECODE=True)
        theirs = read(dump[0], dump[1:-10])
        theirs.check()
        assert theirs.entries() == value.entries()
        assert [node.to_listpack() for node in theirs.nodes] == [node.to_listpack() for node in value.nodes]
        assert theirs.first_id == value.first_id
        assert theirs.max_deleted_id == value.max_deleted_id
        if name == "redis-8.2":
            assert {each: group.entries_read for each, group in theirs.groups.items()} == {
                each: group.entries_read for each, group in value.groups.items()
            }
        # Back to the server, which then has the same stream twice.
        server.execute_command("RESTORE", "t", 0, payload(theirs))
        one, two = [server.execute_command("XINFO", "STREAM", key, "FULL", "COUNT", 0) for key in ("s", "t")]
        assert without_active_times(one) == without_active_times(two)
        empty = server.execute_command("DUMP", "empty", NEVER_DECODE=True)
        server.execute_command("RESTORE", "again", 0, payload(read(empty[0], empty[1:-10])))
        assert server.execute_command("XLEN", "again") == 0


def test_whatever_byte_is_wrong_is_found_or_harmless(world: World, client: Client) -> None:
    for line in (
        "XADD s 1-1 f v",
        "XADD s 2-1 f 5000 g w",
        "XDEL s 1-1",
        "XADD s 3-1 f v",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g c STREAMS s >",
    ):
        client.run(line)
    kind, body = encode_stream(world.engine.databases[0].find(b"s"), False)
    refused = 0
    for at in range(len(body)):
        for wrong in (0, 1, 0x7F, 0x80, 0xC3, 0xF0, 0xF4, 0xFF, body[at] ^ 1, body[at] ^ 0x40):
            if wrong == body[at]:
                continue
            try:
                value = read(kind, body[:at] + bytes((wrong,)) + body[at + 1 :])
            except (DamagedFile, UnsupportedFile):
                refused += 1
                continue
            value.check()
            for entry in value.entries():
                assert value.wire_of(entry[0]) is not None
            assert encode_stream(value, False)
    assert refused > 5 * len(body)
    for at in range(len(body)):
        with pytest.raises((DamagedFile, UnsupportedFile)):
            read(kind, body[:at])
