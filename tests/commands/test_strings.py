"""The string commands: what surprises one by one, and everything against a real server."""

import random

import pytest
from harness import START_MS, Client, World, assert_same, encode
from real_redis import RealRedis

NOT_AN_INTEGER = "ERR value is not an integer or out of range"
FAR_MS = 99_999_999_999_999


@pytest.fixture
def log(world: World, client: Client) -> World:
    """The world, with `k` holding `v` and nothing in its log yet."""
    client.run("SET k v")
    world.take_log()
    return world


def logged(world: World, text: str) -> bool:
    """Whether just the commands of `text`, one a line, were propagated since the last look."""
    lines = [b" ".join(argv).decode() for argv in world.take_log()]
    assert lines == [line.strip() for line in text.splitlines() if line.strip()]
    return True


@pytest.mark.parametrize(
    ("command", "effect"),
    [
        ("SET k w", "SET k w"),
        ("SET k w EX 10", f"SET k w PXAT {START_MS + 10_000}"),
        ("SET k w PX 10", f"SET k w PXAT {START_MS + 10}"),
        ("SET k w EXAT 2000000000", "SET k w PXAT 2000000000000"),
        ("SET k w PXAT 2000000000000", "SET k w PXAT 2000000000000"),
        ("set k w XX GET PX 10", f"SET k w PXAT {START_MS + 10}"),
        ("SET k w GET", "SET k w"),
        ("SET get get get get", "SET get get"),
        ("SET k w KEEPTTL GET XX", "SET k w KEEPTTL XX"),
        ("SET k w NX", ""),
        ("SET k w NX GET", ""),
        ("SET none w XX", ""),
        ("SETNX k w", ""),
        ("SETNX n w", "SETNX n w"),
        ("SETEX k 10 w", f"SET k w PXAT {START_MS + 10_000}"),
        ("PSETEX k 10 w", f"SET k w PXAT {START_MS + 10}"),
        ("GETSET k w", "SET k w"),
        ("GETDEL k", "DEL k"),
        ("GETDEL none", ""),
        ("GETEX k", ""),
        ("GETEX k PERSIST", ""),
        ("GETEX k EX 10", f"PEXPIREAT k {START_MS + 10_000}"),
        ("GETEX k PXAT 1", "DEL k"),
        ("GETEX none EX 10", ""),
        ("MSET a 1 b 2", "MSET a 1 b 2"),
        ("MSETNX a 1 k 2", ""),
        ("APPEND k x", "APPEND k x"),
        ("SETRANGE k 0 x", "SETRANGE k 0 x"),
        ('SETRANGE k 0 ""', ""),
        ("INCR n", "INCR n"),
        ("INCRBYFLOAT n 1.50", "SET n 1.5 KEEPTTL"),
        ("GET k", ""),
        ("INCR k", ""),
    ],
)
def test_what_is_propagated(client: Client, log: World, command: str, effect: str) -> None:
    client.run(command)
    assert logged(log, effect)


def test_getex_persist_is_propagated_where_there_was_an_expiry(client: Client, world: World) -> None:
    client.run("SET k v EX 10")
    world.take_log()
    assert client.run("GETEX k PERSIST") == b"v"
    assert logged(world, "PERSIST k")


def test_set_with_an_expiry_in_the_past_is_gone_at_the_next_look(client: Client, world: World) -> None:
    assert client.run("SET k v PXAT 1") == "OK"
    assert logged(world, "SET k v PXAT 1")
    assert client.run("GET k") is None
    assert logged(world, "DEL k")


def test_a_key_lives_through_its_last_millisecond(client: Client, world: World) -> None:
    client.run("SET k v PX 100")
    world.advance(100)
    assert client.run("GET k") == b"v"
    world.advance(1)
    assert client.run("GET k") is None


@pytest.mark.parametrize("command", ["SET k w", "GETSET k w", "MSET k w", "SET k w GET"])
def test_a_new_value_has_no_expiry(client: Client, world: World, command: str) -> None:
    client.run("SET k v PX 100")
    client.run(command)
    world.advance(1000)
    assert client.run("GET k") == b"w"


