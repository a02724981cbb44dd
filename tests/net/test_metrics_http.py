"""The HTTP side of metrics-port."""

import contextlib
import http.client
import json
import socket
import subprocess
import sys

import pytest
from net_servers import DEADLINE_S, Serve, Served, eventually, free_port

pytest.importorskip("prometheus_client")

from respkv.engine.keyspace import open_engine
from respkv.errors import StartupError
from respkv.net.metrics_http import CONNECTIONS_MAX, MetricsServer
from respkv.server.config import Config
from respkv.server.server import Server


def start(serve: Serve, *options: str, portable: bool = False) -> tuple[Served, int]:
    port = free_port()
    return serve("--metrics-port", str(port), *options, portable=portable), port


def get(port: int, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers["Content-Type"], body


def raw(port: int, data: bytes) -> bytes:
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as sock:
        sock.sendall(data)
        # Who is answered before all was read is reset behind the answer.
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while part := sock.recv(65536):
                answer += part
    return answer


def test_metrics_and_health(serve: Serve, is_portable: bool) -> None:
    server, port = start(serve, portable=is_portable)
    assert server.connect().call("SET", "k", "v") == b"OK"
    status, kind, body = get(port, "/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b"\nredis_up 1.0\n" in body
    assert b'\nredis_commands_total{cmd="set"} 1.0\n' in body
    assert b'\nredis_db_keys{db="db0"} 1.0\n' in body
    status, kind, body = get(port, "/health?full=1")
    assert (status, kind, json.loads(body)) == (200, "application/json", {"status": "ok"})
    assert get(port, "/health", "HEAD") == (200, "application/json", b"")
    assert get(port, "/")[0] == 200
    assert get(port, "/nosuch")[0] == 404
    assert get(port, "/metrics", "POST")[0] == 405


def test_health_is_503_while_writes_are_refused(serve: Serve) -> None:
    server, port = start(serve, "--maxmemory", "1mb")
    raw_client = server.connect()
    for number in range(20):
        raw_client.call("SET", f"k{number}", "x" * 100_000)
    status, _, body = get(port, "/health")
    assert status == 503
    assert json.loads(body)["status"] == "refusing writes"
    assert b"redis_memory_max_bytes 1.048576e+06" in get(port, "/metrics")[2]


@pytest.mark.parametrize(
    ("request_", "status"),
    [(b"", b"400"), (b"GET /health HTTP/1.1\r\n", b"400"), (b"nonsense\r\n\r\n", b"400"),
     (b"GET /health HTTP/1.1\r\n\r\n", b"200"), (b"GET /health SPDY/3\r\n\r\n", b"400"), (b"\x00\xff\r\n\r\n", b"400"),
     (b"GET /health HTTP/1.1\r\nA: " + b"x" * 20_000, b"431"), (b"DELETE / HTTP/1.1\r\n\r\n", b"405")],
)  # fmt: skip
def test_bad_requests_get_an_answer(serve: Serve, request_: bytes, status: bytes) -> None:
    _, port = start(serve)
    assert raw(port, request_).startswith(b"HTTP/1.1 " + status)


def test_clients_that_say_nothing_keep_nobody_out_for_long(serve: Serve) -> None:
    server, port = start(serve)
    silent = [socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) for _ in range(CONNECTIONS_MAX + 4)]
    assert server.connect().call("PING") == b"PONG"
    # Those above the bound are closed at once, the others when their time is up.
    for sock in silent[CONNECTIONS_MAX:]:
        assert sock.recv(1) == b""
        sock.close()
    for sock in silent[:CONNECTIONS_MAX]:
        assert sock.recv(100).startswith(b"HTTP/1.1 408")
        sock.close()
    eventually(lambda: is_well(port), "a free place")


def is_well(port: int) -> bool:
    """Whether /health says so; not if there is no place to ask from."""
    try:
        return get(port, "/health")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def test_a_port_that_is_taken_stops_the_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = Config({"metrics-port": str(taken.getsockname()[1]), "metrics-bind": "127.0.0.1"})
        metrics = MetricsServer(config, Server(open_engine(1), config))
        with pytest.raises(StartupError, match="is in use"):
            metrics.open()
        metrics.close()


def test_without_the_package_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "respkv.server.metrics", None)
    config = Config({"metrics-port": "9"})
    with pytest.raises(StartupError, match=r"pip install 'respkv\[metrics\]'"):
        MetricsServer(config, Server(open_engine(1), config)).open()


def test_without_a_port_the_package_is_not_imported() -> None:
    program = "import sys, respkv.net.service; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd="/")
    assert done.stdout == b"False\n"
