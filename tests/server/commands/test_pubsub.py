"""SUBSCRIBE and its kin: what they answer, and when messages come. Replies beside Redis: compat cases `pubsub`."""

from harness import Client, World, encode

from respkv.commands.flags import GATE_SUBSCRIBED
from respkv.reply import Push


def received(client: Client) -> list[object]:
    return [reply.items if isinstance(reply, Push) else reply for reply in client.replies()]


def test_every_name_is_answered_by_itself(client: Client, client3: Client) -> None:
    assert client.raw(b"SUBSCRIBE a b\r\n") == (
        b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
    )
    assert client3.raw(b"SUBSCRIBE a\r\n") == b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"


def test_who_listens_to_nothing_may_do_everything_again(client: Client) -> None:
    client.run("SUBSCRIBE a")
    assert client.error("GET k").startswith("ERR Can't execute 'get'")
    client.run("UNSUBSCRIBE a")
    assert client.run("GET k") is None
    assert not client.session.gate & GATE_SUBSCRIBED


def test_ping_of_a_subscriber_in_resp2_is_a_message(client: Client, client3: Client) -> None:
    for one in (client, client3):
        one.run("SUBSCRIBE a")
    assert client.run("PING") == [b"pong", b""]
    assert client.run("PING x") == [b"pong", b"x"]
    assert client3.run("PING") == "PONG"


def test_messages_of_channel_and_pattern_come_in_the_order_of_publishing(client: Client, world: World) -> None:
    client.run("SUBSCRIBE a")
    client.run("PSUBSCRIBE ?")
    other = world.connect()
    assert other.run("PUBLISH a 1") == 2
    assert other.run("PUBLISH b 2") == 1
    assert received(client) == [
        [b"message", b"a", b"1"],
        [b"pmessage", b"?", b"a", b"1"],
        [b"pmessage", b"?", b"b", b"2"],
    ]


def test_what_one_publishes_to_oneself_follows_the_reply(client3: Client) -> None:
    client3.run("SUBSCRIBE a")
    assert client3.raw(b"PUBLISH a x\r\n") == b":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"
    client3.raw(b"MULTI\r\nPUBLISH a y\r\nGET k\r\n")
    assert client3.raw(b"EXEC\r\n") == b"*2\r\n:1\r\n_\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\ny\r\n"


def test_nothing_that_is_published_is_logged(client: Client, world: World) -> None:
    other = world.connect()
    other.run("SUBSCRIBE a")
    client.run("PUBLISH a x")
    client.run("SPUBLISH a x")
    assert world.take_log() == []


def test_a_message_does_not_wait_for_the_disk(client: Client, world: World) -> None:
    listener = world.connect()
    listener.run("SUBSCRIBE a")
    client.run("SET k v")
    client.run("PUBLISH a x")
    assert listener.session.wait_lsn <= world.engine.durable


def test_subscriptions_survive_a_change_of_protocol(client3: Client, world: World) -> None:
    client3.run("SUBSCRIBE a")
    client3.run("HELLO 2")
    world.connect().run("PUBLISH a x")
    assert client3.session.take_output() == b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"
    assert client3.error("GET k").startswith("ERR Can't execute")


def test_reset_and_the_end_of_the_connection_end_all_subscriptions(client: Client, world: World) -> None:
    other = world.connect()
    for one in (client, other):
        one.run("SUBSCRIBE a")
        one.run("PSUBSCRIBE a")
        one.run("SSUBSCRIBE a")
    client.run("RESET")
    other.close()
    world.server.pubsub.check()
    assert world.connect().run("PUBLISH a x") == 0
    assert world.server.pubsub.session_count == 0


def test_confirmations_reach_a_client_that_wants_no_replies(client: Client) -> None:
    client.raw(encode([b"CLIENT", b"REPLY", b"OFF"]))
    assert client.raw(b"SUBSCRIBE a\r\n") == b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
    assert client.raw(b"GET k\r\n") == b""
