"""Commands on hashes: what is logged, announced and bounded. Replies are compared with Redis's by `compat`."""

import pytest
from harness import START_MS, Client, World

from respkv.commands.args import REPETITIONS_MAX


def flat(reply: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(reply[::2], reply[1::2], strict=True))


def test_fields_are_set_read_and_counted(client: Client) -> None:
    assert client.run("HSET h name Ada age 36") == 2
    assert client.run("HSET h age 37 born 1815") == 1
    assert client.run("HGET h age") == b"37"
    assert client.run("HMGET h name none") == [b"Ada", None]
    assert flat(client.run("HGETALL h")) == {b"name": b"Ada", b"age": b"37", b"born": b"1815"}
    assert client.run("HLEN h") == 3
    assert client.run("HSTRLEN h born") == 4
    assert client.run("HINCRBY h age -1") == 36
    assert client.run("HDEL h name age none") == 2
    assert client.run("HKEYS h") == [b"born"]
    assert client.run("HVALS h") == [b"1815"]


def test_hgetall_is_a_map_in_resp3(client3: Client) -> None:
    client3.run("HSET h f v g w")
    assert client3.run("HGETALL h") == {b"f": b"v", b"g": b"w"}
    assert client3.raw(b"HGETALL none\r\n") == b"%0\r\n"


def test_random_fields_with_values_are_couples_in_resp3(client: Client, client3: Client) -> None:
    client.run("HSET h f v")
    assert client.run("HRANDFIELD h 2 WITHVALUES") == [b"f", b"v"]
    assert client3.run("HRANDFIELD h 2 WITHVALUES") == [[b"f", b"v"]]
    assert client3.run("HRANDFIELD h -2 WITHVALUES") == [[b"f", b"v"]] * 2


def test_the_last_field_takes_the_key_along(world: World, client: Client) -> None:
    client.run("HSET h f v")
    assert client.run("HDEL h f") == 1
    assert client.run("EXISTS h") == 0
    assert world.engine.databases[0].payload_bytes == 0


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("HSET h new 1 g", "ERR wrong number of arguments for 'hset' command"),
        ("HMSET h new 1 g", "ERR wrong number of arguments for 'hmset' command"),
        ("HINCRBY h word 1", "ERR hash value is not an integer"),
        ("HINCRBY h max 1", "ERR increment or decrement would overflow"),
        ("HINCRBYFLOAT h word 1", "ERR hash value is not a float"),
        ("HINCRBYFLOAT h one inf", "ERR value is NaN or Infinity"),
        ("HRANDFIELD h -4611686018427387904 WITHVALUES", "ERR value is out of range"),
    ],
)
def test_what_fails_changes_nothing(client: Client, line: str, text: str) -> None:
    client.run("HSET h word abc one 1 max 9223372036854775807")
    assert client.error(line) == text
    assert client.run("HLEN h") == 3


def test_a_float_is_logged_as_its_sum(world: World, client: Client) -> None:
    client.run("HINCRBYFLOAT h f 0.1")
    world.take_log()
    assert client.run("HINCRBYFLOAT h f 0.2") == b"0.3"
    assert world.take_log() == [[b"HSET", b"h", b"f", b"0.3"]]
    client.run("HPEXPIREAT h 33177117420000 FIELDS 1 f")
    world.take_log()
    client.run("HINCRBYFLOAT h f 1")
    assert world.take_log() == [[b"HSETEX", b"h", b"KEEPTTL", b"FIELDS", b"1", b"f", b"1.3"]]


def test_a_negative_count_is_bounded(client: Client) -> None:
    client.run("HSET h f v")
    assert client.error(f"HRANDFIELD h {-REPETITIONS_MAX - 1}").startswith("ERR value is out of range")
    assert client.error("HRANDFIELD h -9223372036854775807").startswith("ERR value is out of range")


def test_random_fields_whose_values_are_large_are_bounded(client: Client) -> None:
    client.world.engine.bulk_max_bytes = 10_000_000
    client.run("HSET", "h", "f", b"v" * 1_000_000)
    assert len(client.run("HRANDFIELD h -5 WITHVALUES")) == 10
    assert client.error("HRANDFIELD h -11 WITHVALUES").startswith("ERR value is out of range")
    assert len(client.run("HRANDFIELD h -11")) == 11


