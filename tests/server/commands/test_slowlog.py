"""SLOWLOG, and what is noted there."""

import pytest
from beside_redis import both
from harness import Client, World
from real_redis import RealRedis

AS_REDIS = ("SLOWLOG", "SLOWLOG GET x", "SLOWLOG GET -2", "SLOWLOG GET 1 2", "SLOWLOG LEN x", "SLOWLOG RESET x",
            "SLOWLOG NOSUCH", "SLOWLOG RESET")  # fmt: skip


@pytest.mark.parametrize("line", AS_REDIS)
def test_replies_are_those_of_redis(client: Client, real_redis: RealRedis, line: str) -> None:
    ours, theirs = both(client, real_redis, line)
    assert ours == theirs


@pytest.fixture
def watched(client: Client) -> Client:
    """A client of a server to which every command is slow."""
    client.run("CONFIG SET slowlog-log-slower-than 0")
    client.run("SLOWLOG RESET")
    client.run("CLIENT SETNAME me")
    client.run("SLOWLOG RESET")
    return client


def test_an_entry_tells_when_what_and_who(watched: Client) -> None:
    watched.run("SET k v")
    entry, reset = watched.run("SLOWLOG GET")
    number, at_s, duration_us, argv, address, name = entry
    assert number == reset[0] + 1
    assert at_s == watched.world.engine.now_ms // 1000
    assert duration_us >= 0
    assert argv == [b"SET", b"k", b"v"]
    assert (address, name) == (b"127.0.0.1:40000", b"me")
    assert reset[3] == [b"SLOWLOG", b"RESET"]


def test_entries_are_cut_as_in_redis(watched: Client, fresh_redis: RealRedis) -> None:
    lines = (["SET", "k", "x" * 1000], ["DEL", *map(str, range(40))], ["DEL", *map(str, range(31))])
    fresh_redis.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
    for words in lines:
        watched.run(*words)
        fresh_redis.call(*words)
    theirs = [entry[3] for entry in fresh_redis.call("SLOWLOG", "GET", "3")]
    assert [entry[3] for entry in watched.run("SLOWLOG GET 3")] == theirs


def test_the_oldest_entries_give_way(watched: Client) -> None:
    watched.run("CONFIG SET slowlog-max-len 3")
    for number in range(5):
        watched.run("ECHO", number)
    assert watched.run("SLOWLOG LEN") == 3
    # Ours is noted when it is over, so the newest entry here is the LEN.
    assert [entry[3] for entry in watched.run("SLOWLOG GET")] == [
        [b"SLOWLOG", b"LEN"],
        [b"ECHO", b"4"],
        [b"ECHO", b"3"],
    ]


def test_nothing_is_slow_without_a_threshold(world: World, client: Client) -> None:
    client.run("CONFIG SET slowlog-log-slower-than -1")
    client.run("SET k v")
    client.run("CONFIG SET slowlog-log-slower-than 1000000")
    client.run("SET k v")
    assert client.run("SLOWLOG GET -1") == []


def test_passwords_are_not_shown(watched: Client) -> None:
    watched.run("CONFIG SET requirepass secret timeout 3")
    watched.run("AUTH default secret")
    watched.run("HELLO 2 AUTH default secret SETNAME me")
    watched.run('CONFIG SET requirepass ""')
    shown = [entry[3] for entry in watched.run("SLOWLOG GET 4")]
    assert shown == [
        [b"CONFIG", b"SET", b"requirepass", b"(redacted)"],
        [b"HELLO", b"2", b"AUTH", b"(redacted)", b"(redacted)", b"SETNAME", b"me"],
        [b"AUTH", b"(redacted)", b"(redacted)"],
        [b"CONFIG", b"SET", b"requirepass", b"(redacted)", b"timeout", b"3"],
    ]


def test_a_slow_command_of_a_pipeline_is_noted(watched: Client) -> None:
    watched.raw(b"SET a 1\r\nSET b 2\r\n")
    assert [entry[3] for entry in watched.run("SLOWLOG GET 2")] == [[b"SET", b"b", b"2"], [b"SET", b"a", b"1"]]


def test_a_command_that_waits_is_noted_when_it_has_its_reply(world: World, watched: Client) -> None:
    served, timed_out, refused = world.connect(), world.connect(), world.connect()
    served.start("BLPOP l 0")
    timed_out.start("BLPOP m 0.1")
    refused.start("BLPOP m 0")
    watched.run("SLOWLOG RESET")
    watched.run("RPUSH l a")
    world.advance(100)
    world.server.tick()
    watched.run(f"CLIENT UNBLOCK {refused.session.number} ERROR")
    shown = [entry[3] for entry in watched.run("SLOWLOG GET -1")]
    assert [words for words in reversed(shown) if words[0] == b"BLPOP"] == [
        [b"BLPOP", b"l", b"0"],
        [b"BLPOP", b"m", b"0.1"],
        [b"BLPOP", b"m", b"0"],
    ]
    assert b"failed_calls=1" in watched.run("INFO commandstats").split(b"cmdstat_blpop:")[1].split(b"\r\n")[0]
