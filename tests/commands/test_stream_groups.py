"""Consumer groups, and what is pending for them."""

import random

import pytest
from harness import NULL_ARRAY, START_MS, Client, World


def logged(world: World) -> list[str]:
    return [b" ".join(argv).decode() for argv in world.take_log()]


@pytest.fixture
def pending(client: Client, world: World) -> World:
    """Stream `s` of four entries, all pending for consumer `a` of group `g` since 1000 ms, and an empty log."""
    for number in range(1, 5):
        client.run(f"XADD s {number}-0 f {number}")
    client.run("XGROUP CREATE s g 0")
    client.run("XREADGROUP GROUP g a STREAMS s >")
    world.advance(1000)
    world.take_log()
    return world


def test_making_and_destroying_groups(client: Client, world: World) -> None:
    assert client.error("XGROUP CREATE s g $").startswith("ERR The XGROUP subcommand requires the key to exist.")
    assert client.run("XGROUP CREATE s g $ MKSTREAM") == "OK"
    assert client.run("XLEN s") == 0
    assert client.error("XGROUP CREATE s g 0") == "BUSYGROUP Consumer Group name already exists"
    assert client.run("XGROUP CREATECONSUMER s g a") == 1
    assert client.run("XGROUP CREATECONSUMER s g a") == 0
    assert client.run("XGROUP SETID s g 5 ENTRIESREAD 3") == "OK"
    assert client.run("XGROUP DELCONSUMER s g none") == 0
    assert client.run("XGROUP DESTROY s h") == 0
    assert client.run("XGROUP DESTROY s g") == 1
    assert client.run("EXISTS s") == 1


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("XGROUP CREATE s h", "ERR wrong number of arguments for 'xgroup|create' command"),
        ("XGROUP CREATE s h x", "ERR Invalid stream ID specified as stream command argument"),
        (
            "XGROUP CREATE s h 0 FOO",
            "ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.",
        ),
        ("XGROUP CREATE s h 0 ENTRIESREAD -2", "ERR value for ENTRIESREAD must be positive or -1"),
        (
            "XGROUP SETID s g 0 MKSTREAM",
            "ERR unknown subcommand or wrong number of arguments for 'SETID'. Try XGROUP HELP.",
        ),
        ("XGROUP SETID s h 0", "NOGROUP No such consumer group 'h' for key name 's'"),
        ("XGROUP CREATECONSUMER s h a", "NOGROUP No such consumer group 'h' for key name 's'"),
        ("XGROUP DELCONSUMER s h a", "NOGROUP No such consumer group 'h' for key name 's'"),
        ("XGROUP CREATE str h 0", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("XGROUP FOO", "ERR unknown subcommand 'FOO'. Try XGROUP HELP."),
        ("XACK s g x", "ERR Invalid stream ID specified as stream command argument"),
        ("XPENDING s h", "NOGROUP No such key 's' or consumer group 'h'"),
        ("XPENDING none g", "NOGROUP No such key 'none' or consumer group 'g'"),
        ("XPENDING s g -", "ERR syntax error"),
        ("XPENDING s g IDLE 5 - +", "ERR syntax error"),
        ("XPENDING s g - + x", "ERR value is not an integer or out of range"),
        ("XCLAIM s h a 0 1", "NOGROUP No such key 's' or consumer group 'h'"),
        ("XCLAIM s g a x 1", "ERR Invalid min-idle-time argument for XCLAIM"),
        ("XCLAIM s g b 0 1 FOO", "ERR Unrecognized XCLAIM option 'FOO'"),
        ("XCLAIM s g b 0 1 IDLE x", "ERR Invalid IDLE option argument for XCLAIM"),
        ("XCLAIM s g b 0 1 TIME x", "ERR Invalid TIME option argument for XCLAIM"),
        ("XCLAIM s g b 0 1 RETRYCOUNT x", "ERR Invalid RETRYCOUNT option argument for XCLAIM"),
        ("XCLAIM s g b 0 1 LASTID x", "ERR Invalid stream ID specified as stream command argument"),
        ("XAUTOCLAIM s g b x 0", "ERR Invalid min-idle-time argument for XAUTOCLAIM"),
        ("XAUTOCLAIM s g b 0 0 COUNT 0", "ERR COUNT must be > 0"),
        ("XAUTOCLAIM s g b 0 0 COUNT x", "ERR COUNT must be > 0"),
        ("XAUTOCLAIM s g b 0 0 COUNT 9223372036854775807", "ERR COUNT must be > 0"),
        ("XAUTOCLAIM s g b 0 0 FOO", "ERR syntax error"),
        ("XAUTOCLAIM s h b 0 0", "NOGROUP No such key 's' or consumer group 'h'"),
    ],
)
def test_what_is_wrong_changes_nothing(client: Client, pending: World, line: str, error: str) -> None:
    client.run("SET str x")
    pending.take_log()
    assert client.error(line) == error
    assert logged(pending) == []


