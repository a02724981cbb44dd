"""Taking the first and last members, at once or after a wait."""

import pytest
from harness import Client, World, decode, encode, parse_words

from respkv.reply import NULL_ARRAY


def send(client: Client, line: str) -> None:
    """A command whose reply comes later."""
    assert client.raw(encode(parse_words((line,)))) == b""


def late(client: Client) -> object:
    """The reply that came since."""
    client.world.collect()
    (reply,) = decode(client.session.take_output())
    return reply


def test_pops_come_in_order_from_their_end(client: Client) -> None:
    client.run("ZADD k 1 a 2 b 3 c 4 d 5 e 6 f")
    assert client.run("ZPOPMIN k") == [b"a", b"1"]
    assert client.run("ZPOPMAX k 2") == [b"f", b"6", b"e", b"5"]
    assert client.run("ZMPOP 2 none k MAX COUNT 2") == [b"k", [[b"d", b"4"], [b"c", b"3"]]]
    assert client.run("ZPOPMIN k 0") == []
    assert client.run("ZPOPMIN k 9") == [b"b", b"2"]
    assert client.run("ZMPOP 2 none k MAX") is NULL_ARRAY


def test_whoever_waits_is_served_in_order(world: World) -> None:
    first, second, third, writer = (world.connect() for _ in range(4))
    send(first, "BZPOPMIN other k 0")
    send(second, "BZPOPMAX k 0")
    send(third, "BZMPOP 0 1 k MIN COUNT 5")
    assert writer.run("ZADD k 1 a 2 b 3 c 4 d") == 4
    assert late(first) == [b"k", b"a", b"1"]
    assert late(second) == [b"k", b"d", b"4"]
    assert late(third) == [b"k", [[b"b", b"2"], [b"c", b"3"]]]
    assert writer.run("EXISTS k") == 0


@pytest.mark.parametrize(
    "line", ["ZINCRBY k 1 a", "ZUNIONSTORE k 1 s", "ZRANGESTORE k s 0 -1", "GEOADD k 1 1 a", "RENAME s k", "COPY s k"]
)
def test_each_way_to_make_a_sorted_set_serves_who_waits(world: World, line: str) -> None:
    waiting, writer = world.connect(), world.connect()
    writer.run("ZADD s 1 a")
    send(waiting, "BZPOPMAX k 0")
    writer.run(line)
    reply = late(waiting)
    assert isinstance(reply, list)
    assert reply[:2] == [b"k", b"a"]


def test_other_types_do_not_serve(world: World) -> None:
    waiting, writer = world.connect(), world.connect()
    send(waiting, "BZMPOP 0 1 k MAX")
    writer.run("SET k v")
    assert waiting.session.take_output() == b""
    writer.run("DEL k")
    writer.run("ZADD k 1 a")
    assert late(waiting) == [b"k", [[b"a", b"1"]]]


def test_the_log_has_what_was_taken(world: World, client: Client) -> None:
    client.run("ZADD k 1 a 2 b 3 c 4 d 5 e")
    world.take_log()
    client.run("BZPOPMIN none k 0")
    client.run("BZMPOP 0 2 none k MAX COUNT 2")
    client.run("ZMPOP 2 none k MIN COUNT 100")
    client.run("ZMPOP 1 k MIN")
    assert world.take_log() == [[b"ZPOPMIN", b"k", b"1"], [b"ZPOPMAX", b"k", b"2"], [b"ZPOPMIN", b"k", b"2"]]


def test_a_transaction_does_not_wait(client: Client) -> None:
    client.run("MULTI")
    client.run("BZPOPMIN k 0")
    client.run("BZMPOP 0 1 k MIN")
    assert client.run("EXEC") == [NULL_ARRAY, NULL_ARRAY]
