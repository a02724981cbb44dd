"""Clients that are closed for the memory that they take (`maxmemory-clients`)."""

import pytest
from harness import Client, World, encode

from respkv.server.client_eviction import CLIENTS_A_TICK


def send_much(client: Client, size: int) -> None:
    """Leave a request of about `size` bytes incomplete."""
    client.raw(b"*2\r\n$4\r\nECHO\r\n$%d\r\n%b" % (size * 2, b"x" * size))


def evicted(client: Client) -> int:
    text: bytes = client.run("INFO stats")
    return int(text.split(b"evicted_clients:")[1].split()[0])


def test_the_largest_go_until_the_others_fit(world: World, client: Client) -> None:
    clients = [world.connect() for _ in range(5)]
    for number, one in enumerate(clients):
        send_much(one, 100_000 * (number + 1))
    client.run("CONFIG SET maxmemory-clients 700kb")
    world.tick(100)
    assert [one.session.killed for one in clients] == [False, False, False, True, True]
    assert evicted(client) == 2
    world.tick(100)
    assert evicted(client) == 2


def test_without_a_limit_nobody_goes(world: World) -> None:
    one = world.connect()
    send_much(one, 10_000_000)
    world.tick(100)
    assert not one.session.killed


def test_no_evict_is_respected(world: World, client: Client) -> None:
    one, two = world.connect(), world.connect()
    one.run("CLIENT NO-EVICT ON")
    send_much(one, 3_000_000)
    send_much(two, 2_000_000)
    client.run("CONFIG SET maxmemory-clients 1mb")
    world.tick(100)
    assert not one.session.killed
    assert two.session.killed


def test_unread_output_and_queues_count(world: World, client: Client) -> None:
    reader, queuer = world.connect(), world.connect()
    reader.session.unsent_bytes = 5_000_000
    queuer.run("MULTI")
    for _ in range(4):
        queuer.run("SET", "k", "x" * 1_000_000)
    client.run("CONFIG SET maxmemory-clients 2mb")
    world.tick(100)
    assert reader.session.killed
    assert queuer.session.killed
    queuer.session.end_multi()


@pytest.mark.parametrize(
    ("limit", "maxmemory", "expected"), [("10%", 50_000_000, 5_000_000), ("10%", 0, 0), ("1mb", 0, 1 << 20)]
)
def test_a_percentage_is_of_maxmemory(world: World, client: Client, limit: str, maxmemory: int, expected: int) -> None:
    client.run("CONFIG", "SET", "maxmemory", maxmemory)
    client.run("CONFIG", "SET", "maxmemory-clients", limit)
    assert world.server.client_evictor.limit_bytes == expected
    client.run("CONFIG SET maxmemory 0")


def test_many_clients_are_looked_at_less_often(world: World, client: Client) -> None:
    for _ in range(CLIENTS_A_TICK):
        world.connect()
    large = world.connect()
    client.run("CONFIG SET maxmemory-clients 20mb")
    send_much(large, 30_000_000)
    world.tick(100)
    assert not large.session.killed
    world.tick(100)
    assert large.session.killed


def test_a_client_that_is_closed_is_told_nothing(world: World, client: Client) -> None:
    one = world.connect()
    send_much(one, 3_000_000)
    client.run("CONFIG SET maxmemory-clients 1mb")
    world.tick(100)
    assert one.session.take_output() == b""
    assert one.session.closing
    assert client.raw(encode([b"PING"])) == b"+PONG\r\n"
