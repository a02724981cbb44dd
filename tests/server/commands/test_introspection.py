"""COMMAND beside a real redis-server: what it says of each command that we have, in both protocols."""

import json
import socket
from pathlib import Path
from typing import Any

import hiredis
import pytest
from beside_redis import both, plain
from harness import Client, decode, encode
from real_redis import RealRedis

from respkv.commands.spec import COMMANDS, every_spec
from respkv.server.commands.introspection import info_of

SINCE_7_0 = {
    *(b"cluster|myshardid", b"client|no-touch", b"client|setinfo", b"script|show", b"waitaof"),
    *(b"hexpire", b"hexpireat", b"hexpiretime", b"hgetdel", b"hgetex", b"hpersist"),
    *(b"hpexpire", b"hpexpireat", b"hpexpiretime", b"hpttl", b"hsetex", b"httl"),
}
"""Commands that redis-server 7.0 has not."""

CHANGED_SINCE_7_0 = {
    b"blmove": "7.2 lets scripts use it",
    b"blpop": "7.2 lets scripts use it",
    b"brpop": "7.2 lets scripts use it",
    b"brpoplpush": "7.2 lets scripts use it",
    b"bzpopmax": "7.2 lets scripts use it",
    b"bzpopmin": "7.2 lets scripts use it",
    b"client|setname": "7.2 gave it tips",
    b"command|getkeys": "7.2 takes a command without arguments",
    b"command|getkeysandflags": "7.2 takes a command without arguments",
    b"config|resetstat": "7.2 gave it tips",
    b"config|rewrite": "7.2 gave it tips",
    b"latency|reset": "7.2 corrected its tips",
    b"msetnx": "7.2 took its tips away",
    b"randomkey": "7.2 completed its tips",
    b"scan": "7.2 completed its tips",
    b"xinfo|consumers": "7.2 took its tips away",
    b"zrank": "7.2 gave it WITHSCORE",
    b"zrevrank": "7.2 gave it WITHSCORE",
    b"wait": "7.2 marked it as blocking, and lets scripts use it",
}

