"""Keyspace events as their subscribers hear them. Names and order beside Redis: `compat.differential --events`."""

import pytest
from harness import Client, World

from respkv.engine.engine import NOTIFIED, UNSYNCED
from respkv.reply import Push


@pytest.fixture
def listener(world: World) -> Client:
    """Listens to all events of all kinds."""
    client = world.connect()
    client.run("PSUBSCRIBE __key*__:*")
    return client


def configure(world: World, classes: str) -> None:
    assert world.connect().run("CONFIG", "SET", "notify-keyspace-events", classes) == "OK"


def heard(listener: Client) -> list[str]:
    messages = [reply.items if isinstance(reply, Push) else reply for reply in listener.replies()]
    return [f"{channel.decode().removeprefix('__key')} {text.decode()}" for _, _, channel, text in messages]


def test_an_event_is_published_by_key_and_by_event(client: Client, world: World, listener: Client) -> None:
    configure(world, "KEA")
    client.run("SET k v")
    assert heard(listener) == ["space@0__:k set", "event@0__:set k"]
    configure(world, "EA")
    client.run("SELECT 3")
    client.run("DEL k")
    client.run("SET k v")
    assert heard(listener) == ["event@3__:set k"]
    configure(world, "KA")
    client.run("DEL k")
    assert heard(listener) == ["space@3__:k del"]


@pytest.mark.parametrize(
    ("classes", "command", "event"),
    [
        ("g", "DEL old", "del old"),
        ("$", "SET k v", "set k"),
        ("l", "LPUSH k v", "lpush k"),
        ("s", "SADD k v", "sadd k"),
        ("h", "HSET k f v", "hset k"),
        ("z", "ZADD k 1 m", "zadd k"),
        ("t", "XADD k 1 f v", "xadd k"),
        ("m", "GET k", "keymiss k"),
        ("n", "SET k v", "new k"),
    ],
)
def test_each_class_stands_for_its_events(
    client: Client, world: World, listener: Client, classes: str, command: str, event: str
) -> None:
    client.run("SET old v")
    configure(world, "E" + classes)
    client.run(command)
    assert heard(listener) == [f"event@0__:{event}"]
    others = "g$lshztmnxe".replace(classes, "")
    client.run("DEL k")
    client.run("SET old v")
    heard(listener)
    configure(world, "E" + others)
    client.run(command)
    assert f"event@0__:{event}" not in heard(listener)


def test_a_key_that_expires_is_heard_of_when_it_is_met(client: Client, world: World, listener: Client) -> None:
    configure(world, "Ex")
    client.run("SET k v PX 10")
    world.advance(20)
    client.run("GET k")
    assert heard(listener) == ["event@0__:expired k"]


def test_an_evicted_key_is_heard_of(client: Client, world: World, listener: Client) -> None:
    configure(world, "Ee")
    client.run("SET", "k", "v" * 100)
    client.run("CONFIG SET maxmemory-policy allkeys-lru")
    client.run("CONFIG SET maxmemory 150")
    client.run("SET l w")
    assert "event@0__:evicted k" in heard(listener)


@pytest.mark.parametrize("classes", ["", "K", "E", "KE", "A", "KEd"])
def test_where_nothing_can_be_published_the_engine_tells_nobody(world: World, classes: str) -> None:
    configure(world, classes)
    assert world.engine.notifier is None
    assert not world.engine.alert & NOTIFIED


def test_events_of_a_transaction_come_in_order_and_to_its_own_client_behind_it(client3: Client, world: World) -> None:
    configure(world, "E$g")
    client3.run("SUBSCRIBE __keyevent@0__:set")
    client3.raw(b"MULTI\r\nSET a 1\r\nSET b 2\r\n")
    channel = b"$7\r\nmessage\r\n$18\r\n__keyevent@0__:set\r\n"
    expected = b"*2\r\n+OK\r\n+OK\r\n>3\r\n%b$1\r\na\r\n>3\r\n%b$1\r\nb\r\n" % (channel, channel)
    assert client3.raw(b"EXEC\r\n") == expected


def test_an_event_leaves_when_its_change_is_durable(client: Client, world: World, listener: Client) -> None:
    engine = world.engine
    engine.set_alert(UNSYNCED, True)
    configure(world, "KEAm")
    client.run("GET none")
    assert listener.session.wait_lsn <= engine.durable
    batch = engine.batch
    client.run("SET k v")
    assert listener.session.wait_lsn == batch
    engine.made_durable(batch)
    client.run("SET k v PX 10")
    engine.made_durable(engine.batch - 1)
    world.advance(20)
    engine.databases[0].peek(b"k")
    assert listener.session.wait_lsn <= engine.durable  # what expired expires again


def test_an_event_without_a_change_waits_for_no_batch_to_come(world: World, listener: Client) -> None:
    engine = world.engine
    engine.set_alert(UNSYNCED, True)
    configure(world, "KEA")
    engine.databases[0].notify(4, b"odd", b"k")
    assert listener.session.wait_lsn < engine.batch
