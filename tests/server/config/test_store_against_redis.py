"""CONFIG SET and GET beside a real redis-server 7.0: the same replies to good and bad values of each kind."""

from typing import TYPE_CHECKING, Any

import pytest

from respkv.errors import ReplyError
from respkv.server.config import Config
from respkv.server.config.table import ENTRIES

if TYPE_CHECKING:
    from real_redis import RealRedis

# Whose defaults are meant to differ, depend on the machine, or were given to the real server at its start.
OTHER_DEFAULTS = {
    b"appendonly", b"appendfsync", b"dir", b"port", b"unixsocket", b"save", b"maxclients",
}  # fmt: skip

VALUES: dict[str, list[str]] = {
    "maxmemory": [
        "0", "1", "1b", "1B", "1k", "1K", "1kb", "1KB", "3m", "3mb", "2g", "2gb", "007", "", "kb", "-1", "+1",
        " 1", "1 ", "1.5gb", "1tb", "abc", "5%", "9223372036854775808",
    ],
    "maxmemory-clients": ["5%", "0%", "100%", "101%", "-5%", "%", "x", "12mb", "-1", "0"],
    "timeout": ["0", "1", "01", "+1", "-0", "-1", " 1", "", "1x", "2147483647", "2147483648", "9" * 30],
    "hz": ["0", "1", "499", "501", "2147483647", "-1", "10"],
    "list-max-listpack-size": ["-2147483648", "-2147483649", "5", "-2"],
    "slowlog-log-slower-than": ["-1", "-2", "0", "9223372036854775807", "9223372036854775808", "10000"],
    "maxclients": ["0", "100", "4294967296"],
    "repl-backlog-ttl": ["-1", "3600"],
    "proto-max-bulk-len": ["1", "1mb", "9223372036854775807", "9223372036854775808", "-1", "512mb"],
    "client-query-buffer-limit": ["1048575", "1048576", "1gb"],
    "hash-max-listpack-entries": ["-1", "7", "512"],
    "hash-max-listpack-value": ["-1", "7k", "64"],
    "active-expire-effort": ["0", "1", "10", "11", "1"],
    "maxmemory-policy": ["LRU", "AllKeys-LRU", "volatile-ttl", "", "allkeys-lru ", "noeviction"],
    "appendfsync": ["NO", "sometimes", "always", "everysec"],
    "oom-score-adj": ["maybe"],
    "acl-pubsub-default": ["x", "allchannels", "resetchannels"],
    "repl-diskless-load": ["x", "swapdb", "disabled"],
    "propagation-error-behavior": ["x", "panic", "ignore"],
    "shutdown-on-sigint": [
        "save", "SAVE NOW", "now save", "default save", "force nosave", "save nosave", "save  now", "", "x",
        "default",
    ],
    "protected-mode": ["YES", "No", "1", "true", "", "yes"],
    "save": [
        "", "1 2", "3600 1 300 100", "3600 1 300", "0 1", "1 -1", "1 x", "x 1", " 1 2", "1  2", "+1 2",
        "1 2 ", "1", "1\t2", "2147483648 2147483647", "",
    ],
    "client-output-buffer-limit": [
        "normal 1mb 2kb 3", "normal 1mb 2kb", "nobody 1 2 3", "master 1 2 3", "replica 1 x 3", "SLAVE 1 2 -3",
        "replica 4 5 6 normal 1 1 1 normal 2 2 2", "", "PubSub 1 2 +3", "normal 1 2 3x", "normal 1 2 ",
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    ],
    "oom-score-adj-values": ["1 2", "1 2 3 4", "1 2 3000", "-2001 2 3", "1 2 x", "3 2 1", "", "0 200 800"],
    "notify-keyspace-events": [
        "KEA", "g$lshzxetdKE", "g$lshzxetKE", "Kx", "xK", "KEAm", "mKE", "Kn", "q", "KE A", "AA", "", "K",
    ],
    "latency-tracking-info-percentiles": [
        "50", "50 99.999 x", "50 101", "-1", "99.9999999 0.5 1e1 100.0", "nan", "", "5  6", "50 99 99.9",
    ],
    "proc-title-template": [
        "{foo}", "{title} {port}", "", "{title", "{{title}", "plain", "{title} {listen-addr}",
    ],
    "requirepass": ["", "a b", 'q"uote', ""],
    "cluster-announce-hostname": ["a_b", "a-B.9", "a" * 255, "a" * 256, ""],
    "cluster-announce-port": ["65536", "7"],
    "loglevel": ["verbose", "NOTICE"],
    "latency-tracking": ["no", "yes"],
    "databases": ["3"],
    "unixsocketperm": ["777"],
    "dir": ["/"],
    "dbfilename": ["x"],
    "replicaof": ["a 1"],
    "nosuch": ["1"],
    "": ["1"],
}  # fmt: skip