def test_acknowledging(client: Client, pending: World) -> None:
    assert client.run("XACK s g 1 1 9") == 1
    assert client.run("XACK s none 1") == 0
    assert client.run("XACK none g 1") == 0
    assert logged(pending) == ["XACK s g 1 1 9"]
    assert client.run("XPENDING s g") == [3, b"2-0", b"4-0", [[b"a", b"3"]]]


def test_what_is_pending(client: Client, pending: World) -> None:
    client.run("XCLAIM s g b 0 3-0")
    assert client.run("XPENDING s g") == [4, b"1-0", b"4-0", [[b"a", b"3"], [b"b", b"1"]]]
    assert client.run("XPENDING s g - + 9 b") == [[b"3-0", b"b", 0, 2]]
    assert client.run("XPENDING s g (1 (4-0 9 a") == [[b"2-0", b"a", 1000, 1]]
    assert client.run("XPENDING s g IDLE 1000 - + 2") == [[b"1-0", b"a", 1000, 1], [b"2-0", b"a", 1000, 1]]
    assert client.run("XPENDING s g - + 9 none") == []
    assert client.run("XPENDING s g - + -1") == []
    client.run("XACK s g 1 2 3 4")
    assert client.run("XPENDING s g") == [0, None, None, NULL_ARRAY]


def test_claiming_is_logged_with_the_time_and_the_count(client: Client, pending: World) -> None:
    assert client.run("XCLAIM s g b 500 1-0 2-0 9-0") == [[b"1-0", [b"f", b"1"]], [b"2-0", [b"f", b"2"]]]
    assert client.run("XCLAIM s g b 500 1-0") == []
    assert client.run("XCLAIM s g c 0 3-0 IDLE 100 RETRYCOUNT 7 JUSTID LASTID 2") == [b"3-0"]
    assert client.run("XCLAIM s g c 0 4-0 JUSTID TIME 99999999999999 LASTID 8") == [b"4-0"]
    now_ms = START_MS + 1000
    assert logged(pending) == [
        "XGROUP CREATECONSUMER s g b",
        f"XCLAIM s g b 0 1-0 2-0 TIME {now_ms} RETRYCOUNT 2 FORCE JUSTID",
        "XGROUP CREATECONSUMER s g c",
        f"XCLAIM s g c 0 3-0 TIME {now_ms - 100} RETRYCOUNT 7 FORCE JUSTID",
        f"XCLAIM s g c 0 4-0 TIME {now_ms} RETRYCOUNT 1 FORCE JUSTID",
        "XGROUP SETID s g 8-0 ENTRIESREAD 4",
    ]


def test_force_makes_pending_what_is_there(client: Client, pending: World) -> None:
    client.run("XACK s g 1 2")
    assert client.run("XCLAIM s g b 5000 1-0 9-0") == []
    assert client.run("XCLAIM s g b 5000 1-0 9-0 FORCE JUSTID") == [b"1-0"]
    assert client.run("XPENDING s g - + 1") == [[b"1-0", b"b", 0, 1]]


def test_claiming_what_was_deleted_drops_it(client: Client, pending: World) -> None:
    client.run("XDEL s 1 3")
    pending.take_log()
    assert client.run("XCLAIM s g a 0 1-0") == []
    assert client.run("XAUTOCLAIM s g a 0 0") == [b"0-0", [[b"2-0", [b"f", b"2"]], [b"4-0", [b"f", b"4"]]], [b"3-0"]]
    assert logged(pending) == [
        "XACK s g 1-0",
        f"XCLAIM s g a 0 2-0 4-0 TIME {START_MS + 1000} RETRYCOUNT 2 FORCE JUSTID",
        "XACK s g 3-0",
    ]


