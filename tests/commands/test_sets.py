"""Commands on sets: what they change, propagate and tell. How a real server answers is in compat."""

import random
from collections import Counter

import pytest
from harness import Client, World

from respkv.commands.events import GENERIC, SET
from respkv.engine.engine import NOTIFIED
from respkv.engine.events import KEY_MISS, NEW
from respkv.errors import ReplyError

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


class Told:
    """Keeps what is told, but not what the engine tells by itself."""

    def __init__(self) -> None:
        self.events: list[tuple[int, bytes, bytes]] = []

    def notify(self, index: int, kind: int, event: bytes, key: bytes) -> None:
        if kind not in (KEY_MISS, NEW):
            self.events.append((kind, event, key))

    def take(self) -> list[tuple[int, bytes, bytes]]:
        events, self.events = self.events, []
        return events


@pytest.fixture
def told(world: World) -> Told:
    told = Told()
    world.engine.notifier = told.notify
    world.engine.set_alert(NOTIFIED, True)
    return told


def members(client: Client, key: str) -> set[bytes]:
    found = client.run("SMEMBERS", key)
    assert len(set(found)) == len(found) == client.run("SCARD", key)
    return set(found)


# Members


def test_sadd_and_srem_count_what_changed(world: World, client: Client) -> None:
    assert client.run("SADD s a b a") == 2
    assert client.run("SADD s a b") == 0
    assert client.run("SADD s a c") == 1
    assert client.run("SREM s b none") == 1
    assert client.run("SREM s none") == 0
    assert client.run("SREM none a") == 0
    assert members(client, "s") == {b"a", b"c"}
    assert world.take_log() == [
        [b"SADD", b"s", b"a", b"b", b"a"],
        [b"SADD", b"s", b"a", b"c"],
        [b"SREM", b"s", b"b", b"none"],
    ]


def test_srem_of_the_last_member_removes_the_key(client: Client, told: Told) -> None:
    client.run("SADD s a b")
    assert client.run("SREM s a b c") == 2
    assert client.run("EXISTS s") == 0
    assert told.take() == [(SET, b"sadd", b"s"), (SET, b"srem", b"s"), (GENERIC, b"del", b"s")]


def test_sadd_of_many_known_members_may_still_unpack(client: Client) -> None:
    client.run("SADD s 1")
    assert client.run("SADD", "s", *["1"] * 513) == 0
    assert client.run("OBJECT ENCODING s") == b"hashtable"


def test_smove(world: World, client: Client, told: Told) -> None:
    client.run("SADD s a b")
    client.run("SADD t b")
    world.take_log()
    told.take()
    assert client.run("SMOVE s t none") == 0
    assert client.run("SMOVE s s a") == 1
    assert client.run("SMOVE s s none") == 0
    assert client.run("SMOVE none t a") == 0
    assert (world.take_log(), told.take()) == ([], [])
    assert client.run("SMOVE s t a") == 1
    assert told.take() == [(SET, b"srem", b"s"), (SET, b"sadd", b"t")]
    assert client.run("SMOVE s t b") == 1
    assert told.take() == [(SET, b"srem", b"s"), (GENERIC, b"del", b"s")]
    assert client.run("SMOVE t new a") == 1
    assert members(client, "t") == {b"b"}
    assert members(client, "new") == {b"a"}


def test_smove_from_nothing_does_not_look_at_the_destination(client: Client) -> None:
    client.run("SET k v")
    assert client.run("SMOVE none k a") == 0
    client.run("SADD s a")
    assert client.error("SMOVE s k a") == WRONG_TYPE
    assert client.error("SMOVE k s a") == WRONG_TYPE


def test_members_are_asked_for(client: Client) -> None:
    client.run("SADD s 1 a")
    assert [client.run("SISMEMBER", "s", member) for member in ("1", "a", "01", "b")] == [1, 1, 0, 0]
    assert client.run("SMISMEMBER s b a 1 a") == [0, 1, 1, 1]
    assert client.run("SMISMEMBER none b a") == [0, 0]
    assert client.run("SISMEMBER none b") == 0
    assert client.run("SCARD none") == 0
    assert client.run("SMEMBERS none") == []


