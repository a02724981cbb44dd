"""SORT: its orders and patterns one by one, and random ones beside a real server."""

import random

import pytest
from harness import Client, World, assert_same, encode
from real_redis import RealRedis

NOT_SORTABLE = "ERR One or more scores can't be converted into double"


@pytest.fixture
def numbers(client: Client) -> Client:
    """A client that finds a list of numbers, and what other keys hold for each."""
    client.run("RPUSH l 3 10 2")
    client.run("MSET w_3 1 w_10 2 w_2 3")
    return client


@pytest.mark.parametrize(
    ("options", "reply"),
    [
        ("", "2 3 10"),
        ("DESC", "10 3 2"),
        ("ALPHA", "10 2 3"),
        ("alpha desc", "3 2 10"),
        ("ALPHA ASC DESC ASC", "10 2 3"),
        ("LIMIT 1 1", "3"),
        ("LIMIT -5 2", "2 3"),
        ("LIMIT 1 -1", "3 10"),
        ("LIMIT 3 5", ""),
        ("LIMIT 1 9223372036854775807", "3 10"),
        ("BY w_*", "3 10 2"),
        ("BY w_* DESC", "2 10 3"),
        ("BY w_* ALPHA DESC", "2 10 3"),
        ("BY nosuch_*", "10 2 3"),
        ("BY nosuch_* ALPHA", "3 10 2"),
        ("BY nosort", "3 10 2"),
        ("BY nosort DESC", "2 10 3"),
        ("BY nosort DESC LIMIT 1 1", "10"),
        ("BY nosort BY w_*", "3 10 2"),
        ("GET w_* GET #", "3 2 1 3 2 10"),
    ],
)
def test_options(numbers: Client, options: str, reply: str) -> None:
    wanted = [word.encode() for word in reply.split()]
    assert numbers.run(f"SORT l {options}") == wanted
    assert numbers.run(f"SORT_RO l {options}") == wanted


def test_get_of_nothing_is_nil(numbers: Client) -> None:
    numbers.run("RPUSH w_7 x")
    numbers.run("RPUSH seven 7")
    assert numbers.run("SORT seven GET none_* GET w_* GET fixed GET #") == [None, None, None, b"7"]


def test_a_sorted_set_is_unpacked_to_be_sorted(client: Client) -> None:
    client.run("ZADD z 2 b 1 10")
    client.run("ZADD y 1 b")
    assert client.run("OBJECT ENCODING z") == b"listpack"
    assert client.run("SORT z ALPHA") == [b"10", b"b"]
    assert client.run("OBJECT ENCODING z") == b"skiplist"
    # Also where it fails.
    assert client.error("SORT_RO y") == NOT_SORTABLE
    assert client.run("OBJECT ENCODING y") == b"skiplist"


def test_fields_of_hashes(world: World, numbers: Client) -> None:
    numbers.run("HSET u_3 age 5 name c")
    numbers.run("HSET u_10 age 4 name b")
    numbers.run("HSET u_2 age 9")
    assert numbers.run("SORT l BY u_*->age GET u_*->name GET u_*->") == [b"b", None, b"c", None, None, None]
    assert numbers.run("SORT l BY w_*->age") == [b"10", b"2", b"3"]
    numbers.run("HPEXPIRE u_3 10 FIELDS 1 age")
    numbers.run("HPEXPIRE u_2 10 FIELDS 1 age")
    world.advance(20)
    assert numbers.run("SORT l BY u_*->age GET # STORE d") == 3
    assert numbers.run("LRANGE d 0 -1") == [b"2", b"3", b"10"]


def test_store(world: World, numbers: Client) -> None:
    numbers.run("SET d x EX 100")
    assert numbers.run("SORT l GET none_* GET # STORE d") == 6
    assert numbers.run("LRANGE d 0 -1") == [b"", b"2", b"", b"3", b"", b"10"]
    assert numbers.run("TTL d") == -1
    assert numbers.run("SORT l LIMIT 5 1 STORE d") == 0
    assert numbers.run("EXISTS d") == 0
    world.take_log()
    assert numbers.run("SORT none STORE d") == 0
    assert world.take_log() == []


def test_what_is_stored_of_a_set_is_in_order(client: Client) -> None:
    client.run("SADD s c a b 10 9")
    assert client.run("SORT s BY nosort STORE d") == 5
    assert client.run("LRANGE d 0 -1") == [b"10", b"9", b"a", b"b", b"c"]
    assert client.run("SORT s BY none_* ALPHA STORE d") == 5
    assert client.run("LRANGE d 0 -1") == [b"10", b"9", b"a", b"b", b"c"]


