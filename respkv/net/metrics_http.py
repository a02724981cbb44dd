"""The HTTP side of `metrics-port`: `/metrics` for Prometheus and `/health` for load balancers and supervisors.

Just enough HTTP/1.1 for a GET, one request a connection. Whoever asks is not trusted: the request has a bound in size,
reading and answering have one in time, and so has the number of connections; what is shown is made at most a few times
a second, however many ask.
"""

import json
import logging
import math
import socket
from collections.abc import Callable

import trio

from respkv.errors import StartupError
from respkv.net.listeners import listen_tcp
from respkv.server import log as server_log
from respkv.server.config import Config
from respkv.server.health import health_of
from respkv.server.server import Server

logger = logging.getLogger(__name__)

REQUEST_MAX_BYTES = 8 * 1024
REQUEST_S = 5.0
ANSWER_S = 10.0
CONNECTIONS_MAX = 16
FRESH_S = 0.25
"""For so long metrics are shown again as they are."""

BACKLOG = 16

TEXT = "text/plain; version=0.0.4; charset=utf-8"
INDEX = b"respkv: /metrics for Prometheus, /health for whether it serves\n"

_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class MetricsServer:
    """Serves the metrics of `server` at all addresses of `metrics-bind`. Opened by `open`, before `serve`."""

    def __init__(self, config: Config, server: Server) -> None:
        self.config = config
        self.server = server
        self.addresses: list[str] = []
        self._sockets: list[socket.socket] = []
        self._exposition: Callable[[Server], bytes] | None = None
        self._text = b""
        self._made_s = -math.inf
        self._connections = 0

    def open(self) -> None:
        """Listen, if `metrics-port` is set. Outside of Trio.

        Raises: StartupError if the address cannot be had, or prometheus-client is not installed.
        """
        port = self.config.metrics_port
        if not port:
            return
        try:
            from respkv.server.metrics import exposition
        except ImportError:
            raise StartupError(
                "metrics-port needs the prometheus-client package: pip install 'respkv[metrics]'"
            ) from None
        self._exposition = exposition
        for address in self.config.metrics_bind:
            listener = listen_tcp(address, port, BACKLOG)
            if listener is not None:
                self._sockets.append(listener.sock)
                self.addresses.append(listener.name)
        if not self._sockets:
            raise StartupError(f"no address of metrics-bind can be had: {' '.join(self.config.metrics_bind)}")
        for address in self.addresses:
            server_log.notice(logger, "metrics are served", url=f"http://{address}/metrics")

    async def serve(self) -> None:
        """Answer until cancelled."""
        listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(sock)) for sock in self._sockets]
        if listeners:
            await trio.serve_listeners(self._converse, listeners)

    def close(self) -> None:
        """Listen no more, where `serve` has not seen to it. Outside of Trio."""
        for sock in self._sockets:
            sock.close()

    async def _converse(self, stream: trio.SocketStream) -> None:
        if self._connections >= CONNECTIONS_MAX:
            await trio.aclose_forcefully(stream)
            return
        self._connections += 1
        try:
            status, kind, body, is_head = await self._respond(stream)
            head = (
                f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
            )
            with trio.move_on_after(ANSWER_S):
                await stream.send_all(head.encode() + (b"" if is_head else body))
                await stream.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # it is gone, which is its own affair
        except Exception:
            logger.exception("metrics could not be told")
        finally:
            self._connections -= 1
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    async def _respond(self, stream: trio.SocketStream) -> tuple[int, str, bytes, bool]:
        """Status, content type and body for the request that comes, and whether only their head is wanted."""
        request = b""
        with trio.move_on_after(REQUEST_S) as waiting:
            while b"\r\n\r\n" not in request:
                if len(request) > REQUEST_MAX_BYTES:
                    return 431, TEXT, b"the request is too large\n", False
                data = await stream.receive_some(REQUEST_MAX_BYTES)
                if not data:
                    return 400, TEXT, b"the request is not complete\n", False
                request += data
        if waiting.cancelled_caught:
            return 408, TEXT, b"the request took too long\n", False
        words = request.partition(b"\r\n")[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return 400, TEXT, b"not an HTTP request\n", False
        if words[0] not in (b"GET", b"HEAD"):
            return 405, TEXT, b"only GET and HEAD\n", False
        return *self._page(words[1].partition(b"?")[0]), words[0] == b"HEAD"

    def _page(self, path: bytes) -> tuple[int, str, bytes]:
        if path == b"/metrics":
            return 200, TEXT, self._metrics()
        if path == b"/health":
            health = health_of(self.server)
            told = {"status": health.status}
            if health.reason:
                told["reason"] = health.reason
            return 200 if health.is_ok else 503, "application/json", json.dumps(told).encode() + b"\n"
        if path == b"/":
            return 200, TEXT, INDEX
        return 404, TEXT, b"there are /metrics and /health\n"

    def _metrics(self) -> bytes:
        now_s = trio.current_time()
        if now_s - self._made_s >= FRESH_S:
            assert self._exposition is not None
            self._text = self._exposition(self.server)
            self._made_s = now_s
        return self._text