def test_hscan_meets_every_field_that_stays(world: World, client: Client) -> None:
    world.checks_each_command = False
    for number in range(2000):
        client.run("HSET", "h", f"f{number}", number)
    assert client.run("OBJECT ENCODING h") == b"hashtable"
    found: dict[bytes, bytes] = {}
    cursor, calls = b"0", 0
    while True:
        cursor, items = client.run("HSCAN", "h", cursor, "COUNT", 50)
        found.update(flat(items))
        # Others come and go meanwhile.
        client.run("HDEL", "h", f"f{calls}", f"f{1000 + calls}")
        client.run("HSET", "h", f"new{calls}", 1)
        calls += 1
        if cursor == b"0":
            break
    assert calls < 60
    stayed = {b"f%d" % number for number in [*range(calls, 1000), *range(1000 + calls, 2000)]}
    assert stayed <= found.keys()
    assert all(found[field] == field[1:] for field in stayed)


def test_hscan_filters_and_may_leave_values_out(client: Client) -> None:
    client.run("HSET h a1 1 a2 2 b1 3")
    assert client.run("HSCAN h 0 MATCH a*") == [b"0", [b"a1", b"1", b"a2", b"2"]]
    assert client.run("HSCAN h 0 MATCH ?1 NOVALUES") == [b"0", [b"a1", b"b1"]]


def test_a_copy_shares_nothing_with_the_original(client: Client) -> None:
    client.run("HSET", "h", "f", "v", "long", "x" * 100)
    client.run("COPY h other")
    client.run("HSET other f w")
    client.run("HDEL other long")
    assert client.run("HMGET h f long") == [b"v", b"x" * 100]


@pytest.mark.parametrize("longest", [64, 0])
def test_events(world: World, client: Client, longest: int) -> None:
    told: list[tuple[int, bytes, bytes]] = []
    world.engine.limits.hash_max_listpack_value = longest
    world.engine.notifier = lambda index, kind, event, key: told.append((kind, event, key))
    world.engine.set_alert(32, True)

    def events(line: str) -> list[bytes]:
        told.clear()
        client.run(line)
        of_hashes = [(kind, event) for kind, event, key in told if key == b"h" and event not in (b"new", b"keymiss")]
        assert all(kind == (4 if event == b"del" else 64) for kind, event in of_hashes)
        return [event for _, event in of_hashes]

    assert events("HSET h f 1 g 2") == [b"hset"]
    assert events("HMSET h f 1") == [b"hset"]
    assert events("HSETNX h f 1") == []
    assert events("HSETNX h new 1") == [b"hset"]
    assert events("HINCRBY h f 1") == [b"hincrby"]
    assert events("HINCRBYFLOAT h f 1") == [b"hincrbyfloat"]
    assert events("HDEL h none") == []
    assert events("HDEL h f new") == [b"hdel"]
    assert events("HEXPIRE h 100 FIELDS 2 g none") == [b"hexpire"]
    assert events("HPERSIST h FIELDS 2 g none") == [b"hpersist"]
    assert events("HPERSIST h FIELDS 2 g none") == []
    assert events("HGETEX h EX 100 FIELDS 1 g") == [b"hexpire"]
    assert events("HGETEX h FIELDS 1 g") == []
    assert events("HGETEX h PERSIST FIELDS 1 g") == [b"hpersist"]
    assert events("HSETEX h FIELDS 2 g 1 i 2") == [b"hset"]
    assert events("HSETEX h EX 100 FIELDS 2 g 1 i 2") == [b"hset", b"hexpire"]
    assert events("HSETEX h FNX FIELDS 2 g 1 i 2") == []
    assert events("HSETEX h EX 0 FIELDS 1 i 2") == [b"hset", b"hdel"]
    assert events("HSETEX h EX 0 FIELDS 1 unknown 2") == [b"hset", b"hdel"]
    assert events("HGETDEL h FIELDS 1 none") == []
    assert events("HGETDEL h FIELDS 1 g") == [b"hdel", b"del"]
    assert events("HSETEX h EX 0 FIELDS 1 unknown 2") == [b"hset", b"hdel", b"del"]
    client.run("HSET h f 1 g 2 i 3")
    client.run("HPEXPIRE h 10 FIELDS 2 f g")
    world.advance(11)
    assert events("HLEN h") == [b"hexpired"]
    client.run("HPEXPIRE h 10 FIELDS 1 i")
    world.advance(11)
    assert events("HLEN h") == [b"hexpired", b"del"]
    client.run("HSET h f 1 g 2")
    assert events("HEXPIRE h 0 FIELDS 2 f g") == [b"hdel", b"del"]
    assert world.engine.now_ms > START_MS