@pytest.mark.parametrize("command", ["SET k 7 KEEPTTL", "APPEND k 1", "INCR k", "INCRBYFLOAT k 1", "SETRANGE k 0 9"])
def test_an_edited_value_keeps_its_expiry(client: Client, world: World, command: str) -> None:
    client.run("SET k 5 PX 100")
    client.run(command)
    assert client.run("GET k") is not None
    world.advance(101)
    assert client.run("GET k") is None


def test_keepttl_keeps_nothing_of_an_expired_key(client: Client, world: World) -> None:
    client.run("SET k v PX 100")
    world.advance(101)
    world.take_log()
    client.run("SET k w KEEPTTL")
    assert logged(world, "DEL k\nSET k w KEEPTTL")
    assert client.run("GET k") == b"w"


@pytest.mark.parametrize(
    "options",
    [
        *("NX XX", "XX NX", "EX", "EX 10 PX 10", "EX 10 KEEPTTL", "KEEPTTL EX 10", "PX 1 PXAT 2", "PERSIST", "FOO"),
        *("NX FOO", "EX 10 FOO", "GET 1"),
    ],
)
def test_options_that_do_not_fit_together(client: Client, options: str) -> None:
    assert client.error(f"SET k v {options}") == "ERR syntax error"


@pytest.mark.parametrize("options", ["KEEPTTL", "NX", "GET", "PERSIST EX 10", "EX 10 PERSIST", "EX", "EX 1 PX 1"])
def test_options_that_getex_does_not_take(client: Client, options: str) -> None:
    assert client.error(f"GETEX k {options}") == "ERR syntax error"


@pytest.mark.parametrize(
    "command", ["SET k v EX {}", "SETEX k {} v", "PSETEX k {} v", "SET k v PXAT {}", "GETEX k EX {}"]
)
@pytest.mark.parametrize("number", ["0", "-1", "9223372036854775807", "9223372036854775808", "x", "1.5", "+1", "01"])
def test_bad_times(client: Client, log: World, command: str, number: str) -> None:
    if "PXAT" in command and number == "9223372036854775807":
        pytest.skip("the largest time of all is one")
    name = command.split()[0].lower()
    text = client.error(command.format(number))
    if number in ("0", "-1", "9223372036854775807"):
        assert text == f"ERR invalid expire time in '{name}' command"
    else:
        assert text == NOT_AN_INTEGER
    assert client.run("GET k") == b"v"
    assert logged(log, "")


def test_getex_looks_for_the_key_before_it_looks_at_the_time(client: Client) -> None:
    assert client.run("GETEX none EX x") is None


def test_set_nx_get_answers_the_old_value(client: Client) -> None:
    assert client.run("SET k v NX GET") is None
    assert client.run("SET k w NX GET") == b"v"
    assert client.run("GET k") == b"v"


@pytest.mark.parametrize("name", ["MSET", "MSETNX"])
def test_a_key_without_a_value_is_refused(client: Client, name: str) -> None:
    assert client.error(f"{name} a 1 b") == f"ERR wrong number of arguments for '{name.lower()}' command"
    assert client.run("MGET a b") == [None, None]


def test_msetnx_sets_all_or_none(client: Client) -> None:
    assert client.run("MSETNX a 1 a 2 b 3") == 1
    assert client.run("MSETNX c 1 b 2") == 0
    assert client.run("MGET a b c") == [b"2", b"3", None]


@pytest.mark.parametrize(("start", "end"), [(0, -1), (3, 70_000), (-70_000, -2), (5, 1 << 40), (99_999, 1 << 40)])
@pytest.mark.parametrize("command", ["SET", "APPEND"])
def test_long_slices_of_a_string_of_either_form(client: Client, command: str, start: int, end: int) -> None:
    data = bytes(range(256)) * 400
    client.run("SET", "k", data[:1000])
    client.run(command, "k", data if command == "SET" else data[1000:])
    assert client.run("GETRANGE", "k", start, end) == data[start : None if end == -1 else end + 1]
    # Nothing holds on to what may be edited.
    assert client.run("APPEND k x") == len(data) + 1


