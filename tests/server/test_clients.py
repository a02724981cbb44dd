"""Pauses and waiting, without commands; those are in tests/server/commands/test_client.py."""

from harness import World

from respkv.reply import Block
from respkv.server.clients import Waiting, buffered_bytes, is_local, may_be_silent


def test_local_addresses() -> None:
    world = World()
    for address, local in (
        ("127.0.0.1:5", True), ("127.9.9.9:5", True), ("::1:5", True), ("[::1]:5", True), ("/run/x.sock:0", True),
        ("10.0.0.1:5", False), ("[2001:db8::1]:5", False), ("1127.0.0.1:5", False),
    ):  # fmt: skip
        assert is_local(world.server.open_session(address, "127.0.0.1:1")) is local, address


def test_waiting_forgets_whoever_was_unblocked() -> None:
    world = World()
    waiting = Waiting()
    sessions = [world.connect().session for _ in range(3)]
    for session, deadline_ms in zip(sessions, (30, 10, 20), strict=True):
        session.wait_for(Block(deadline_ms, 0), [])
        assert session.block is not None
        waiting.add(session, session.block)
    assert len(waiting) == 3
    sessions[1].block = None
    assert waiting.next_deadline_ms() == 20
    assert [session for session, _ in waiting.take_due(25)] == [sessions[2]]
    assert waiting.next_deadline_ms() == 30


def test_waiting_again_is_another_wait() -> None:
    world = World()
    waiting = Waiting()
    session = world.connect().session
    first, second = Block(10, 1), Block(50, 2)
    for block in (first, second):
        session.wait_for(block, [])
        waiting.add(session, block)
    assert list(waiting.take_due(20)) == []
    assert list(waiting.take_due(50)) == [(session, second)]


def test_a_block_without_deadline_is_never_due() -> None:
    world = World()
    waiting = Waiting()
    session = world.connect().session
    block = Block(0, 1)
    session.wait_for(block, [])
    waiting.add(session, block)
    assert waiting.next_deadline_ms() == 0
    assert list(waiting.take_due(1 << 60)) == []


def test_buffers_are_counted() -> None:
    client = World().connect()
    before = buffered_bytes(client.session)
    client.raw(b"SET k " + b"x" * 1000)
    assert buffered_bytes(client.session) == before + 1006


def test_who_listens_or_waits_may_be_silent(world: World) -> None:
    plain, monitor, subscriber, waiting, replica = (world.connect() for _ in range(5))
    monitor.run("MONITOR")
    subscriber.raw(b"SUBSCRIBE ch\r\n")
    waiting.start("BLPOP l 0")
    replica.run("REPLCONF rdb-only 1")
    assert replica.session.replica is not None
    replica.session.replica.is_served = True
    sessions = [one.session for one in (plain, monitor, subscriber, waiting, replica)]
    assert [may_be_silent(session) for session in sessions] == [False, True, True, True, True]