def ours(config: Config, *words: str) -> Any:
    """What CONFIG `words` would answer."""
    encoded = [word.encode() for word in words[1:]]
    try:
        if words[0] == "SET":
            config.set_many(list(zip(encoded[::2], encoded[1::2], strict=True)))
            return b"OK"
        return [part for pair in config.get_matching(encoded).items() for part in pair]
    except ReplyError as error:
        return error.message


@pytest.mark.parametrize("name", VALUES)
def test_values_are_taken_refused_and_shown_alike(name: str, real_redis: "RealRedis") -> None:
    config = Config()
    for value in VALUES[name]:
        assert ours(config, "SET", name, value) == real_redis.call("CONFIG", "SET", name, value), value
        if name == "requirepass":
            real_redis.call("AUTH", value)
        if real_redis.call("CONFIG", "GET", name)[1:] and name not in ("dir", "unixsocketperm"):
            assert ours(config, "GET", name) == real_redis.call("CONFIG", "GET", name), value


def test_redis_wraps_sizes_beyond_64_bits_and_respkv_refuses_them(real_redis: "RealRedis") -> None:
    """17179869184gb is 0, no limit, to Redis 7.0; Valkey refuses it."""
    size = "17179869184gb"
    assert real_redis.call("CONFIG", "SET", "maxmemory", size) == b"OK"
    assert real_redis.call("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"0"]
    assert b"argument must be a memory value" in ours(Config(), "SET", "maxmemory", size)


def test_redis_forgets_new_key_events_behind_all_and_respkv_does_not(real_redis: "RealRedis") -> None:
    real_redis.call("CONFIG", "SET", "notify-keyspace-events", "KEAn")
    assert real_redis.call("CONFIG", "GET", "notify-keyspace-events")[1] == b"AKE"
    real_redis.call("CONFIG", "SET", "notify-keyspace-events", "")
    config = Config()
    ours(config, "SET", "notify-keyspace-events", "KEAn")
    assert ours(config, "GET", "notify-keyspace-events")[1] == b"AnKE"


def test_every_directive_of_redis_is_known_with_its_default(fresh_redis: "RealRedis") -> None:
    listed = fresh_redis.call("CONFIG", "GET", "*")
    theirs = dict(zip(listed[::2], listed[1::2], strict=True))
    mine = Config().get_matching([b"*"])
    assert set(theirs) - set(mine) == set()
    assert {name for name in theirs if theirs[name] != mine[name]} <= OTHER_DEFAULTS


@pytest.mark.parametrize("hidden", ["rdb-key-save-delay", "key-load-delay", "watchdog-period", "use-exit-on-panic"])
def test_hidden_directives_are_known(hidden: str, real_redis: "RealRedis") -> None:
    assert ours(Config(), "GET", hidden) == real_redis.call("CONFIG", "GET", hidden) != []


def test_the_same_directives_can_be_changed(real_redis: "RealRedis") -> None:
    """The words for immutable and protected directives, for all of them."""
    refusals = (b"immutable config", b"protected config")
    listed = real_redis.call("CONFIG", "GET", "*")
    for name, value in zip(listed[::2], listed[1::2], strict=True):
        row = ENTRIES[name]
        if not row.mutable or row.protected:
            reply = real_redis.call("CONFIG", "SET", name, value)
            assert reply == ours(Config(), "SET", name.decode(), value.decode()), name
        elif name not in (b"port", b"bind", b"activedefrag", b"jemalloc-bg-thread", b"tls-port"):
            reply = real_redis.call("CONFIG", "SET", name, value)
            assert not reply.endswith(refusals), name


def test_several_pairs_are_checked_in_the_same_order(real_redis: "RealRedis") -> None:
    for words in (
        ("timeout", "1", "nosuch", "1", "databases", "2"),
        ("databases", "1", "nosuch", "1"),
        ("TIMEOUT", "1", "TimeOut", "1"),
        ("timeout", "x", "maxclients", "x"),
        ("timeout", "x", "databases", "1"),
        ("Timeout", "x", "maxclients", "1"),
        ("busy-reply-threshold", "1", "lua-time-limit", "5000"),
        ("slave-priority", "x"),
        ("SLAVE-priority", "x"),
    ):
        assert ours(Config(), "SET", *words) == real_redis.call("CONFIG", "SET", *words), words


@pytest.mark.parametrize(
    "patterns",
    [["maxmem*", "MAXMEMORY"], ["TIMEOUT", "timeout"], ["[mn]axclients"], ["slave-pri?rity"], ["\\port"]],
)
def test_names_are_found_and_spelt_alike(patterns: list[str], real_redis: "RealRedis") -> None:
    mine = ours(Config(), "GET", *patterns)
    theirs = real_redis.call("CONFIG", "GET", *patterns)
    assert set(mine[::2]) == set(theirs[::2])
