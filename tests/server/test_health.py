"""Whether a server serves."""

from harness import Client, World

from respkv.commands.flags import GATE_DISK
from respkv.server.health import health_of


def test_a_server_that_serves_is_ok(world: World) -> None:
    health = health_of(world.server)
    assert (health.is_ok, health.status, health.reason) == (True, "ok", "")


def test_loading(world: World) -> None:
    world.server.persistence.is_loading = True
    world.server.persistence.loading_total_bytes = 10
    assert health_of(world.server).reason == "0 of 10 bytes are loaded"
    assert not health_of(world.server).is_ok


def test_a_disk_that_fails(world: World) -> None:
    world.server.persistence.write_error = "No space left on device"
    world.server.set_gate(GATE_DISK, True)
    health = health_of(world.server)
    assert health.status == "refusing writes"
    assert health.reason == "MISCONF Errors writing to the AOF file: No space left on device"


def test_memory_that_is_full(world: World, client: Client) -> None:
    client.run("SET", "k", "x" * 100_000)
    client.run("CONFIG SET maxmemory 1000")
    health = health_of(world.server)
    assert health.status == "refusing writes"
    assert health.reason.startswith("OOM")
    client.run("CONFIG SET maxmemory-policy allkeys-lru")
    assert health_of(world.server).is_ok
    client.run("CONFIG SET maxmemory 0")
