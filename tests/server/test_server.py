"""What all sessions share: the gate, disk errors, redaction, what is timed."""

import pytest
from harness import World

from respkv.commands.flags import GATE_DISK, GATE_LOCKS, GATE_TIMED
from respkv.commands.spec import COMMANDS
from respkv.engine.keyspace import open_engine
from respkv.server.config import Config
from respkv.server.server import NEVER_NS, Server, redacted


def test_a_reason_holds_for_old_and_new_sessions(world: World) -> None:
    old = world.connect()
    world.server.set_gate(GATE_DISK, True)
    assert old.session.gate & GATE_DISK
    assert world.connect().session.gate & GATE_DISK
    world.server.set_gate(GATE_DISK, False)
    assert not old.session.gate & GATE_DISK


def test_the_configuration_at_the_start_is_followed() -> None:
    server = Server(open_engine(), Config({"requirepass": "x", "slowlog-log-slower-than": "0", "loglevel": "debug"}))
    assert server.access.needs_authentication()
    assert server.gate & GATE_TIMED


def test_nothing_is_slow_when_nobody_asks() -> None:
    server = Server(open_engine(), Config({"slowlog-log-slower-than": "-1"}))
    assert server.slow_ns == NEVER_NS
    assert not server.gate & GATE_TIMED


def test_disk_errors_are_those_of_redis(world: World) -> None:
    disk = world.server.persistence
    disk.write_error = "No space left on device"
    assert world.server.disk_error() == b"MISCONF Errors writing to the AOF file: No space left on device"
    disk.write_error = ""
    disk.last_save_ok = False
    assert world.server.disk_error().startswith(
        b"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."
    )
    client = world.connect()
    world.server.set_gate(GATE_DISK, True)
    assert client.error("SET k v").startswith("MISCONF")
    assert client.error("PING").startswith("MISCONF")
    assert client.run("GET k") is None


@pytest.mark.parametrize(
    ("name", "argv", "shown"),
    [
        (b"auth", b"AUTH secret", b"AUTH (redacted)"),
        (b"hello", b"HELLO 3 SETNAME x AUTH u p", b"HELLO 3 SETNAME x AUTH (redacted) (redacted)"),
        (b"hello", b"HELLO 3 SETNAME auth", b"HELLO 3 SETNAME auth"),
        (b"get", b"GET auth", b"GET auth"),
    ],
)
def test_passwords_are_left_out(name: bytes, argv: bytes, shown: bytes) -> None:
    assert redacted(COMMANDS[name], argv.split()) == shown.split()


def test_over_maxmemory_writes_are_refused_or_keys_go(world: World) -> None:
    client = world.connect()
    world.checks_each_command = False
    for number in range(200):
        client.run("SET", f"k{number}", "x" * 1000)
    assert client.run("CONFIG SET maxmemory 100kb") == "OK"
    assert client.error("SET k v") == "OOM command not allowed when used memory > 'maxmemory'."
    assert client.run("GET k1") == b"x" * 1000
    client.run("CONFIG SET maxmemory-policy allkeys-lru maxmemory-eviction-tenacity 100")
    assert client.run("SET k v") == "OK"
    assert client.run("DBSIZE") < 120
    assert world.server.meter.used_bytes() <= 100 * 1024
    assert world.engine.evicted > 80


def test_a_new_limit_asks_for_evictions_though_nobody_writes(world: World) -> None:
    client = world.connect()
    client.run("SET k v")
    client.run("CONFIG SET maxmemory 100 maxmemory-policy allkeys-random")
    assert world.server.evictor.is_behind
    assert world.server.make_room()
    assert client.run("DBSIZE") == 0


def test_nothing_is_removed_behind_a_pause(world: World) -> None:
    assert world.server.may_remove_keys()
    world.connect().run("CLIENT PAUSE 10 WRITE")
    assert not world.server.may_remove_keys()
    world.advance(10)
    world.server.tick()
    assert world.server.may_remove_keys()


# Locks


def test_a_command_waits_for_a_locked_key(world: World) -> None:
    locks = world.engine.locks
    world.server.set_gate(GATE_LOCKS, True)
    owner = locks.new_owner()
    locks.acquire(owner, {(0, b"k"): True}, lambda: None)
    client = world.connect()
    assert client.raw(b"GET other\r\nGET k\r\nPING\r\n") == b"$-1\r\n"
    assert client.session.parked == "locked"
    writer = world.connect()
    assert writer.raw(b"SET k v\r\n") == b""
    locks.release_all(owner)
    assert world.server.ready == [client.session], "the writer is behind the reader"
    client.session.resume()
    assert client.session.take_output() == b"$-1\r\n+PONG\r\n"
    assert world.server.ready == [client.session, writer.session]
    writer.session.resume()
    assert writer.session.take_output() == b"+OK\r\n"
    assert not locks
    locks.check()


def test_shared_locks_hold_back_only_writers(world: World) -> None:
    locks = world.engine.locks
    world.server.set_gate(GATE_LOCKS, True)
    owner = locks.new_owner()
    locks.acquire(owner, {(0, b"k"): False}, lambda: None)
    client = world.connect()
    assert client.run("GET k") is None
    assert client.raw(b"DEL k\r\n") == b""


def test_a_transaction_waits_for_all_its_keys_at_exec(world: World) -> None:
    locks = world.engine.locks
    world.server.set_gate(GATE_LOCKS, True)
    owner = locks.new_owner()
    locks.acquire(owner, {(0, b"b"): True}, lambda: None)
    client = world.connect()
    assert client.raw(b"MULTI\r\nSET a 1\r\nSET b 1\r\nEXEC\r\n") == b"+OK\r\n+QUEUED\r\n+QUEUED\r\n"
    locks.release_all(owner)
    client.session.resume()
    assert client.session.take_output() == b"*2\r\n+OK\r\n+OK\r\n"
    assert not locks


def test_who_goes_while_waiting_leaves_the_queue(world: World) -> None:
    locks = world.engine.locks
    world.server.set_gate(GATE_LOCKS, True)
    owner = locks.new_owner()
    locks.acquire(owner, {(0, b"k"): True}, lambda: None)
    gone, killed = world.connect(), world.connect()
    gone.raw(b"SET k v\r\n")
    killed.raw(b"SET k v\r\n")
    gone.close()
    killed.session.kill()
    locks.release_all(owner)
    assert not locks


def test_the_peak_of_memory_is_sampled(world: World) -> None:
    client = world.connect()
    client.run("SET", "k", "x" * 100_000)
    world.server.tick()
    client.run("DEL k")
    assert world.server.stats.peak_memory_bytes > 100_000 > world.server.used_memory_bytes()
