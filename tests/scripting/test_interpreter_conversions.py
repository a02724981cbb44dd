"""Values on their way from a command through a script to a client: what goes in comes out."""

from collections.abc import Iterator
from typing import Any

import pytest
from harness import NULL_ARRAY, World, decode, encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from respkv.commands.spec import COMMANDS
from respkv.doubles import format_float
from respkv.reply import FlatMap, Members, Pairs

numbers = st.integers(-(2**53), 2**53)
scalars = st.one_of(st.binary(max_size=20), numbers, st.none(), st.booleans(), st.floats(allow_nan=False))
replies = st.recursive(scalars, lambda inner: st.lists(inner, max_size=5), max_leaves=20)
keys = st.one_of(st.binary(max_size=10), numbers)


class Commands:
    """A world in which ECHO answers with `reply`."""

    def __init__(self) -> None:
        self.world = World()
        self.reply: Any = None

    def run(self, body: bytes, protocol: int) -> bytes:
        client = self.world.connect()
        client.session.protocol = protocol
        client.session.receive(encode([b"EVAL", body, b"0"]))
        return client.session.take_output()


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    commands = Commands()
    spec = COMMANDS[b"echo"]
    handler = spec.handler
    spec.handler = lambda session, argv: commands.reply
    yield commands
    spec.handler = handler


def seen2(reply: Any) -> Any:
    """What a RESP2 client sees of a reply that a RESP2 script handed on."""
    if isinstance(reply, bool):
        return int(reply)
    if isinstance(reply, float):
        return format_float(reply)
    if isinstance(reply, list):
        return [seen2(item) for item in reply]
    return reply


def same(one: Any, other: Any) -> bool:
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(replies)
def test_a_reply_is_handed_on_as_it_is(commands: Commands, reply: Any) -> None:
    commands.reply = reply
    (answer,) = decode(commands.run(b"return redis.call('echo', '')", 2))
    assert same(answer, seen2(reply)), (answer, reply)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.dictionaries(keys, st.one_of(st.binary(max_size=10), numbers, st.floats(allow_nan=False)), max_size=6))
def test_a_map_stays_one_for_those_who_know_maps(commands: Commands, reply: dict[Any, Any]) -> None:
    commands.reply = FlatMap([word for item in reply.items() for word in item])
    (answer,) = decode(commands.run(b"redis.setresp(3) return redis.call('echo', '')", 3))
    assert answer == reply
    (flat,) = decode(commands.run(b"return redis.call('echo', '')", 3))
    assert len(flat) == 2 * len(reply)


def test_other_kinds(commands: Commands) -> None:
    commands.reply = Members([b"a", b"b"])
    assert decode(commands.run(b"redis.setresp(3) return redis.call('echo', '')", 3)) == [{b"a", b"b"}]
    assert decode(commands.run(b"return redis.call('echo', '')", 3)) == [[b"a", b"b"]]
    commands.reply = Pairs([(b"a", 1.5)])
    assert decode(commands.run(b"return redis.call('echo', '')", 2)) == [[b"a", b"1.5"]]
    commands.reply = NULL_ARRAY
    assert decode(commands.run(b"return redis.call('echo', '')", 2)) == [None]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(st.one_of(st.binary(max_size=20), st.integers(-(2**62), 2**62)), max_size=10))
def test_arguments_come_as_they_were_sent(commands: Commands, arguments: list[Any]) -> None:
    client = commands.world.connect()
    sent = [b"%d" % one if isinstance(one, int) else one for one in arguments]
    assert client.run("EVAL", "return ARGV", 0, *sent) == sent
