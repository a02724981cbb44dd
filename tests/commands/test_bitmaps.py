"""Commands on bits: what surprises one by one, and random sequences beside a real server."""

import random

import pytest
from harness import Client, World, assert_same, encode
from real_redis import RealRedis

BAD_OFFSET = "ERR bit offset is not an integer or out of range"


def test_bits_count_from_the_highest_of_the_first_byte(client: Client) -> None:
    assert client.run("SETBIT k 7 1") == 0
    assert client.run("SETBIT k 8 1") == 0
    assert client.run("GET k") == b"\x01\x80"
    assert [client.run("GETBIT", "k", place) for place in (6, 7, 8, 9, 100)] == [0, 1, 1, 0, 0]


def test_what_changes_nothing_is_not_logged_and_touches_no_watcher(world: World, client: Client) -> None:
    client.run("SET k a")
    world.take_log()
    other = world.connect()
    other.run("WATCH k")
    assert client.run("SETBIT k 1 1") == 1
    assert client.run("BITFIELD k SET u8 0 97") == [97]
    assert client.run("OBJECT ENCODING k") == b"raw"
    assert world.take_log() == []
    other.run("MULTI")
    assert other.run("EXEC") == []


def test_strings_of_every_form(client: Client) -> None:
    client.run("SET n 254")
    client.run("INCR n")
    assert client.run("BITCOUNT n") == 11
    assert client.run("BITPOS n 1") == 2
    assert client.run("GETBIT n 2") == 1
    assert client.run("BITFIELD n GET u8 0") == [50]
    assert client.run("SETBIT n 7 1") == 0
    assert client.run("GET n") == b"355"
    assert client.run("INCR n") == 356
    assert client.run("APPEND n x") == 4
    assert client.run("BITOP NOT n n") == 4
    assert client.run("GET n") == bytes(byte ^ 0xFF for byte in b"356x")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SETBIT k -1 1", BAD_OFFSET),
        ("SETBIT k 4294967296 1", BAD_OFFSET),
        ("SETBIT k 0 2", "ERR bit is not an integer or out of range"),
        ("GETBIT k x", BAD_OFFSET),
        ("BITCOUNT missing 0", "ERR syntax error"),
        ("BITCOUNT missing 0 x", "ERR value is not an integer or out of range"),
        ("BITCOUNT missing 0 1 FOO", "ERR syntax error"),
        ("BITPOS k 2", "ERR The bit argument must be 1 or 0."),
        ("BITOP FOO d k", "ERR syntax error"),
        ("BITOP NOT d k k", "ERR BITOP NOT must be called with a single source key."),
        ("BITOP diff1 d k", "ERR BITOP DIFF1 must be called with at least two source keys."),
    ],
)
def test_errors(client: Client, line: str, message: str) -> None:
    assert client.error(line) == message


def test_the_longest_string_bounds_offsets(world: World, client: Client) -> None:
    world.engine.bulk_max_bytes = 100
    assert client.run("SETBIT k 799 1") == 0
    assert client.error("SETBIT k 800 1") == BAD_OFFSET
    assert client.error("GETBIT k 800") == BAD_OFFSET
    assert client.error("BITFIELD k SET u8 800 1") == BAD_OFFSET
    assert client.error("BITFIELD k SET u8 #100 1") == BAD_OFFSET


def test_bitop_replaces_and_removes(world: World, client: Client) -> None:
    client.run("MSET a abc b ab")
    client.run("SET d x EX 100")
    assert client.run("BITOP AND d a b") == 3
    assert client.run("GET d") == b"ab\0"
    assert client.run("TTL d") == -1
    assert client.run("BITOP OR d missing") == 0
    assert client.run("EXISTS d") == 0
    world.take_log()
    client.run("BITOP OR d missing")
    assert world.take_log() == []


def test_the_end_of_the_range_decides_about_zeros_behind_the_string(client: Client) -> None:
    client.run("SET", "k", b"\xff\xff")
    assert client.run("BITPOS k 0") == 16
    assert client.run("BITPOS k 0 1") == 16
    assert client.run("BITPOS k 0 0 -1") == -1
    assert client.run("BITPOS k 0 5") == -1
    assert client.run("BITPOS missing 0") == 0
    assert client.run("BITPOS missing 1") == -1


def test_random_sequences_as_redis(client: Client, reference: RealRedis) -> None:
    chance = random.Random(20)
    argvs = [_random_command(chance) for _ in range(600)]
    data = b"".join(encode(argv) for argv in argvs)
    assert_same(argvs, client.raw(data), reference.answer(data))


def _random_command(chance: random.Random) -> list[bytes]:
    keys = ["a", "b", "c"]

    def offset() -> int:
        return chance.choice([0, 1, 7, 8, 9, 30, 63, 64, chance.randrange(200)])

    def place() -> int:
        return chance.choice([0, 1, 3, 10, -1, -2, -5, 40, -40, chance.randrange(-90, 90)])

    def unit() -> list[object]:
        return chance.choice([[], [], ["BYTE"], ["bit"]])

    key = chance.choice(keys)
    forms: list[list[object]] = [
        ["SETBIT", key, offset(), chance.randrange(2)],
        ["SETBIT", key, offset(), chance.randrange(2)],
        ["GETBIT", key, offset()],
        ["SET", key, chance.choice(["foobar", "12", "x" * 30])],
        ["APPEND", key, "xyz"],
        ["GET", key],
        ["BITCOUNT", key],
        ["BITPOS", key, chance.randrange(2)],
        ["BITPOS", key, chance.randrange(2), place()],
        ["BITOP", chance.choice(["AND", "OR", "XOR"]), key, *chance.choices(keys, k=chance.randint(1, 3))],
        ["BITOP", "NOT", key, chance.choice(keys)],
        ["DEL", key],
    ]
    if chance.random() < 0.3:
        # Of a missing key 7.0 does not look at the range, but in a range that is well-formed it agrees.
        forms = [
            ["BITCOUNT", key, place(), place(), *unit()],
            ["BITPOS", key, chance.randrange(2), place(), place(), *unit()],
        ]
    return [str(word).encode() for word in chance.choice(forms)]
