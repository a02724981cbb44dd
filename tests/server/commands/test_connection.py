"""PING to RESET, on sessions in process."""

import pytest
from beside_redis import both
from harness import Client, World
from real_redis import RealRedis

from respkv.errors import ReplyError

AS_REDIS = (
    "PING", "PING hello", 'PING ""', "PING a b", "ECHO hello", "ECHO", "ECHO a b", "SELECT 0", "SELECT 15",
    "SELECT 16", "SELECT -1", "SELECT x", "SELECT 99999999999999999999", "SELECT 3000000000", "SELECT 01", "SELECT",
    "AUTH", "AUTH x", "AUTH default x", "AUTH nosuch x", "AUTH a b c", "RESET", "RESET x",
    "HELLO x", "HELLO 4", "HELLO 1", 'HELLO ""', "HELLO 3.0", "HELLO 2 FOO", "HELLO 2 AUTH", "HELLO 2 AUTH a",
    "HELLO 2 SETNAME", 'HELLO 2 SETNAME "a b"', "HELLO 2 AUTH nosuch x", "HELLO SETNAME x",
)  # fmt: skip


@pytest.mark.parametrize("line", AS_REDIS)
def test_replies_are_those_of_redis(client: Client, real_redis: RealRedis, line: str) -> None:
    ours, theirs = both(client, real_redis, line)
    assert ours == theirs


def test_hello_tells_what_the_server_is(client: Client) -> None:
    reply = client.run("HELLO 3")
    assert reply == {
        b"server": b"redis",
        b"version": b"7.4.0",
        b"proto": 3,
        b"id": client.session.number,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }
    assert client.run("HELLO 2")[:2] == [b"server", b"redis"]
    assert client.session.protocol == 2


def test_hello_without_a_version_keeps_the_protocol(client3: Client) -> None:
    assert client3.run("HELLO")[b"proto"] == 3


def test_hello_that_fails_changes_nothing(client: Client) -> None:
    client.run("HELLO 3 SETNAME ok FOO")
    assert client.session.protocol == 2
    assert client.session.name == b""


def test_select_chooses_the_database(client: Client) -> None:
    client.run("SELECT 3")
    client.run("SET k v")
    assert client.session.db.index == 3
    assert client.world.engine.database(3).holds(b"k")


@pytest.fixture
def guarded(world: World) -> Client:
    """A client of a server that asks for the password `secret`."""
    world.connect().run("CONFIG SET requirepass secret")
    return world.connect()


def test_without_the_password_little_is_allowed(guarded: Client) -> None:
    assert guarded.error("GET k") == "NOAUTH Authentication required."
    assert guarded.error("PING") == "NOAUTH Authentication required."
    assert guarded.error("HELLO 3").startswith("NOAUTH HELLO must be called with the client already authenticated")
    assert guarded.error("AUTH wrong") == "WRONGPASS invalid username-password pair or user is disabled."
    assert guarded.error("AUTH default wrong").startswith("WRONGPASS")
    assert guarded.error("AUTH nosuch secret").startswith("WRONGPASS")
    assert guarded.error("HELLO 3 AUTH default wrong").startswith("WRONGPASS")
    assert guarded.session.protocol == 2


def test_requests_are_small_until_the_password_is_given(guarded: Client) -> None:
    assert guarded.session.reader.guarded
    guarded.run("AUTH secret")
    assert not guarded.session.reader.guarded


@pytest.mark.parametrize("line", ["AUTH secret", "AUTH default secret", "HELLO 2 AUTH default secret"])
def test_the_password_opens(guarded: Client, line: str) -> None:
    assert not isinstance(guarded.run(line), ReplyError)
    assert guarded.run("PING") == "PONG"


def test_a_wrong_password_later_does_not_close_again(guarded: Client) -> None:
    guarded.run("AUTH secret")
    guarded.error("AUTH wrong")
    assert guarded.run("PING") == "PONG"


def test_reset_asks_for_the_password_again(guarded: Client) -> None:
    guarded.run("AUTH secret")
    assert guarded.run("RESET") == "RESET"
    assert guarded.error("PING").startswith("NOAUTH")


def test_who_was_connected_before_the_password_stays(world: World) -> None:
    old = world.connect()
    old.run("CONFIG SET requirepass secret")
    assert old.run("PING") == "PONG"
    new = world.connect()
    assert new.error("PING").startswith("NOAUTH")
    old.run('CONFIG SET requirepass ""')
    assert new.run("PING") == "PONG"


def test_quit_answers_and_runs_nothing_more(client: Client) -> None:
    assert client.raw(b"QUIT\r\nSET k v\r\n") == b"+OK\r\n"
    assert client.session.closing
    assert not client.session.db.holds(b"k")


def test_reset_takes_everything_back(client: Client) -> None:
    client.run("HELLO 3 SETNAME me")
    client.run("SELECT 5")
    client.run("CLIENT NO-EVICT on")
    client.run("CLIENT NO-TOUCH on")
    assert client.run("RESET") == "RESET"
    session = client.session
    assert (session.protocol, session.name, session.db.index) == (2, b"", 0)
    assert not session.no_evict
    assert not session.no_touch
