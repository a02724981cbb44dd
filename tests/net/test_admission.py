"""Where the server listens, whom it lets in, and what it says when it cannot start."""

import errno
import os
import resource
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from net_servers import Raw, Serve, Served, eventually, free_port

from respkv.engine.keyspace import open_engine
from respkv.errors import StartupError
from respkv.net.admission import PROTECTED, Admission
from respkv.net.listeners import Listener
from respkv.server.config import Config
from respkv.server.config.load import load, read_flags
from respkv.server.server import Server
from respkv.server.session import Session


def config_of(*flags: str) -> Config:
    return load(None, read_flags(list(flags)))


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture
def admission_of() -> Iterator[Callable[..., Admission]]:
    """The admission of a server with these flags, open on nothing yet; closed after the test."""
    made: list[Admission] = []

    def make(*flags: str) -> Admission:
        config = config_of(*flags)
        made.append(Admission(config, Server(open_engine(), config)))
        return made[-1]

    yield make
    for admission in made:
        admission.close()


def test_several_addresses(admission_of: Callable[..., Admission]) -> None:
    port = str(free_port())
    admission = admission_of("--port", port, "--bind", "127.0.0.1", "127.0.0.2", "-192.0.2.1")
    admission.open()
    assert [listener.name for listener in admission.listeners] == [f"127.0.0.1:{port}", f"127.0.0.2:{port}"]


def test_an_address_that_is_not_ours_is_named(admission_of: Callable[..., Admission]) -> None:
    admission = admission_of("--port", str(free_port()), "--bind", "127.0.0.1 192.0.2.1")
    with pytest.raises(StartupError, match=r"cannot listen on 192\.0\.2\.1:"):
        admission.open()
    assert admission.listeners == []


@pytest.mark.parametrize(
    ("flags", "is_local", "is_refused"),
    [
        ((), False, True),
        ((), True, False),
        (("--requirepass", "x"), False, False),
        (("--protected-mode", "no"), False, False),
    ],
)
def test_protected_mode(
    admission_of: Callable[..., Admission], flags: tuple[str, ...], is_local: bool, is_refused: bool
) -> None:
    admission = admission_of(*flags)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert admission._lets_in(ours, is_local) is not is_refused
        theirs.setblocking(False)
        if is_refused:
            assert theirs.recv(4096) == PROTECTED
            assert admission.server.stats.rejected_connections == 1


def test_a_unix_socket(serve: Serve, tmp_path: Path, is_portable: bool) -> None:
    path = tmp_path / "s"
    server = serve("--unixsocket", str(path), "--unixsocketperm", "700", portable=is_portable)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        raw = Raw(sock)
        assert raw.call("SET", "k", "v") == b"OK"
        assert f"addr={path}:0".encode() in raw.call("CLIENT", "INFO")
        assert server.connect().call("GET", "k") == b"v"
    # A second server does not take it away, neither one with the same data nor with others.
    assert str(server.process.pid) in refusal_of(server.data, "--unixsocket", str(path))
    assert "is in use" in refusal_of(tmp_path, "--unixsocket", str(path))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        assert Raw(sock).call("GET", "k") == b"v"
    # One that a crash left behind is replaced.
    server.restart()
    assert path.exists()
    server.connect().send(b"SHUTDOWN\r\n")
    assert server.exit_code() == 0
    assert not path.exists()


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_ipv6(serve: Serve, is_portable: bool) -> None:
    server = serve("--bind", "127.0.0.1 ::1", portable=is_portable)
    with socket.create_connection(("::1", server.port)) as sock:
        assert b"addr=[::1]:" in Raw(sock).call("CLIENT", "INFO")


def test_maxclients(serve: Serve, is_portable: bool) -> None:
    server = serve("--maxclients", "3", portable=is_portable)
    three = [server.connect()]
    eventually(lambda: three[0].call("CLIENT", "LIST").count(b"\n") == 1, "the end of who asked whether it is ready")
    three += [server.connect() for _ in range(2)]
    assert all(raw.call("PING") == b"PONG" for raw in three)
    assert server.connect().rest() == b"-ERR max number of clients reached\r\n"
    three[0].close()
    eventually(lambda: _has_a_place(server), "a place")
    assert b"rejected_connections:0" not in three[1].call("INFO", "stats")


def test_passwords(serve: Serve, is_portable: bool) -> None:
    server = serve("--requirepass", "secret", portable=is_portable)
    raw = server.connect()
    assert raw.call("GET", "k") == b"NOAUTH Authentication required."
    assert raw.call("AUTH", "wrong").startswith(b"WRONGPASS")
    assert raw.call("AUTH", "secret") == b"OK"
    assert raw.call("GET", "k") is None
    assert server.client(password="secret", protocol=3).set("k", "v")
    raw = server.connect()
    raw.send(b"*1\r\n$20000\r\n")
    assert raw.rest() == b"-ERR Protocol error: unauthenticated bulk length\r\n"


def test_idle_clients_are_closed(serve: Serve, is_portable: bool) -> None:
    server = serve("--timeout", "1", portable=is_portable)
    raw = server.connect()
    assert raw.call("PING") == b"PONG"
    assert raw.rest() == b""


