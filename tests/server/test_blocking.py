"""Who waits for a key and gets what, without sockets; with them it is tests/net/test_service_blocking.py."""

from functools import partial

import pytest
from harness import NULL_ARRAY, Client, World

from respkv.engine.engine import AWAITED
from respkv.engine.keyspace import Keyspace
from respkv.errors import ReplyError
from respkv.reply import Block, Reply


def waiting(world: World, *commands: str) -> list[Client]:
    """A client for each command, all of which wait."""
    clients = []
    for command in commands:
        clients.append(world.connect())
        clients[-1].start(command)
    return clients


def assert_nobody_waits(world: World) -> None:
    assert world.server.key_waiters.session_count == 0
    assert world.server.key_waiters.key_counts() == (0, 0)
    assert len(world.server.waiting) == 0
    for db in world.engine.databases:
        assert not db.awaited
        assert not db.alert & AWAITED


# In order


def test_first_come_first_served(client: Client, world: World) -> None:
    clients = waiting(world, "BLPOP l 0", "BRPOP l 0", "BLMPOP 0 1 l LEFT COUNT 2", "BRPOPLPUSH l m 0", "BLPOP l 0")
    assert client.run("RPUSH l 1 2 3 4 5") == 5
    assert [one.replies() for one in clients] == [
        [[b"l", b"1"]],
        [[b"l", b"5"]],
        [[b"l", [b"2", b"3"]]],
        [b"4"],
        [],
    ]
    assert world.take_log() == [
        [b"RPUSH", b"l", b"1", b"2", b"3", b"4", b"5"],
        [b"LPOP", b"l"],
        [b"RPOP", b"l"],
        [b"LPOP", b"l", b"2"],
        [b"RPOPLPUSH", b"l", b"m"],
    ]
    client.run("RPUSH l 6")
    assert clients[-1].replies() == [[b"l", b"6"]]
    assert_nobody_waits(world)


def test_who_waits_again_stands_at_the_end(client: Client, world: World) -> None:
    first, second = waiting(world, "BLPOP l 0", "BLPOP l 0")
    client.run("RPUSH l a")
    assert first.replies() == [[b"l", b"a"]]
    first.start("BLPOP l 0")
    client.run("RPUSH l b c")
    assert (first.replies(), second.replies()) == ([[b"l", b"c"]], [[b"l", b"b"]])


def test_who_waits_for_several_keys_keeps_its_place_in_each(client: Client, world: World) -> None:
    both, one = waiting(world, "BLPOP l m 0", "BLPOP m 0")
    client.run("RPUSH m a")
    assert (both.replies(), one.replies()) == ([[b"m", b"a"]], [])
    client.run("RPUSH l b")
    assert client.run("LLEN l") == 1
    client.run("RPUSH m c")
    assert one.replies() == [[b"m", b"c"]]
    assert_nobody_waits(world)


def test_served_in_the_step_of_the_write(client: Client, world: World) -> None:
    (other,) = waiting(world, "BLPOP l 0")
    # In one go: nothing comes between the push and the one who waits for it.
    assert client.raw(b"RPUSH l a\r\nLLEN l\r\nLPOP l\r\n") == b":1\r\n:0\r\n$-1\r\n"
    assert other.replies() == [[b"l", b"a"]]


def test_a_key_named_twice(client: Client, world: World) -> None:
    (other,) = waiting(world, "BLPOP l l 0")
    client.run("RPUSH l a b")
    assert other.replies() == [[b"l", b"a"]]
    assert_nobody_waits(world)


def test_of_keys_filled_together_the_one_named_first_is_taken(client: Client, world: World) -> None:
    (other,) = waiting(world, "BLPOP l m 0")
    client.raw(b"MULTI\r\nRPUSH m a\r\nRPUSH l b\r\nEXEC\r\n")
    assert other.replies() == [[b"l", b"b"]]
    assert client.run("LLEN m") == 1


# Chains


def test_moves_serve_each_other(client: Client, world: World) -> None:
    last, middle, first = waiting(world, "BLPOP n 0", "BLMOVE m n LEFT RIGHT 0", "BLMOVE l m LEFT RIGHT 0")
    client.run("RPUSH l a")
    assert [one.replies() for one in (first, middle, last)] == [[b"a"], [b"a"], [[b"n", b"a"]]]
    assert world.take_log() == [
        [b"RPUSH", b"l", b"a"],
        [b"LMOVE", b"l", b"m", b"LEFT", b"RIGHT"],
        [b"LMOVE", b"m", b"n", b"LEFT", b"RIGHT"],
        [b"LPOP", b"n"],
    ]
    assert client.run("EXISTS l m n") == 0


