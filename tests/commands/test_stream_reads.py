"""XREAD and XREADGROUP, and waiting for entries."""

from typing import Any

import pytest
from harness import NULL_ARRAY, START_MS, Client, World, decode, encode, parse_words

from respkv.errors import ReplyError


def wait(client: Client, line: str) -> None:
    """Send a command that must block."""
    assert client.raw(encode(parse_words((line,)))) == b""
    assert client.session.parked == "blocked"


def answer(client: Client) -> Any:
    """The reply that came meanwhile; None if there is none."""
    replies = decode(client.session.take_output())
    assert len(replies) < 2
    return replies[0] if replies else None


def logged(world: World) -> list[str]:
    return [b" ".join(argv).decode() for argv in world.take_log()]


def entry(number: str, field: str = "f", value: str = "v") -> list[Any]:
    return [number.encode(), [field.encode(), value.encode()]]


@pytest.fixture
def group(client: Client, world: World) -> World:
    """Stream `s` of three entries with group `g` at its beginning, and an empty log."""
    for number in range(1, 4):
        client.run(f"XADD s {number}-0 f v")
    client.run("XGROUP CREATE s g 0")
    world.take_log()
    return world


def test_what_is_behind_an_id(client: Client, group: World) -> None:
    assert client.run("XREAD STREAMS s 1") == [[b"s", [entry("2-0"), entry("3-0")]]]
    assert client.run("XREAD COUNT 1 STREAMS s none 0 0") == [[b"s", [entry("1-0")]]]
    assert client.run("XREAD STREAMS s 3") is NULL_ARRAY
    assert client.run("XREAD STREAMS s $") is NULL_ARRAY
    assert client.run("XREAD STREAMS s +") == [[b"s", [entry("3-0")]]]
    assert client.run("XREAD STREAMS none +") is NULL_ARRAY
    assert logged(group) == []


def test_resp3_has_a_map_which_may_name_a_stream_twice(client3: Client, group: World) -> None:
    assert client3.run("XREAD STREAMS s 2") == {b"s": [entry("3-0")]}
    assert client3.run("XREAD STREAMS s 3") is None
    reply = client3.raw(encode([b"XREAD", b"STREAMS", b"s", b"s", b"2", b"2"]))
    assert reply.startswith(b"%2\r\n$1\r\ns\r\n*1\r\n")
    assert reply.count(b"$1\r\ns\r\n") == 2


def test_a_waiting_reader_gets_what_is_added(client: Client, world: World) -> None:
    readers = [world.connect() for _ in range(2)]
    for reader in readers:
        wait(reader, "XREAD BLOCK 0 STREAMS s t $ 0")
    client.run("XADD s 1-0 f v")
    for reader in readers:
        assert answer(reader) == [[b"s", [entry("1-0")]]]
        assert reader.session.block is None


def test_the_last_id_is_that_of_the_call(client: Client, world: World) -> None:
    client.run("XADD s 5-0 f v")
    reader = world.connect()
    wait(reader, "XREAD BLOCK 0 STREAMS s $")
    client.run("DEL s")
    client.run("XADD s 4-0 f v")
    client.run("SET s x")
    client.run("DEL s")
    assert answer(reader) is None
    client.run("XADD s 6-0 f v")
    assert answer(reader) == [[b"s", [entry("6-0")]]]


def test_a_transaction_shows_when_it_is_over(client: Client, world: World) -> None:
    reader = world.connect()
    wait(reader, "XREAD BLOCK 0 STREAMS s t 0 0")
    client.run("MULTI")
    client.run("XADD s 1-0 f v")
    client.run("XADD t 2-0 f v")
    client.run("XREAD BLOCK 0 STREAMS none $")
    assert client.run("EXEC") == [b"1-0", b"2-0", NULL_ARRAY]
    assert answer(reader) == [[b"s", [entry("1-0")]], [b"t", [entry("2-0")]]]