@pytest.mark.parametrize("form", ["v", "12", "raw"])
def test_every_form_of_a_string_reads_alike(client: Client, form: str) -> None:
    """As set, counted, and edited in place."""
    if form == "12":
        client.run("INCRBY k 12")
    elif form == "raw":
        client.run("APPEND k ra")
        client.run("APPEND k w")
    else:
        client.run("SET k v")
    value = form.encode()
    assert client.run("GET k") == value
    assert client.run("MGET k k") == [value, value]
    assert client.run("STRLEN k") == len(value)
    assert client.run("GETRANGE k 0 -1") == value
    assert client.run("LCS k k") == value
    assert client.run("GETEX k EX 10") == value
    assert client.run("SET k2 x GET") is None
    assert client.run("APPEND k x") == len(value) + 1
    assert client.run("SETRANGE k 1 yy") == max(3, len(value) + 1)
    assert client.run("SET k x GET") == value[:1] + b"yy" + (value + b"x")[3:]


def test_a_reply_is_not_changed_by_the_command_after_it(client: Client) -> None:
    client.run("APPEND k ab")
    client.run("APPEND k cd")
    assert client.raw(b"GET k\r\nAPPEND k e\r\nGETRANGE k 0 -1\r\nSETRANGE k 0 XY\r\nGET k\r\n") == (
        b"$4\r\nabcd\r\n:5\r\n$5\r\nabcde\r\n:5\r\n$5\r\nXYcde\r\n"
    )


@pytest.mark.parametrize("command", ["INCR k", "DECR k", "INCRBY k 1", "DECRBY k 1"])
@pytest.mark.parametrize("value", ["x", "1.0", " 1", "01", "+1", "9223372036854775808", '""'])
def test_what_cannot_be_counted(client: Client, command: str, value: str) -> None:
    client.run(f"SET k {value}" if value != " 1" else 'SET k " 1"')
    assert client.error(command) == NOT_AN_INTEGER


@pytest.mark.parametrize(
    ("value", "command", "text"),
    [
        (2**63 - 1, "INCR k", "ERR increment or decrement would overflow"),
        (-(2**63), "DECR k", "ERR increment or decrement would overflow"),
        (1, "INCRBY k 9223372036854775807", "ERR increment or decrement would overflow"),
        (-2, "DECRBY k 9223372036854775807", "ERR increment or decrement would overflow"),
        (0, "DECRBY k -9223372036854775808", "ERR decrement would overflow"),
        (0, "INCRBY k 9223372036854775808", NOT_AN_INTEGER),
        ("1.5", "INCRBYFLOAT k inf", "ERR increment would produce NaN or Infinity"),
        ("x", "INCRBYFLOAT k 1", "ERR value is not a valid float"),
        (1, "INCRBYFLOAT k x", "ERR value is not a valid float"),
    ],
)
def test_sums_that_cannot_be(client: Client, value: float | str, command: str, text: str) -> None:
    client.run("SET", "k", value)
    assert client.error(command) == text
    assert client.run("GET k") == str(value).encode()


def test_the_bound_of_strings(client: Client, world: World) -> None:
    world.engine.bulk_max_bytes = 10
    too_long = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    assert client.run("SETRANGE k 9 x") == 10
    assert client.error("SETRANGE k 10 x") == too_long
    assert client.error("SETRANGE none 9223372036854775807 x") == too_long
    assert client.error("APPEND k x") == too_long
    assert client.run("SET", "other", "1234567890") == "OK"
    assert client.error("APPEND other x") == too_long


# Against a real server

KEYS = [b"a", b"b", b"c", b"d"]
VALUES = [b"", b"0", b"1", b"-1", b"12345678901234567890", b"9223372036854775807", b"hello world", b"abcabba", b"1.5"]
NUMBERS = [
    b"0",
    b"1",
    b"-1",
    b"2",
    b"-3",
    b"5",
    b"100",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"x",
    b"1.0",
]
TIMES = [b"0", b"-1", b"1", b"100", b"99999999999", b"9223372036854775807", b"9223372036854775", b"x"]
OPTIONS = [b"NX", b"xx", b"GET", b"KEEPTTL", b"PERSIST", b"EX", b"px", b"EXAT", b"PXAT", b"", b"N"]


