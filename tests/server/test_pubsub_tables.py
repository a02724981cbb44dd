"""Who listens to what, and that nothing is left of those who go."""

import random

from harness import World

from respkv.server.pubsub import CHANNEL, NOTHING, PATTERN, SHARD_CHANNEL, Message, PubSub
from respkv.server.session import Session

MANY = 10_000


def sessions(world: World, count: int) -> list[Session]:
    return [world.connect().session for _ in range(count)]


def test_a_message_is_encoded_once_for_each_protocol(world: World) -> None:
    listeners = sessions(world, 1000)
    for session in listeners[500:]:
        session.protocol = 3
    pubsub = world.server.pubsub
    for session in listeners:
        pubsub.subscribe(session, CHANNEL, b"c")
    assert pubsub.publish(b"c", b"hello") == 1000
    assert len({id(session.out[0]) for session in listeners}) == 2
    assert listeners[0].take_output() == b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n"
    assert listeners[-1].take_output() == b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n"


def test_a_message_for_one_protocol_is_not_encoded_for_the_other() -> None:
    message = Message([b"a"])
    message.encoded(2)
    assert not message._resp3


def test_random_subscriptions_leave_the_tables_whole(world: World) -> None:
    rng = random.Random(7)
    pubsub = world.server.pubsub
    listeners = sessions(world, 10)
    for _ in range(3000):
        session = rng.choice(listeners)
        kind = rng.choice((CHANNEL, PATTERN, SHARD_CHANNEL))
        name = b"%d*" % rng.randrange(20)
        step = rng.random()
        if step < 0.5:
            pubsub.subscribe(session, kind, name)
        elif step < 0.95:
            pubsub.unsubscribe(session, kind, name)
        elif step < 0.98:
            pubsub.unsubscribe_all(session)
        else:
            world.server.close_session(session)
            listeners.remove(session)
            listeners += sessions(world, 1)
        pubsub.check()
    for session in listeners:
        world.server.close_session(session)
    assert pubsub.session_count == 0
    assert [pubsub.channels, pubsub.patterns, pubsub.shard_channels] == [{}, {}, {}]
    assert all(session.subscriptions is NOTHING for session in listeners)
    assert NOTHING.is_empty()


def test_ten_thousand_channels_and_patterns_of_one_client_go_with_it(world: World) -> None:
    pubsub = world.server.pubsub
    (session,) = sessions(world, 1)
    for number in range(MANY):
        pubsub.subscribe(session, CHANNEL, b"c%d" % number)
        pubsub.subscribe(session, PATTERN, b"p%d*" % number)
    assert pubsub.publish(b"c77", b"x") == 1
    assert pubsub.publish(b"p777x", b"x") == 3  # p7*, p77* and p777*
    world.server.close_session(session)
    pubsub.check()
    assert not pubsub.channels
    assert not pubsub.patterns


def test_a_subscriber_that_is_cut_off_while_it_is_published_to_disturbs_no_other(world: World) -> None:
    world.connect().run("CONFIG", "SET", "client-output-buffer-limit", "pubsub 100 0 0")
    pubsub = world.server.pubsub
    listeners = sessions(world, 3)
    for session in listeners:
        pubsub.subscribe(session, CHANNEL, b"c")
    listeners[1].unsent_bytes = 100
    assert pubsub.publish(b"c", b"x") == 3
    assert [session.killed for session in listeners] == [False, True, False]
    assert listeners[2].take_output()


def test_a_fresh_server_has_nobody() -> None:
    pubsub = PubSub()
    assert pubsub.publish(b"c", b"x") == 0
    assert pubsub.publish_to_shard(b"c", b"x") == 0
    pubsub.check()