def test_the_addresses_change_while_clients_are_connected(serve: Serve, is_portable: bool) -> None:
    server = serve("--bind", "127.0.0.1", portable=is_portable)
    raw = server.connect()
    port = free_port()
    assert raw.call("CONFIG", "SET", "port", port) == b"OK"
    with pytest.raises(OSError, match="refused"):
        server.connect()
    old_port, server.port = server.port, port
    assert server.connect().call("PING") == b"PONG"
    assert raw.call("CONFIG", "SET", "bind", "127.0.0.2", "port", old_port) == b"OK"
    with socket.create_connection(("127.0.0.2", old_port)) as sock:
        assert Raw(sock).call("PING") == b"PONG"
    assert b"bind=127.0.0.2,port=%d" % old_port in raw.call("INFO", "server")
    assert raw.call("CONFIG", "SET", "port", 0) == b"OK"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", old_port))
    assert raw.call("PING") == b"PONG"


def test_addresses_that_cannot_be_had_leave_the_former_ones(serve: Serve, is_portable: bool) -> None:
    server = serve("--bind", "127.0.0.1", portable=is_portable)
    raw = server.connect()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert raw.call("CONFIG", "SET", "port", other.getsockname()[1]) == (
            b"ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port."
            b" Check server logs."
        )
    assert raw.call("CONFIG", "SET", "bind", "127.0.0.1 192.0.2.1") == (
        b"ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses."
    )
    assert raw.call("CONFIG", "GET", "bind") == [b"bind", b"127.0.0.1"]
    assert server.connect().call("PING") == b"PONG"


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of open files")
def test_more_clients_than_the_system_has_descriptors_for(serve: Serve) -> None:
    raw = serve().connect()
    assert b"- The operating system is not able to handle the specified number of clients, try with " in raw.call(
        "CONFIG", "SET", "maxclients", 4_000_000_000
    )
    assert raw.call("CONFIG", "GET", "maxclients") == [b"maxclients", b"10000"]


class Watched:
    """Clients that only write down what they are to watch."""

    def __init__(self) -> None:
        self.callbacks: dict[int, Callable[[], None]] = {}

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        self.callbacks[fd] = callback

    def unwatch(self, fd: int) -> None:
        del self.callbacks[fd]

    def admit(self, sock: socket.socket, session: Session) -> None:
        raise AssertionError("nobody can be accepted")


def test_a_listener_is_not_watched_while_there_are_no_descriptors(
    admission_of: Callable[..., Admission], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be ready all the time, and the server busy with nothing else."""

    def accept(listener: Listener) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    admission = admission_of("--port", str(free_port()), "--bind", "127.0.0.1")
    admission.open()
    watched = Watched()
    admission.start(watched)
    monkeypatch.setattr(Listener, "accept", accept)
    for _ in range(3):
        (callback,) = watched.callbacks.values()
        callback()
        assert not watched.callbacks
        admission.resume()
    assert len(watched.callbacks) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_without_descriptors_clients_wait_and_others_are_served(serve: Serve, is_portable: bool) -> None:
    server = serve(portable=is_portable)
    raw = server.connect()
    assert raw.call("PING") == b"PONG"  # it has a descriptor
    pid = server.process.pid
    # The limit is one of numbers, not of how many: below it none must be free. Twice, since some are open for a moment.
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")} & {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    lowest_free = min(set(range(len(used) + 1)) - used)
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest_free, hard))
    waiting = server.connect()
    waiting.send(b"PING\r\n")
    eventually(lambda: "cannot accept" in server.log_text(), "a line in the log")
    assert waiting.is_silent()
    assert raw.call("PING") == b"PONG"
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    assert waiting.reply() == b"PONG"


def refusal_of(data: Path, *options: str, user: str | None = None) -> str:
    """What a server says that cannot start: one line."""
    words = ["serve", "--dir", str(data), *options]
    if "--port" not in words:
        words += ["--port", str(free_port())]
    done = subprocess.run(
        [sys.executable, "-m", "respkv", *words], capture_output=True, text=True, timeout=60, check=False, user=user
    )
    assert done.returncode == 1, done
    assert done.stderr.startswith("respkv: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_what_keeps_a_server_from_starting(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    assert f":{server.port} is in use" in refusal_of(tmp_path, "--port", str(server.port))
    assert f"pid {server.process.pid} " in refusal_of(server.data)
    assert "did you mean" in refusal_of(tmp_path, "--maxmemroy", "1")
    assert "nowhere" in refusal_of(tmp_path / "nowhere")
    assert server.connect().call("SET", "still", "well") == b"OK"


def test_a_directory_that_must_not_be_read(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    assert str(closed) in refusal_of(closed)


def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file" in refusal_of(tmp_path / "file")


def _has_a_place(server: Served) -> bool:
    raw = server.connect()
    try:
        return bool(raw.call("PING") == b"PONG")
    except OSError:
        return False
    finally:
        raw.close()


@pytest.mark.slow
def test_ten_thousand_that_send_one_byte_each_keep_nobody_waiting(serve: Serve, is_portable: bool) -> None:
    count = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 200:
        pytest.skip("too few descriptors here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = serve("--maxclients", str(count + 10), portable=is_portable)
    asking = server.connect()
    before = server.memory_bytes()
    crowd: list[socket.socket] = []
    try:
        for number in range(count):
            sock = socket.create_connection(("127.0.0.1", server.port), 30)
            sock.send(b"*" if number % 2 else b"x")
            crowd.append(sock)
            if number % 1000 == 0:
                assert asking.call("PING") == b"PONG"
        eventually(lambda: f"connected_clients:{count + 1}".encode() in asking.call("INFO", "clients"), within_s=60)
        assert asking.call("SET", "k", "v") == b"OK"
        assert server.memory_bytes() - before < count * 25_000
    finally:
        for sock in crowd:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    eventually(lambda: b"connected_clients:1\r\n" in asking.call("INFO", "clients"), within_s=60)
