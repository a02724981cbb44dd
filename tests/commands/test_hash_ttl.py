"""Fields that expire: what is logged, who sees them, and who takes them away."""

import pytest
from harness import NULL_ARRAY, START_MS, Client, World

from respkv.engine.expiry import Sweeper
from respkv.engine.shards import NEVER_MS


def sweep(world: World) -> None:
    sweeper = Sweeper(world.engine)
    while sweeper.run(1000):
        pass


@pytest.fixture(params=[64, 0], ids=["packed", "table"])
def h(request: pytest.FixtureRequest, world: World, client: Client) -> Client:
    """A client of a server with a hash `h` of the fields f, g and i."""
    world.engine.limits.hash_max_listpack_value = request.param
    client.run("HSET h f 1 g 2 i 3")
    world.take_log()
    return client


@pytest.mark.parametrize(
    ("line", "at_ms"),
    [
        ("HEXPIRE h 100 FIELDS 2 f none", START_MS + 100_000),
        ("HPEXPIRE h 100 NX FIELDS 1 f", START_MS + 100),
        ("HEXPIREAT h 33177117420 FIELDS 1 f", 33_177_117_420_000),
        ("HPEXPIREAT h 33177117420123 LT FIELDS 1 f", 33_177_117_420_123),
        ("HGETEX h EX 100 FIELDS 2 none f", START_MS + 100_000),
    ],
)
def test_an_expiry_is_logged_as_a_time_and_for_the_fields_that_are_there(
    world: World, h: Client, line: str, at_ms: int
) -> None:
    h.run(line)
    assert world.take_log() == [[b"HPEXPIREAT", b"h", b"%d" % at_ms, b"FIELDS", b"1", b"f"]]
    assert h.run("HPEXPIRETIME h FIELDS 3 f g none") == [at_ms, -1, -2]


@pytest.mark.parametrize(
    ("line", "logged"),
    [
        ("HSETEX h EX 100 FIELDS 1 f 9", b"HSETEX h PXAT %d FIELDS 1 f 9" % (START_MS + 100_000)),
        ("HSETEX h FNX PX 1 FIELDS 1 new 9", b"HSETEX h PXAT %d FIELDS 1 new 9" % (START_MS + 1)),
        ("HSETEX h KEEPTTL FIELDS 1 f 9", b"HSETEX h KEEPTTL FIELDS 1 f 9"),
        ("HSETEX h PXAT 1 FIELDS 1 f 9", b"HDEL h f"),
        ("HEXPIRE h 0 FIELDS 2 f none", b"HDEL h f"),
        ("HGETEX h EXAT 1 FIELDS 1 f", b"HDEL h f"),
        ("HGETDEL h FIELDS 1 f", b"HDEL h f"),
    ],
)
def test_what_is_logged(world: World, h: Client, line: str, logged: bytes) -> None:
    h.run(line)
    assert world.take_log() == [logged.split()]


@pytest.mark.parametrize(
    "line",
    [
        "HEXPIRE h 100 FIELDS 1 none",
        "HEXPIRE h 100 XX FIELDS 1 f",
        "HPERSIST h FIELDS 1 f",
        "HGETEX h FIELDS 1 f",
        "HGETEX h EX 100 FIELDS 1 none",
        "HGETEX h PERSIST FIELDS 1 f",
        "HGETDEL h FIELDS 1 none",
        "HSETEX h FNX EX 100 FIELDS 2 f 1 new 2",
        "HSETEX h FXX FIELDS 2 f 1 new 2",
        "HSETEX none PXAT 1 FIELDS 1 f 1",
    ],
)
def test_what_changes_nothing_is_not_logged(world: World, h: Client, line: str) -> None:
    h.run(line)
    assert world.take_log() == []


def test_a_field_lives_through_the_millisecond_of_its_expiry(world: World, h: Client) -> None:
    h.run("HPEXPIRE h 10 FIELDS 1 f")
    world.advance(10)
    assert h.run("HGET h f") == b"1"
    assert h.run("HPTTL h FIELDS 1 f") == [0]
    world.advance(1)
    assert h.run("HGET h f") is None


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("HGET h f", None),
        ("HMGET h f g", [None, b"2"]),
        ("HGETALL h", [b"g", b"2", b"i", b"3"]),
        ("HKEYS h", [b"g", b"i"]),
        ("HVALS h", [b"2", b"3"]),
        ("HLEN h", 2),
        ("HSTRLEN h f", 0),
        ("HEXISTS h f", 0),
        ("HDEL h f", 0),
        ("HSET h f 5", 1),
        ("HSETNX h f 5", 1),
        ("HINCRBY h f 5", 5),
        ("HINCRBYFLOAT h f 5", b"5"),
        ("HSCAN h 0 NOVALUES", [b"0", [b"g", b"i"]]),
        ("HTTL h FIELDS 1 f", [-2]),
        ("HEXPIRE h 10 FIELDS 1 f", [-2]),
        ("HPERSIST h FIELDS 1 f", [-2]),
        ("HGETEX h FIELDS 1 f", [None]),
        ("HGETDEL h FIELDS 1 f", [None]),
        ("HSETEX h FNX FIELDS 1 f 5", 1),
        ("HSETEX h FXX FIELDS 1 f 5", 0),
    ],
)
def test_an_expired_field_is_gone_for_everyone(world: World, h: Client, line: str, reply: object) -> None:
    h.run("HPEXPIRE h 10 FIELDS 1 f")
    world.advance(11)
    world.take_log()
    assert h.run(line) == reply
    assert world.take_log()[0] == [b"HDEL", b"h", b"f"]
    assert world.engine.expired_members == 1


