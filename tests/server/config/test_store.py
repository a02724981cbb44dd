"""CONFIG GET and SET over the table: values, all or nothing, who is told."""

from pathlib import Path

import pytest

from respkv.errors import Loading, ReplyError
from respkv.server.config import CannotApply, Config


def set_one(config: Config, name: str, value: str) -> bytes:
    """`CONFIG SET name value`: b"OK" or the error."""
    try:
        config.set_many([(name.encode(), value.encode())])
    except ReplyError as error:
        return error.message
    return b"OK"


def shown(config: Config, name: str) -> str:
    return config.get_matching([name.encode()])[name.encode()].decode()


def test_defaults_are_durable() -> None:
    config = Config()
    assert config.appendonly
    assert config.appendfsync == "always"
    assert config.save == ()
    assert config.port == 6379
    assert Path(config.dir).is_absolute()
    assert Path(config.dir).name == "respkv"
    assert config.without_effect() == []


def test_overrides_are_read_as_in_a_file() -> None:
    config = Config({"appendonly": "no", "save": "900 1 60 100", "databases": "4", "MaxMemory": "1mb"})
    assert (config.appendonly, config.save, config.databases) == (False, ((900, 1), (60, 100)), 4)
    assert config.maxmemory == config.get("maxmemory") == 1024 * 1024
    assert not config.is_default("databases")
    assert config.default("databases") == 16
    with pytest.raises(ValueError, match="maxmemori"):
        Config({"maxmemori": "1"})
    with pytest.raises(ValueError, match="port x: argument couldn't"):
        Config({"port": "x"})


def test_a_value_is_not_assigned_past_the_checks() -> None:
    with pytest.raises(AttributeError):
        Config().maxmemory = 5


def test_get_matches_names_aliases_and_globs() -> None:
    config = Config()
    assert config.get_matching([b"maxmemory"]) == {b"maxmemory": b"0"}
    assert config.get_matching([b"MAXmemory", b"maxmemory", b"nothing"]) == {b"MAXmemory": b"0"}
    assert config.get_matching([b"SLAVE-PRIO*"]) == {b"slave-priority": b"100"}
    assert set(config.get_matching([b"*ziplist-entries", b"port"])) == {
        b"hash-max-ziplist-entries",
        b"zset-max-ziplist-entries",
        b"port",
    }
    assert config.get_matching([b""]) == {}
    assert list(config.get_matching([b"max*", b"MAXCLIENTS"])).count(b"maxclients") == 1


def test_hidden_directives_are_shown_by_name_only() -> None:
    config = Config()
    assert config.get_matching([b"key-load-delay"]) == {b"key-load-delay": b"0"}
    assert config.get_matching([b"key-load*"]) == {}


def test_set_changes_all_or_nothing() -> None:
    config = Config()
    config.set_many([(b"timeout", b"5"), (b"MAXMEMORY", b"1gb")])
    assert (config.timeout, config.maxmemory) == (5, 1 << 30)
    with pytest.raises(ReplyError) as caught:
        config.set_many([(b"timeout", b"6"), (b"maxclients", b"x")])
    assert b"'maxclients'" in caught.value.message
    assert config.timeout == 5


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("nope", "1")], "ERR Unknown option or number of arguments for CONFIG SET - 'nope'"),
        (
            [("timeout", "1"), ("nope", "1")],
            "ERR Unknown option or number of arguments for CONFIG SET - 'nope'",
        ),
        (
            [("Timeout", "1"), ("TIMEOUT", "2")],
            "ERR CONFIG SET failed (possibly related to argument 'TIMEOUT') - duplicate parameter",
        ),
        (
            [("Databases", "1")],
            "ERR CONFIG SET failed (possibly related to argument 'Databases') - can't set immutable config",
        ),
        (
            [("dir", "/")],
            "ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config",
        ),
        (
            [("MAXMEMORY", "1x")],
            "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value",
        ),
    ],
)
def test_a_refused_set_says_why(pairs: list[tuple[str, str]], message: str) -> None:
    config = Config()
    with pytest.raises(ReplyError) as caught:
        config.set_many([(name.encode(), value.encode()) for name, value in pairs])
    assert caught.value.message.decode() == message
    assert config.timeout == 0


def test_an_alias_and_its_name_may_come_together() -> None:
    config = Config()
    config.set_many([(b"min-replicas-max-lag", b"1"), (b"min-slaves-max-lag", b"2")])
    assert shown(config, "min-replicas-max-lag") == "2"


def test_protected_directives_open_to_whom_the_configuration_names(tmp_path: Path) -> None:
    pair = [(b"dir", str(tmp_path).encode())]
    local = Config({"enable-protected-configs": "local"})
    with pytest.raises(ReplyError, match="protected"):
        local.set_many(pair)
    local.set_many(pair, local_client=True)
    assert local.dir == str(tmp_path)
    everyone = Config({"enable-protected-configs": "yes"})
    everyone.set_many(pair)
    assert everyone.dir == str(tmp_path)
    assert set_one(everyone, "dir", "/nowhere/at/all").endswith(b"No such file or directory")
    assert set_one(everyone, "dir", __file__).endswith(b"Not a directory")


def test_some_directives_wait_for_the_end_of_loading() -> None:
    config = Config()
    with pytest.raises(Loading):
        config.set_many([(b"appendonly", b"no")], loading=True)
    config.set_many([(b"timeout", b"9")], loading=True)
    assert config.timeout == 9


def test_subscribers_hear_of_changes_once() -> None:
    config = Config()
    heard: list[tuple[int, str]] = []
    config.subscribe(["maxmemory", "maxmemory-policy"], lambda: heard.append((config.maxmemory, "both")))
    config.subscribe("timeout", lambda: heard.append((config.timeout, "timeout")))
    config.set_many([(b"maxmemory", b"7"), (b"maxmemory-policy", b"allkeys-lru")])
    assert heard == [(7, "both")]
    config.set_many([(b"maxmemory", b"7"), (b"hz", b"20")])
    assert heard == [(7, "both")]
    with pytest.raises(KeyError):
        config.subscribe("no-such-directive", lambda: None)


def test_a_subscriber_that_cannot_takes_all_back() -> None:
    config = Config()
    heard: list[str] = []

    def listen() -> None:
        heard.append(f"port {config.port}")
        if config.port == 80:
            raise CannotApply("Unable to listen on this port. Check server logs.")

    config.subscribe("timeout", lambda: heard.append(f"timeout {config.timeout}"))
    config.subscribe("port", listen)
    with pytest.raises(ReplyError) as caught:
        config.set_many([(b"timeout", b"3"), (b"port", b"80")])
    assert caught.value.message == (
        b"ERR CONFIG SET failed (possibly related to argument 'port') - "
        b"Unable to listen on this port. Check server logs."
    )
    assert (config.timeout, config.port) == (0, 6379)
    assert heard == ["timeout 3", "port 80", "timeout 0", "port 6379"]


def test_a_set_without_effect_is_told() -> None:
    config = Config()
    assert set_one(config, "io-threads-do-reads", "yes") != b"OK"
    assert set_one(config, "lazyfree-lazy-expire", "yes") == b"OK"
    assert config.without_effect() == ["lazyfree-lazy-expire"]
