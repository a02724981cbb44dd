"""Where the server listens, whom it lets in, and what it says when it cannot start."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from net_servers import Raw, Serve, Served, eventually, free_port

from respkv.errors import StartupError
from respkv.net.listeners import Listener, format_address, is_loopback, open_listeners, set_keepalive
from respkv.net.service import PROTECTED, Service
from respkv.server.config import Config
from respkv.server.config.load import load, read_flags


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
def closing() -> Iterator[list[Listener]]:
    listeners: list[Listener] = []
    yield listeners
    for listener in listeners:
        listener.close()


def test_several_addresses(closing: list[Listener]) -> None:
    port = str(free_port())
    closing += open_listeners(config_of("--port", port, "--bind", "127.0.0.1", "127.0.0.2", "-192.0.2.1"))
    assert [listener.name for listener in closing] == [f"127.0.0.1:{port}", f"127.0.0.2:{port}"]


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(StartupError, match=r"cannot listen on 192\.0\.2\.1:"):
        open_listeners(config_of("--port", str(free_port()), "--bind", "127.0.0.1 192.0.2.1"))


def test_addresses_as_redis_shows_them() -> None:
    assert format_address("::1", 6379) == "[::1]:6379"
    assert format_address("10.0.0.1", 6379) == "10.0.0.1:6379"
    assert is_loopback("127.0.0.2")
    assert is_loopback("::1")
    assert not is_loopback("192.0.2.1")


def test_keepalive_is_set() -> None:
    with socket.socket() as sock:
        set_keepalive(sock, 0)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
        set_keepalive(sock, 90)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 90
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 30


@pytest.mark.parametrize(
    ("flags", "is_local", "is_refused"),
    [
        ((), False, True),
        ((), True, False),
        (("--requirepass", "x"), False, False),
        (("--protected-mode", "no"), False, False),
    ],
)
async def test_protected_mode(tmp_path: Path, flags: tuple[str, ...], is_local: bool, is_refused: bool) -> None:
    service = Service(config_of("--dir", str(tmp_path), *flags))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert service._lets_in(ours, is_local) is not is_refused
        theirs.setblocking(False)
        if is_refused:
            assert theirs.recv(4096) == PROTECTED
            assert service.server.stats.rejected_connections == 1


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


def refusal_of(data: Path, *options: str, user: str | None = None) -> str:
    """What a server says that cannot start: one line."""
    words = ["serve", "--dir", str(data), *options]
    if "--port" not in words:
        words += ["--port", str(free_port())]
    done = subprocess.run(
        [sys.executable, "-m", "respkv", *words], capture_output=True, text=True, timeout=20, check=False, user=user
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
