"""Commands on keys. What strings look like is tested with them; how a real server answers, in compat."""

import pytest
from harness import Client, World, digest
from hypothesis import given
from hypothesis import strategies as st

from respkv.commands.scanning import parse_cursor
from respkv.engine.expiry import Sweeper
from respkv.errors import ReplyError


@pytest.fixture
def other(world: World) -> Client:
    """A client on database 3."""
    client = world.connect()
    client.session.select(3)
    return client


def set_with_expiry(client: Client, key: str, value: str, at_ms: int) -> None:
    client.run("SET", key, value)
    client.run("PEXPIREAT", key, at_ms)


FAR_MS = 33_177_117_420_000


# DEL, UNLINK, EXISTS, TOUCH, TYPE


@pytest.mark.parametrize("name", ["DEL", "UNLINK"])
def test_del_counts_what_was_there_and_is_logged_as_sent(world: World, client: Client, name: str) -> None:
    client.run("MSET a 1 b 2")
    world.take_log()
    assert client.run(f"{name} a missing b b") == 2
    assert world.take_log() == [[name.encode(), b"a", b"missing", b"b", b"b"]]
    assert client.run(f"{name} a b") == 0
    assert world.take_log() == []


def test_del_of_an_expired_key_counts_nothing_and_logs_its_end(world: World, client: Client) -> None:
    set_with_expiry(client, "k", "v", world.engine.now_ms + 10)
    world.take_log()
    world.advance(11)
    assert client.run("DEL k") == 0
    assert world.take_log() == [[b"DEL", b"k"]]


def test_exists_and_touch_count_each_mention(client: Client) -> None:
    client.run("SET a 1")
    assert client.run("EXISTS a a missing") == 2
    assert client.run("TOUCH a a missing") == 2


def test_what_counts_as_hit_or_miss(world: World, client: Client) -> None:
    """As the reference's `keyspace_hits` and `keyspace_misses` moved."""
    client.run("MSET n 5 q 6")
    for line in ("EXISTS n", "TYPE n", "TTL n", "TOUCH n", "OBJECT ENCODING n", "PEXPIRETIME n", "COPY q r"):
        before = (world.engine.hits, world.engine.misses)
        client.run(line)
        assert (world.engine.hits, world.engine.misses) == (before[0] + 1, before[1]), line
    for line in ("EXISTS no", "OBJECT ENCODING no"):
        before = (world.engine.hits, world.engine.misses)
        client.run(line)
        assert (world.engine.hits, world.engine.misses) == (before[0], before[1] + 1), line
    before = (world.engine.hits, world.engine.misses)
    for line in ("RENAME n m", "EXPIRE m 100", "PERSIST m", "MOVE m 5", "RANDOMKEY", "KEYS *", "SCAN 0", "DEL no"):
        client.run(line)
    assert (world.engine.hits, world.engine.misses) == before


def test_type_is_a_simple_string(client: Client) -> None:
    client.run("SET k v")
    assert client.run("TYPE k") == "string"
    assert client.run("TYPE missing") == "none"


# RENAME, RENAMENX, MOVE, COPY


def test_rename_takes_value_and_expiry_along(world: World, client: Client) -> None:
    set_with_expiry(client, "a", "1", FAR_MS)
    client.run("SET b 2")
    world.take_log()
    assert client.run("RENAME a b") == "OK"
    assert world.take_log() == [[b"RENAME", b"a", b"b"]]
    assert client.run("GET b") == b"1"
    assert client.run("PEXPIRETIME b") == FAR_MS
    assert client.run("EXISTS a") == 0


def test_rename_over_a_key_with_expiry_leaves_none(client: Client) -> None:
    client.run("SET a 1")
    set_with_expiry(client, "b", "2", FAR_MS)
    client.run("RENAME a b")
    assert client.run("TTL b") == -1


def test_rename_to_itself_changes_nothing(world: World, client: Client) -> None:
    client.run("SET a 1")
    world.take_log()
    assert client.run("RENAME a a") == "OK"
    assert client.run("RENAMENX a a") == 0
    assert world.take_log() == []


def test_rename_needs_the_key(client: Client) -> None:
    for line in ("RENAME no a", "RENAME no no", "RENAMENX no a", "RENAMENX no no"):
        assert client.error(line) == "ERR no such key"


def test_renamenx_overwrites_nothing(world: World, client: Client) -> None:
    client.run("MSET a 1 b 2")
    world.take_log()
    assert client.run("RENAMENX a b") == 0
    assert world.take_log() == []
    assert client.run("RENAMENX a c") == 1
    assert world.take_log() == [[b"RENAMENX", b"a", b"c"]]
    assert client.run("GET c") == b"1"


def test_renamenx_over_an_expired_key(world: World, client: Client) -> None:
    client.run("SET a 1")
    set_with_expiry(client, "b", "2", world.engine.now_ms + 10)
    world.take_log()
    world.advance(11)
    assert client.run("RENAMENX a b") == 1
    assert world.take_log() == [[b"DEL", b"b"], [b"RENAMENX", b"a", b"b"]]
    assert client.run("TTL b") == -1


