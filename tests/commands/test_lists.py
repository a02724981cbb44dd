"""The commands on lists: what surprises one by one; all options and errors are in the differential cases."""

import pytest
from harness import Client, World

from respkv.commands.events import GENERIC, LIST, NEW
from respkv.engine.engine import NOTIFIED
from respkv.engine.snapshot import Snapshot
from respkv.reply import NULL_ARRAY


@pytest.fixture
def told(world: World) -> list[tuple[int, bytes, bytes]]:
    """The events of the test: class, name, key."""
    events: list[tuple[int, bytes, bytes]] = []

    def notify(index: int, kind: int, event: bytes, key: bytes) -> None:
        events.append((kind, event, key))

    world.engine.notifier = notify
    world.engine.set_alert(NOTIFIED, True)
    return events


@pytest.mark.parametrize(
    ("command", "effect"),
    [
        ("LPUSH l x y", "LPUSH l x y"),
        ("RPUSHX l x", "RPUSHX l x"),
        ("RPUSHX none x", None),
        ("LPOP l", "LPOP l"),
        ("RPOP l 2", "RPOP l 2"),
        ("LPOP l 0", None),
        ("LPOP none", None),
        ("LMPOP 2 none l LEFT COUNT 100", "LPOP l 4"),
        ("LMPOP 1 l RIGHT", "RPOP l 1"),
        ("LMPOP 1 none RIGHT", None),
        ("LMOVE l m LEFT RIGHT", "LMOVE l m LEFT RIGHT"),
        ("RPOPLPUSH l l", "RPOPLPUSH l l"),
        ("BLPOP none l 0", "LPOP l"),
        ("BRPOP l 0", "RPOP l"),
        ("BLMPOP 5 1 l LEFT COUNT 2", "LPOP l 2"),
        ("BLMOVE l m LEFT RIGHT 0", "LMOVE l m LEFT RIGHT"),
        ("BRPOPLPUSH l m 0", "RPOPLPUSH l m"),
        ("LSET l 0 x", "LSET l 0 x"),
        ("LSET l 9 x", None),
        ("LINSERT l BEFORE b x", "LINSERT l BEFORE b x"),
        ("LINSERT l BEFORE none x", None),
        ("LREM l 0 b", "LREM l 0 b"),
        ("LREM l 0 none", None),
        ("LTRIM l 1 2", "LTRIM l 1 2"),
        ("LTRIM l 0 -1", "LTRIM l 0 -1"),
        ("LRANGE l 0 -1", None),
        ("LPOS l b", None),
    ],
)
def test_what_is_propagated(client: Client, world: World, command: str, effect: str | None) -> None:
    client.run("RPUSH l a b c d")
    world.take_log()
    client.run(command)
    assert world.take_log() == ([] if effect is None else [effect.encode().split()])


@pytest.mark.parametrize(
    ("command", "events"),
    [
        ("LPUSH l x y", ["lpush l"]),
        ("RPUSH new x", ["rpush new"]),
        ("LPOP l", ["lpop l"]),
        ("RPOP l 9", ["rpop l", "del l"]),
        ("LMPOP 1 l LEFT COUNT 2", ["lpop l", "del l"]),
        ("LMOVE l m LEFT RIGHT", ["rpush m", "lpop l"]),
        ("RPOPLPUSH l l", ["lpush l", "rpop l"]),
        ("LSET l 0 x", ["lset l"]),
        ("LINSERT l AFTER b x", ["linsert l"]),
        ("LREM l 0 b", ["lrem l"]),
        ("LTRIM l 0 0", ["ltrim l"]),
        ("LTRIM l 5 6", ["ltrim l", "del l"]),
        ("LREM l 0 none", []),
    ],
)
def test_events(client: Client, told: list[tuple[int, bytes, bytes]], command: str, events: list[str]) -> None:
    client.run("RPUSH l a b")
    told.clear()
    client.run(command)
    kinds = {b"del": GENERIC}
    told = [event for event in told if event[0] != NEW]
    assert told == [(kinds.get(e.split()[0].encode(), LIST), *e.encode().split()) for e in events]


