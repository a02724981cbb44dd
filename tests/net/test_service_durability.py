"""Who waits for the disk, and what happens when it fails."""

import contextlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from net_servers import Raw, Serve, Served, eventually, pack

MISCONF = b"MISCONF Errors writing to the AOF file: "


@pytest.fixture
def server(serve: Serve, is_portable: bool) -> Served:
    """A server that syncs each write before its reply, and whose disk can be made to fail."""
    return serve(faulty=True, portable=is_portable)


class Crowd:
    """Clients that are lively, so that the pump leaves waiting for the disk to its thread."""

    def __init__(self, server: Served) -> None:
        self.rounds = 0
        self._clients = [server.connect() for _ in range(8)]
        self._is_over = False
        self._thread = threading.Thread(target=self._ping, daemon=True)
        self._thread.start()
        # The pump counts the lively ten times a second, and then lets them go on beside a sync.
        self._writer = server.connect()
        eventually(lambda: self._goes_on_beside_a_sync(server), "turns beside a sync")

    def _goes_on_beside_a_sync(self, server: Served) -> bool:
        with server.fault("block-sync"):
            self._writer.send(pack(("SET", "probe", "v")))
            rounds = self.rounds + 10
            end_s = time.monotonic() + 0.5
            while self.rounds < rounds and time.monotonic() < end_s:
                time.sleep(0.005)
            goes_on = self.rounds >= rounds
        assert self._writer.reply() == b"OK"
        return goes_on

    def _ping(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            while not self._is_over:
                for raw in self._clients:
                    raw.send(b"PING\r\n")
                for raw in self._clients:
                    raw.reply()
                self.rounds += 1

    def go_on(self) -> None:
        """Return when everybody has had some more replies."""
        rounds = self.rounds + 10
        eventually(lambda: self.rounds >= rounds, "replies to others")

    def close(self) -> None:
        self._is_over = True
        self._thread.join()


@pytest.fixture
def crowd(server: Served) -> Iterator[Crowd]:
    crowd = Crowd(server)
    yield crowd
    crowd.close()


def is_held(crowd: Crowd, raw: Raw) -> bool:
    """Whether `raw` has no reply though others have had several."""
    crowd.go_on()
    return raw.is_silent(0.02)


def test_replies_wait_for_the_disk_and_others_do_not(server: Served, crowd: Crowd) -> None:
    reader = server.connect()
    assert reader.call("SET", "other", "1") == b"OK"
    writer, curious = server.connect(), server.connect()
    with server.fault("block-sync"):
        writer.send(pack(("SET", "k", "v")))
        assert is_held(crowd, writer)
        assert reader.call("GET", "other") == b"1"
        assert reader.call("GET", "missing") is None
        curious.send(pack(("GET", "k")))
        assert is_held(crowd, curious)
        writer.send(pack(("GET", "other")))  # behind its own reply that waits
        assert is_held(crowd, writer)
    assert [writer.reply(), writer.reply()] == [b"OK", b"1"]
    assert curious.reply() == b"v"


def test_events_wait_for_the_disk_and_messages_do_not(server: Served, crowd: Crowd) -> None:
    writer, events, messages = (server.connect() for _ in range(3))
    writer.call("CONFIG", "SET", "notify-keyspace-events", "E$")
    events.call("SUBSCRIBE", "__keyevent@0__:set")
    messages.call("SUBSCRIBE", "c")
    with server.fault("block-sync"):
        writer.send(pack(("SET", "k", "v")))
        assert is_held(crowd, events)
        assert server.connect().call("PUBLISH", "c", "x") == 1
        assert messages.reply() == [b"message", b"c", b"x"]
        assert is_held(crowd, events)
    assert events.reply() == [b"message", b"__keyevent@0__:set", b"k"]
    assert writer.reply() == b"OK"


def test_a_push_that_cannot_be_made_durable_is_no_error_in_place_of_a_reply(server: Served, crowd: Crowd) -> None:
    plain, pushed = server.connect(), server.connect()
    plain.call("CONFIG", "SET", "notify-keyspace-events", "E$")
    plain.call("SUBSCRIBE", "__keyevent@0__:set")
    pushed.call("HELLO", 3)
    pushed.call("SUBSCRIBE", "__keyevent@0__:set")
    event = [b"message", b"__keyevent@0__:set", b"k"]
    with server.fault("fail-sync"):
        pushed.send(pack(("SET", "k", "v")))
        replies = [pushed.reply(), pushed.reply()]
        assert replies[0].startswith(MISCONF)
        assert replies[1] == event
        assert plain.reply() == event


def test_a_half_closed_client_gets_the_reply_that_waited(server: Served, crowd: Crowd) -> None:
    writer = server.connect()
    with server.fault("block-sync"):
        writer.send(pack(("SET", "k", "v")) + b"PING\r\n")
        writer.sock.shutdown(1)
        assert is_held(crowd, writer)
    assert writer.rest() == b"+OK\r\n+PONG\r\n"


def test_a_lone_writer_waits_too(server: Served) -> None:
    writer = server.connect()
    with server.fault("block-sync"):
        writer.send(pack(("SET", "k", "v")))
        assert writer.is_silent()
    assert writer.reply() == b"OK"


def test_an_exception_does_not_let_replies_overtake_the_disk(server: Served, crowd: Crowd) -> None:
    writer = server.connect()
    with server.fault("block-sync"):
        writer.send(pack(("SET", "k", "v")) + pack(("EXPLODE",)))
        assert is_held(crowd, writer)
    assert writer.rest().startswith(b"+OK\r\n-ERR internal error")


@pytest.mark.parametrize("policy", ["everysec", "no"])
def test_other_policies_do_not_wait_and_can_be_switched(server: Served, crowd: Crowd, policy: str) -> None:
    control, writer = server.connect(), server.connect()
    assert control.call("CONFIG", "SET", "appendfsync", policy) == b"OK"
    with server.fault("block-sync"):
        assert writer.call("SET", "k", "v") == b"OK"
        assert control.call("CONFIG", "SET", "appendfsync", "always") == b"OK"
        writer.send(pack(("SET", "k", "w")))
        assert is_held(crowd, writer)
        assert control.call("CONFIG", "SET", "appendfsync", policy) == b"OK"
        assert writer.reply() == b"OK"  # it need not wait any more


def test_appendonly_can_be_switched(server: Served) -> None:
    raw = server.connect()
    for i in range(20):
        raw.call("SET", f"logged{i}", i)
    raw.send(pack(("SET", "last", 1)) + pack(("CONFIG", "SET", "appendonly", "no")) + pack(("SET", "unlogged", 1)))
    assert [raw.reply() for _ in range(3)] == [b"OK"] * 3
    raw.send(pack(("INCR", "n")) + pack(("CONFIG", "SET", "appendonly", "yes")) + pack(("INCR", "n")))
    assert [raw.reply() for _ in range(3)] == [1, b"OK", 2]
    with server.fault("block-sync"):
        raw.send(pack(("SET", "k", "v")))
        assert raw.is_silent()
    assert raw.reply() == b"OK"
    server.restart()
    raw = server.connect()
    assert raw.call("MGET", "n", "k", "last", "unlogged", "logged19") == [b"2", b"v", b"1", b"1", b"19"]


@pytest.mark.parametrize("fault", ["fail-write", "fail-sync"])
def test_a_failing_disk_refuses_writes_until_it_is_well(server: Served, fault: str) -> None:
    writer, reader = server.connect(), server.connect()
    assert writer.call("SET", "before", "1") == b"OK"
    with server.fault(fault):
        # Two replies, two errors: even the read stood behind what was lost.
        writer.send(pack(("SET", "during", "1")) + pack(("GET", "before")))
        for _ in range(2):
            assert writer.reply().startswith(MISCONF + (b"No space" if fault == "fail-write" else b"Input/output"))
        assert reader.call("SET", "refused", "1").startswith(MISCONF)
        assert reader.call("PING").startswith(MISCONF)
        assert reader.call("GET", "before") == b"1"
        assert reader.call("MULTI") == b"OK"
        assert reader.call("SET", "refused", "1").startswith(MISCONF)
        assert reader.call("EXEC").startswith(b"EXECABORT")
    eventually(lambda: writer.call("SET", "after", "1") == b"OK", "the recovery")
    assert "sound again" in server.log_text()
    server.restart()
    values = server.connect().call("MGET", "before", "after", "refused", "during")
    assert values[:3] == [b"1", b"1", None]
    assert values[3] in (None, b"1")  # its writer was told neither


def test_clients_that_wait_when_the_disk_fails_are_refused_alike(server: Served, crowd: Crowd) -> None:
    writers = [server.connect() for _ in range(3)]
    with server.fault("block-sync"):
        for at, writer in enumerate(writers):
            writer.send(pack(("SET", f"k{at}", at)))
        assert is_held(crowd, writers[-1])
        with server.fault("fail-sync"):
            (server.control / "block-sync").unlink()
            assert all(writer.reply().startswith(MISCONF) for writer in writers)
            assert server.connect().call("CLIENT", "NO-EVICT", "on") == b"OK"
    eventually(lambda: writers[0].call("SET", "k0", "again") == b"OK", "the recovery")


def test_everysec_notices_a_failing_sync(serve: Serve, is_portable: bool) -> None:
    server = serve("--appendfsync", "everysec", faulty=True, portable=is_portable)
    raw = server.connect()
    with server.fault("fail-sync"):
        eventually(lambda: raw.call("INCR", "n") != 1 and str(raw.call("INCR", "n")).startswith("b'MISCONF"))
    value = eventually(lambda: isinstance(n := raw.call("INCR", "n"), int) and n, "the recovery")
    server.restart()
    assert server.connect().call("GET", "n") == b"%d" % value


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    path = tmp_path / "0" / "data"
    path.mkdir(parents=True)
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root mounts a small disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_disk_that_is_full(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 400_000)
    server = Served(small_disk.parent)
    try:
        raw = server.connect()
        written = 0
        while raw.call("SET", f"k{written}", "x" * 10_000) == b"OK":
            written += 1
        assert 10 < written < 100
        assert raw.call("SET", "k", "v") == MISCONF + b"No space left on device"
        assert raw.call("GET", "k0") == b"x" * 10_000
        ballast.unlink()
        eventually(lambda: raw.call("SET", "k", "v") == b"OK", "the recovery")
        server.restart()
        raw = server.connect()
        assert raw.call("EXISTS", *(f"k{i}" for i in range(written)), "k") == written + 1
    finally:
        server.close()


def test_a_redis_py_program_sees_an_error_of_its_own(server: Served) -> None:
    client = server.client()
    with server.fault("fail-write"), pytest.raises(redis.ResponseError, match="MISCONF"):
        client.set("k", "v")


@pytest.mark.parametrize("command", ["RELOAD", "LOADAOF"])
def test_what_was_loaded_again_waits_for_no_disk(serve: Serve, command: str) -> None:
    server = serve("--enable-debug-command", "yes")
    client = server.connect()
    for words in ("RPUSH l a", "RPUSH l b"):
        client.call(*words.split())
    assert client.call("DEBUG", command) == b"OK"
    assert client.call("LRANGE", "l", 0, -1) == [b"a", b"b"]