def test_an_expired_field_is_never_chosen(world: World, h: Client) -> None:
    h.run("HPEXPIRE h 10 FIELDS 2 f g")
    world.advance(11)
    assert set(h.run("HRANDFIELD h -50")) == {b"i"}


def test_the_last_field_to_expire_takes_the_key_along(world: World, h: Client) -> None:
    h.run("HPEXPIRE h 10 FIELDS 3 f g i")
    world.advance(11)
    assert h.run("HGET h f") is None
    assert h.run("EXISTS h") == 0
    assert world.engine.databases[0].payload_bytes == 0
    h.run("HSET h f 1")
    assert h.run("HTTL h FIELDS 1 f") == [-1]


def test_the_sweeper_takes_expired_fields_away(world: World, h: Client) -> None:
    h.run("HPEXPIRE h 10 FIELDS 1 f")
    h.run("HPEXPIRE h 20 FIELDS 1 g")
    h.run("HSETEX other PX 10 FIELDS 1 f v")
    sweep(world)
    world.advance(11)
    world.take_log()
    sweep(world)
    assert sorted(world.take_log()) == [[b"HDEL", b"h", b"f"], [b"HDEL", b"other", b"f"]]
    assert world.engine.databases[0].size() == 1
    world.advance(10)
    sweep(world)
    assert world.take_log() == [[b"HDEL", b"h", b"g"]]


@pytest.mark.parametrize("line", ["RENAME h new", "COPY h new", "MOVE h 1", "SWAPDB 0 1"])
def test_the_sweeper_knows_where_a_hash_went(world: World, h: Client, line: str) -> None:
    h.run("HPEXPIRE h 10 FIELDS 1 f")
    h.run(line)
    world.advance(11)
    world.take_log()
    sweep(world)
    removed = world.take_log()
    assert len(removed) == (2 if line.startswith("COPY") else 1)
    assert all(argv[0] == b"HDEL" for argv in removed)
    assert world.engine.expired_members == len(removed)


def test_a_time_that_was_put_off_is_kept(world: World, h: Client) -> None:
    h.run("HPEXPIRE h 10 FIELDS 1 f")
    h.run("HPEXPIRE h 1000 FIELDS 1 f")
    world.advance(11)
    sweep(world)
    assert h.run("HLEN h") == 3
    world.advance(1000)
    world.take_log()
    sweep(world)
    assert world.take_log() == [[b"HDEL", b"h", b"f"]]


def test_many_fields_at_once_are_swept_in_slices_and_gone_for_readers(world: World, client: Client) -> None:
    world.checks_each_command = False
    count = 20_000
    for start in range(0, count, 1000):
        pairs = [word for number in range(start, start + 1000) for word in (f"f{number}", "v")]
        client.run("HSETEX", "h", "PX", 1000, "FIELDS", 1000, *pairs)
    client.run("HSET h stays v")
    world.advance(1001)
    sweeper = Sweeper(world.engine)
    runs = 0
    while sweeper.run(100):
        runs += 1
        # Not even those that the sweeper has not come to; a command takes away no more than it must.
        left = client.run("HLEN h")
        assert client.run("HGET", "h", f"f{count - 1}") is None
        assert client.run("HEXISTS", "h", f"f{count - 2}") == 0
        assert client.run("HLEN h") >= left - 300
    assert runs > 3
    assert client.run("HGETALL h") == [b"stays", b"v"]
    assert all(len(argv) <= 100 for argv in world.log if argv[0] == b"HDEL")


def test_a_watched_key_is_touched_by_an_expiring_field(world: World, h: Client) -> None:
    h.run("HPEXPIRE h 10 FIELDS 1 f")
    h.run("WATCH h")
    world.advance(11)
    sweep(world)
    h.run("MULTI")
    h.run("PING")
    assert h.run("EXEC") is NULL_ARRAY


def test_plans_for_keys_that_are_gone_do_not_pile_up(world: World, client: Client) -> None:
    world.checks_each_command = False
    for number in range(3000):
        client.run(f"HSETEX h EX {1000 + number} FIELDS 1 f v")
        client.run("DEL h")
    plans = [len(shard.member_plans) for shard in world.engine.databases[0].shards]
    assert max(plans) <= 65
    client.run("HSETEX h EX 1000 FIELDS 1 f v")
    client.run("FLUSHALL")
    shard = world.engine.databases[0].shard_of(b"h")
    assert not shard.member_plans


def test_hashes_without_expiries_cost_the_sweeper_nothing(world: World, client: Client) -> None:
    client.run("HSET h f v")
    client.run("HPEXPIREAT h 33177117420123 FIELDS 1 none")
    assert not any(shard.member_plans for shard in world.engine.databases[0].shards)
    value = world.engine.databases[0].peek(b"h")
    assert value.next_expiry_ms() == NEVER_MS


def test_a_log_may_tell_of_times_that_have_passed(world: World, h: Client) -> None:
    h.run("HPEXPIRE h 10 FIELDS 3 f g i")
    world.advance(1000)
    world.collect()
    # `World.close` replays the log, in which these fields are set and expire, but are not deleted.
