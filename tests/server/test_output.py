"""What a client does not read has a bound, by its class."""

import logging

import pytest
from harness import Client, World

from respkv.commands.flags import GATE_SUBSCRIBED
from respkv.server.config.kinds import OutputLimit, OutputLimits
from respkv.server.output import OutputGuard
from respkv.server.session import Session

NONE = OutputLimit(0, 0, 0)


@pytest.fixture
def subscriber(world: World) -> Session:
    session = world.connect().session
    session.set_gate(GATE_SUBSCRIBED, True)
    return session


def limits(world: World, text: str) -> None:
    assert world.connect().run("CONFIG", "SET", "client-output-buffer-limit", text) == "OK"


def test_each_class_has_its_own_limit(client: Client, subscriber: Session) -> None:
    guard = OutputGuard(OutputLimits(OutputLimit(10, 0, 0), NONE, OutputLimit(20, 0, 0)))
    client.session.unsent_bytes = subscriber.unsent_bytes = 15
    assert guard.is_over(client.session, 0)
    assert not guard.is_over(subscriber, 0)


def test_a_client_that_has_yet_to_authenticate_leaves_next_to_nothing_unread(client: Client, world: World) -> None:
    client.run("CONFIG SET requirepass secret")
    stranger = world.connect().session
    guard = OutputGuard(OutputLimits(NONE, NONE, NONE))
    stranger.unsent_bytes = client.session.unsent_bytes = 1024
    assert not guard.is_over(stranger, 0)
    stranger.unsent_bytes = client.session.unsent_bytes = 1025
    assert guard.is_over(stranger, 0)
    assert not guard.is_over(client.session, 0)


def test_the_soft_limit_counts_while_it_is_passed_without_a_break(subscriber: Session) -> None:
    guard = OutputGuard(OutputLimits(NONE, NONE, OutputLimit(0, 10, 2)))
    subscriber.unsent_bytes = 11
    assert not guard.is_over(subscriber, 1000)
    assert not guard.is_over(subscriber, 2999)
    subscriber.unsent_bytes = 10
    assert not guard.is_over(subscriber, 3000)
    subscriber.unsent_bytes = 11
    assert not guard.is_over(subscriber, 3001)
    assert guard.is_over(subscriber, 5001)


def test_a_subscriber_is_cut_off_within_the_turn_that_passes_the_limit(
    world: World, subscriber: Session, caplog: pytest.LogCaptureFixture
) -> None:
    limits(world, "pubsub 10000 0 0")
    pushed = 0
    with caplog.at_level(logging.WARNING):
        while not subscriber.killed:
            subscriber.push(b"x" * 100)
            pushed += 100
    assert pushed == 10100
    assert not subscriber.out
    assert world.server.stats.output_limit_disconnections == 1
    assert "closed for overcoming of output buffer limits" in caplog.text
    assert f"id={subscriber.number} " in caplog.text


def test_what_was_sent_and_read_does_not_count(world: World, subscriber: Session) -> None:
    limits(world, "pubsub 10000 0 0")
    for _ in range(1000):
        subscriber.push(b"x" * 100)
        subscriber.take_output()
    assert not subscriber.killed


def test_what_is_held_or_unsent_counts(world: World, subscriber: Session) -> None:
    limits(world, "pubsub 10000 0 0")
    subscriber.unsent_bytes = 5000
    subscriber.held_bytes = 4950
    subscriber.push(b"x" * 50)
    assert not subscriber.killed
    subscriber.push(b"x")
    assert subscriber.killed


def test_pushes_to_a_class_without_limit_are_bounded_as_those_to_subscribers(world: World, client: Client) -> None:
    limits(world, "pubsub 10000 0 0")
    session = client.session
    pushes = 0
    while not session.killed:
        session.push(b"x" * 100)
        pushes += 1
    assert 100 < pushes <= 202


def test_a_normal_client_that_reads_is_never_cut_off(world: World, client: Client) -> None:
    limits(world, "pubsub 10000 0 0")
    session = client.session
    for _ in range(1000):
        session.push(b"x" * 100)
        # It is behind by a large reply and a hundred pushes, and takes what comes.
        session.unsent_bytes = 9000
        session.take_output()
    assert not session.killed


def test_limits_of_nought_are_none(world: World, client: Client, subscriber: Session) -> None:
    limits(world, "pubsub 0 0 0")
    for session in (client.session, subscriber):
        for _ in range(1000):
            session.push(b"x" * 100_000)
        assert not session.killed
        assert len(session.out) == 1000


def test_who_cannot_take_what_keys_it_tracks_have_changed_is_ended_within_the_turn(
    world: World, client: Client
) -> None:
    limits(world, "pubsub 10000 0 0")
    world.checks_each_command = False
    tracking = world.connect()
    tracking.run("HELLO 3")
    tracking.run("CLIENT TRACKING ON BCAST")
    ended: list[Session] = []
    world.server.go_on = ended.append
    while not tracking.session.killed:
        assert not ended
        client.run("SET", "k" * 20_000, "v")
    assert ended == [tracking.session]
    assert not world.server.ready
