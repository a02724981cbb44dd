"""FUNCTION DUMP's form, and libraries in snapshots, bases and logs, also those of real servers."""

from pathlib import Path

import pytest
from harness import Client, World
from real_redis import RealRedis

from respkv.commands.replay import Replayer
from respkv.engine.keyspace import open_engine
from respkv.errors import ReplyError
from respkv.persistence.functions import decode_libraries, encode_libraries, is_name, library_name

LIBRARY = b"#!lua name=mylib\nredis.register_function('twice', function(keys, args) return args[1] * 2 end)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"x", b"ERR Missing library metadata"),
        (b"#!lua name=a", b"ERR Invalid library metadata"),
        (b"#!lua\n", b"ERR Library name was not given"),
        (b"#!lua name=a name=b\n", b"ERR Invalid metadata value, name argument was given multiple times"),
        (b"#!py name=a\n", b"ERR Engine 'py' not found"),
        (b"#!lua x=a\n", b"ERR Invalid metadata value given: x=a"),
    ],
)
def test_a_library_needs_a_first_line_with_its_name(text: bytes, message: bytes) -> None:
    with pytest.raises(ReplyError) as raised:
        library_name(text)
    assert raised.value.message == message


def test_names() -> None:
    assert library_name(LIBRARY) == b"mylib"
    assert is_name(b"a_1")
    assert not any(is_name(name) for name in (b"", b"a-b", b"a b", "é".encode()))


def test_a_payload_that_was_changed_is_refused() -> None:
    payload = encode_libraries([LIBRARY, b"x"])
    engine = open_engine()
    assert decode_libraries(payload, engine) == [LIBRARY, b"x"]
    for at in range(len(payload)):
        changed = payload[:at] + bytes((payload[at] ^ 1,)) + payload[at + 1 :]
        with pytest.raises(ReplyError):
            decode_libraries(changed, engine)
        with pytest.raises(ReplyError):
            decode_libraries(payload[:at], engine)


def test_redis_takes_our_dump_and_we_take_its(client: Client, fresh_redis: RealRedis) -> None:
    client.run("FUNCTION", "LOAD", LIBRARY)
    fresh_redis.call("FUNCTION", "RESTORE", client.run("FUNCTION DUMP"))
    assert fresh_redis.call("FCALL", "twice", "0", "4") == 8
    theirs = fresh_redis.call("FUNCTION", "DUMP")
    client.run("FUNCTION FLUSH")
    assert client.run("FUNCTION", "RESTORE", theirs) == "OK"
    assert client.run("FCALL twice 0 5") == 10


def test_restore_policies(client: Client) -> None:
    client.run("FUNCTION", "LOAD", LIBRARY)
    payload = client.run("FUNCTION DUMP")
    assert client.error("FUNCTION", "RESTORE", payload) == "ERR Library mylib already exists"
    assert client.run("FUNCTION", "RESTORE", payload, "REPLACE") == "OK"
    client.run("FUNCTION", "LOAD", "#!lua name=other\nredis.register_function('x', function() end)")
    assert client.run("FUNCTION", "RESTORE", payload, "FLUSH") == "OK"
    assert [library[1] for library in client.run("FUNCTION LIST")] == [b"mylib"]


def test_the_log_brings_libraries_back(world: World, client: Client) -> None:
    client.run("FUNCTION", "LOAD", LIBRARY)
    client.run("FUNCTION", "LOAD", "#!lua name=gone\nredis.register_function('x', function() end)")
    client.run("FUNCTION DELETE gone")
    client.error("FUNCTION", "LOAD", "#!lua name=bad\nx(")
    fresh = open_engine()
    Replayer(fresh).apply_all(world.log)
    assert fresh.libraries.texts == world.engine.libraries.texts == {b"mylib": LIBRARY}


def test_a_snapshot_of_a_real_server_brings_them(tmp_path: Path, fresh_redis: RealRedis) -> None:
    fresh_redis.call("FUNCTION", "LOAD", LIBRARY)
    fresh_redis.call("SAVE")
    path = Path(fresh_redis.call("CONFIG", "GET", "dir")[1].decode()) / "dump.rdb"
    from respkv.persistence.rdb_reader import RdbReader
    from respkv.persistence.rdb_values import DECODERS
    from respkv.persistence.recovery import Recovered, load_rdb

    data = path.read_bytes()
    engine = open_engine()
    reader = RdbReader(lambda at, count: data[at : at + count], len(data), str(path), engine, DECODERS)
    for _ in load_rdb(reader, Recovered()):
        pass
    assert engine.libraries.texts == {b"mylib": LIBRARY}
