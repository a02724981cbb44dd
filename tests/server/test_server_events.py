"""What LATENCY hears of, beside commands: the disk, expiry, eviction."""

from pathlib import Path

from harness import World, encode

from respkv.engine.clock import steady_ns
from respkv.engine.keyspace import open_engine
from respkv.persistence.aof import AppendLog
from respkv.persistence.files import FileSystem
from respkv.persistence.manifest import Layout
from respkv.server.durability import Durability
from respkv.server.server import Server

LONG_AGO_NS = 2_000_000_000


def test_an_event_is_noted_with_its_time(world: World) -> None:
    server = world.server
    server.latency.threshold_ms = 100
    server.note_event(b"aof-write", steady_ns() - LONG_AGO_NS)
    server.note_event(b"expire-cycle", steady_ns())
    assert list(server.latency.events) == [b"aof-write"]
    assert server.latency.events[b"aof-write"].max_ms >= 2000


class SlowFiles(FileSystem):
    """A disk that takes a while, by the clock that is asked."""

    def sync(self, fd: int) -> None:
        until_ns = steady_ns() + 3_000_000
        while steady_ns() < until_ns:
            pass
        super().sync(fd)


def test_a_slow_disk_is_noted(tmp_path: Path) -> None:
    server = Server(open_engine(1))
    log = AppendLog(SlowFiles(), Layout(str(tmp_path)), None)
    durability = Durability(server)
    durability.attach(log)
    server.latency.threshold_ms = 2
    try:
        server.open_session("127.0.0.1:1", "127.0.0.1:2").receive(encode([b"SET", b"k", b"v"]))
        durability.write()
        durability.sync_now()
    finally:
        log.close()
    assert server.latency.events[b"aof-fsync-always"].max_ms >= 3
