"""The commands on sorted sets; all options and errors are in the differential cases."""

import pytest
from harness import Client, World

from respkv.commands.args import REPETITIONS_MAX
from respkv.commands.events import GENERIC, ZSET
from respkv.commands.sorted_sets import parse_score
from respkv.engine.engine import NOTIFIED
from respkv.errors import NotAFloat
from respkv.reply import NULL_ARRAY


@pytest.fixture
def told(world: World) -> list[tuple[int, bytes, bytes]]:
    """The events of the test: class, name, key; without those of new and missing keys."""
    events: list[tuple[int, bytes, bytes]] = []

    def notify(index: int, kind: int, event: bytes, key: bytes) -> None:
        if kind in (GENERIC, ZSET):
            events.append((kind, event, key))

    world.engine.notifier = notify
    world.engine.set_alert(NOTIFIED, True)
    return events


def test_members_are_in_order_of_score_then_of_bytes(client: Client) -> None:
    assert client.run("ZADD k 2 b 1 c 2 a") == 3
    assert client.run("ZRANGE k 0 -1") == [b"c", b"a", b"b"]
    assert client.run("ZADD k 0 b 5 d") == 1
    assert client.run("ZRANGE k 0 -1 WITHSCORES") == [b"b", b"0", b"c", b"1", b"a", b"2", b"d", b"5"]


@pytest.mark.parametrize(
    ("line", "reply", "score"),
    [
        ("ZADD k NX 9 a", 0, b"5"),
        ("ZADD k XX 9 a", 0, b"9"),
        ("ZADD k XX CH 9 a", 1, b"9"),
        ("ZADD k CH 5 a", 0, b"5"),
        ("ZADD k GT 4 a", 0, b"5"),
        ("ZADD k GT CH 6 a", 1, b"6"),
        ("ZADD k LT CH 4 a", 1, b"4"),
        ("ZADD k LT CH 6 a", 0, b"5"),
        ("ZADD k INCR 2.5 a", b"7.5", b"7.5"),
        ("ZADD k LT INCR 2.5 a", None, b"5"),
        ("ZINCRBY k -5 a", b"0", b"0"),
    ],
)
def test_the_options_of_zadd(world: World, client: Client, line: str, reply: object, score: bytes) -> None:
    client.run("ZADD k 5 a")
    world.take_log()
    assert client.run(line) == reply
    assert client.run("ZSCORE k a") == score
    assert len(world.take_log()) == (score != b"5")


def test_a_bad_score_changes_nothing(client: Client) -> None:
    assert client.error("ZADD k 1 a x b") == "ERR value is not a valid float"
    assert client.run("EXISTS k") == 0


@pytest.mark.parametrize(
    ("text", "score"),
    [
        (b"0", 0.0),
        (b"-0", 0.0),
        (b"1e3", 1000.0),
        (b"0x10", 16.0),
        (b"+inf", float("inf")),
        (b"-Infinity", -float("inf")),
    ],
)
def test_scores_are_read_as_strtod_does(text: bytes, score: float) -> None:
    assert parse_score(text) == score


@pytest.mark.parametrize("text", [b"", b"nan", b"1e400", b"-1e400", b"1e-400", b" 1", b"1 ", b"1_0", b"1\0", b"\xff"])
def test_what_is_no_score(text: bytes) -> None:
    with pytest.raises(NotAFloat):
        parse_score(text)


def test_infinities_of_both_signs_have_no_sum(client: Client) -> None:
    client.run("ZADD k inf a")
    assert client.error("ZINCRBY k -inf a") == "ERR resulting score is not a number (NaN)"
    assert client.run("ZSCORE k a") == b"inf"


def test_the_last_member_takes_the_key_with_it(client: Client) -> None:
    for line in ("ZREM k a b", "ZPOPMIN k 5", "ZPOPMAX k 2", "ZREMRANGEBYRANK k 0 -1", "ZMPOP 1 k MIN COUNT 9"):
        client.run("ZADD k 1 a 2 b")
        client.run(line)
        assert client.run("EXISTS k") == 0, line


def test_scores_are_doubles_in_resp3(client3: Client) -> None:
    client3.run("ZADD k 1.5 a 2 b")
    assert client3.raw(b"ZSCORE k a\r\n") == b",1.5\r\n"
    assert client3.raw(b"ZRANGE k 0 0 WITHSCORES\r\n") == b"*1\r\n*2\r\n$1\r\na\r\n,1.5\r\n"
    assert client3.raw(b"ZPOPMAX k\r\n") == b"*2\r\n$1\r\nb\r\n,2\r\n"
    assert client3.raw(b"ZPOPMAX k 1\r\n") == b"*1\r\n*2\r\n$1\r\na\r\n,1.5\r\n"


@pytest.mark.parametrize("size", [100, 3000])
def test_ranks(client: Client, world: World, size: int) -> None:
    world.checks_each_command = False
    client.run("ZADD", "k", *(word for number in range(size) for word in (number % 7, f"m{number:05}")))
    members = client.run("ZRANGE k 0 -1")
    assert len(members) == size
    for rank in range(0, size, 97):
        assert client.run("ZRANK", "k", members[rank]) == rank
        assert client.run("ZREVRANK", "k", members[rank]) == size - 1 - rank
        assert client.run("ZRANGE", "k", rank, rank + 5) == members[rank : rank + 6]
    assert client.run("ZREMRANGEBYRANK", "k", 10, size - 11) == size - 20
    assert client.run("ZRANGE k 0 -1") == members[:10] + members[-10:]