def random_options(rng: random.Random) -> list[bytes]:
    options: list[bytes] = []
    for _ in range(rng.choice([0, 0, 1, 1, 1, 2, 3])):
        option = rng.choice(OPTIONS)
        options.append(option)
        if option.upper() in (b"EX", b"PX", b"EXAT", b"PXAT") and rng.random() < 0.95:
            options.append(rng.choice(TIMES if b"A" in option.upper() else [*TIMES[:3], *TIMES[3:4] * 4, *TIMES[4:]]))
    return options


def random_command(rng: random.Random) -> list[bytes]:
    def key() -> bytes:
        return rng.choice(KEYS)

    def value() -> bytes:
        return rng.choice(VALUES)

    def number() -> bytes:
        return rng.choice(NUMBERS)

    shapes = [
        lambda: [b"GET", key()],
        lambda: [b"SET", key(), value()],
        lambda: [b"SET", key(), value(), *random_options(rng)],
        lambda: [b"SETNX", key(), value()],
        lambda: [b"SETEX", key(), rng.choice([b"0", b"100", b"x", b"9223372036854775807"]), value()],
        lambda: [b"PSETEX", key(), rng.choice([b"-1", b"100000", b"9223372036854775807"]), value()],
        lambda: [b"GETSET", key(), value()],
        lambda: [b"GETDEL", key()],
        lambda: [b"GETEX", key(), *random_options(rng)],
        lambda: [b"MGET", key(), key(), b"none"],
        lambda: [b"MSET", key(), value(), key(), value()],
        lambda: [b"MSETNX", key(), value(), key(), value()],
        lambda: [b"APPEND", key(), value()],
        lambda: [b"SETRANGE", key(), rng.choice([b"0", b"1", b"7", b"-1", b"x", b"536870912"]), value()],
        lambda: [rng.choice([b"GETRANGE", b"substr"]), key(), number(), number()],
        lambda: [b"STRLEN", key()],
        lambda: [rng.choice([b"INCR", b"DECR"]), key()],
        lambda: [rng.choice([b"INCRBY", b"DECRBY"]), key(), number()],
        lambda: [b"INCRBYFLOAT", key(), rng.choice([*NUMBERS, b"0.1", b"-2.5e3", b"inf", b"nan"])],
        lambda: [
            b"LCS",
            key(),
            key(),
            *rng.sample([b"LEN", b"IDX", b"WITHMATCHLEN", b"MINMATCHLEN", b"2", b"-1", b"x"], rng.randrange(4)),
        ],
    ]
    command: list[bytes] = rng.choice(shapes)()
    if rng.random() < 0.02:
        command = command[: rng.randrange(1, len(command) + 1)] + [b"x"] * rng.randrange(2)
    return command


@pytest.mark.parametrize("seed", range(4))
def test_replies_are_those_of_a_real_server(client: Client, reference: RealRedis, seed: int) -> None:
    rng = random.Random(seed)
    commands = [random_command(rng) for _ in range(3000)]
    theirs = reference.answer(b"".join(map(encode, commands)))
    ours = b"".join([client.raw(encode(command)) for command in commands])
    assert_same(commands, ours, theirs)


@pytest.mark.parametrize("seed", range(3))
def test_lcs_of_long_strings_is_that_of_a_real_server(client: Client, reference: RealRedis, seed: int) -> None:
    rng = random.Random(seed)
    commands = []
    for number in range(30):
        alphabet = rng.choice([b"ab", b"abcd", bytes(range(256))])
        texts = [bytes(rng.choices(alphabet, k=rng.choice([1, 5, 200, 700]))) for _ in "ab"]
        commands.append([b"MSET", b"a%d" % number, texts[0], b"b%d" % number, texts[1]])
        for options in (b"", b"LEN", b"IDX", b"IDX MINMATCHLEN 3 WITHMATCHLEN"):
            commands += [[b"LCS", b"a%d" % number, b"b%d" % number, *options.split()]]
    data = b"".join(map(encode, commands))
    assert_same(commands, client.raw(data), reference.answer(data))