def test_claiming_in_steps(client: Client, pending: World) -> None:
    assert client.run("XAUTOCLAIM s g b 1000 - COUNT 3 JUSTID") == [b"4-0", [b"1-0", b"2-0", b"3-0"], []]
    assert client.run("XAUTOCLAIM s g b 1000 4-0 COUNT 3 JUSTID") == [b"0-0", [b"4-0"], []]
    assert client.run("XAUTOCLAIM s g b 1000 - COUNT 3 JUSTID") == [b"0-0", [], []]


def test_only_ten_candidates_are_looked_at_for_each_entry(client: Client, world: World) -> None:
    for number in range(1, 31):
        client.run(f"XADD s {number} f v")
    client.run("XGROUP CREATE s g 0")
    client.run("XREADGROUP GROUP g a STREAMS s >")
    assert client.run("XAUTOCLAIM s g b 1000 - COUNT 2") == [b"21-0", [], []]


def test_deleting_a_consumer_forgets_what_was_pending(client: Client, pending: World) -> None:
    assert client.run("XGROUP DELCONSUMER s g a") == 4
    assert client.run("XPENDING s g")[0] == 0


def test_help_names_all_subcommands(client: Client) -> None:
    text = " ".join(client.run("XGROUP HELP"))
    for name in ("CREATE", "CREATECONSUMER", "DELCONSUMER", "DESTROY", "SETID", "HELP"):
        assert name in text


def random_line(chance: random.Random) -> str:
    """A command on stream `s` or `t` and its groups."""
    key = chance.choice("sst")
    group = chance.choice("ggh")
    consumer = chance.choice("abc")
    number = f"{chance.randrange(1, 30)}-{chance.randrange(3)}"
    numbers = " ".join(f"{chance.randrange(1, 30)}-{chance.randrange(3)}" for _ in range(5))
    count = chance.randrange(1, 6)
    lines = [
        *[f"XADD {key} {chance.choice(['*', number, '9-*', 'MAXLEN ~ 6 *', 'MINID ~ 9 *', 'MAXLEN 9 *'])} f {count}"]
        * 4,
        f"XDEL {key} {numbers}",
        f"XTRIM {key} {chance.choice(['MAXLEN ~', 'MAXLEN', 'MAXLEN ~ 5 LIMIT'])} {count}",
        f"XTRIM {key} MINID {chance.choice('~=')} {number}",
        *[f"XREADGROUP GROUP {group} {consumer} COUNT {count} STREAMS s t > >"] * 2,
        f"XREADGROUP GROUP {group} {consumer} NOACK COUNT {count} STREAMS {key} >",
        f"XREADGROUP GROUP {group} {consumer} STREAMS {key} {chance.choice(['0', number])}",
        f"XACK {key} {group} {numbers}",
        f"XCLAIM {key} {group} {consumer} {chance.choice('09')} {numbers} {chance.choice(['', 'FORCE', 'JUSTID'])}",
        f"XCLAIM {key} {group} {consumer} 0 {numbers} LASTID {number} RETRYCOUNT {count} IDLE 5 FORCE",
        f"XAUTOCLAIM {key} {group} {consumer} {chance.choice('09')} {number} COUNT {count}",
        f"XGROUP CREATE {key} {group} {chance.choice(['$', '0', number])} MKSTREAM ENTRIESREAD {count}",
        f"XGROUP SETID {key} {group} {chance.choice(['$', '0', number])} ENTRIESREAD {count * 50}",
        f"XGROUP CREATECONSUMER {key} {group} {consumer}",
        f"XGROUP DELCONSUMER {key} {group} {consumer}",
        f"XSETID {key} {number} ENTRIESADDED {count * 9}",
    ]
    if chance.random() < 0.02:
        return chance.choice([f"XGROUP DESTROY {key} {group}", f"DEL {key}", "COPY s t REPLACE"])
    return chance.choice(lines)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_was_done_is_the_same_when_the_log_is_replayed(seed: int, client: Client, world: World) -> None:
    """The fixture replays it."""
    chance = random.Random(seed)
    world.engine.limits.stream_node_max_entries = 3
    for _ in range(300):
        client.run(random_line(chance))
        world.advance(chance.randrange(4))
        for key in (b"s", b"t"):
            value = world.engine.databases[0].peek(key)
            if value is not None:
                value.check()