def test_new_entries_go_to_one_consumer_and_are_logged_as_pending(client: Client, group: World) -> None:
    assert client.run("XREADGROUP GROUP g a COUNT 2 STREAMS s >") == [[b"s", [entry("1-0"), entry("2-0")]]]
    assert client.run("XREADGROUP GROUP g b STREAMS s >") == [[b"s", [entry("3-0")]]]
    assert client.run("XREADGROUP GROUP g b STREAMS s >") is NULL_ARRAY
    assert logged(group) == [
        "XGROUP CREATECONSUMER s g a",
        f"XCLAIM s g a 0 1-0 2-0 TIME {START_MS} RETRYCOUNT 1 FORCE JUSTID",
        "XGROUP SETID s g 2-0 ENTRIESREAD 2",
        "XGROUP CREATECONSUMER s g b",
        f"XCLAIM s g b 0 3-0 TIME {START_MS} RETRYCOUNT 1 FORCE JUSTID",
        "XGROUP SETID s g 3-0 ENTRIESREAD 3",
    ]


def test_noack_leaves_nothing_pending(client: Client, group: World) -> None:
    client.run("XREADGROUP GROUP g a NOACK STREAMS s >")
    assert client.run("XPENDING s g") == [0, None, None, NULL_ARRAY]
    assert logged(group) == ["XGROUP CREATECONSUMER s g a", "XGROUP SETID s g 3-0 ENTRIESREAD 3"]


def test_the_history_of_a_consumer(client: Client, group: World) -> None:
    client.run("XREADGROUP GROUP g a STREAMS s >")
    client.run("XDEL s 2-0")
    group.advance(10)
    group.take_log()
    assert client.run("XREADGROUP GROUP g a STREAMS s 0") == [
        [b"s", [entry("1-0"), [b"2-0", NULL_ARRAY], entry("3-0")]]
    ]
    # Unlike Redis, which forgets these counts when it restarts.
    assert logged(group) == [f"XCLAIM s g a 0 1-0 3-0 TIME {START_MS + 10} RETRYCOUNT 2 FORCE JUSTID"]
    assert client.run("XREADGROUP GROUP g a COUNT 1 STREAMS s 1") == [[b"s", [[b"2-0", NULL_ARRAY]]]]
    assert client.run("XREADGROUP GROUP g b STREAMS s 0") == [[b"s", []]]
    assert client.run("XPENDING s g - + 9")[0] == [b"1-0", b"a", 0, 2]


def test_what_is_read_again_after_setid_is_delivered_anew(client: Client, group: World) -> None:
    client.run("XREADGROUP GROUP g a STREAMS s >")
    client.run("XGROUP SETID s g 1")
    assert client.run("XREADGROUP GROUP g b STREAMS s >") == [[b"s", [entry("2-0"), entry("3-0")]]]
    assert [line[:2] for line in client.run("XPENDING s g - + 9")] == [[b"1-0", b"a"], [b"2-0", b"b"], [b"3-0", b"b"]]


def test_waiting_consumers_are_served_in_order(client: Client, group: World) -> None:
    client.run("XGROUP SETID s g $")
    one, two = group.connect(), group.connect()
    wait(one, "XREADGROUP GROUP g a BLOCK 0 STREAMS s >")
    wait(two, "XREADGROUP GROUP g b BLOCK 0 STREAMS s >")
    group.take_log()
    client.run("XADD s 4-0 f v")
    assert answer(one) == [[b"s", [entry("4-0")]]]
    assert answer(two) is None
    client.run("XADD s 5-0 f v")
    assert answer(two) == [[b"s", [entry("5-0")]]]
    assert logged(group) == [
        "XADD s 4-0 f v",
        f"XCLAIM s g a 0 4-0 TIME {START_MS} RETRYCOUNT 1 FORCE JUSTID",
        "XGROUP SETID s g 4-0 ENTRIESREAD 4",
        "XADD s 5-0 f v",
        f"XCLAIM s g b 0 5-0 TIME {START_MS} RETRYCOUNT 1 FORCE JUSTID",
        "XGROUP SETID s g 5-0 ENTRIESREAD 5",
    ]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("DEL s", b"NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"),
        ("XGROUP DESTROY s g", b"NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"),
        ("RENAME s t", b"NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"),
        ("SET s x", b"WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("FLUSHALL", b"NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"),
    ],
)
def test_a_waiting_consumer_is_told_when_its_group_goes(client: Client, group: World, line: str, error: bytes) -> None:
    client.run("XGROUP SETID s g $")
    reader = group.connect()
    wait(reader, "XREADGROUP GROUP g a BLOCK 0 STREAMS s >")
    client.run(line)
    reply = answer(reader)
    assert isinstance(reply, ReplyError)
    assert reply.message == error