def test_a_circle_of_moves_ends(client: Client, world: World) -> None:
    one, two = waiting(world, "BRPOPLPUSH l m 0", "BRPOPLPUSH m l 0")
    client.run("RPUSH l a")
    assert (one.replies(), two.replies()) == ([b"a"], [b"a"])
    assert client.run("LRANGE l 0 -1") == [b"a"]


def test_a_long_chain_takes_no_stack(client: Client, world: World) -> None:
    world.checks_each_command = False
    clients = waiting(world, *(f"BLMOVE l{number} l{number + 1} LEFT LEFT 0" for number in range(2000)))
    client.run("RPUSH l0 a")
    assert all(one.replies() == [b"a"] for one in clients)
    assert client.run("LRANGE l2000 0 -1") == [b"a"]


def test_what_was_pipelined_serves_others_in_turn(client: Client, world: World) -> None:
    (second,) = waiting(world, "BLPOP m 0")
    first = world.connect()
    assert first.raw(b"BLPOP l 0\r\nRPUSH m b\r\nBLPOP l 0\r\nPING\r\n") == b""
    client.run("RPUSH l a")
    assert first.replies() == [[b"l", b"a"], 1]
    assert second.replies() == [[b"m", b"b"]]
    client.run("RPUSH l c")
    assert first.replies() == [[b"l", b"c"], "PONG"]


# How keys are filled


@pytest.mark.parametrize(
    "commands",
    [
        ["LPUSH l a"],
        ["RENAME src l"],
        ["RENAMENX src l"],
        ["COPY src l"],
        ["COPY src l REPLACE"],
        ["LMOVE src l LEFT LEFT"],
        ["RPOPLPUSH src l"],
        ["SELECT 1", "RPUSH l a", "MOVE l 0"],
        ["SELECT 1", "RPUSH l a", "COPY l l DB 0"],
        ["SELECT 1", "RPUSH l a", "SWAPDB 0 1"],
        ["SELECT 2", "SELECT 1", "RPUSH l a", "SELECT 2", "SWAPDB 1 0"],
        ["MULTI", "RPUSH l a", "EXEC"],
        ["MULTI", "SET l string", "DEL l", "RPUSH l a", "EXEC"],
    ],
)
def test_whatever_fills_a_key_serves(client: Client, world: World, commands: list[str]) -> None:
    client.run("RPUSH src a")
    (other,) = waiting(world, "BLPOP l 0")
    for command in commands:
        client.run(command)
    assert other.replies() == [[b"l", b"a"]]
    assert_nobody_waits(world)


@pytest.mark.parametrize(
    "commands",
    [
        ["SET l a"],
        ["LPUSHX l a"],
        ["MULTI", "RPUSH l a", "LPOP l", "EXEC"],
        ["MULTI", "RPUSH l a", "DEL l", "EXEC"],
        ["MULTI", "RPUSH l a", "SET l b", "EXEC"],
        ["SELECT 1", "RPUSH l a"],
        ["RPUSH m a"],
        ["DEL l"],
        ["FLUSHALL"],
    ],
)
def test_whatever_leaves_no_list_there_does_not(client: Client, world: World, commands: list[str]) -> None:
    (other,) = waiting(world, "BLPOP l 0")
    for command in commands:
        client.run(command)
    assert other.replies() == []
    client.run("SELECT 0")
    client.run("DEL l")
    client.run("RPUSH l z")
    assert other.replies() == [[b"l", b"z"]]


def test_a_transaction_is_served_at_its_end(client: Client, world: World) -> None:
    (other,) = waiting(world, "BLPOP l 0")
    client.raw(b"MULTI\r\nRPUSH l a b c\r\nLPOP l\r\nRPUSH l d\r\n")
    assert client.run("EXEC") == [3, b"a", 3]
    assert other.replies() == [[b"l", b"b"]]
    # Whoever reads the log sees the transaction whole, and then what followed.
    assert world.take_log() == [
        [b"MULTI"],
        [b"RPUSH", b"l", b"a", b"b", b"c"],
        [b"LPOP", b"l"],
        [b"RPUSH", b"l", b"d"],
        [b"EXEC"],
        [b"LPOP", b"l"],
    ]


# Errors