def test_sorted_sets_unsorted_are_in_their_order(client: Client) -> None:
    client.run("ZADD z 3 a 1 b 2 c")
    assert client.run("SORT z BY nosort") == [b"b", b"c", b"a"]
    assert client.run("SORT z BY nosort DESC LIMIT 0 2") == [b"a", b"c"]
    assert client.run("SORT z ALPHA DESC") == [b"c", b"b", b"a"]


@pytest.mark.parametrize("text", ["x", " 1", "1 ", "1_0", "0x10", "nan", "1e", "--1", "\t1", ".", "1,5"])
def test_what_is_no_number(client: Client, text: str) -> None:
    client.run("RPUSH", "l", text)
    assert client.error("SORT l") == NOT_SORTABLE
    client.run("RPUSH", "ok", "a")
    client.run("SET", "w_a", text)
    assert client.error("SORT ok BY w_* STORE d") == NOT_SORTABLE
    assert client.run("EXISTS d") == 0


def test_what_is_a_number(client: Client) -> None:
    client.run("RPUSH", "l", "inf", "5", "-Infinity", "1e400", ".5", "", "+1", "00003", "1e-400", b"2\0x", "1E1")
    in_order = [b"-Infinity", b"", b"1e-400", b".5", b"+1", b"2\0x", b"00003", b"5", b"1E1", b"1e400", b"inf"]
    assert client.run("SORT l") == in_order


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SORT l LIMIT 1", "ERR syntax error"),
        ("SORT none FOO", "ERR syntax error"),
        ("SORT l LIMIT x 1", "ERR value is not an integer or out of range"),
        ("SORT_RO l STORE d", "ERR syntax error"),
        ("SORT w_3", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("SORT w_3 FOO", "ERR syntax error"),
    ],
)
def test_errors(numbers: Client, line: str, message: str) -> None:
    assert numbers.error(line) == message


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("SORT a BY w_* GET x_* LIMIT 0 1 STORE d", [b"a", b"d"]),
        ("SORT a STORE d STORE e", [b"a", b"e"]),
        ("SORT a GET STORE STORE e", [b"a", b"e"]),
        ("SORT a STORE", [b"a"]),
        ("SORT_RO a BY x", [b"a"]),
    ],
)
def test_keys(client: Client, line: str, keys: list[bytes]) -> None:
    assert client.run("COMMAND GETKEYS " + line) == keys


def test_random_options_as_redis(client: Client, reference: RealRedis) -> None:
    chance = random.Random(22)
    argvs = [
        [b"RPUSH", b"l", *(b"%d" % chance.randrange(-50, 50) for _ in range(40))],
        [b"SADD", b"s", *(b"%d" % chance.randrange(-50, 50) for _ in range(40))],
        [b"ZADD", b"z", *(part for number in range(30) for part in (b"%d" % (number % 7), b"%d" % number))],
        [b"MSET", *(part for number in range(-50, 50, 2) for part in (b"w_%d" % number, b"%d" % (number * 7 % 31)))],
        *([b"HSET", b"h_%d" % number, b"f", b"%d" % (number * 11 % 17)] for number in range(0, 50, 3)),
    ]
    for _ in range(300):
        argv = ["SORT", chance.choice("lsz")]
        if chance.random() < 0.5:
            argv += ["BY", chance.choice(["w_*", "h_*->f", "none_*"] + ["nosort"] * (argv[1] != "s"))]
        if chance.random() < 0.5:
            argv += ["LIMIT", str(chance.randrange(-3, 45)), str(chance.randrange(-3, 45))]
        if "BY" not in argv:
            argv += chance.choice([[], ["ALPHA"]])
        argv += chance.choice([[], ["DESC"], ["ASC"]])
        for _ in range(chance.choice([0, 0, 1, 2])):
            argv += ["GET", chance.choice(["#", "w_*", "h_*->f", "fixed"])]
        if chance.random() < 0.2:
            argv += ["STORE", "d"]
        argvs += [[word.encode() for word in argv], [b"LRANGE", b"d", b"0", b"-1"]]
    data = b"".join(encode(argv) for argv in argvs)
    assert_same(argvs, client.raw(data), reference.answer(data))