def test_what_is_done_beside_the_entries_wakes_and_touches_nobody(client: Client, group: World) -> None:
    client.run("XREADGROUP GROUP g a STREAMS s >")
    watcher, reader = group.connect(), group.connect()
    wait(reader, "XREADGROUP GROUP g b BLOCK 0 STREAMS s >")
    watcher.run("WATCH s")
    for line in ("XACK s g 1", "XCLAIM s g c 0 2", "XGROUP CREATE s h 0", "XAUTOCLAIM s g d 0 0", "XSETID s 9"):
        client.run(line)
    watcher.run("MULTI")
    watcher.run("PING")
    assert watcher.run("EXEC") == ["PONG"]
    assert answer(reader) is None


def test_a_consumer_that_waits_exists(client: Client, group: World) -> None:
    client.run("XGROUP SETID s g $")
    group.take_log()
    wait(group.connect(), "XREADGROUP GROUP g a BLOCK 100 STREAMS s >")
    assert logged(group) == ["XGROUP CREATECONSUMER s g a"]
    assert client.run("XINFO CONSUMERS s g") == [[b"name", b"a", b"pending", 0, b"idle", 0, b"inactive", -1]]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("XREAD STREAMS s t 0", "ERR Unbalanced 'xread' list of streams"),
        ("XREADGROUP GROUP g a STREAMS s t 0", "ERR Unbalanced 'xreadgroup' list of streams"),
        ("XREAD COUNT 1 BLOCK 0", "ERR syntax error"),
        ("XREAD COUNT x STREAMS s 0", "ERR value is not an integer or out of range"),
        ("XREAD BLOCK x STREAMS s 0", "ERR timeout is not an integer or out of range"),
        ("XREAD BLOCK -1 STREAMS s 0", "ERR timeout is negative"),
        ("XREAD NOACK STREAMS s 0", "ERR The NOACK option is only supported by XREADGROUP"),
        ("XREAD GROUP g a STREAMS s 0", "ERR The GROUP option is only supported by XREADGROUP"),
        ("XREAD STREAMS s >", "ERR The > ID can be specified only when calling XREADGROUP"),
        ("XREAD STREAMS str 0", "WRONGTYPE"),
        ("XREAD STREAMS s x", "ERR Invalid stream ID"),
        ("XREADGROUP NOACK COUNT 1 STREAMS s >", "ERR Missing GROUP option for XREADGROUP"),
        ("XREADGROUP GROUP g a STREAMS s $", "ERR The $ ID is meaningless in the context of XREADGROUP"),
        ("XREADGROUP GROUP g a STREAMS s +", "ERR The + ID is meaningless in the context of XREADGROUP"),
        ("XREADGROUP GROUP h a STREAMS s >", "NOGROUP No such key 's' or consumer group 'h' in XREADGROUP"),
        ("XREADGROUP GROUP g a STREAMS none >", "NOGROUP No such key 'none' or consumer group 'g' in XREADGROUP"),
        ("XREADGROUP GROUP g a STREAMS s none > >", "NOGROUP No such key 'none' or consumer group 'g' in XREADGROUP"),
    ],
)
def test_what_is_wrong_reads_nothing(client: Client, group: World, line: str, error: str) -> None:
    client.run("SET str x")
    group.take_log()
    assert client.error(line).startswith(error)
    assert logged(group) == []