def test_random_members(client: Client, world: World) -> None:
    world.checks_each_command = False
    client.run("ZADD", "k", *(word for number in range(300) for word in (number, f"m{number}")))
    members = set(client.run("ZRANGE k 0 -1"))
    assert client.run("ZRANDMEMBER k") in members
    found = client.run("ZRANDMEMBER k 200")
    assert len(set(found)) == 200
    assert set(found) < members
    assert set(client.run("ZRANDMEMBER k 300")) == members
    assert len(client.run("ZRANDMEMBER k -1000")) == 1000
    pairs = client.run("ZRANDMEMBER k 5 WITHSCORES")
    assert [b"m" + score for score in pairs[1::2]] == pairs[::2]
    # Each as likely as any other: no member is drawn three times as often as it should be.
    drawn = client.run("ZRANDMEMBER k -30000")
    assert all(30 < drawn.count(member) < 300 for member in members)


def test_no_count_makes_a_reply_without_end(client: Client) -> None:
    client.run("ZADD k 1 a")
    assert client.error("ZRANDMEMBER", "k", -REPETITIONS_MAX - 1).startswith("ERR value is out of range")


def test_a_scan_returns_what_was_there_throughout(client: Client, world: World) -> None:
    world.checks_each_command = False
    client.run("ZADD", "k", *(word for number in range(3000) for word in (number, f"m{number}")))
    seen: set[bytes] = set()
    cursor, calls = b"0", 0
    while True:
        cursor, flat = client.run("ZSCAN", "k", cursor, "COUNT", 50)
        scores = dict(zip(flat[::2], flat[1::2], strict=True))
        assert all(name.removeprefix(b"new").removeprefix(b"m") == score for name, score in scores.items())
        seen.update(flat[::2])
        client.run("ZADD", "k", calls, f"new{calls}")
        client.run("ZREM", "k", f"m{2000 + calls}")
        client.run("ZADD", "k", calls, f"m{calls}")
        calls += 1
        if cursor == b"0":
            break
    assert calls > 30
    assert seen >= {b"m%d" % number for number in range(2000)}


def test_events(client: Client, told: list[tuple[int, bytes, bytes]]) -> None:
    expected = []
    for line, events in [
        ("ZADD k 1 a 2 b 3 c 4 d 5 e", [b"zadd"]),
        ("ZADD k 1 a", []),
        ("ZADD k INCR 1 a", [b"zincr"]),
        ("ZADD k INCR 0 a", []),
        ("ZINCRBY k 1 a", [b"zincr"]),
        ("ZREM k a x", [b"zrem"]),
        ("ZREM k x", []),
        ("ZPOPMIN k", [b"zpopmin"]),
        ("ZPOPMAX k 1", [b"zpopmax"]),
        ("ZREMRANGEBYSCORE k 100 200", []),
        ("ZREMRANGEBYSCORE k 3 3", [b"zremrangebyscore"]),
        ("ZREMRANGEBYRANK k 0 0", [b"zremrangebyrank", b"del"]),
        ("ZADD k 1 a", [b"zadd"]),
        ("ZREMRANGEBYLEX k - +", [b"zremrangebylex", b"del"]),
        ("ZADD k 1 a", [b"zadd"]),
        ("ZRANGESTORE k k 0 -1", [b"zrangestore"]),
        ("ZUNIONSTORE k 1 k", [b"zunionstore"]),
        ("ZINTERSTORE k 1 k", [b"zinterstore"]),
        ("ZDIFFSTORE k 1 k", [b"zdiffstore"]),
        ("ZDIFFSTORE k 2 k k", [b"del"]),
        ("ZDIFFSTORE k 2 k k", []),
        ("ZADD k 1 a", [b"zadd"]),
        ("ZMPOP 1 k MAX", [b"zpopmax", b"del"]),
        ("ZADD k 1 a", [b"zadd"]),
        ("BZPOPMIN k 0", [b"zpopmin", b"del"]),
        ("GEOADD k 1 1 a", [b"zadd"]),
        ("GEOSEARCHSTORE k k FROMMEMBER a BYRADIUS 1 m", [b"geosearchstore"]),
        ("GEORADIUSBYMEMBER k a 1 m STORE k", [b"georadiusstore"]),
        ("GEORADIUS k 100 80 1 m STORE k", [b"del"]),
    ]:
        client.run(line)
        expected += [(GENERIC if event == b"del" else ZSET, event, b"k") for event in events]
        assert told == expected, line


def test_a_large_set_that_is_deleted_is_taken_apart(client: Client, world: World) -> None:
    world.checks_each_command = False
    client.run("ZADD", "k", *(word for number in range(5000) for word in (number, f"m{number}")))
    client.run("DEL k")
    assert any(isinstance(part, dict) and part for part in world.engine.discarded)
    world.engine.check()


def test_zrank_of_nothing_is_an_absent_array_with_its_score(client: Client) -> None:
    assert client.run("ZRANK k a") is None
    assert client.run("ZRANK k a WITHSCORE") is NULL_ARRAY


def test_a_negative_zero_stays_where_a_new_set_is_large_from_the_beginning(client: Client) -> None:
    client.run("CONFIG SET zset-max-listpack-entries 3")
    client.run("ZADD large 0 a 0 a 0 a -0 b")
    assert client.run("ZRANGE large 0 -1 WITHSCORES") == [b"a", b"0", b"b", b"-0"]
    client.run("ZADD small 0 a -0 b")
    assert client.run("ZRANGE small 0 -1 WITHSCORES") == [b"a", b"0", b"b", b"0"]
