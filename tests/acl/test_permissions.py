"""Permissions: what a request needs, and which reason is told."""

from collections.abc import Iterator

import pytest

from respkv.acl.permissions import CHANNEL, CHANNELS, COMMAND, KEY, Refusal, allowed, may_read_any_key, refusal
from respkv.acl.selector import join_selectors
from respkv.acl.users import User
from respkv.commands.flags import NO_AUTH
from respkv.commands.spec import COMMANDS, CommandGroup, every_spec, find_spec


def user_of(rules: str) -> User:
    user = User(b"u")
    user.apply_all(join_selectors(rules.encode().split()))
    user.settle()
    return user


def ask(user: User, request: str) -> Refusal | None:
    argv = request.encode().split()
    spec = find_spec(argv)
    assert spec is not None
    return refusal(user, spec, argv)


def test_whoever_may_do_nothing_may_say_who_he_is() -> None:
    user = user_of("")
    assert ask(user, "AUTH p") is None
    assert ask(user, "HELLO 3") is None
    assert ask(user, "PING") == Refusal(COMMAND)
    assert user.names is not None
    assert {spec.name for spec in user.names.values()} == {s.name for s in every_spec() if s.flags & NO_AUTH}


def test_the_last_key_that_no_selector_got_past_is_told() -> None:
    user = user_of("+@all ~a (+mget ~a ~b)")
    assert ask(user, "MGET a b") is None
    assert ask(user, "MGET a b c") == Refusal(KEY, 3)
    assert ask(user, "MGET c a") == Refusal(KEY, 1)


def test_a_key_outweighs_a_command_that_another_selector_lacks() -> None:
    assert ask(user_of("+get ~a (+set ~b)"), "GET b") == Refusal(KEY, 1)
    assert ask(user_of("+get ~a (+set ~b)"), "DEL b") == Refusal(COMMAND)


def test_one_pattern_must_permit_all_that_is_done_with_a_key() -> None:
    user = user_of("+@all %R~a* %W~*b")
    assert ask(user, "GET ab") is None
    assert ask(user, "SET ab v") is None
    assert ask(user, "SET ab v GET") == Refusal(KEY, 1)


def test_a_key_that_is_only_looked_for_needs_any_pattern() -> None:
    user = user_of("+@all %R~r %W~w")
    assert ask(user, "EXISTS r w") is None
    assert ask(user, "EXISTS other") == Refusal(KEY, 1)


def test_the_key_that_is_written_is_the_one_that_counts() -> None:
    user = user_of("+@all %R~r %W~w")
    assert ask(user, "GEORADIUS r 0 0 1 m STORE other STORE w") is None
    assert ask(user, "GEORADIUS r 0 0 1 m STORE w STORE other") == Refusal(KEY, 9)
    assert ask(user, "GEORADIUSBYMEMBER r m 1 m STORE STORE STOREDIST w") is None


def test_first_arguments() -> None:
    user = user_of("+select|0")
    assert allowed(user, COMMANDS[b"select"], [b"SELECT", b"0"])
    assert ask(user, "SELECT 1") == Refusal(COMMAND)
    assert user.names is not None
    assert b"SELECT" not in user.names


@pytest.fixture
def _channel_commands() -> Iterator[None]:
    """Commands on channels, whether the server has them or not."""
    group = CommandGroup("pubsub", __name__, session=True)
    made = [name for name in CHANNELS if name not in COMMANDS]
    for name in made:
        group(f"{name.decode().upper()} channel [channel ...]", since="1.0.0", cost="O(1)")(lambda *_: None)
    yield
    for name in made:
        del COMMANDS[name]


@pytest.mark.usefixtures("_channel_commands")
def test_channels_match_and_patterns_must_be_the_same() -> None:
    user = user_of("+publish +subscribe +psubscribe &news.*")
    assert ask(user, "PUBLISH news.x hello") is None
    assert ask(user, "PUBLISH other news.x") == Refusal(CHANNEL, 1)
    assert ask(user, "SUBSCRIBE news.a other") == Refusal(CHANNEL, 2)
    assert ask(user, "PSUBSCRIBE news.*") is None
    assert ask(user, "PSUBSCRIBE news.a*") == Refusal(CHANNEL, 1)


def test_to_read_any_key_one_selector_must_permit_both() -> None:
    spec = COMMANDS[b"sort"]
    request = [b"SORT", b"a", b"BY", b"w_*"]
    assert may_read_any_key(user_of("+sort %R~*"), spec, request)
    assert may_read_any_key(user_of("+sort ~a (+sort allkeys)"), spec, request)
    assert not may_read_any_key(user_of("+sort ~a (+get allkeys)"), spec, request)
    assert not may_read_any_key(user_of("+sort ~a %W~*"), spec, request)
