"""Who is told when a key changes. Replies and order beside Redis: compat cases `tracking`."""

import random

import pytest
from harness import Client, World

from respkv.engine.engine import TRACKED, UNSYNCED
from respkv.reply import Push
from respkv.server.tracking import EVICTIONS_MAX


@pytest.fixture
def reader(world: World) -> Client:
    """Tracks what it reads, in RESP3."""
    return tracker(world)


def tracker(world: World, *options: str) -> Client:
    client = world.connect()
    client.session.protocol = 3
    assert client.run("CLIENT", "TRACKING", "ON", *options) == "OK"
    return client


def told(client: Client) -> list[object]:
    """The keys of each invalidation that came, or None for all."""
    heard: list[object] = []
    for reply in client.replies():
        assert isinstance(reply, Push)
        assert reply.items[0] == b"invalidate"
        heard.append(reply.items[1])
    return heard


def test_nobody_is_asked_while_nobody_tracks(world: World, reader: Client) -> None:
    assert world.engine.alert & TRACKED
    reader.run("MGET a b")
    reader.run("CLIENT TRACKING OFF")
    assert not world.engine.alert & TRACKED
    assert not world.server.tracking.keys
    world.server.tracking.check()


@pytest.mark.parametrize(
    "change",
    ["SET k v", "APPEND k x", "DEL k", "EXPIRE k 100", "RENAME other k", "MOVE k 1", "GETDEL k", "SETEX k 10 v"],
)
def test_any_change_of_a_key_that_was_read_is_told_once(
    client: Client, world: World, reader: Client, change: str
) -> None:
    client.run("MSET k 1 other 2")
    reader.run("GET k")
    client.run(change)
    client.run("SET k again")
    assert told(reader) == [[b"k"]]


def test_expiry_and_eviction_are_changes(client: Client, world: World, reader: Client) -> None:
    client.run("SET k v PX 10")
    reader.run("GET k")
    world.advance(20)
    client.run("GET k")
    assert told(reader) == [[b"k"]]
    client.run("SET", "k", "v" * 100)
    reader.run("GET k")
    client.run("CONFIG SET maxmemory-policy allkeys-lru")
    client.run("CONFIG SET maxmemory 150")
    client.run("SET l w")
    assert told(reader) == [[b"k"]]


def test_a_field_that_expires_is_a_change_of_its_hash(client: Client, world: World, reader: Client) -> None:
    client.run("HSET h f v g w")
    client.run("HPEXPIRE h 10 FIELDS 1 f")
    reader.run("HGETALL h")
    world.advance(20)
    client.run("HLEN h")
    client.run("HGETALL h")
    assert told(reader) == [[b"h"]]


def test_a_transaction_of_several_round_trips_is_told_of_at_its_commit(
    client: Client, world: World, reader: Client
) -> None:
    reader.run("MGET k other")
    client.run("BEGIN")
    client.run("SET k v")
    assert told(reader) == []
    client.run("COMMIT")
    assert told(reader) == [[b"k"]]
    client.run("BEGIN")
    client.run("FLUSHALL")
    client.run("COMMIT")
    assert None in told(reader)


def test_a_lost_redirection_is_said_once_for_each_change(client: Client, world: World, reader: Client) -> None:
    other = world.connect()
    reader.run("CLIENT", "TRACKING", "ON", "REDIRECT", other.session.number)
    reader.run("GET k")
    other.close()
    client.run("SET k v")
    (reply,) = reader.replies()
    assert reply.items == [b"tracking-redir-broken", other.session.number]
    assert b"flags=tR " in reader.run("CLIENT INFO")
    assert reader.run("CLIENT TRACKINGINFO")[b"flags"] == {b"on", b"broken_redirect"}


def test_an_invalidation_leaves_when_the_change_is_durable(client: Client, world: World) -> None:
    engine = world.engine
    engine.set_alert(UNSYNCED, True)
    reader, broad = tracker(world), tracker(world, "BCAST")
    reader.run("GET k")
    batch = engine.batch
    client.run("SET k v")
    assert reader.session.wait_lsn == batch
    engine.made_durable(batch)
    broad.raw(b"PING\r\n")
    session = world.connect().session
    session.receive(b"SET k v\r\n")  # the turn ends later
    world.resume_ready()
    assert broad.session.wait_lsn == engine.batch


