"""The syntax line: what each construct means, what is refused, and agreement with a real server's facts."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from respkv.commands.syntax import UNBOUNDED, Argument, KeySpec, Syntax, find_keys, parse

HERE = Path(__file__).parent
LINES = (HERE / "syntax_lines.txt").read_text().splitlines()
REFERENCE = {
    fact["name"]: fact
    for fact in map(json.loads, (HERE.parent / "reference" / "commands-7.0.jsonl").read_text().splitlines())
}

ONE_KEY = (KeySpec(index=1),)


@pytest.mark.parametrize(
    ("line", "name", "arity"),
    [
        ("PING", b"ping", 1),
        ("PING [message]", b"ping", -1),
        ("GET key", b"get", 2),
        ("SET key value [NX | XX] [GET]", b"set", -3),
        ("DEL key [key ...]", b"del", -2),
        ("MSET key value [key value ...]", b"mset", -3),
        ("CONFIG RESETSTAT", b"config|resetstat", 2),
        ("CONFIG SET parameter value [parameter value ...]", b"config|set", -4),
        ("EVAL script numkeys:int [key [key ...]] [arg [arg ...]]", b"eval", -3),
        ("REPLICAOF <host port | NO ONE>", b"replicaof", 3),
        ("GEOSEARCH key <FROMMEMBER member | FROMLONLAT longitude latitude>", b"geosearch", -4),
        ("XADD key <* | id> field value [field value ...]", b"xadd", -5),
        ("LPOS key element [RANK rank:int] [COUNT num-matches:int]", b"lpos", -3),
    ],
)
def test_name_and_arity_follow_from_the_line(line: str, name: bytes, arity: int) -> None:
    syntax = parse(line)
    assert (syntax.name, syntax.arity) == (name, arity)
    assert syntax.least == abs(arity)
    assert syntax.most == (arity if arity > 0 else UNBOUNDED)


@pytest.mark.parametrize(
    ("line", "keys", "argv", "found"),
    [
        ("PING [message]", (), b"PING key", b""),
        ("GET key", ONE_KEY, b"GET a", b"a"),
        ("OBJECT FREQ key", (KeySpec(index=2),), b"OBJECT FREQ a", b"a"),
        ("DEL key [key ...]", (KeySpec(index=1, last=-1),), b"DEL a b c", b"a b c"),
        ("MSET key value [key value ...]", (KeySpec(index=1, last=-1, step=2),), b"MSET a 1 b 2", b"a b"),
        ("BLPOP key [key ...] timeout:double", (KeySpec(index=1, last=-2),), b"BLPOP a b 0", b"a b"),
        ("RENAME key newkey:key", (KeySpec(index=1), KeySpec(index=2)), b"RENAME a b", b"a b"),
        (
            "LMPOP numkeys:int key [key ...] <LEFT | RIGHT>",
            (KeySpec(index=1, count_index=0, first=1),),
            b"LMPOP 2 a b LEFT",
            b"a b",
        ),
        (
            "ZUNIONSTORE destination:key numkeys:int key [key ...] [WEIGHTS weight [weight ...]]",
            (KeySpec(index=1), KeySpec(index=2, count_index=0, first=1)),
            b"ZUNIONSTORE d 2 a b WEIGHTS 1 2",
            b"d a b",
        ),
        (
            "XREAD [COUNT count:int] STREAMS key [key ...] id [id ...]",
            (KeySpec(keyword=b"STREAMS", start_from=1, last=-1, limit=2),),
            b"XREAD count 2 streams a b 0 0",
            b"a b",
        ),
        (
            "GEORADIUS key radius [STORE key]",
            (KeySpec(index=1), KeySpec(keyword=b"STORE", start_from=3)),
            b"GEORADIUS a 1 store b",
            b"a b",
        ),
        (
            "GEORADIUS key radius [STORE key]",
            (KeySpec(index=1), KeySpec(keyword=b"STORE", start_from=3)),
            b"GEORADIUS a 1",
            b"a",
        ),
        ("MOVE [option] key", (KeySpec(),), b"MOVE a", b""),
    ],
)
def test_keys_follow_from_the_line(line: str, keys: tuple[KeySpec, ...], argv: bytes, found: bytes) -> None:
    syntax = parse(line)
    assert syntax.keys == keys
    assert find_keys(syntax, argv.split()) == found.split()


@pytest.mark.parametrize(
    "argv",
    [
        b"EVAL s",
        b"EVAL s 3 a b",
        b"EVAL s -1 a",
        b"EVAL s x a",
        b"EVAL s +1 a",
        b"EVAL s 99999999999999999999 a",
        b"EVAL s 0 a",
    ],
)
def test_a_number_of_keys_that_does_not_fit_finds_none(argv: bytes) -> None:
    syntax = parse("EVAL script numkeys:int [key [key ...]] [arg [arg ...]]")
    assert find_keys(syntax, argv.split()) == []


def test_arguments_form_a_tree() -> None:
    syntax = parse("SET key value [NX | XX] [GET] [EX seconds:int | PXAT at:unix-time]")
    key, value, condition, get, expiration = syntax.arguments
    assert key == Argument("key", "key", key_spec=0)
    assert value == Argument("value", "string")
    assert (condition.kind, condition.optional) == ("oneof", True)
    assert condition.arguments == (Argument("nx", "pure-token", "NX"), Argument("xx", "pure-token", "XX"))
    assert get == Argument("get", "pure-token", "GET", optional=True)
    assert expiration.arguments == (
        Argument("seconds", "integer", "EX"),
        Argument("at", "unix-time", "PXAT"),
    )


@pytest.mark.parametrize(
    ("line", "argument"),
    [
        (
            "SORT [GET pattern [GET pattern ...]]",
            Argument("pattern", "string", "GET", optional=True, multiple=True, multiple_token=True),
        ),
        ("CLIENT LIST [ID id [id ...]]", Argument("id", "string", "ID", optional=True, multiple=True)),
        (
            "SORT [LIMIT offset count]",
            Argument(
                "limit",
                "block",
                "LIMIT",
                optional=True,
                arguments=(Argument("offset", "string"), Argument("count", "string")),
            ),
        ),
        (
            "GEOSEARCH [COUNT count [ANY]]",
            Argument(
                "count-any",
                "block",
                optional=True,
                arguments=(
                    Argument("count", "string", "COUNT"),
                    Argument("any", "pure-token", "ANY", optional=True),
                ),
            ),
        ),
        ("XADD <* | id>", Argument("auto-id-or-id", "oneof", arguments=(
            Argument("auto-id", "pure-token", "*"), Argument("id", "string")))),
    ],
)  # fmt: skip
def test_a_literal_belongs_to_what_follows_it(line: str, argument: Argument) -> None:
    assert parse(line).arguments == (argument,)


def test_describe_gives_the_fields_of_command_docs() -> None:
    key, options = parse("DEL key [LIMIT offset:int count:int]").arguments
    assert key.describe() == {
        b"name": b"key",
        b"type": b"key",
        b"display_text": b"key",
        b"key_spec_index": 0,
    }
    assert options.describe() == {
        b"name": b"limit",
        b"type": b"block",
        b"token": b"LIMIT",
        b"flags": {b"optional"},
        b"arguments": [
            {b"name": b"offset", b"type": b"integer", b"display_text": b"offset"},
            {b"name": b"count", b"type": b"integer", b"display_text": b"count"},
        ],
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "the name is an uppercase word"),
        ("get key", "the name is an uppercase word"),
        ("GET Key", "'Key' is neither"),
        ("GET key:", "'key:' is neither"),
        ("GET name:number", "unknown type 'number'"),
        ("GET key [NX", "']' is missing"),
        ("GET key [NX>", "']' is missing"),
        ("GET <key", "'>' is missing"),
        ("GET <key]", "']' where '>' is due"),
        ("GET key]", "']' outside a group"),
        ("GET key | value", "'|' outside a group"),
        ("GET key []", "an empty group"),
        ("GET key [NX |]", "an empty group"),
        ("GET key ...", "'...' is neither"),
        ("DEL key [keys ...]", "[keys ...] does not repeat"),
        ("DEL [key ...]", "[key ...] does not repeat"),
        ("DEL key [...]", "[ ...] does not repeat"),
        ("DEL <a b> [b> ...]", "[b > ...] does not repeat"),
        ("DEL [key] [[key] ...]", "must not be optional itself"),
        ("SET [[NX] | XX]", "an alternative must not be optional"),
    ],
)
def test_a_bad_line_is_refused_by_name(line: str, reason: str) -> None:
    with pytest.raises(ValueError, match="syntax line") as caught:
        parse(line)
    assert repr(line) in str(caught.value)
    assert reason in str(caught.value)


# Differences that a line cannot express or should not: the command's declaration says them explicitly.
# Shown without the brackets around a group that holds a single choice.
USAGE_IS_SHORTER = {"xreadgroup", "client|kill", "bitfield"}
ARITY_DIFFERS = {
    "quit",  # takes any arguments and ignores them
    "command|getkeys",  # 7.0 wants an argument of the command to look at; 7.2 and later do not
    "command|getkeysandflags",
}
KEYS_DIFFER = {
    "lcs",  # two keys in one spec, where the line makes a spec of each: the same words
    "migrate",  # looks for KEYS from the end
    "sort",  # its specs are unknown, since BY and GET may be followed by the word STORE
}
ARGUMENTS_DIFFER = {
    "client|kill",  # alternatives that are optional themselves; names with punctuation
    "migrate",  # alternatives that are optional themselves
    "command|getkeys",  # 7.0 names no arguments for these three
    "command|getkeysandflags",
    "debug",
    "pfmerge",  # 7.0 calls the sources mandatory but accepts none, as later versions say
}


def lines_except(names: set[str]) -> list[str]:
    lines = [line for line in LINES if parse(line).name.decode() not in names]
    assert len(LINES) - len(lines) == len(names), "an exception that is none"
    return lines


@pytest.mark.parametrize("line", lines_except(USAGE_IS_SHORTER))
def test_usage_is_the_line_without_types(line: str) -> None:
    assert parse(line).usage == re.sub(r":[a-z-]+", "", line)


def reference_argument(fact: dict[str, Any]) -> Argument:
    """An argument as the reference describes it, in our terms."""
    flags = fact.get("flags", [])
    return Argument(
        fact["name"].lower().replace("_", "-"),
        fact["type"],
        fact.get("token", "").upper() or None,
        "optional" in flags,
        "multiple" in flags,
        "multiple_token" in flags,
        fact.get("key_spec_index"),
        tuple(map(reference_argument, fact.get("arguments", []))),
    )


def leaves(arguments: tuple[Argument, ...]) -> Iterator[tuple[str, str]]:
    for one in arguments:
        if one.arguments:
            yield from leaves(one.arguments)
        elif one.kind != "pure-token":
            yield one.name, one.kind


def reference_syntax(name: bytes) -> Syntax:
    fact = REFERENCE[name.decode()]
    return Syntax(name, fact["arity"], tuple(map(reference_argument, fact["arguments"])))


@pytest.mark.parametrize("line", lines_except(ARITY_DIFFERS))
def test_arity_is_the_references(line: str) -> None:
    syntax = parse(line)
    assert syntax.arity == REFERENCE[syntax.name.decode()]["arity"]


@pytest.mark.parametrize("line", lines_except(KEYS_DIFFER))
def test_keys_are_the_references(line: str) -> None:
    syntax = parse(line)
    fact = REFERENCE[syntax.name.decode()]
    expected = [{part: spec[part] for part in ("begin_search", "find_keys")} for spec in fact["keys"]]
    assert [as_text(spec.describe()) for spec in syntax.keys] == expected
    assert list(syntax.legacy_keys[:3]) == fact["legacy_keys"]
    assert syntax.legacy_keys.are_incomplete == ("movablekeys" in fact["flags"])


def as_text(docs: Any) -> Any:
    if isinstance(docs, dict):
        return {name.decode(): as_text(value) for name, value in docs.items()}
    return docs.decode() if isinstance(docs, bytes) else docs


@pytest.mark.parametrize("line", lines_except(ARGUMENTS_DIFFER))
def test_arguments_are_the_references(line: str) -> None:
    syntax = parse(line)
    reference = reference_syntax(syntax.name)
    assert syntax.usage == reference.usage
    assert list(leaves(syntax.arguments)) == list(leaves(reference.arguments))
