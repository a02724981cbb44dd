"""Users beside Redis 8.2: any sequence of rules makes the same user there and here, who may do the same."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from beside_redis import plain
from harness import Client, World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compat.servers import KINDS, ServerUnavailable, start
from compat.wire import Connection, Reply
from respkv.commands.spec import CATEGORIES, every_spec

COMMANDS = [
    b"get",
    b"set",
    b"del",
    b"config",
    b"config|get",
    b"client|id",
    b"client",
    b"select",
    b"sort",
    b"mget",
    b"ping",
]
PATTERNS = [b"a", b"a*", b"*", b"", b"b?", b"[ab]", b"a b"]

WORDS = (
    b"on off nopass resetpass reset allkeys resetkeys allchannels resetchannels allcommands nocommands clearselectors"
    b" sanitize-payload skip-sanitize-payload >p <p +@all -@all +select|0 +select|1 +config|nosuch +nosuch"
    b" nosuch %R #1 ON"
)

_rule = st.one_of(
    st.sampled_from(WORDS.split()),
    st.builds(bytes.__add__, st.sampled_from([b"+", b"-"]), st.sampled_from(COMMANDS)),
    st.builds(bytes.__add__, st.sampled_from([b"+@", b"-@"]), st.sampled_from([one.encode() for one in CATEGORIES])),
    st.builds(bytes.__add__, st.sampled_from([b"~", b"%R~", b"%W~", b"%RW~", b"&"]), st.sampled_from(PATTERNS)),
)
_rules = st.lists(
    st.one_of(_rule, st.lists(_rule, max_size=4).map(lambda rules: b"(%b)" % b" ".join(rules))), max_size=8
)

REQUESTS = [
    "GET a", "GET b", "SET a v", "SET ab v GET", "DEL ab b1", "MGET a b", "CONFIG GET save", "CONFIG SET save x",
    "CLIENT ID", "CLIENT LIST", "SELECT 0", "SELECT 1", "PING", "SORT a", "SORT a STORE b", "PUBLISH a x",
    "SUBSCRIBE a b", "PSUBSCRIBE a*", "KEYS *", "EXISTS a", "COPY a b", "AUTH p", "XREAD STREAMS a b 0 0",
    "ZUNIONSTORE a 1 b",
]  # fmt: skip


@pytest.fixture(scope="module")
def redis8() -> Iterator[Connection]:
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(start(KINDS["redis8"]))
        except ServerUnavailable as error:
            pytest.skip(str(error))
        yield stack.enter_context(server.connect())


def told(reply: Reply) -> Any:
    """A reply in the form of `plain`."""
    if reply.kind in "*~%":
        return [told(part) for part in reply.parts]
    return reply.value if reply.kind != ":" else int(reply.text)


def assert_same(client: Client, redis8: Connection, *words: bytes | str) -> Any:
    argv = [word.encode() if isinstance(word, str) else word for word in words]
    ours = plain(client.run(*argv))
    assert ours == told(redis8.ask(*argv)), argv
    return ours


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequences=st.lists(_rules, min_size=1, max_size=3))
def test_the_same_rules_make_the_same_user(redis8: Connection, sequences: list[list[bytes]]) -> None:
    world = World()
    world.checks_each_command = False
    client = world.connect()
    redis8.ask("ACL", "DELUSER", "u")
    assert_same(client, redis8, "ACL", "SETUSER", "u")
    for rules in sequences:
        assert_same(client, redis8, "ACL", "SETUSER", "u", *rules)
    assert_same(client, redis8, "ACL", "LIST")
    assert_same(client, redis8, "ACL", "GETUSER", "u")
    for request in REQUESTS:
        assert_same(client, redis8, "ACL", "DRYRUN", "u", *request.split())


def test_categories_hold_the_same_commands(redis8: Connection, client: Client) -> None:
    ours = {spec.name for spec in every_spec()}
    theirs = {part.value for part in redis8.ask("COMMAND", "LIST").parts}
    both = ours & theirs
    different = {}
    for category in CATEGORIES:
        expected = {part.value for part in redis8.ask("ACL", "CAT", category).parts} & both
        found = set(client.run("ACL", "CAT", category)) & both
        if found != expected:
            different[category] = found ^ expected
    assert not different