def test_move(world: World, client: Client, other: Client) -> None:
    set_with_expiry(client, "a", "1", FAR_MS)
    world.take_log()
    assert client.run("MOVE a 3") == 1
    assert world.take_log() == [[b"MOVE", b"a", b"3"]]
    assert client.run("EXISTS a") == 0
    assert other.run("GET a") == b"1"
    assert other.run("PEXPIRETIME a") == FAR_MS
    client.run("SET a 2")
    assert client.run("MOVE a 3") == 0
    assert client.run("MOVE no 3") == 0
    assert other.run("GET a") == b"1"


def test_move_where_an_expired_key_is_in_the_way(world: World, client: Client, other: Client) -> None:
    client.run("SET a 1")
    set_with_expiry(other, "a", "2", world.engine.now_ms + 10)
    world.take_log()
    world.advance(11)
    assert client.run("MOVE a 3") == 1
    assert world.take_log() == [[b"DEL", b"a"], [b"MOVE", b"a", b"3"]]
    assert other.run("GET a") == b"1"


def test_copy(world: World, client: Client, other: Client) -> None:
    set_with_expiry(client, "a", "1", FAR_MS)
    world.take_log()
    assert client.run("COPY a b") == 1
    assert client.run("COPY a b DB 3") == 1
    assert world.take_log() == [[b"COPY", b"a", b"b"], [b"COPY", b"a", b"b", b"DB", b"3"]]
    assert client.run("PEXPIRETIME b") == other.run("PEXPIRETIME b") == FAR_MS
    client.run("SET a 2")
    assert client.run("COPY a b") == 0
    assert client.run("COPY a b REPLACE") == 1
    assert client.run("GET b") == b"2"
    assert client.run("TTL b") == -1
    assert client.run("COPY no b REPLACE") == 0
    assert client.run("GET b") == b"2"


def test_a_copy_of_a_string_edited_in_place_is_another_one(world: World, client: Client) -> None:
    world.engine.databases[0].load(b"a", bytearray(b"1"), None)
    world.collect()
    world.log.append([b"SET", b"a", b"1"])
    client.run("COPY a b")
    db = world.engine.databases[0]
    assert db.peek(b"a") is not db.peek(b"b")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("COPY a a", "ERR source and destination objects are the same"),
        ("COPY a a DB 0", "ERR source and destination objects are the same"),
        ("COPY no no REPLACE", "ERR source and destination objects are the same"),
        ("COPY a b FOO", "ERR syntax error"),
        ("COPY a b DB", "ERR syntax error"),
        ("COPY a b DB 1 FOO", "ERR syntax error"),
        ("COPY a b DB x", "ERR value is not an integer or out of range"),
        ("COPY a b DB 9223372036854775808", "ERR value is not an integer or out of range"),
        ("COPY a b DB 16 FOO", "ERR DB index is out of range"),
        ("COPY a b DB -1", "ERR DB index is out of range"),
        ("MOVE a 0", "ERR source and destination objects are the same"),
        ("MOVE no 0", "ERR source and destination objects are the same"),
        ("MOVE a 16", "ERR DB index is out of range"),
        ("MOVE a x", "ERR value is not an integer or out of range"),
        ("MOVE a 99999999999", "ERR value is out of range, value must between -2147483648 and 2147483647"),
        ("SCAN x", "ERR invalid cursor"),
        ("SCAN x COUNT 0", "ERR invalid cursor"),
        ("SCAN 0 COUNT 0", "ERR syntax error"),
        ("SCAN 0 COUNT -1", "ERR syntax error"),
        ("SCAN 0 COUNT x", "ERR value is not an integer or out of range"),
        ("SCAN 0 COUNT", "ERR syntax error"),
        ("SCAN 0 FOO bar", "ERR syntax error"),
        ("SCAN 0 NOVALUES", "ERR NOVALUES option can only be used in HSCAN"),
        ("RANDOMKEY x", "ERR wrong number of arguments for 'randomkey' command"),
    ],
)
def test_errors(client: Client, line: str, message: str) -> None:
    client.run("SET a 1")
    assert client.error(line) == message


# RANDOMKEY, KEYS, SCAN


def test_randomkey_finds_every_key_and_deletes_expired_ones(world: World, client: Client) -> None:
    assert client.run("RANDOMKEY") is None
    client.run("MSET a 1 b 2 c 3")
    assert {client.run("RANDOMKEY") for _ in range(200)} == {b"a", b"b", b"c"}
    for key in "abc":
        client.run("PEXPIRE", key, 10)
    world.take_log()
    world.advance(11)
    assert client.run("RANDOMKEY") is None
    assert sorted(world.take_log()) == [[b"DEL", b"a"], [b"DEL", b"b"], [b"DEL", b"c"]]