def test_sets_are_sets_in_resp3(client3: Client) -> None:
    client3.run("SADD s a b")
    for line in ("SMEMBERS s", "SINTER s s", "SUNION s", "SDIFF s none", "SPOP s 2"):
        assert client3.run(line) == {b"a", b"b"}
    client3.run("SADD s a b")
    assert sorted(client3.run("SRANDMEMBER s 2")) == [b"a", b"b"]


@pytest.mark.parametrize(
    "line",
    [
        "SADD k a",
        "SREM k a",
        "SISMEMBER k a",
        "SMISMEMBER k a",
        "SCARD k",
        "SMEMBERS k",
        "SPOP k",
        "SPOP k 0",
        "SRANDMEMBER k",
        "SRANDMEMBER k 0",
        "SINTER none k",
        "SINTERSTORE d none k",
        "SINTERCARD 2 none k",
        "SUNION s k",
        "SUNIONSTORE d s k",
        "SDIFF none k",
        "SDIFFSTORE d s k",
        "SSCAN k 0 COUNT x",
    ],
)
def test_other_types_are_refused(client: Client, line: str) -> None:
    client.run("SET k v")
    client.run("SADD s a")
    client.run("SADD d a")
    assert client.error(line) == WRONG_TYPE


# At random


def test_spop_is_logged_as_what_it_took(world: World, client: Client, told: Told) -> None:
    client.run("SADD s a b c")
    world.take_log()
    told.take()
    member = client.run("SPOP s")
    assert member in (b"a", b"b", b"c")
    assert world.take_log() == [[b"SREM", b"s", member]]
    assert told.take() == [(SET, b"spop", b"s")]
    assert client.run("SPOP s 0") == client.run("SPOP none 3") == []
    assert client.run("SPOP none") is None
    assert world.take_log() == []
    assert set(client.run("SPOP s 5")) == {b"a", b"b", b"c"} - {member}
    assert world.take_log() == [[b"DEL", b"s"]]
    assert told.take() == [(SET, b"spop", b"s"), (GENERIC, b"del", b"s")]


def test_spop_of_the_last_member_removes_the_key(world: World, client: Client, told: Told) -> None:
    client.run("SADD s a")
    told.take()
    assert client.run("SPOP s") == b"a"
    assert client.run("EXISTS s") == 0
    assert told.take() == [(SET, b"spop", b"s"), (GENERIC, b"del", b"s")]
    assert world.take_log()[-1] == [b"SREM", b"s", b"a"]


