"""Keyspace events of the commands on strings and on keys of any type, which others see as notifications."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hiredis
import pytest
from harness import Client, World
from real_redis import RealRedis, pack

from respkv.commands import events
from respkv.engine.engine import NOTIFIED
from respkv.resp.inline import split_args

LETTERS = {
    events.GENERIC: "g",
    events.STRING: "$",
    events.LIST: "l",
    events.SET: "s",
    events.HASH: "h",
    events.ZSET: "z",
    events.STREAM: "t",
    events.EXPIRED: "x",
    events.EVICTED: "e",
    events.KEY_MISS: "m",
    events.NEW: "n",
}

SCRIPT = """
SET k v                          > n:new k, $:set k
SET k w                          > $:set k
SET k w EX 100                   > $:set k, g:expire k
SET k w NX                       >
SET k w XX GET                   > $:set k
SET k w KEEPTTL                  > $:set k
SET n0 w GET                     > m:keymiss n0, n:new n0, $:set n0
SETNX k x                        >
SETNX n1 x                       > n:new n1, $:set n1
SETEX n2 10 v                    > n:new n2, $:set n2, g:expire n2
PSETEX n2 10000 v                > $:set n2, g:expire n2
GETSET k v                       > $:set k
GETDEL n2                        > g:del n2
GETDEL n2                        > m:keymiss n2
GETEX n2                         > m:keymiss n2
GETEX k EX 10                    > g:expire k
GETEX k PERSIST                  > g:persist k
GETEX k PERSIST                  >
GETEX k PXAT 1                   > g:del k
MSET a 1 b 2 a 3                 > n:new a, $:set a, n:new b, $:set b, $:set a
MSETNX a 1 c 2                   >
MSETNX c 1 d 2                   > n:new c, $:set c, n:new d, $:set d
APPEND f x                       > n:new f, $:append f
APPEND f y                       > $:append f
APPEND f z                       > $:append f
SETRANGE f 0 z                   > $:setrange f
SETRANGE g 0 z                   > n:new g, $:setrange g
SETRANGE g 0 ""                  >
INCR i                           > n:new i, $:incrby i
DECR i                           > $:incrby i
INCRBY i 5                       > $:incrby i
DECRBY i 5                       > $:incrby i
INCRBYFLOAT i 1.5                > $:incrbyfloat i
DEL i n1 none                    > g:del i, g:del n1
UNLINK n0 d                      > g:del n0, g:del d
EXISTS none                      > m:keymiss none
TOUCH none                       > m:keymiss none
TYPE none                        > m:keymiss none
PTTL none                        > m:keymiss none
EXPIRETIME none                  > m:keymiss none
MGET none a none2                > m:keymiss none, m:keymiss none2
STRLEN none                      > m:keymiss none
GETRANGE none 0 1                > m:keymiss none
LCS none a                       > m:keymiss none
OBJECT ENCODING none             >
MEMORY USAGE none                >
PERSIST none                     >
EXPIRE none 10                   >
EXPIRE a 10                      > g:expire a
EXPIRE a 10 NX                   >
PERSIST a                        > g:persist a
PERSIST a                        >
EXPIRE a -1                      > g:del a
PEXPIREAT b 1                    > g:del b
RENAME none x                    >
RENAME f f2                      > n:new f2, g:rename_from f, g:rename_to f2
RENAME g f2                      > n:new f2, g:rename_from g, g:rename_to f2
RENAME f2 f2                     >
RENAMENX f2 f3                   > n:new f3, g:rename_from f2, g:rename_to f3
RENAMENX f3 c                    >
MOVE f3 1                        > n:new f3, g:move_from f3, g:move_to f3
MOVE f3 1                        >
COPY c c2                        > n:new c2, g:copy_to c2
COPY c c2                        >
COPY c c2 REPLACE                > n:new c2, g:copy_to c2
COPY c c2 DB 1                   > n:new c2, g:copy_to c2
COPY none c2                     > m:keymiss none
RANDOMKEY                        >
SCAN 0                           >
SETBIT s 7 1                     > n:new s, $:setbit s
SETBIT s 7 1                     >
SETBIT s 70 0                    > $:setbit s
GETBIT none 1                    > m:keymiss none
BITCOUNT none                    > m:keymiss none
BITPOS none 1                    > m:keymiss none
BITOP OR o s                     > n:new o, $:set o
BITOP OR o s                     > $:set o
BITOP OR o none                  > m:keymiss none, g:del o
BITOP OR o none                  > m:keymiss none
BITFIELD u SET u8 0 1 GET u8 9   > n:new u, $:setbit u
BITFIELD u SET u8 0 1            >
BITFIELD none GET u8 0           > m:keymiss none
BITFIELD w OVERFLOW FAIL INCRBY u8 0 300 > n:new w
WATCH none                       >
SWAPDB 0 1                       >
FLUSHALL                         >
"""


def lines_of(script: str) -> Iterator[tuple[list[bytes], list[str]]]:
    """Each command, and the events that are expected."""
    for line in script.strip().splitlines():
        command, _, expected = line.partition(" >")
        words = split_args(command.encode())
        assert words, line
        yield words, [event.strip() for event in expected.split(",") if event.strip()]


class Recorder:
    """Writes down what it is told of."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.databases: list[int] = []

    def notify(self, index: int, kind: int, event: bytes, key: bytes) -> None:
        """Be told."""
        self.events.append(f"{LETTERS[kind]}:{event.decode()} {key.decode()}")
        self.databases.append(index)

    def take(self) -> list[str]:
        """The events since the last call."""
        taken = self.events
        self.events = []
        return taken


