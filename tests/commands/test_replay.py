"""The replay of a log, by the command table."""

import pytest
from harness import digest

from respkv.commands.replay import Replayer
from respkv.engine.engine import Engine
from respkv.engine.keyspace import open_engine
from respkv.errors import ReplyError


@pytest.fixture
def engine() -> Engine:
    engine = open_engine(4)
    engine.now_ms = 1_700_000_000_000
    return engine


def values(engine: Engine) -> dict[int, dict[bytes, bytes]]:
    return {index: {key: value for key, (value, _) in keys.items()} for index, keys in digest(engine).items()}


def test_commands_apply_to_the_database_selected_last(engine: Engine) -> None:
    replayer = Replayer(engine)
    replayer.apply([b"SET", b"a", b"1"])
    replayer.apply_all([[b"SELECT", b"3"], [b"SET", b"b", b"2"]])
    replayer.apply([b"set", b"c", b"3"])
    assert values(engine) == {0: {b"a": b"1"}, 3: {b"b": b"2", b"c": b"3"}}


@pytest.mark.parametrize("number", [b"4", b"-1", b"x", b"", b"99999999999999999999"])
def test_select_of_no_database_fails(engine: Engine, number: bytes) -> None:
    with pytest.raises(ReplyError, match="DB index is out of range"):
        Replayer(engine).apply([b"SELECT", number])


def test_a_transaction_is_applied_at_its_exec(engine: Engine) -> None:
    replayer = Replayer(engine)
    replayer.apply_all([[b"MULTI"], [b"SET", b"a", b"1"], [b"SELECT", b"1"], [b"SET", b"b", b"2"]])
    assert replayer.in_transaction()
    assert digest(engine) == {}
    replayer.apply_all([[b"EXEC"], [b"SET", b"c", b"3"]])
    assert not replayer.in_transaction()
    assert values(engine) == {0: {b"a": b"1"}, 1: {b"b": b"2", b"c": b"3"}}


@pytest.mark.parametrize(
    ("commands", "text"),
    [
        ([[b"EXEC"]], "EXEC without MULTI"),
        ([[b"MULTI"], [b"MULTI"]], "MULTI calls can not be nested"),
        ([[b"NOSUCH", b"x"]], "unknown command 'NOSUCH'"),
        ([[b"PING"]], "unknown command 'PING'"),
        ([[b"SET", b"k"]], "wrong number of arguments for 'set' command"),
    ],
)
def test_what_no_log_holds_fails(engine: Engine, commands: list[list[bytes]], text: str) -> None:
    replayer = Replayer(engine)
    with pytest.raises(ReplyError, match=text):
        replayer.apply_all(commands)
    assert replayer.argv == commands[-1]


def test_an_error_of_a_command_stops_there(engine: Engine) -> None:
    replayer = Replayer(engine)
    commands = [[b"SET", b"a", b"x"], [b"INCR", b"a"], [b"SET", b"b", b"1"]]
    with pytest.raises(ReplyError, match="not an integer"):
        replayer.apply_all(commands)
    assert replayer.argv == [b"INCR", b"a"]
    assert values(engine) == {0: {b"a": b"x"}}
    assert engine.now_ms == 1_700_000_000_000


def test_replay_leaves_no_trace_but_the_data(engine: Engine) -> None:
    engine.logging = False
    Replayer(engine).apply_all([[b"SET", b"a", b"1"], [b"INCR", b"a"]])
    assert (engine.dirty, engine.changes, engine.effects, engine.replacement) == (0, 0, [], None)
    assert engine.now_ms == 1_700_000_000_000
    engine.check()