@pytest.mark.parametrize(
    ("count", "encoding"), [(100, b"hashtable"), (2400, b"hashtable"), (2600, b"hashtable"), (2950, b"listpack")]
)
def test_spop_of_many_is_logged_in_pieces(world: World, client: Client, count: int, encoding: bytes) -> None:
    world.checks_each_command = False
    names = [b"m%d" % number for number in range(3000)]
    client.run("SADD", "s", *names)
    client.run("EXPIRE s 100")
    world.take_log()
    popped = client.run("SPOP", "s", count)
    assert len(set(popped)) == len(popped) == count
    assert members(client, "s") == set(names) - set(popped)
    log = world.take_log()
    assert all(argv[:2] == [b"SREM", b"s"] and len(argv) <= 1026 for argv in log[:-2] + log[1:-1])
    effects = [argv for argv in log if argv[0] == b"SREM"]
    assert [member for argv in effects for member in argv[2:]] == popped
    assert len(effects) == -(-count // 1024)
    assert client.run("OBJECT ENCODING s") == encoding
    assert client.run("TTL s") == 100


def test_spop_and_srandmember_are_fair(world: World, client: Client) -> None:
    """The sum of squares is 29 on average, and deviates from that by 7.6."""
    world.checks_each_command = False
    world.engine.random = random.Random(17)
    names = [b"m%d" % number for number in range(30)]
    for line in ("SPOP s", "SPOP s 3", "SPOP s 28", "SRANDMEMBER s", "SRANDMEMBER s 3", "SRANDMEMBER s -40"):
        counts: Counter[bytes] = Counter()
        for _ in range(300):
            client.run("SADD", "s", *names)
            found = client.run(line)
            counts.update([found] if isinstance(found, bytes) else found)
        expected = counts.total() / 30
        assert sum((counts[name] - expected) ** 2 for name in names) / expected < 70, line


def test_srandmember(client: Client) -> None:
    client.run("SADD s a b c")
    assert client.run("SRANDMEMBER s") in (b"a", b"b", b"c")
    assert client.run("SRANDMEMBER none") is None
    assert client.run("SRANDMEMBER none 3") == client.run("SRANDMEMBER s 0") == []
    assert sorted(client.run("SRANDMEMBER s 9223372036854775807")) == [b"a", b"b", b"c"]
    assert len(set(client.run("SRANDMEMBER s 2"))) == 2
    assert len(client.run("SRANDMEMBER s -7")) == 7
    assert members(client, "s") == {b"a", b"b", b"c"}


def test_no_count_takes_memory_without_end(client: Client) -> None:
    client.run("SADD s a")
    for count in (-5_000_000, -1_000_000_000, -(2**63) + 1):
        assert client.error("SRANDMEMBER", "s", count).startswith("ERR value is out of range")
    assert client.run("SRANDMEMBER none -1000000000") == []


# Iteration


def test_sscan_meets_all(world: World, client: Client) -> None:
    world.checks_each_command = False
    names = {b"m%d" % number for number in range(2000)}
    client.run("SADD", "s", *names)
    found: list[bytes] = []
    cursor = b"0"
    while True:
        cursor, part = client.run("SSCAN", "s", cursor, "COUNT", 50)
        found += part
        if cursor == b"0":
            break
    assert len(found) == 2000
    assert set(found) == names
    assert client.run("SSCAN s 0 MATCH m1?? COUNT 5000")[1].__len__() == 100
    client.run("SADD t b a 1")
    assert client.run("SSCAN t 0 COUNT 1") == [b"0", [b"b", b"a", b"1"]]
    assert client.run("SSCAN none 0") == [b"0", []]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("SSCAN none x", "ERR invalid cursor"),
        ("SSCAN s 0 COUNT 0", "ERR syntax error"),
        ("SSCAN s 0 COUNT x", "ERR value is not an integer or out of range"),
        ("SSCAN s 0 TYPE set", "ERR syntax error"),
        ("SSCAN s 0 NOVALUES", "ERR NOVALUES option can only be used in HSCAN"),
        ("SPOP s -1", "ERR value is out of range, must be positive"),
        ("SPOP s 1 2", "ERR syntax error"),
        ("SRANDMEMBER s 1 2", "ERR syntax error"),
        ("SRANDMEMBER s x", "ERR value is not an integer or out of range"),
        ("SINTERCARD 0 s", "ERR numkeys should be greater than 0"),
        ("SINTERCARD 2 s", "ERR Number of keys can't be greater than number of args"),
        ("SINTERCARD 1 s LIMIT -1", "ERR LIMIT can't be negative"),
        ("SINTERCARD 1 s LIMIT", "ERR syntax error"),
    ],
)
def test_bad_arguments_are_refused(client: Client, line: str, error: str) -> None:
    client.run("SADD s a")
    assert client.error(line) == error


# Algebra


@pytest.fixture
def three(client: Client) -> Client:
    """A client that finds an intset, a packed set and a large one."""
    client.run("SADD i 1 2 3 4")
    client.run("SADD p 3 4 a b")
    client.run("SADD", "l", "4", "b", *range(100, 400))
    assert [client.run(f"OBJECT ENCODING {key}") for key in "ipl"] == [b"intset", b"listpack", b"hashtable"]
    return client


def test_sinter(three: Client) -> None:
    assert set(three.run("SINTER i p")) == {b"3", b"4"}
    assert three.run("SINTER l i p") == [b"4"]
    assert set(three.run("SINTER p l")) == {b"4", b"b"}
    assert three.run("SINTER i none p") == []
    assert len(three.run("SINTER l l")) == 302


def test_sintercard(three: Client) -> None:
    assert three.run("SINTERCARD 2 i p") == 2
    assert three.run("SINTERCARD 2 i p LIMIT 1") == 1
    assert three.run("SINTERCARD 2 i p LIMIT 0") == 2
    assert three.run("SINTERCARD 1 l LIMIT 500") == 302
    assert three.run("SINTERCARD 3 i p none LIMIT 5") == 0
    assert three.run("COMMAND GETKEYS SINTERCARD 2 i p LIMIT 1") == [b"i", b"p"]