@pytest.fixture
def recorder(world: World) -> Recorder:
    """Who is told of everything."""
    recorder = Recorder()
    world.engine.notifier = recorder.notify
    world.engine.set_alert(NOTIFIED, True)
    return recorder


def test_each_command_tells_what_it_did(client: Client, recorder: Recorder) -> None:
    for words, expected in lines_of(SCRIPT):
        client.run(*words)
        assert recorder.take() == expected, words


REFERENCE = Path(__file__).parents[1] / "reference" / "events-8.2.txt"


def test_the_commands_on_collections_tell_what_they_do_in_redis(world: World, client: Client) -> None:
    """The file is what Redis 8.2 said; `compat/capture_events.py` made it."""
    heard: list[str] = []
    world.engine.notifier = lambda index, kind, event, key: heard.append(f"{event.decode()} {key.decode()}")
    world.engine.set_alert(NOTIFIED, True)
    different = []
    for line in REFERENCE.read_text().splitlines():
        command, _, expected = line.partition(" ->")
        heard.clear()
        client.run(command)
        if ", ".join(heard) != expected.strip():
            different.append(f"{line} (not {', '.join(heard)})")
    assert different == []


class Subscriber:
    """A connection to a real server that hears of all events of one class."""

    def __init__(self, redis: RealRedis) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(redis.path)
        self._reader = hiredis.Reader()
        self._socket.sendall(pack(("PSUBSCRIBE", "__keyevent@*", "end")))
        self._message()
        self._message()

    def _message(self) -> Any:
        while (reply := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(1 << 16))
        return reply

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def until_end(self) -> list[tuple[str, str]]:
        """Events and keys up to the message that says that there are no more."""
        heard: list[tuple[str, str]] = []
        while True:
            _, _, channel, data = self._message()
            if channel == b"end":
                return heard
            heard.append((channel.partition(b":")[2].decode(), data.decode()))


def test_the_script_is_that_of_redis(fresh_redis: RealRedis) -> None:
    """The events of each class alone, which tells the class."""
    script = list(lines_of(SCRIPT))
    subscriber = Subscriber(fresh_redis)
    for letter in "g$mn":
        fresh_redis.call("CONFIG", "SET", "notify-keyspace-events", "E" + letter)
        for words, expected in script:
            fresh_redis.call(*words)
            fresh_redis.call("PUBLISH", "end", "")
            heard = [f"{letter}:{event} {key}" for event, key in subscriber.until_end()]
            assert heard == [event for event in expected if event.startswith(letter)], words
    subscriber.close()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET k", ["x:expired k", "m:keymiss k"]),
        ("DEL k", ["x:expired k"]),
        ("SET k w", ["x:expired k", "n:new k", "$:set k"]),
        ("SET k w NX", ["x:expired k", "n:new k", "$:set k"]),
        ("SET k w EX 10", ["x:expired k", "n:new k", "$:set k", "g:expire k"]),
        ("MSET k w", ["x:expired k", "n:new k", "$:set k"]),
        ("APPEND k w", ["x:expired k", "n:new k", "$:append k"]),
        ("EXPIRE k 100", ["x:expired k"]),
        ("COPY k l", ["x:expired k", "m:keymiss k"]),
        ("RENAME other k", ["x:expired k", "n:new k", "g:rename_from other", "g:rename_to k"]),
        ("COPY other k", ["x:expired k", "n:new k", "g:copy_to k"]),
    ],
)
def test_keys_whose_time_has_come(
    world: World, client: Client, recorder: Recorder, line: str, expected: list[str]
) -> None:
    client.run("SET other v")
    client.run("SET k v PX 1")
    world.advance(10)
    recorder.take()
    client.run(line)
    assert recorder.take() == expected


def test_evicted_keys(world: World, client: Client, recorder: Recorder) -> None:
    client.run("SET k v")
    recorder.take()
    db = world.engine.databases[0]
    db.evict(db.shard_of(b"k"), b"k")
    assert recorder.take() == ["e:evicted k"]


def test_events_name_their_database(client: Client, recorder: Recorder) -> None:
    client.run("SELECT 3")
    client.run("SET k v")
    client.run("MOVE k 5")
    assert recorder.databases == [3, 3, 5, 3, 5]


def test_nobody_is_told_of_anything_unasked(world: World, client: Client, recorder: Recorder) -> None:
    world.engine.set_alert(NOTIFIED, False)
    for words, _ in lines_of(SCRIPT):
        client.run(*words)
    assert recorder.take() == []
