"""BITFIELD: its rules for overflows, and random sequences beside a real server."""

import random

import pytest
from harness import Client, World, assert_same, encode
from real_redis import RealRedis

BAD_TYPE = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."


def test_replies_are_of_each_step_in_order(client: Client) -> None:
    assert client.run("BITFIELD k SET u8 #1 255 GET u4 8 INCRBY i5 8 1 GET u16 0") == [0, 15, 0, 7]
    assert client.run("GET k") == b"\x00\x07"


@pytest.mark.parametrize(
    ("rule", "step", "reply", "after"),
    [
        ("WRAP", "INCRBY u8 0 10", 4, 4),
        ("SAT", "INCRBY u8 0 10", 255, 255),
        ("FAIL", "INCRBY u8 0 10", None, 250),
        ("WRAP", "INCRBY u8 0 -251", 255, 255),
        ("SAT", "INCRBY u8 0 -251", 0, 0),
        ("FAIL", "INCRBY u8 0 -251", None, 250),
        ("WRAP", "SET u8 0 257", 250, 1),
        ("SAT", "SET u8 0 257", 250, 255),
        ("FAIL", "SET u8 0 257", None, 250),
        ("WRAP", "SET u8 0 -1", 250, 255),
        ("SAT", "SET u8 0 -1", 250, 255),
        ("SAT", "INCRBY i8 0 -128", -128, 128),
        ("WRAP", "INCRBY i8 0 -128", 122, 122),
    ],
)
def test_overflows(client: Client, rule: str, step: str, reply: int | None, after: int) -> None:
    client.run("SET", "k", b"\xfa")
    assert client.run(f"BITFIELD k OVERFLOW {rule} {step} GET u8 0") == [reply, after]


def test_the_widest_integers(client: Client) -> None:
    assert client.run("BITFIELD k SET i64 0 -9223372036854775808 INCRBY i64 0 -1") == [0, 2**63 - 1]
    assert client.run("BITFIELD k SET u63 64 9223372036854775807 INCRBY u63 64 1") == [0, 0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("BITFIELD k GET u64 0", BAD_TYPE),
        ("BITFIELD k GET i65 0", BAD_TYPE),
        ("BITFIELD k GET u08 0", BAD_TYPE),
        ("BITFIELD k GET u 0", BAD_TYPE),
        ("BITFIELD k GET u8 #-1", "ERR bit offset is not an integer or out of range"),
        ("BITFIELD k GET u8", "ERR syntax error"),
        ("BITFIELD k SET u8 0 1 INCRBY u8 0 x", "ERR value is not an integer or out of range"),
        ("BITFIELD k OVERFLOW up", "ERR Invalid OVERFLOW type specified"),
        ("BITFIELD_RO k SET u8 0 1", "ERR BITFIELD_RO only supports the GET subcommand"),
    ],
)
def test_errors_change_nothing(client: Client, line: str, message: str) -> None:
    assert client.error(line) == message
    assert client.run("EXISTS k") == 0


def test_a_write_that_fails_still_makes_room_as_in_redis(world: World, client: Client) -> None:
    assert client.run("BITFIELD k OVERFLOW FAIL INCRBY u8 16 300") == [None]
    assert client.run("GET k") == b"\0\0\0"
    assert client.run("BITFIELD k GET u8 800") == [0]
    assert client.run("STRLEN k") == 3
    assert len(world.take_log()) == 1


def test_random_sequences_as_redis(client: Client, reference: RealRedis) -> None:
    chance = random.Random(21)
    numbers = [0, 1, -1, 100, 255, 256, -128, -129, 2**31, 2**63 - 1, -(2**63)]
    argvs = []
    for _ in range(500):
        argv = ["BITFIELD", chance.choice("ab")]
        for _ in range(chance.randint(1, 4)):
            encoding = chance.choice(["u8", "i8", "u1", "i1", "i64", "u63", "i5", "u13", "u32", "i33"])
            place = chance.choice(["0", "1", "#0", "#1", "#3", "100", str(chance.randrange(128))])
            kind = chance.choice(["GET", "SET", "INCRBY"])
            argv += ["OVERFLOW", chance.choice(["WRAP", "SAT", "FAIL"]), kind, encoding, place]
            if kind != "GET":
                argv.append(str(chance.choice(numbers)))
        argvs.append([word.encode() for word in argv])
        argvs.append([b"GET", argvs[-1][1]])
    data = b"".join(encode(argv) for argv in argvs)
    assert_same(argvs, client.raw(data), reference.answer(data))