def test_another_destination_type_is_an_error_for_who_waited(client: Client, world: World) -> None:
    client.run("SET s v")
    mover, popper = waiting(world, "BLMOVE l s LEFT LEFT 0", "BLPOP l 0")
    assert client.run("RPUSH l a") == 1
    (error,) = mover.replies()
    assert isinstance(error, ReplyError)
    assert error.message.startswith(b"WRONGTYPE")
    assert popper.replies() == [[b"l", b"a"]]
    assert_nobody_waits(world)


def test_a_fault_ends_whoever_waited_and_not_who_wrote(
    client: Client, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(db: Keyspace, key: bytes) -> Reply:
        db.edit(key).pop(db.engine.limits, left=True)
        raise RuntimeError("a fault of ours")

    broken = world.connect()
    session = broken.session
    world.server.block(session, Block(0, None, [b"l"], b"list", partial(fail, session.db)), [b"FAULTY"])
    (other,) = waiting(world, "BLPOP l 0")
    world.checks_each_command = False
    assert client.run("RPUSH l a b") == 2
    (error,) = broken.replies()
    assert error.message == b"ERR internal error"
    assert session.closing
    assert other.replies() == [[b"l", b"b"]]
    assert "a fault of ours" in caplog.text
    # What the fault left behind is nobody's to explain.
    db = world.engine.databases[0]
    db.remove(b"l")
    db.payload_bytes = 0
    world.engine.dirty = 0
    world.log = []


def test_in_a_transaction_nobody_waits(client: Client, world: World) -> None:
    commands = ("BLPOP l 0", "BRPOP l m 0", "BLMPOP 0 1 l LEFT", "BLMOVE l m LEFT LEFT 0", "BRPOPLPUSH l m 0")
    client.run("MULTI")
    for command in commands:
        assert client.run(command) == "QUEUED"
    assert client.run("EXEC") == [NULL_ARRAY, NULL_ARRAY, NULL_ARRAY, None, None]
    assert_nobody_waits(world)


# The end of waiting


def test_time_is_over(client: Client, world: World) -> None:
    first, second, third = waiting(world, "BLPOP l 0.5", "BLMOVE l m LEFT LEFT 0.25", "BLPOP l 0")
    assert world.server.next_due_ms() == world.engine.now_ms + 250
    world.tick(249)
    assert second.replies() == []
    world.tick(1)
    assert second.replies() == [NULL_ARRAY]
    world.tick(250)
    assert first.replies() == [NULL_ARRAY]
    assert world.server.next_due_ms() == 0
    client.run("RPUSH l a")
    assert third.replies() == [[b"l", b"a"]]
    assert_nobody_waits(world)


def test_who_was_served_is_not_ended_by_its_time(client: Client, world: World) -> None:
    (other,) = waiting(world, "BLPOP l 1")
    client.run("RPUSH l a")
    assert other.replies() == [[b"l", b"a"]]
    other.start("BLPOP l 0")
    world.tick(2000)
    assert other.replies() == []


def test_a_short_wait_asks_for_an_early_tick(client: Client, world: World) -> None:
    asked: list[int] = []
    world.server.hurry = lambda: asked.append(1)
    world.server.next_tick_ms = world.engine.now_ms + 100
    waiting(world, "BLPOP l 0", "BLPOP l 0.1")
    assert not asked
    waiting(world, "BLPOP l 0.099")
    assert asked


def test_deadlines_of_those_who_were_served_do_not_pile_up(client: Client, world: World) -> None:
    world.checks_each_command = False
    (patient,) = waiting(world, "BLPOP other 7200")
    other = world.connect()
    for _ in range(1000):
        other.start("BLPOP l 3600")
        client.run("RPUSH l a")
        assert other.replies() == [[b"l", b"a"]]
    assert len(world.server.waiting._heap) < 150
    assert len(world.server.waiting) == 1
    world.tick(7_200_000)
    assert patient.replies() == [NULL_ARRAY]


def test_client_unblock(client: Client, world: World) -> None:
    one, two, three = waiting(world, "BLPOP l 0", "BLMOVE l m LEFT LEFT 0", "BLPOP l 0")
    assert client.run(f"CLIENT UNBLOCK {one.session.number}") == 1
    assert one.replies() == [NULL_ARRAY]
    assert client.run(f"CLIENT UNBLOCK {one.session.number}") == 0
    assert client.run(f"CLIENT UNBLOCK {two.session.number} ERROR") == 1
    (error,) = two.replies()
    assert error.message == b"UNBLOCKED client unblocked via CLIENT UNBLOCK"
    assert client.run(f"CLIENT UNBLOCK {client.session.number}") == 0
    client.run("RPUSH l a")
    assert three.replies() == [[b"l", b"a"]]
    assert one.run("PING") == "PONG"
    assert_nobody_waits(world)


def test_client_unblock_of_who_was_just_served_comes_too_late(client: Client, world: World) -> None:
    (other,) = waiting(world, "BLPOP l 0")
    assert client.raw(b"RPUSH l a\r\nCLIENT UNBLOCK %d ERROR\r\n" % other.session.number) == b":1\r\n:0\r\n"
    assert other.replies() == [[b"l", b"a"]]


@pytest.mark.parametrize("end", ["close", "hang_up", "kill"])
def test_who_vanishes_takes_nothing(client: Client, world: World, end: str) -> None:
    gone, other = waiting(world, "BLPOP l m 0", "BLPOP l 0")
    if end == "close":
        gone.close()
    elif end == "hang_up":
        gone.session.hang_up()
    else:
        assert client.run(f"CLIENT KILL ID {gone.session.number}") == 1
    client.run("RPUSH l a b")
    assert other.replies() == [[b"l", b"a"]]
    assert client.run("LRANGE l 0 -1") == [b"b"]
    assert_nobody_waits(world)


def test_commands_behind_it_wait_too(client: Client, world: World) -> None:
    other = world.connect()
    assert other.raw(b"BLPOP l 0\r\nSET k v\r\nGET k\r\n") == b""
    assert other.raw(b"PING\r\n") == b""
    assert client.run("EXISTS k") == 0
    client.run("RPUSH l a")
    assert other.replies() == [[b"l", b"a"], "OK", b"v", "PONG"]


def test_a_transaction_behind_it(client: Client, world: World) -> None:
    other = world.connect()
    other.raw(b"BLPOP l 0\r\nMULTI\r\nRPUSH m b\r\nBLPOP m 0\r\nEXEC\r\n")
    client.run("RPUSH l a")
    assert other.replies() == [[b"l", b"a"], "OK", "QUEUED", "QUEUED", [1, [b"m", b"b"]]]


def test_a_watched_key_is_touched_by_who_is_served(client: Client, world: World) -> None:
    (other,) = waiting(world, "BLMOVE l m LEFT LEFT 0")
    watcher = world.connect()
    watcher.run("WATCH m")
    client.run("RPUSH l a")
    assert other.replies() == [b"a"]
    watcher.run("MULTI")
    assert watcher.run("EXEC") is NULL_ARRAY


def test_protocol_3(world: World, client: Client, client3: Client) -> None:
    client3.start("BLPOP l 1")
    world.tick(1000)
    assert client3.session.take_output() == b"_\r\n"
    client3.start("BLMPOP 1 1 l LEFT")
    client.run("RPUSH l a")
    assert client3.session.take_output() == b"*2\r\n$1\r\nl\r\n*1\r\n$1\r\na\r\n"


def test_silent_clients_are_served_silently(client: Client, world: World) -> None:
    other = world.connect()
    other.raw(b"CLIENT REPLY OFF\r\n")
    other.start("BLPOP l 0")
    client.run("RPUSH l a b")
    assert other.replies() == []
    assert client.run("LLEN l") == 1


# What it costs


def test_who_waits_for_other_keys_is_not_looked_at(client: Client, world: World) -> None:
    world.checks_each_command = False
    clients = waiting(world, *(f"BLPOP l{number} 0" for number in range(500)))
    client.run("RPUSH other a")
    client.run("RPUSH l7 a")
    assert clients[7].replies() == [[b"l7", b"a"]]
    assert world.server.key_waiters.session_count == 499
    assert len(world.engine.databases[0].awaited) == 499
    assert world.engine.filled == []


def test_info_tells_who_waits(client: Client, world: World) -> None:
    waiting(world, "BLPOP l m 0", "BLPOP l 0")
    info = client.run("INFO clients").decode()
    assert "blocked_clients:2" in info
    assert "total_blocking_keys:2" in info


def test_the_memory_of_many_clients_is_sampled_bit_by_bit(world: World) -> None:
    for _ in range(1000):
        world.connect()
    world.tick()
    first = world.server.stats.peak_memory_bytes
    world.server.sessions[500].out.append(b"x" * 10_000_000)
    for _ in range(20):
        world.tick()
    assert world.server.stats.peak_memory_bytes >= first + 10_000_000


def test_keys_that_expire_are_looked_at_though_no_command_deletes_them(client: Client, world: World) -> None:
    (other,) = waiting(world, "BLPOP l 0")
    client.run("SET l string PX 10")
    world.advance(11)
    assert client.run("GET l") is None
    assert world.engine.filled == []
    assert other.replies() == []