@pytest.mark.parametrize(
    "command",
    ["LPOP l 2", "RPOP l 5", "LTRIM l 5 9", "LREM l 0 a", "LMPOP 1 l LEFT COUNT 2", "BLMPOP 0 1 l LEFT COUNT 9"],
)
def test_an_empty_list_is_no_key(client: Client, command: str) -> None:
    client.run("RPUSH l a a")
    client.run(command)
    assert client.run("EXISTS l") == 0
    assert client.run("TYPE l") == "none"


def test_a_moved_last_element_takes_its_key_along(client: Client) -> None:
    client.run("RPUSH l a")
    assert client.run("LMOVE l m LEFT LEFT") == b"a"
    assert client.run("EXISTS l m") == 1
    assert client.run("RPOPLPUSH m m") == b"a"
    assert client.run("LRANGE m 0 -1") == [b"a"]


def test_changes_are_counted_by_elements(client: Client, world: World) -> None:
    before = world.engine.changes
    client.run("RPUSH l a b c d e")
    assert world.engine.changes - before == 5
    client.run("LPOP l 2")
    client.run("LTRIM l 0 0")
    assert world.engine.changes - before == 9


def test_nothing_is_counted_that_did_not_change(client: Client, world: World) -> None:
    client.run("RPUSH l a")
    before = world.engine.changes
    for command in ("LPOP l 0", "LREM l 0 x", "LINSERT l AFTER x y", "LPUSHX none x", "LLEN l", "LPOS l a"):
        client.run(command)
    assert world.engine.changes == before


def test_a_failed_move_changes_neither_list(client: Client) -> None:
    client.run("RPUSH l a")
    client.run("SET s v")
    assert client.error("LMOVE l s LEFT LEFT").startswith("WRONGTYPE")
    assert client.run("LRANGE l 0 -1") == [b"a"]


def test_counts_beyond_all_bounds_allocate_nothing(client: Client) -> None:
    client.run("RPUSH l a b c")
    assert client.run("LPOS l b COUNT 9223372036854775807 MAXLEN 9223372036854775807") == [1]
    assert client.run("LPOS l b RANK 9223372036854775807 COUNT 9223372036854775807") == []
    assert client.run("LRANGE l -9223372036854775808 9223372036854775807") == [b"a", b"b", b"c"]
    assert client.run("RPOP l 9223372036854775807") == [b"c", b"b", b"a"]


def test_a_list_of_a_hundred_thousand(client: Client, world: World) -> None:
    world.checks_each_command = False
    for start in range(0, 100_000, 1000):
        client.run("RPUSH", "l", *range(start, start + 1000))
    assert client.run("LLEN l") == 100_000
    assert client.run("OBJECT ENCODING l") == b"quicklist"
    assert client.run("LINDEX l 54321") == b"54321"
    assert client.run("LINDEX l -54321") == b"45679"
    assert client.run("LRANGE l 49999 50001") == [b"49999", b"50000", b"50001"]
    assert client.run("LRANGE l 40000 -40001") == [b"%d" % number for number in range(40_000, 60_000)]
    assert client.run("LPOS l 77777") == 77777
    client.run("LSET l 50000 middle")
    client.run("LINSERT l AFTER middle more")
    assert client.run("LRANGE l 49999 50002") == [b"49999", b"middle", b"more", b"50001"]
    assert client.run("LREM l 1 99998") == 1
    assert client.run("LINDEX l 99998") == b"99997"
    client.run("LTRIM l 50000 -49999")
    assert client.run("LRANGE l 0 -1") == [b"middle", b"more"]


def test_a_snapshot_has_what_there_was_when_it_began(client: Client, world: World) -> None:
    client.run("RPUSH l a b c")
    client.run("RPUSH", "big", *(["x" * 50] * 1000))
    snapshot = Snapshot(world.engine)
    client.run("LPOP l")
    client.run("LPOP big 900")
    taken = {}
    while (items := snapshot.take(10)) is not None:
        taken.update({key: value.items() for key, value, _ in items[1]})
    assert taken == {b"l": [b"a", b"b", b"c"], b"big": [b"x" * 50] * 1000}


def test_null_is_an_array_where_an_array_is_expected(client: Client, client3: Client) -> None:
    assert client.run("LPOP none") is None
    assert client.run("LPOP none 1") is NULL_ARRAY
    assert client.run("LMPOP 1 none LEFT") is NULL_ARRAY
    assert client.run("LPOS none a") is None
    assert client3.run("LPOP none 1") is None