def test_sintercard_stops_at_its_limit(world: World, client: Client) -> None:
    world.checks_each_command = False
    client.run("SADD", "a", *range(5000))
    client.run("SADD", "b", *range(2500, 9000))
    assert client.run("SINTERCARD 2 a b") == 2500
    assert [client.run("SINTERCARD", 2, "a", "b", "LIMIT", limit) for limit in (1, 1500, 2499, 2501)] == [
        1,
        1500,
        2499,
        2500,
    ]


def test_sunion_and_sdiff(three: Client) -> None:
    assert set(three.run("SUNION i p none")) == {b"1", b"2", b"3", b"4", b"a", b"b"}
    assert len(three.run("SUNION i p l")) == 306
    assert set(three.run("SDIFF i p")) == {b"1", b"2"}
    assert set(three.run("SDIFF p l none")) == {b"3", b"a"}
    assert len(three.run("SDIFF l i p")) == 300
    assert three.run("SDIFF none i") == three.run("SDIFF i p i") == []


def test_results_are_stored(world: World, three: Client, told: Told) -> None:
    three.run("SET d string")
    three.run("EXPIRE d 100")
    told.take()
    assert three.run("SUNIONSTORE d i p") == 6
    assert three.run("TTL d") == -1
    assert three.run("SINTERSTORE i i p") == 2
    assert three.run("SDIFFSTORE e l i p") == 300
    assert told.take() == [(SET, b"sunionstore", b"d"), (SET, b"sinterstore", b"i"), (SET, b"sdiffstore", b"e")]
    assert members(three, "i") == {b"3", b"4"}
    world.take_log()
    assert three.run("SINTERSTORE d none i") == 0
    assert three.run("SDIFFSTORE d none i") == 0
    assert told.take() == [(GENERIC, b"del", b"d")]
    assert three.run("EXISTS d") == 0
    assert world.take_log() == [[b"SINTERSTORE", b"d", b"none", b"i"]]


def test_the_encoding_of_results(client: Client) -> None:
    """As Redis 8.2 has it."""
    client.run("SADD", "l", *range(20), *[f"m{number}" for number in range(200)])
    client.run("SADD", "small", *range(20))
    client.run("SADD", "words", *[f"m{number}" for number in range(150)])
    for line, encoding in (
        ("SINTERSTORE d l small", b"intset"),
        ("SINTERSTORE d l l", b"hashtable"),
        ("SDIFFSTORE d l words", b"listpack"),
        ("SDIFFSTORE d l small words", b"listpack"),
        ("SUNIONSTORE d small small", b"intset"),
        ("SUNIONSTORE d words", b"hashtable"),
    ):
        client.run(line)
        assert client.run("OBJECT ENCODING d") == encoding, line


@pytest.mark.parametrize(("size", "encoding"), [(190, b"hashtable"), (199, b"listpack")])
def test_a_difference_made_by_removal_stays_unpacked(client: Client, size: int, encoding: bytes) -> None:
    """As in Redis, which removes members where that is less than half the work of looking for them."""
    client.run("SADD", "l", *[f"m{number}" for number in range(200)])
    client.run("SADD", "a", *[f"m{number}" for number in range(size)])
    client.run("SADD b x")
    client.run("SADD c x")
    assert client.run("SDIFFSTORE d l b c a none") == 200 - size
    assert client.run("OBJECT ENCODING d") == encoding


def test_sets_are_part_of_the_whole(client: Client) -> None:
    client.run("SADD s a b")
    assert client.run("TYPE s") == "set"
    assert client.run("COPY s t") == 1
    client.run("SREM s a")
    assert members(client, "t") == {b"a", b"b"}
    client.run("RENAME t u")
    assert client.run("SCAN 0 TYPE set COUNT 1000")[1].sort() is None
    assert client.run("MEMORY USAGE u") > 100
    assert isinstance(client.run("GET u"), ReplyError)
    client.run("SET u x")
    assert client.run("TYPE u") == "string"