def test_the_table_is_bounded_and_forgets_the_oldest(world: World, reader: Client) -> None:
    world.connect().run("CONFIG SET tracking-table-max-keys 100")
    table = world.server.tracking
    for number in range(150):
        reader.raw(b"GET k%d\r\n" % number)
    assert len(table.keys) == 100
    table.check()
    assert b"k0" not in table.keys
    assert b"k149" in table.keys


def test_an_evicted_key_is_an_invalidation(world: World, reader: Client) -> None:
    world.connect().run("CONFIG SET tracking-table-max-keys 1")
    reader.run("GET a")
    reply = reader.raw(b"GET b\r\n")
    assert reply == b"_\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n"


def test_a_lowered_bound_is_reached_in_steps(world: World, reader: Client) -> None:
    reader.run("MGET", *map(str, range(5000)))
    world.connect().run("CONFIG SET tracking-table-max-keys 10")
    table = world.server.tracking
    reader.raw(b"GET x\r\n")
    assert len(table.keys) == 5001 - (1 + EVICTIONS_MAX)
    for _ in range(6):
        world.tick(100)
    assert len(table.keys) == 10
    table.check()


def test_closed_clients_leave_no_session_behind(client: Client, world: World) -> None:
    table = world.server.tracking
    readers = [tracker(world), tracker(world, "BCAST", "PREFIX", "a"), tracker(world, "BCAST")]
    for reader in readers:
        reader.run("GET a")
    stays = tracker(world)
    stays.run("GET a")
    for reader in readers:
        reader.close()
    assert not table.prefixes
    table.check()
    client.run("SET a 1")
    assert told(stays) == [[b"a"]]
    table.check()


def test_ten_thousand_prefixes_of_one_client(client: Client, world: World) -> None:
    options: list[str] = []
    for number in range(10_000):
        options += ["PREFIX", f"{number:05}:"]
    world.checks_each_command = False
    session = world.connect().session
    session.protocol = 3
    for at in range(0, len(options), 400):
        session.receive(b"CLIENT TRACKING ON BCAST " + " ".join(options[at : at + 400]).encode() + b"\r\n")
    session.take_output()
    client.run("MSET 00017:x 1 09999:y 2")
    assert session.take_output().count(b"invalidate") == 2
    world.server.close_session(session)
    assert not world.server.tracking.prefixes


def test_no_stale_copy_survives_random_reads_and_writes(world: World) -> None:
    """A model of caches: whatever a client has cached and not been told of is what the server has."""
    rng = random.Random(11)
    world.checks_each_command = False
    readers = [tracker(world) for _ in range(3)]
    caches: list[dict[bytes, object]] = [{} for _ in readers]
    keys = [b"k%d" % number for number in range(8)]

    def hear() -> None:
        for reader, cache in zip(readers, caches, strict=True):
            for invalidated in told(reader):
                for key in list(cache) if invalidated is None else invalidated:  # type: ignore[attr-defined]
                    cache.pop(key, None)

    writer = world.connect()
    for _ in range(2000):
        key = rng.choice(keys)
        step = rng.random()
        if step < 0.5:
            which = rng.randrange(len(readers))
            if key not in caches[which]:
                caches[which][key] = readers[which].run("GET", key)
        elif step < 0.8:
            writer.run("SET", key, str(rng.random()), *(["PX", "5"] if rng.random() < 0.3 else []))
        elif step < 0.95:
            writer.run("DEL", key, rng.choice(keys))
        elif step < 0.98:
            world.tick(3)
        else:
            writer.run("FLUSHALL")
        for each in keys:  # what is due expires
            world.engine.databases[0].peek(each)
        hear()
        for cache in caches:
            for each, value in cache.items():
                assert world.engine.databases[0].peek(each) == value
    world.server.tracking.check()
