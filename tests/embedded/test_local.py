"""A session without a socket."""

import threading
from collections.abc import Callable, Iterator

import pytest

from respkv.embedded.core import Core
from respkv.embedded.errors import StoreClosedError
from respkv.embedded.local import LocalSocket


@pytest.fixture
def core() -> Iterator[Core]:
    core = Core(None, {"databases": "16"})
    yield core
    core.close()


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_what_is_sent_is_answered(core: Core) -> None:
    socket = LocalSocket(core, 5)
    socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\nGET k\r\n")
    assert socket.recv(3) == b"+OK"
    buffer = bytearray(100)
    assert socket.recv_into(buffer) == 9
    assert buffer[:9] == b"\r\n$1\r\nv\r\n"


def test_a_request_may_come_in_parts(core: Core) -> None:
    socket = LocalSocket(core, 0)
    socket.sendall(b"PI")
    assert not socket.wait_readable(0)
    socket.sendall(b"NG\r\n")
    assert socket.recv(100) == b"+PONG\r\n"


def test_without_output_it_waits_as_long_as_a_socket_would(core: Core) -> None:
    socket = LocalSocket(core, 0)
    with pytest.raises(BlockingIOError):
        socket.recv(1)
    socket.settimeout(0.01)
    assert socket.gettimeout() == 0.01
    with pytest.raises(TimeoutError):
        socket.recv(1)


def test_who_waits_for_a_key_is_served_by_another(core: Core) -> None:
    waiting, other = LocalSocket(core, 10), LocalSocket(core, 10)
    waiting.sendall(b"BLPOP q 0\r\n")
    other.sendall(b"RPUSH q v\r\n")
    assert other.recv(100) == b":1\r\n"
    assert waiting.recv(100) == b"*2\r\n$1\r\nq\r\n$1\r\nv\r\n"


def test_who_tracks_a_prefix_is_told_of_changes_by_clients_and_by_the_store(core: Core) -> None:
    tracking, other = LocalSocket(core, 10), LocalSocket(core, 10)
    tracking.sendall(b"HELLO 3\r\nCLIENT TRACKING ON BCAST PREFIX k\r\n")
    while not tracking.recv(4096).endswith(b"+OK\r\n"):
        pass
    other.sendall(b"SET k1 v\r\n")
    assert tracking.recv(100) == b">2\r\n$10\r\ninvalidate\r\n*1\r\n$2\r\nk1\r\n"
    core.put(b"k2", b"v")
    assert tracking.recv(100) == b">2\r\n$10\r\ninvalidate\r\n*1\r\n$2\r\nk2\r\n"


def test_waiting_ends_in_time(core: Core) -> None:
    socket = LocalSocket(core, 10)
    socket.sendall(b"BLPOP q 0.05\r\n")
    assert socket.recv(100) == b"*-1\r\n"


def test_large_output_comes_as_it_is_read(core: Core) -> None:
    core.put(b"k", b"x" * (8 << 20))
    socket = LocalSocket(core, 10)
    socket.sendall(b"GET k\r\n" * 8)
    size = 0
    while size < 8 * (8 << 20):
        size += len(socket.recv(1 << 20))


def test_quit_ends_the_connection(core: Core) -> None:
    socket = LocalSocket(core, 10)
    socket.sendall(b"QUIT\r\nPING\r\n")
    assert socket.recv(100) == b"+OK\r\n"
    assert socket.recv(100) == b""
    with pytest.raises(BrokenPipeError):
        socket.sendall(b"PING\r\n")
    assert core.server.sessions == {}


def test_a_closed_socket_leaves_nothing_behind(core: Core) -> None:
    socket = LocalSocket(core, 10)
    socket.sendall(b"BLPOP q 0\r\n")
    socket.close()
    socket.close()
    assert core.server.sessions == {}
    assert core.db.awaited == {}


def test_the_end_of_the_store_ends_those_who_wait(core: Core) -> None:
    socket = LocalSocket(core, None)
    socket.sendall(b"BLPOP q 0\r\n")
    ends: list[bytes] = []
    thread = in_thread(lambda: ends.append(socket.recv(100)))
    core.close()
    thread.join(10)
    assert ends == [b""]
    with pytest.raises(StoreClosedError):
        LocalSocket(core)


def test_a_store_in_memory_makes_no_files(core: Core) -> None:
    socket = LocalSocket(core, 10)
    socket.sendall(b"SAVE\r\n")
    assert socket.recv(100).startswith(b"-ERR")
    socket.sendall(b"CONFIG SET appendonly yes\r\n")
    assert socket.recv(200).startswith(b"-ERR CONFIG SET failed")


def test_shutdown_closes_the_store(core: Core) -> None:
    socket = LocalSocket(core, 10)
    socket.sendall(b"SHUTDOWN NOSAVE\r\n")
    assert socket.recv(100) == b""
    core._housekeeper.join(10)
    with pytest.raises(StoreClosedError, match="shut down"):
        core.get(b"k")
