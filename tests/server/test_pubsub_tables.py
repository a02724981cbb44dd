"""Who listens to what, and that nothing is left of those who go."""

import random

from harness import World

from respkv.server.pubsub import CHANNEL, GATHERED_MAX_BYTES, NOTHING, PATTERN, SHARD_CHANNEL, Messages, PubSub
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
    pubsub.flush()
    assert len({id(session.out[0]) for session in listeners}) == 2
    assert listeners[0].take_output() == b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n"
    assert listeners[-1].take_output() == b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n"


def test_a_message_for_one_protocol_is_not_encoded_for_the_other() -> None:
    messages = Messages([b"a"])
    messages.encoded(2)
    assert not messages._resp3


def message(channel: bytes, text: bytes) -> bytes:
    return b"*3\r\n$7\r\nmessage\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(channel), channel, len(text), text)


def test_messages_that_follow_each_other_on_a_channel_are_pushed_as_one(world: World) -> None:
    first, second = sessions(world, 2)
    pubsub = world.server.pubsub
    pubsub.subscribe(first, CHANNEL, b"c")
    pubsub.subscribe(second, CHANNEL, b"c")
    for text in (b"1", b"2", b"3"):
        assert pubsub.publish(b"c", text) == 2
    pubsub.flush()
    assert first.out == [message(b"c", b"1") + message(b"c", b"2") + message(b"c", b"3")]
    assert first.out[0] is second.out[0]


def test_what_is_gathered_has_a_bound(world: World) -> None:
    (session,) = sessions(world, 1)
    pubsub = world.server.pubsub
    pubsub.subscribe(session, CHANNEL, b"c")
    for _ in range(10):
        pubsub.publish(b"c", b"x" * (GATHERED_MAX_BYTES // 2))
    assert len(session.out) == 4
    pubsub.flush()
    assert session.take_output() == 10 * message(b"c", b"x" * (GATHERED_MAX_BYTES // 2))


def test_messages_come_in_the_order_of_publishing_whatever_they_are_published_to(world: World) -> None:
    (session,) = sessions(world, 1)
    pubsub = world.server.pubsub
    for kind, name in ((CHANNEL, b"a"), (CHANNEL, b"b"), (SHARD_CHANNEL, b"a")):
        pubsub.subscribe(session, kind, name)
    pubsub.publish(b"a", b"1")
    pubsub.publish(b"b", b"2")
    pubsub.publish_to_shard(b"a", b"3")
    pubsub.publish(b"a", b"4")
    session.push(b"something else\r\n")
    pubsub.publish(b"a", b"5")
    pubsub.publish(b"b", b"6", lsn=1)
    texts = [part[-3:-2] for part in session.out]
    assert texts == [b"1", b"2", b"3", b"4", b"e", b"5", b"6"]


def test_who_subscribes_hears_nothing_that_was_published_before_and_who_leaves_hears_all_of_it(world: World) -> None:
    stays, comes, leaves = sessions(world, 3)
    pubsub = world.server.pubsub
    pubsub.subscribe(stays, CHANNEL, b"c")
    pubsub.subscribe(leaves, CHANNEL, b"c")
    pubsub.publish(b"c", b"1")
    pubsub.subscribe(comes, CHANNEL, b"c")
    pubsub.publish(b"c", b"2")
    pubsub.unsubscribe(leaves, CHANNEL, b"c")
    pubsub.publish(b"c", b"3")
    pubsub.flush()
    heard = [session.take_output().count(b"message") for session in (stays, comes, leaves)]
    assert heard == [3, 2, 2]


def test_a_message_comes_before_the_reply_to_what_its_subscriber_asks_later(world: World) -> None:
    (session,) = sessions(world, 1)
    pubsub = world.server.pubsub
    pubsub.subscribe(session, CHANNEL, b"c")
    pubsub.publish(b"c", b"1")
    session.receive(b"*1\r\n$4\r\nPING\r\n*1\r\n$3\r\nGET\r\n")
    pong = b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"
    assert session.take_output().startswith(message(b"c", b"1") + pong + b"-ERR ")


def test_what_a_subscriber_publishes_to_itself_follows_the_reply_and_precedes_the_next(world: World) -> None:
    (session,) = sessions(world, 1)
    session.protocol = 3
    world.server.pubsub.subscribe(session, CHANNEL, b"c")
    session.receive(b"*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$1\r\n1\r\n*1\r\n$4\r\nPING\r\n")
    assert session.take_output() == b":1\r\n>" + message(b"c", b"1")[1:] + b"+PONG\r\n"


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
    pubsub.flush()
    assert [session.killed for session in listeners] == [False, True, False]
    assert listeners[2].take_output()


def test_a_fresh_server_has_nobody() -> None:
    pubsub = PubSub()
    assert pubsub.publish(b"c", b"x") == 0
    assert pubsub.publish_to_shard(b"c", b"x") == 0
    pubsub.check()
