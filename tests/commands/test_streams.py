"""Writing streams and reading ranges of them."""

import pytest
from harness import NULL_ARRAY, START_MS, Client, World

INVALID_ID = "ERR Invalid stream ID specified as stream command argument"


def logged(world: World) -> list[str]:
    """What was propagated since the last look, a line a command."""
    return [b" ".join(argv).decode() for argv in world.take_log()]


def fill(client: Client, count: int, key: str = "s") -> None:
    """Entries 1-0, 2-0, ... of a new stream."""
    for number in range(1, count + 1):
        client.run(f"XADD {key} {number}-0 f {number}")


def ids(client: Client, key: str = "s") -> list[str]:
    return [entry[0].decode() for entry in client.run(f"XRANGE {key} - +")]


def test_an_id_of_the_servers_choice_is_logged(client: Client, world: World) -> None:
    assert client.run("XADD s * f v") == b"%d-0" % START_MS
    assert client.run("XADD s * f v") == b"%d-1" % START_MS
    assert client.run(f"XADD s {START_MS}-* f v") == b"%d-2" % START_MS
    assert client.run(f"XADD s NOMKSTREAM {START_MS + 5}-* f v") == b"%d-0" % (START_MS + 5)
    assert logged(world) == [
        f"XADD s {START_MS}-0 f v",
        f"XADD s {START_MS}-1 f v",
        f"XADD s {START_MS}-2 f v",
        f"XADD s {START_MS + 5}-0 f v",
    ]


def test_an_id_that_was_given_is_logged_as_it_came(client: Client, world: World) -> None:
    client.run("XADD s MAXLEN = 5 5 f v")
    assert logged(world) == ["XADD s MAXLEN = 5 5 f v"]
    assert ids(client) == ["5-0"]


def test_ids_go_up_even_when_the_clock_goes_back(client: Client, world: World) -> None:
    client.run("XADD s * f v")
    world.engine.now_ms -= 1000
    assert client.run("XADD s * f v") == b"%d-1" % START_MS


def test_the_clock_takes_over_when_the_sequence_numbers_run_out(client: Client) -> None:
    client.run(f"XADD s {START_MS + 5}-{2**64 - 1} f v")
    assert client.run("XADD s MAXLEN 5 * f v") == b"%d-0" % (START_MS + 6)
    assert client.error(f"XADD s {START_MS + 5}-* f v").startswith("ERR The ID specified in XADD is equal or smaller")


@pytest.mark.parametrize("number", ["5-2", "5-1", "4-9", "5", "0-1"])
def test_an_id_must_be_above_the_last(client: Client, number: str) -> None:
    client.run("XADD s 5-2 f v")
    error = "ERR The ID specified in XADD is equal or smaller than the target stream top item"
    assert client.error(f"XADD s {number} f v") == error


def test_there_is_a_last_id(client: Client) -> None:
    last = f"{2**64 - 1}-{2**64 - 1}"
    assert client.run(f"XADD s {last} f v") == last.encode()
    error = "ERR The stream has exhausted the last possible ID, unable to add more items"
    assert client.error("XADD s * f v") == error
    assert client.run(f"XRANGE s ({2**64 - 1}-5 +") == [[last.encode(), [b"f", b"v"]]]
    assert client.error(f"XRANGE s ({last} +") == "ERR invalid start ID for the interval"
    assert client.error("XRANGE s - (0-0") == "ERR invalid end ID for the interval"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("XADD s 0-0 f v", "ERR The ID specified in XADD must be greater than 0-0"),
        ("XADD s x f v", INVALID_ID),
        ("XADD s - f v", INVALID_ID),
        ("XADD s x-* f v", INVALID_ID),
        ("XADD s * f v g", "ERR wrong number of arguments for 'xadd' command"),
        ("XADD s MAXLEN 1 * f", "ERR wrong number of arguments for 'xadd' command"),
        ("XADD s MAXLEN x * f v", "ERR value is not an integer or out of range"),
        ("XADD s MAXLEN -1 * f v", "ERR The MAXLEN argument must be >= 0."),
        ("XADD s MINID - * f v", INVALID_ID),
        ("XADD s LIMIT 1 * f v", "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"),
        ("XADD s MAXLEN 5 LIMIT 1 * f v", "ERR syntax error, LIMIT cannot be used without the special ~ option"),
        ("XADD s MAXLEN ~ 5 LIMIT -1 * f v", "ERR The LIMIT argument must be >= 0."),
        (
            "XADD s MAXLEN 5 MINID 1 * f v",
            "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
        ),
        ("XADD str * f v", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("XTRIM s 5", "ERR wrong number of arguments for 'xtrim' command"),
        ("XTRIM s FOO 5", "ERR syntax error"),
        ("XTRIM s LIMIT 0", "ERR syntax error, XTRIM must be called with a trimming strategy"),
        ("XTRIM s MAXLEN 5 NOMKSTREAM", "ERR syntax error"),
        ("XDEL s 1 x", INVALID_ID),
        ("XRANGE s - + COUNT", "ERR syntax error"),
        ("XRANGE s - + COUNT x", "ERR value is not an integer or out of range"),
        ("XRANGE str - +", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("XLEN str", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("XSETID none 1", "ERR no such key"),
        ("XSETID s 1", "ERR The ID specified in XSETID is smaller than the target stream top item"),
        ("XSETID s 9 ENTRIESADDED -1", "ERR entries_added must be positive"),
        (
            "XSETID s 9 ENTRIESADDED 1",
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ),
        (
            "XSETID s 9 MAXDELETEDID 10",
            "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
        ),
        ("XSETID s 9 FOO", "ERR syntax error"),
    ],
)
def test_what_is_wrong_changes_nothing(client: Client, world: World, line: str, error: str) -> None:
    client.run("SET str x")
    fill(client, 3)
    world.take_log()
    assert client.error(line) == error
    assert logged(world) == []


def test_nomkstream_makes_no_stream(client: Client, world: World) -> None:
    assert client.run("XADD s NOMKSTREAM * f v") is None
    assert logged(world) == []


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ("MAXLEN 2", 2),
        ("MAXLEN = 0", 0),
        ("maxlen ~ 2", 5),
        ("MAXLEN ~ 9", 9),
        ("MAXLEN ~ 0 LIMIT 4", 9),
        ("MAXLEN ~ 0 LIMIT 0", 0),
        ("MINID 7", 7),
        ("MINID ~ 7", 9),
        ("MINID ~ 9-1", 5),
        ("MINID = 99", 0),
    ],
)
def test_trimming(client: Client, world: World, options: str, left: int) -> None:
    world.engine.limits.stream_node_max_entries = 4
    fill(client, 13)
    before = client.run("XLEN s")
    assert client.run(f"XTRIM s {options}") == before - left
    assert client.run("XLEN s") == left
    assert client.run("EXISTS s") == 1
    assert ids(client) == [f"{number}-0" for number in range(14 - left, 14)]


