"""What all sessions share: the gate, disk errors, redaction, what is timed."""

import pytest
from harness import World

from respkv.commands.flags import GATE_DISK, GATE_TIMED
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
    assert server.needs_password()
    assert server.gate & GATE_TIMED
    assert server.is_password(b"default", b"x")
    assert not server.is_password(b"default", b"")
    assert not server.is_password(b"x", b"x")
    assert server.stats.denied_auths == 2


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


def test_the_peak_of_memory_is_sampled(world: World) -> None:
    client = world.connect()
    client.run("SET", "k", "x" * 100_000)
    world.server.tick()
    client.run("DEL k")
    assert world.server.stats.peak_memory_bytes > 100_000 > world.server.used_memory_bytes()
