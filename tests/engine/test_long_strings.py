"""Long strings are edited on the memory that they have, and nobody who holds one sees it change."""

import ctypes
import random
from typing import Any

import pytest
from harness import Client, World
from hypothesis import given, settings
from hypothesis import strategies as st

from respkv.engine.long_strings import THAWED_BYTES, edit_string
from respkv.engine.snapshot import Snapshot
from respkv.values.thaw import portable_thaw, thaw

needs_c = pytest.mark.skipif(thaw is portable_thaw, reason="_thaw.c is not built, or knows nothing of this Python")

LONG = random.Random(7).randbytes(THAWED_BYTES)

EDITS = [
    ["SETRANGE", "k", "5", "x"],
    ["SETBIT", "k", "5", "1"],
    ["BITFIELD", "k", "SET", "u8", "8", "7"],
    ["APPEND", "k", "x"],
    ["SETRANGE", "k", str(THAWED_BYTES + 100), "x"],
    ["SETBIT", "k", str(8 * THAWED_BYTES + 100), "1"],
    ["BITFIELD", "k", "SET", "u8", str(8 * THAWED_BYTES + 96), "7"],
]


@pytest.fixture
def world(world: World) -> World:
    world.checks_each_command = False
    return world


def set_long(world: World, client: Client) -> None:
    """Let k have LONG, and nobody else: what was logged is another copy, as once it is in a file."""
    client.run("SET", "k", LONG)
    world.log = [[bytes(bytearray(word)) for word in argv] for argv in world.log]


def value_of(world: World) -> Any:
    return world.engine.databases[0].shard_of(b"k").values[b"k"]


def address_of(world: World) -> int:
    """Where the bytes of k are."""
    value = value_of(world)
    if isinstance(value, bytearray):
        return ctypes.addressof(ctypes.c_char.from_buffer(value))
    return id(value) + bytes.__basicsize__ - 1


def edited(data: bytes, words: list[str]) -> bytes:
    """The bytes that come of one of EDITS."""
    model = bytearray(data)
    place, last = (int(words[-2]) if words[0] != "APPEND" else len(model)), words[-1]
    if words[0] in ("SETBIT", "BITFIELD"):
        place >>= 3
    model += bytes(max(0, place + 1 - len(model)))
    if words[0] == "SETBIT":
        model[place] |= 0x80 >> int(words[2]) % 8
    else:
        model[place] = int(last) if words[0] == "BITFIELD" else ord(last)
    return bytes(model)


@needs_c
@pytest.mark.parametrize("words", EDITS)
def test_the_first_edit_does_not_copy(world: World, client: Client, words: list[str]) -> None:
    set_long(world, client)
    place = address_of(world)
    client.run(*words)
    assert isinstance(value_of(world), bytearray)
    assert client.run("GET k") == edited(LONG, words)
    if len(value_of(world)) == len(LONG):
        assert address_of(world) == place


@pytest.mark.parametrize("words", EDITS)
@pytest.mark.parametrize("size", [100, THAWED_BYTES - 1, THAWED_BYTES])
def test_who_has_the_bytes_keeps_them(world: World, client: Client, words: list[str], size: int) -> None:
    data = LONG[:size]
    client.run("SET", "k", data)
    held = value_of(world)
    client.run(*words)
    assert held == data
    assert client.run("GET k") == edited(data, words)


def test_a_snapshot_has_what_was_there_when_it_began(world: World, client: Client) -> None:
    client.run("SET", "k", LONG)
    snapshot = Snapshot(world.engine)
    for words in EDITS:
        client.run(*words)
    assert snapshot.take(10) == (0, [(b"k", LONG, -1)])
    snapshot.close()


def test_what_a_transaction_rolls_back_is_as_it_was(world: World, client: Client) -> None:
    client.run("SET", "k", LONG)
    for ending in ("ROLLBACK", "COMMIT"):
        client.run("BEGIN")
        expected = LONG
        for words in EDITS:
            client.run(*words)
            expected = edited(expected, words)
        assert client.run("GET k") == expected
        client.run(ending)
        assert client.run("GET k") == (LONG if ending == "ROLLBACK" else expected)


def test_a_value_of_the_transaction_itself_goes_back_to_its_savepoint(client: Client) -> None:
    client.run("BEGIN")
    client.run("SET", "k", LONG)
    client.run("SAVEPOINT s")
    client.run(*EDITS[0])
    client.run("ROLLBACK TO s")
    assert client.run("GET k") == LONG
    client.run(*EDITS[3])
    client.run("COMMIT")
    assert client.run("GET k") == LONG + b"x"


def test_what_is_refused_changes_nothing(world: World, client: Client) -> None:
    client.run("CONFIG SET proto-max-bulk-len 1mb")
    client.run("SET", "k", LONG)
    for words in (
        ["APPEND", "k", b"x" * ((1 << 20) - len(LONG) + 1)],
        ["SETRANGE", "k", str(1 << 20), "x"],
        ["SETRANGE", "k", str(1 << 70), "x"],
        ["SETBIT", "k", str(8 << 20), "1"],
    ):
        assert client.error(*words)
        assert client.run("GET k") == LONG
    client.run("LPUSH list x")
    assert client.error("APPEND list x").startswith("WRONGTYPE")


def test_the_door_gives_what_edit_gives(world: World, client: Client) -> None:
    db = world.engine.databases[0]
    assert edit_string(db, b"missing", 5, 0) is None
    client.run("SET number 5")
    assert edit_string(db, b"number", 9, 0) is db.edit(b"number")
    client.run("LPUSH list x")
    assert edit_string(db, b"list", 9, 0) is db.edit(b"list")
    client.run("SET", "k", LONG, "PX", "5")
    world.advance(6)
    assert edit_string(db, b"k", 9, 0) is None


@settings(max_examples=50)
@given(
    steps=st.lists(
        st.sampled_from([*EDITS, ["SET"], ["GET"], ["COPY"], ["HOLD"], ["BEGIN"], ["COMMIT"], ["ROLLBACK"]])
    ),
)
def test_any_order_of_edits_copies_and_transactions(steps: list[list[str]]) -> None:
    world = World()
    world.checks_each_command = False
    client = world.connect()
    set_long(world, client)
    now = committed = LONG
    held: list[tuple[Any, bytes]] = []
    is_open = False
    for words in steps:
        if words[0] == "SET":
            set_long(world, client)
            now = LONG
        elif words[0] == "GET":
            assert client.run("GET k") == now
        elif words[0] == "COPY":
            client.run("COPY k other REPLACE")
            assert client.run("GET other") == now
        elif words[0] == "HOLD":
            value = value_of(world)
            if isinstance(value, bytes):
                held.append((value, bytes(bytearray(value))))
        elif words[0] == "BEGIN":
            if not is_open:
                client.run("BEGIN")
                is_open, committed = True, now
        elif words[0] in ("COMMIT", "ROLLBACK"):
            if is_open:
                client.run(words[0])
                is_open = False
                now = committed if words[0] == "ROLLBACK" else now
        else:
            client.run(*words)
            now = edited(now, words)
    if is_open:
        client.run("COMMIT")
    assert client.run("GET k") == now
    for value, was in held:
        assert value == was
    world.close()
