"""FLUSHDB, FLUSHALL, SWAPDB, DBSIZE."""

import pytest
from harness import Client, World


@pytest.fixture
def other(world: World) -> Client:
    """A client on database 3."""
    client = world.connect()
    client.session.select(3)
    return client


def test_flushdb_empties_one_database(world: World, client: Client, other: Client) -> None:
    client.run("MSET a 1 b 2")
    client.run("EXPIRE a 100")
    other.run("SET c 3")
    assert (client.run("DBSIZE"), other.run("DBSIZE")) == (2, 1)
    world.take_log()
    assert client.run("FLUSHDB") == "OK"
    assert world.take_log() == [[b"FLUSHDB"]]
    assert (client.run("DBSIZE"), other.run("DBSIZE")) == (0, 1)


def test_flushall_empties_all(world: World, client: Client, other: Client) -> None:
    client.run("SET a 1")
    other.run("SET c 3")
    world.take_log()
    assert client.run("FLUSHALL async") == "OK"
    assert world.take_log() == [[b"FLUSHALL", b"async"]]
    assert (client.run("DBSIZE"), other.run("DBSIZE")) == (0, 0)


@pytest.mark.parametrize("line", ["FLUSHDB", "FLUSHALL SYNC", "SWAPDB 1 1"])
def test_what_changes_nothing_is_logged_nevertheless(world: World, client: Client, line: str) -> None:
    assert client.run(line) == "OK"
    assert world.take_log() == [line.encode().split()]


def test_swapdb_changes_what_sessions_see(world: World, client: Client, other: Client) -> None:
    client.run("SET a zero")
    client.run("PEXPIREAT a 33177117420000")
    other.run("MSET a three b three")
    world.take_log()
    assert client.run("SWAPDB 3 0") == "OK"
    assert world.take_log() == [[b"SWAPDB", b"3", b"0"]]
    assert client.run("GET b") == b"three"
    assert client.run("TTL a") == -1
    assert other.run("GET a") == b"zero"
    assert other.run("PEXPIRETIME a") == 33_177_117_420_000
    assert other.run("EXISTS b") == 0


def test_swapdb_and_flushdb_end_running_scans_well(world: World, client: Client) -> None:
    world.checks_each_command = False
    for number in range(3000):
        client.run("SET", f"key:{number}", "v")
    cursor, _ = client.run("SCAN 0 COUNT 3")
    client.run("SWAPDB 0 1")
    assert client.run("SCAN", cursor) == [b"0", []]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("FLUSHALL FOO", "ERR syntax error"),
        ("FLUSHALL SYNC ASYNC", "ERR syntax error"),
        ("FLUSHDB FOO", "ERR syntax error"),
        ("SWAPDB x 0", "ERR invalid first DB index"),
        ("SWAPDB 0 x", "ERR invalid second DB index"),
        ("SWAPDB 99999999999 x", "ERR invalid first DB index"),
        ("SWAPDB 0 99999999999", "ERR invalid second DB index"),
        ("SWAPDB 0 16", "ERR DB index is out of range"),
        ("SWAPDB -1 0", "ERR DB index is out of range"),
        ("SWAPDB 0", "ERR wrong number of arguments for 'swapdb' command"),
    ],
)
def test_errors(client: Client, line: str, message: str) -> None:
    client.run("SET a 1")
    assert client.error(line) == message


def test_a_watched_key_is_touched_by_flush_and_swap_only_if_it_was_there(world: World) -> None:
    from respkv.engine.watcher import Watcher

    db, other, third = (world.engine.database(number) for number in range(3))
    for action in (db.clear, lambda: db.swap_with(other), lambda: other.swap_with(db)):
        db.load(b"here", b"1", None)
        watchers = {key: Watcher() for key in (b"here", b"missing")}
        for key, watcher in watchers.items():
            db.watch(key, watcher)
        third.clear()
        action()
        assert {key: watcher.touched for key, watcher in watchers.items()} == {b"here": True, b"missing": False}
        for key, watcher in watchers.items():
            db.unwatch(key, watcher)
        for each in (db, other, third):
            each.clear()
    world.engine.dirty = 0
