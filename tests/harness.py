"""Clients in process: bytes into a `Session`, replies out, and the checks that close every test.

    def test_get_of_nothing_is_nil(client: Client) -> None:
        assert client.run("GET k") is None

A bulk string is `bytes`, a simple string `str`, an error `ReplyError` with its text, null `None`, and a RESP2 null
array `NULL_ARRAY`.

After each command: what changed data was propagated, and what failed changed nothing. After each test: the effects,
replayed into a fresh engine, give the same data, and `Engine.check` holds.
"""

import importlib
import pkgutil
from typing import Any

import respkv.commands
import respkv.server.commands
from respkv.commands.replay import Replayer
from respkv.engine.engine import Effect, Engine
from respkv.engine.keyspace import open_engine
from respkv.errors import ReplyError
from respkv.reply import NULL_ARRAY, Push
from respkv.resp.inline import split_args
from respkv.resp.reader import RequestReader
from respkv.server.server import Server
from respkv.server.session import Session

for _package in (respkv.commands, respkv.server.commands):
    for _module in pkgutil.iter_modules(_package.__path__, _package.__name__ + "."):
        importlib.import_module(_module.name)

START_MS = 1_700_000_000_000
"""The time at which each test begins; it passes only by `World.advance`."""

Digest = dict[int, dict[bytes, tuple[Any, int]]]


def digest(engine: Engine) -> Digest:
    """All data: database number to key to (value in a form that compares, expiry or -1)."""
    data: Digest = {}
    for db in engine.databases:
        keys: dict[bytes, tuple[Any, int]] = {}
        for shard in db.shards:
            for key, value in shard.values.items():
                keys[key] = (_comparable(value), shard.expires.get(key, -1))
        if keys:
            data[db.index] = keys
    return data


def _comparable(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    return b"%d" % value if isinstance(value, int) else value.digest()


def commands_of(effects: list[Effect]) -> list[list[bytes]]:
    """The effects as commands, raw ones taken apart."""
    commands: list[list[bytes]] = []
    for effect in effects:
        if isinstance(effect, bytes):
            reader = RequestReader(1 << 30)
            commands += reader.feed(effect)
            assert reader.error is None, reader.error
            assert reader.pending_bytes() == 0, "an effect that is no whole command"
        else:
            commands.append(effect)
    return commands


def encode(argv: list[bytes]) -> bytes:
    """A request as clients send it."""
    return b"*%d\r\n" % len(argv) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in argv)


def parse_words(words: tuple[bytes | str | float, ...]) -> list[bytes]:
    """The argv of `run`'s arguments: one text, cut as redis-cli would, or one argument each."""
    if len(words) == 1 and isinstance(words[0], str):
        argv = split_args(words[0].encode())
        assert argv, words[0]
        return argv
    return [word if isinstance(word, bytes) else str(word).encode() for word in words]


def decode(data: bytes) -> list[Any]:
    """All replies in `data`, which must end with the last of them."""
    replies = []
    at = 0
    while at < len(data):
        reply, at = _decode(data, at)
        replies.append(reply)
    return replies


def _decode(data: bytes, at: int) -> tuple[Any, int]:
    end = data.index(b"\r\n", at)
    kind = data[at : at + 1]
    line = data[at + 1 : end]
    at = end + 2
    match kind:
        case b"+":
            return line.decode(), at
        case b"-":
            return ReplyError(line), at
        case b":":
            return int(line), at
        case b"_":
            return None, at
        case b",":
            return float(line), at
        case b"#":
            return line == b"t", at
        case b"(":
            return int(line), at
        case b"$" | b"=":
            if line == b"-1":
                return None, at
            end = at + int(line)
            assert data[end : end + 2] == b"\r\n"
            return data[at:end], end + 2
        case b"*" | b"~" | b">":
            if line == b"-1":
                return NULL_ARRAY, at
            items, at = _decode_items(data, at, int(line))
            if kind == b">":
                return Push(items), at
            return (set(items) if kind == b"~" else items), at
        case b"%":
            items, at = _decode_items(data, at, 2 * int(line))
            return dict(zip(items[::2], items[1::2], strict=True)), at
    raise AssertionError(f"not a reply: {data[:80]!r}")


