"""XINFO."""

from typing import Any

import pytest
from harness import START_MS, Client, World


def told(reply: list[Any]) -> dict[bytes, Any]:
    return dict(zip(reply[::2], reply[1::2], strict=True))


@pytest.fixture
def stream(client: Client, world: World) -> World:
    for number in range(1, 13):
        client.run(f"XADD s {number}-0 f {number}")
    client.run("XGROUP CREATE s g 0")
    client.run("XREADGROUP GROUP g a COUNT 3 STREAMS s >")
    return world


def test_a_stream(client: Client, stream: World) -> None:
    client.run("XDEL s 1")
    assert told(client.run("XINFO STREAM s")) == {
        b"length": 11,
        b"radix-tree-keys": 1,
        b"radix-tree-nodes": 2,
        b"last-generated-id": b"12-0",
        b"max-deleted-entry-id": b"1-0",
        b"entries-added": 12,
        b"recorded-first-entry-id": b"2-0",
        b"groups": 1,
        b"first-entry": [b"2-0", [b"f", b"2"]],
        b"last-entry": [b"12-0", [b"f", b"12"]],
    }
    client.run("XTRIM s MAXLEN 0")
    assert told(client.run("XINFO STREAM s"))[b"first-entry"] is None


def test_a_stream_in_full(client: Client, client3: Client, stream: World) -> None:
    facts = client3.run("XINFO STREAM s FULL COUNT 2")
    assert [entry[0] for entry in facts[b"entries"]] == [b"1-0", b"2-0"]
    assert facts[b"groups"] == [
        {
            b"name": b"g",
            b"last-delivered-id": b"3-0",
            b"entries-read": 3,
            b"lag": 9,
            b"pel-count": 3,
            b"pending": [[b"1-0", b"a", START_MS, 1], [b"2-0", b"a", START_MS, 1]],
            b"consumers": [
                {
                    b"name": b"a",
                    b"seen-time": START_MS,
                    b"active-time": START_MS,
                    b"pel-count": 3,
                    b"pending": [[b"1-0", START_MS, 1], [b"2-0", START_MS, 1]],
                }
            ],
        }
    ]
    assert len(client3.run("XINFO STREAM s FULL")[b"entries"]) == 10
    assert len(client3.run("XINFO STREAM s FULL COUNT 0")[b"entries"]) == 12


def lag(client: Client) -> tuple[int | None, int | None]:
    facts = told(client.run("XINFO GROUPS s")[0])
    return facts[b"entries-read"], facts[b"lag"]


def test_the_lag_of_a_group(client: Client, stream: World) -> None:
    assert lag(client) == (3, 9)
    client.run("XDEL s 8")
    assert lag(client) == (3, None)
    client.run("XREADGROUP GROUP g a COUNT 5 STREAMS s >")
    assert lag(client) == (None, None)
    client.run("XREADGROUP GROUP g a STREAMS s >")
    assert lag(client) == (12, 0)
    client.run("XGROUP SETID s g 5")
    assert lag(client) == (None, None)
    client.run("XTRIM s MAXLEN 2")
    assert lag(client) == (None, 2)
    client.run("XTRIM s MAXLEN 0")
    assert lag(client) == (None, 0)


def test_consumers(client: Client, stream: World) -> None:
    stream.advance(500)
    client.run("XGROUP CREATECONSUMER s g b")
    client.run("XREADGROUP GROUP g a STREAMS s 0")
    stream.advance(7)
    assert client.run("XINFO CONSUMERS s g") == [
        [b"name", b"a", b"pending", 3, b"idle", 7, b"inactive", 507],
        [b"name", b"b", b"pending", 0, b"idle", 7, b"inactive", -1],
    ]


def test_who_is_known_from_the_log_alone_is_idle_since_the_first_look(client: Client, stream: World) -> None:
    group = stream.engine.databases[0].find(b"s").groups[b"g"]
    group.consumer(b"z", 0)
    group.remove_consumer(b"a")
    assert client.run("XINFO CONSUMERS s g")[0][5] == 0
    stream.advance(9)
    assert client.run("XINFO CONSUMERS s g")[0][5] == 9
    group.remove_consumer(b"z")
    client.run("DEL s")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("XINFO STREAM none", "ERR no such key"),
        ("XINFO GROUPS none", "ERR no such key"),
        ("XINFO CONSUMERS none g", "ERR no such key"),
        ("XINFO CONSUMERS s h", "NOGROUP No such consumer group 'h' for key name 's'"),
        ("XINFO STREAM s FOO", "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP."),
        (
            "XINFO STREAM s FULL COUNT",
            "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.",
        ),
        (
            "XINFO STREAM s FULL FOO 1",
            "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.",
        ),
        ("XINFO STREAM s FULL COUNT x", "ERR value is not an integer or out of range"),
        ("XINFO STREAM str", "WRONGTYPE Operation against a key holding the wrong kind of value"),
    ],
)
def test_what_cannot_be_told(client: Client, stream: World, line: str, error: str) -> None:
    client.run("SET str x")
    assert client.error(line) == error


def test_help_names_all_subcommands(client: Client) -> None:
    text = " ".join(client.run("XINFO HELP"))
    for name in ("STREAM", "GROUPS", "CONSUMERS", "HELP"):
        assert name in text