FACTS = ("name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "key specs")


def facts(info: list[Any]) -> dict[str, Any]:
    """COMMAND INFO of one command, sets sorted, without subcommands and notes for people."""
    told = dict(zip(FACTS, info, strict=False))
    for name in ("flags", "categories", "tips"):
        told[name] = sorted(told[name])
    told["key specs"] = [_without_notes(spec) for spec in told["key specs"]]
    return told


def _without_notes(spec: list[Any]) -> list[Any]:
    at = spec.index(b"notes") if b"notes" in spec else len(spec)
    flat = spec[:at] + spec[at + 2 :]
    flat[1] = sorted(flat[1])
    return flat


def test_command_info_is_that_of_redis(client: Client, real_redis: RealRedis) -> None:
    different = {}
    for spec in every_spec():
        if spec.name in SINCE_7_0 | CHANGED_SINCE_7_0.keys() or spec.since.startswith("respkv"):
            continue
        ours = facts(plain(client.run("COMMAND", "INFO", spec.name))[0])
        theirs = facts(real_redis.call("COMMAND", "INFO", spec.name)[0])
        if ours != theirs:
            different[spec.name] = {name: (ours[name], theirs[name]) for name in FACTS if ours[name] != theirs[name]}
    assert different == {}


@pytest.mark.parametrize("name", sorted(CHANGED_SINCE_7_0.keys() & {spec.name for spec in every_spec()}))
def test_every_exception_is_one(client: Client, real_redis: RealRedis, name: bytes) -> None:
    ours = facts(plain(client.run("COMMAND", "INFO", name))[0])
    assert ours != facts(real_redis.call("COMMAND", "INFO", name)[0])


NEWER = {
    b"client|no-touch": (3, ["loading", "noscript", "stale"], ["@connection", "@slow"], []),
    b"client|setinfo": (
        4,
        ["loading", "noscript", "stale"],
        ["@connection", "@slow"],
        ["request_policy:all_nodes", "response_policy:all_succeeded"],
    ),
    b"waitaof": (
        4,
        ["blocking"],
        ["@blocking", "@connection", "@slow"],
        ["request_policy:all_shards", "response_policy:agg_min"],
    ),
    b"wait": (
        3,
        ["blocking"],
        ["@blocking", "@connection", "@slow"],
        ["request_policy:all_shards", "response_policy:agg_min"],
    ),
    b"command|getkeys": (-3, ["loading", "stale"], ["@connection", "@slow"], []),
}
"""Facts of Redis 8.2, of commands that 7.0 has not or tells otherwise."""


@pytest.mark.parametrize("name", NEWER)
def test_newer_commands_are_as_in_redis_8(client: Client, name: bytes) -> None:
    told = facts(plain(client.run("COMMAND", "INFO", name))[0])
    arity, flags, categories, tips = NEWER[name]
    assert told["arity"] == arity
    assert told["flags"] == [flag.encode() for flag in flags]
    assert told["categories"] == [category.encode() for category in categories]
    assert told["tips"] == [tip.encode() for tip in tips]


def test_flags_and_categories_come_in_the_order_of_redis(client: Client, real_redis: RealRedis) -> None:
    for name in ("get", "config|get", "auth", "shutdown", "client|kill", "info"):
        ours = plain(client.run("COMMAND", "INFO", name))[0]
        theirs = real_redis.call("COMMAND", "INFO", name)[0]
        assert (ours[2], ours[6]) == (theirs[2], theirs[6])


def test_the_raw_form_is_that_of_redis_in_resp3(client3: Client) -> None:
    """Simple strings in sets, maps for key specs: as redis-server 7.0 sends it."""
    assert client3.raw(encode([b"COMMAND", b"INFO", b"get"])) == (
        b"*1\r\n*10\r\n$3\r\nget\r\n:2\r\n~2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n~3\r\n+@read\r\n+@string\r\n"
        b"+@fast\r\n~0\r\n~1\r\n%3\r\n$5\r\nflags\r\n~2\r\n+RO\r\n+access\r\n$12\r\nbegin_search\r\n%2\r\n$4\r\ntype"
        b"\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\n"
        b"range\r\n$4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n~0\r\n"
    )


def test_docs_have_the_parts_of_redis(client: Client) -> None:
    reply = client.run("COMMAND DOCS expire nosuch config|get")
    docs = dict(zip(reply[::2], reply[1::2], strict=True))
    assert list(docs) == [b"expire", b"config|get"]
    expire = dict(zip(docs[b"expire"][::2], docs[b"expire"][1::2], strict=True))
    assert list(expire) == [b"summary", b"since", b"group", b"complexity", b"arguments"]
    key = expire[b"arguments"][0]
    assert key == [b"name", b"key", b"type", b"key", b"display_text", b"key", b"key_spec_index", 0]


def test_docs_of_every_command_say_something(client3: Client) -> None:
    docs = client3.run("COMMAND DOCS")
    assert docs.keys() == COMMANDS.keys()
    for name, about in docs.items():
        for one in (about, *about.get(b"subcommands", {}).values()):
            assert len(one[b"summary"]) > 10, name
            assert one[b"summary"].endswith(b"."), name


def test_docs_say_what_is_deprecated_as_redis_8_does(client3: Client) -> None:
    from compat.servers import KINDS, ServerUnavailable, start

    ours = client3.run("COMMAND DOCS")
    try:
        with start(KINDS["redis8"]) as server:
            redis = hiredis.Reader()
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(b"COMMAND DOCS\r\n")
                while (reply := redis.gets()) is False:
                    redis.feed(connection.recv(1 << 20))
    except ServerUnavailable as error:
        pytest.skip(str(error))
    for name, words in _by_pairs(reply).items():
        if name in ours:
            theirs = _by_pairs(words)
            assert ours[name].get(b"deprecated_since") == theirs.get(b"deprecated_since"), name
            flags = {flag.encode() for flag in ours[name].get(b"doc_flags", ())}
            assert flags == set(theirs.get(b"doc_flags", ())), name


def _by_pairs(words: list[Any]) -> dict[bytes, Any]:
    return dict(zip(words[::2], words[1::2], strict=True))


def test_docs_follow_the_reference(client3: Client) -> None:
    """Group and first version of each command that redis-server 7.0 has are the ones it tells."""
    lines = (Path(__file__).parents[2] / "reference" / "commands-7.0.jsonl").read_text().splitlines()
    reference = {fact["name"].encode(): fact for fact in map(json.loads, lines)}
    different = {}
    for spec in every_spec():
        fact = reference.get(spec.name)
        if fact is not None and (fact["since"], fact["group"]) != (spec.since, spec.group):
            different[spec.name] = (fact["since"], fact["group"], spec.since, spec.group)
    assert different == {}


def test_list_and_count(client: Client) -> None:
    names = client.run("COMMAND LIST")
    assert sorted(names) == sorted(spec.name for spec in every_spec())
    assert client.run("COMMAND COUNT") == len(COMMANDS)
    assert len(client.run("COMMAND")) == len(COMMANDS)
    assert len(client.run("COMMAND INFO")) == len(COMMANDS)
    assert client.run("COMMAND LIST FILTERBY PATTERN CONFIG|*") == [
        spec.name for spec in COMMANDS[b"config"].subcommands.values()
    ]
    assert b"get" in client.run("COMMAND LIST FILTERBY aclcat STRING")
    assert client.run("COMMAND LIST FILTERBY MODULE json") == []


AS_REDIS = (
    "COMMAND COUNT x", "COMMAND LIST FILTERBY ACLCAT nosuch", "COMMAND LIST FILTERBY FOO bar",
    "COMMAND LIST FILTERBY PATTERN", "COMMAND LIST FOO", "COMMAND LIST FILTERBY PATTERN co*nt",
    "COMMAND INFO nosuch", "COMMAND INFO get|x", "COMMAND INFO client|nosuch", "COMMAND DOCS nosuch",
    "COMMAND GETKEYS GET k", "COMMAND GETKEYS get k", "COMMAND GETKEYS MSET a 1 b 2", "COMMAND GETKEYS MSET a 1 b",
    "COMMAND GETKEYS SET k v EX 10", "COMMAND GETKEYS COPY a b DB 1", "COMMAND GETKEYS DEL a b",
    "COMMAND GETKEYS OBJECT ENCODING k", "COMMAND GETKEYS MEMORY USAGE k", "COMMAND GETKEYS KEYS *",
    "COMMAND GETKEYS NOSUCH a", "COMMAND GETKEYS GET a b", "COMMAND GETKEYS OBJECT NOSUCH k",
    "COMMAND GETKEYS CONFIG GET x", "COMMAND GETKEYS SELECT 1",
    "COMMAND GETKEYSANDFLAGS GET k", "COMMAND GETKEYSANDFLAGS SET k v", "COMMAND GETKEYSANDFLAGS SET k v GET",
    "COMMAND GETKEYSANDFLAGS RENAME a b", "COMMAND GETKEYSANDFLAGS DEL a b", "COMMAND GETKEYSANDFLAGS EXPIRE k 1",
    "COMMAND GETKEYSANDFLAGS MOVE k 1", "COMMAND GETKEYSANDFLAGS OBJECT ENCODING k", "COMMAND NOSUCH",
)  # fmt: skip


@pytest.mark.parametrize("line", AS_REDIS)
def test_replies_are_those_of_redis(client: Client, real_redis: RealRedis, line: str) -> None:
    ours, theirs = both(client, real_redis, line)
    assert ours == theirs


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("COMMAND GETKEYS PING", "ERR The command has no key arguments"),
        ("COMMAND GETKEYS GET", "ERR Invalid number of arguments specified for command"),
        ("COMMAND GETKEYSANDFLAGS NOSUCH", "ERR Invalid command specified"),
    ],
)
def test_getkeys_of_a_command_alone_is_as_in_redis_8(client: Client, line: str, text: str) -> None:
    assert client.error(line) == text


def test_the_shape_is_flat_in_resp2(client: Client) -> None:
    (reply,) = decode(client.raw(encode([b"COMMAND", b"INFO", b"get"])))
    assert len(reply[0]) == len(info_of(COMMANDS[b"get"]))
    assert isinstance(reply[0][8][0], list)