def _decode_items(data: bytes, at: int, count: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(count):
        item, at = _decode(data, at)
        items.append(item)
    return items, at


class World:
    """A server without sockets, its log, and its clock."""

    def __init__(self, databases: int = 16) -> None:
        self.engine = open_engine(databases)
        self.engine.logging = True
        self.engine.now_ms = START_MS
        self.server = Server(self.engine)
        self.server.go_on = _resume
        # Everything that was propagated, as commands.
        self.log: list[list[bytes]] = []
        # Set to False by a test whose data is so large that a digest for each command takes too long.
        self.checks_each_command = True
        self._taken = 0

    def connect(self) -> "Client":
        """Another client."""
        return Client(self, self.server.open_session("127.0.0.1:40000", "127.0.0.1:6379"))

    def advance(self, duration_ms: int) -> None:
        """Let time pass."""
        self.engine.now_ms += duration_ms

    def tick(self, duration_ms: int = 0) -> None:
        """Let time pass, and do what is due then."""
        self.advance(duration_ms)
        self.server.tick()
        self.resume_ready()

    def resume_ready(self) -> None:
        """Let go on whoever waited and has a reply, as the pump does at the end of a turn."""
        self.server.finish_turn()
        self.server.pushed.clear()

    def replies_to(self, client: "Client") -> list[Any]:
        """What `client`, who may have waited, has been answered since."""
        self.resume_ready()
        return client.replies()

    def take_log(self) -> list[list[bytes]]:
        """What was propagated since the last call, as commands, SELECT left out."""
        self.collect()
        start = self._taken
        self._taken = len(self.log)
        return [argv for argv in self.log[start:] if argv[0] != b"SELECT"]

    def collect(self) -> list[list[bytes]]:
        """Take the engine's effects over into `log`; the new ones."""
        commands = commands_of(self.engine.take_effects())
        self.log += commands
        return commands

    def close(self) -> None:
        """The checks of the end of a test."""
        self.collect()
        self.engine.check()
        fresh = open_engine(self.engine.database_count)
        replayer = Replayer(fresh)
        replayer.apply_all(self.log)
        assert not replayer.in_transaction()
        assert not fresh.effects, "a replay propagated"
        fresh.check()
        assert digest(fresh) == digest(self.engine), "the replayed log gives other data"


def _resume(session: Session) -> None:
    if session.parked:
        session.resume()


class Client:
    """One client of a `World`."""

    def __init__(self, world: World, session: Session) -> None:
        self.world = world
        self.session = session

    def run(self, *words: bytes | str | float) -> Any:
        """Send one command, `run("SET k v")` or `run("SET", key, value)`; its reply."""
        replies = decode(self.raw(encode(parse_words(words))))
        assert len(replies) == 1, replies
        return replies[0]

    def error(self, *words: bytes | str | float) -> str:
        """The text of the error that a command ends with."""
        reply = self.run(*words)
        assert isinstance(reply, ReplyError), reply
        return reply.message.decode(errors="backslashreplace")

    def raw(self, data: bytes) -> bytes:
        """Send bytes as they are; the bytes of the reply."""
        world = self.world
        checks = world.checks_each_command
        before = digest(world.engine) if checks else {}
        self.session.receive(data)
        world.resume_ready()
        answer = self.session.take_output()
        effects = world.collect()
        if checks:
            self._check(data, answer, before, effects)
        return answer

    def start(self, *words: bytes | str | float) -> None:
        """Send one command that has to wait."""
        answer = self.raw(encode(parse_words(words)))
        assert not answer, f"it does not wait: {answer!r}"

    def replies(self) -> list[Any]:
        """What has come for commands that waited."""
        return decode(self.session.take_output())

    def _check(self, data: bytes, answer: bytes, before: Digest, effects: list[list[bytes]]) -> None:
        world = self.world
        assert world.engine.dirty == 0, "a command ended without commit"
        assert world.engine.replacement is None, "an effect was replaced and nothing changed"
        if not effects:
            assert digest(world.engine) == before, f"{data!r} changed data and propagated nothing"
        elif answer.startswith(b"-") and answer.count(b"\r\n") == 1:
            others = [argv for argv in effects if argv[0] not in (b"SELECT", b"DEL", b"MULTI", b"EXEC")]
            assert not others, f"{data!r} failed, and propagated {others!r}"

    def close(self) -> None:
        """Hang up."""
        self.world.server.close_session(self.session)


def assert_same(commands: list[list[bytes]], ours: bytes, theirs: bytes) -> None:
    """Fail at the first command whose replies differ, byte for byte."""
    if ours == theirs:
        return
    one = two = 0
    for number, command in enumerate(commands):
        _, one_end = _decode(ours, one)
        _, two_end = _decode(theirs, two)
        assert ours[one:one_end] == theirs[two:two_end], f"command {number}: {command!r}"
        one, two = one_end, two_end
    assert ours == theirs


__all__ = [
    "NULL_ARRAY",
    "Client",
    "Digest",
    "World",
    "assert_same",
    "commands_of",
    "decode",
    "digest",
    "encode",
    "parse_words",
]


class Nobody:
    """An owner that need not be told of anything."""

    def attach(self, log: object) -> None: ...
    def detach(self, log: object) -> None: ...
    def release(self) -> None: ...
    def stop(self) -> None: ...