def test_approximate_trimming_is_logged_as_what_it_did(client: Client, world: World) -> None:
    world.engine.limits.stream_node_max_entries = 4
    fill(client, 8)
    world.take_log()
    client.run("XTRIM s MAXLEN ~ 3")
    client.run("XADD s MAXLEN ~ 4 LIMIT 0 9-0 f 9")
    client.run("XADD s MAXLEN ~ 4 10-0 f 10")
    client.run("XADD s MINID ~ 9 11-0 f 11")
    assert logged(world) == [
        "XTRIM s MAXLEN = 4",
        "XADD s 9-0 f 9",
        "XADD s 10-0 f 10",
        "XADD s MINID = 9-0 11-0 f 11",
    ]


def test_the_last_deleted_entry_leaves_an_empty_stream(client: Client) -> None:
    fill(client, 2)
    assert client.run("XDEL s 1 2 2 3") == 2
    assert client.run("XLEN s") == 0
    assert client.run("TYPE s") == "stream"
    assert client.run("XADD s * f v") == b"%d-0" % START_MS


def test_ranges(client: Client) -> None:
    fill(client, 5)
    assert [entry[0] for entry in client.run("XRANGE s (1 4")] == [b"2-0", b"3-0", b"4-0"]
    assert [entry[0] for entry in client.run("XREVRANGE s + 2 COUNT 2")] == [b"5-0", b"4-0"]
    assert client.run("XRANGE s 4 (5-0") == [[b"4-0", [b"f", b"4"]]]
    assert client.run("XRANGE s - + COUNT 0") is NULL_ARRAY
    assert client.run("XRANGE none - + COUNT 0") == []
    assert len(client.run("XRANGE s - + COUNT 9223372036854775807")) == 5


def test_a_range_is_the_same_in_both_protocols(client: Client, client3: Client) -> None:
    client.run("XADD s 1-0 f v g w")
    request = b"*4\r\n$6\r\nXRANGE\r\n$1\r\ns\r\n$1\r\n-\r\n$1\r\n+\r\n"
    expected = b"*1\r\n*2\r\n$3\r\n1-0\r\n*4\r\n$1\r\nf\r\n$1\r\nv\r\n$1\r\ng\r\n$1\r\nw\r\n"
    assert client.raw(request) == expected
    assert client3.raw(request) == expected


def test_xsetid_sets_the_marks(client: Client) -> None:
    fill(client, 2)
    assert client.run("XSETID s 9-1 ENTRIESADDED 50 MAXDELETEDID 3-0") == "OK"
    facts = client.run("XINFO STREAM s")
    told = dict(zip(facts[::2], facts[1::2], strict=True))
    assert told[b"last-generated-id"] == b"9-1"
    assert told[b"entries-added"] == 50
    assert told[b"max-deleted-entry-id"] == b"3-0"
    assert client.error("XSETID s 2-9") == (
        "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
    )


def test_a_stream_moves_as_other_values_do(client: Client, world: World) -> None:
    fill(client, 300)
    client.run("XGROUP CREATE s g 0")
    client.run("XREADGROUP GROUP g c COUNT 5 STREAMS s >")
    assert client.run("COPY s t") == 1
    client.run("XADD t 1000-0 f v")
    client.run("XACK t g 1-0")
    assert client.run("XLEN s") == 300
    assert client.run("XPENDING s g")[0] == 5
    assert client.run("XPENDING t g")[0] == 4
    assert client.run("OBJECT ENCODING s") == b"stream"
    assert client.run("MEMORY USAGE s") > 3000
    client.run("RENAME t u")
    client.run("MOVE u 1")
    world.engine.check()