def test_keys_leaves_expired_ones_out_and_in_place(world: World, client: Client) -> None:
    client.run("MSET one 1 two 2 three 3")
    client.run("PEXPIRE two 10")
    assert sorted(client.run("KEYS t*")) == [b"three", b"two"]
    assert sorted(client.run("KEYS *")) == [b"one", b"three", b"two"]
    world.take_log()
    world.advance(10)
    assert client.run("KEYS tw?") == [b"two"]
    world.advance(1)
    assert client.run("KEYS t*") == [b"three"]
    assert world.take_log() == []


def test_scan_deletes_the_expired_that_match(world: World, client: Client) -> None:
    client.run("MSET one 1 two 2 three 3")
    client.run("PEXPIRE two 10")
    client.run("PEXPIRE one 10")
    world.take_log()
    world.advance(11)
    assert client.run("SCAN 0 COUNT 100 MATCH t*") == [b"0", [b"three"]]
    assert world.take_log() == [[b"DEL", b"two"]]


def test_scan_goes_over_all(client: Client) -> None:
    names = {b"key:%d" % number for number in range(500)}
    for name in names:
        client.run("SET", name, "v")
    found: list[bytes] = []
    cursor = b"0"
    while True:
        cursor, some = client.run("SCAN", cursor, "COUNT", 20)
        found += some
        if cursor == b"0":
            break
    assert sorted(found) == sorted(names)


def test_scan_options(client: Client) -> None:
    client.run("MSET a 1 list:1 2 list:2 3")
    assert sorted(client.run("SCAN 0 match list:* count 100")[1]) == [b"list:1", b"list:2"]
    assert len(client.run("SCAN 0 TYPE StRiNg COUNT 100")[1]) == 3
    assert client.run("SCAN 0 TYPE list COUNT 100") == [b"0", []]
    assert client.run("SCAN 0 TYPE nosuchtype COUNT 100") == [b"0", []]
    assert client.run("SCAN 0 MATCH a MATCH list:1 COUNT 1 COUNT 100") == [b"0", [b"list:1"]]


@pytest.mark.parametrize(
    ("text", "cursor"),
    [
        (b"0", 0),
        (b"00", 0),
        (b"+0", 0),
        (b" \t0", 0),
        (b"007", 7),
        (b"18446744073709551615", 2**64 - 1),
        (b"-18446744073709551615", 1),
        (b"-01", 2**64 - 1),
        (b"1\0x", 1),
        (b"", None),
        (b"0 ", None),
        (b"0x", None),
        (b"1.5", None),
        (b"-1", None),
        (b"- 1", None),
        (b"18446744073709551616", None),
        (b"-18446744073709551616", None),
        (b"9" * 10_000, None),
        (b"\xd9\xa1", None),
    ],
)
def test_cursors_are_read_as_by_the_reference(text: bytes, cursor: int | None) -> None:
    if cursor is None:
        with pytest.raises(ReplyError, match="invalid cursor"):
            parse_cursor(text)
    else:
        assert parse_cursor(text) == cursor


@given(st.integers(0, 2**64 - 1))
def test_every_unsigned_cursor_is_read(cursor: int) -> None:
    assert parse_cursor(b"%d" % cursor) == cursor


LARGE = {
    "list": ["RPUSH k " + " ".join(f"{number}-{'x' * 40}" for number in range(3000))],
    "hash": ["HSET k " + " ".join(f"f{number} {'x' * 40}" for number in range(3000)), "HPEXPIRE k 9999 FIELDS 1 f7"],
    "set": ["SADD k " + " ".join(f"m{number}-{'x' * 40}" for number in range(3000))],
    "zset": ["ZADD k " + " ".join(f"{number % 7} m{number}-{'x' * 40}" for number in range(3000))],
    "stream": [f"XADD k {number}-1 f {'x' * 40}" for number in range(1, 3000)] + ["XGROUP CREATE k g 0"],
}


@pytest.mark.parametrize("commands", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("gone", ["DEL k", "SET k v", "RENAME other k", "SORT other STORE k", "PEXPIRE k -1"])
def test_what_is_taken_apart_is_nobody_s(client: Client, world: World, commands: list[str], gone: str) -> None:
    """The sweeper empties the containers of a large value that is gone: no copy, and no new name, may share them."""
    world.checks_each_command = False
    for line in commands:
        client.run(line)
    client.run("RPUSH other 1 2")
    assert client.run("COPY k copy") == 1
    assert client.run("COPY k renamed") == 1
    assert client.run("RENAME renamed name") == "OK"
    before = digest(world.engine)[0]
    client.run(gone)
    assert world.engine.discarded
    sweeper = Sweeper(world.engine)
    while world.engine.discarded:
        sweeper.run(1000)
    after = digest(world.engine)[0]
    assert after[b"copy"] == before[b"k"]
    assert after[b"name"] == before[b"k"]
    world.engine.check()
