"""RESP as a client sees it: replies parsed without losing what was on the wire, and a blocking connection.

A client library would hide what is compared here (a null bulk and a null array are both `None` to it), so
the few lines of parsing are our own. They favour plainness over speed; bulk loads do not come through here.
"""

import contextlib
import re
import select
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Self

LINE_KINDS = "+-:_#,("
BULK_KINDS = "$!="
AGGREGATE_KINDS = "*~>%|"


class Incomplete(Exception):
    """The bytes end before the reply does."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: `kind` is its type byte; `value` its text, its parts, or None for a RESP2 null.

    A map's parts alternate keys and values, so that their order stays visible.
    """

    kind: str
    value: "bytes | tuple[Reply, ...] | None"

    @property
    def parts(self) -> "tuple[Reply, ...]":
        return self.value if isinstance(self.value, tuple) else ()

    @property
    def text(self) -> str:
        return self.value.decode(errors="backslashreplace") if isinstance(self.value, bytes) else ""

    @property
    def is_error(self) -> bool:
        return self.kind in "-!"


def parse(data: bytes | bytearray, at: int = 0) -> tuple[Reply, int]:
    """The reply that starts at `at` and the offset behind it.

    Raises: Incomplete if more bytes are needed; ValueError if this is no RESP.
    """
    end = data.find(b"\r\n", at)
    if end < 0:
        raise Incomplete
    kind, line, behind = chr(data[at]), bytes(data[at + 1 : end]), end + 2
    if kind in LINE_KINDS:
        return Reply(kind, line), behind
    if kind not in BULK_KINDS + AGGREGATE_KINDS:
        raise ValueError(f"not a RESP reply: {bytes(data[at : at + 60])!r}")
    length = int(line)
    if length < 0:
        return Reply(kind, None), behind
    if kind in BULK_KINDS:
        if len(data) < behind + length + 2:
            raise Incomplete
        return Reply(kind, bytes(data[behind : behind + length])), behind + length + 2
    parts = []
    for _ in range(length * 2 if kind in "%|" else length):
        part, behind = parse(data, behind)
        parts.append(part)
    return Reply(kind, tuple(parts)), behind


def encode(argv: Iterable[bytes]) -> bytes:
    """A request as clients send it: an array of bulk strings."""
    parts = list(argv)
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def quote(data: bytes) -> str:
    """The bytes as redis-cli would take them back: bare if plain, else in double quotes with escapes."""
    if re.fullmatch(rb"[!#-&(-\[\]-~]+", data):
        return data.decode()
    if len(data) > 200:
        return f"{quote(data[:80])}...({len(data)} bytes)"
    escapes = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}
    return '"' + "".join(escapes.get(c) or (chr(c) if 32 <= c < 127 else f"\\x{c:02x}") for c in data) + '"'


def render(reply: Reply, indent: str = "") -> str:
    """The reply for people, type bytes shown, one part a line."""
    if reply.value is None:
        return f"{reply.kind} (null)"
    if isinstance(reply.value, bytes):
        return f"{reply.kind} {quote(reply.value)}" if reply.kind in BULK_KINDS else reply.kind + reply.text
    lines = [f"{reply.kind} of {len(reply.value)}"]
    lines += [f"{indent}  {render(part, indent + '  ')}" for part in reply.value]
    return "\n".join(lines)


class Connection:
    """A blocking connection to a server on this machine. Close it, or use it in a `with`."""

    def __init__(self, port: int, *, timeout_s: float = 5.0) -> None:
        self.timeout_s = timeout_s
        self.closed = False
        self.pending = bytearray()
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        self.closed = True
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send everything; a server that hung up is noticed by the next read."""
        try:
            self._socket.sendall(data)
        except (ConnectionError, BrokenPipeError):
            self.closed = True

    def finish(self) -> None:
        """Tell the server that nothing more will be sent; replies can still be read."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def read(self, timeout_s: float | None = None) -> Reply | None:
        """The next reply; None if the server hangs up first. Raises: TimeoutError."""
        deadline = monotonic() + (self.timeout_s if timeout_s is None else timeout_s)
        while True:
            try:
                reply, behind = parse(self.pending)
            except Incomplete:
                if not self._receive(deadline):
                    return None
            else:
                del self.pending[:behind]
                return reply

    def _receive(self, deadline: float) -> bool:
        left_s = deadline - monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(left_s)
        try:
            data = self._socket.recv(1 << 20)
        except ConnectionError:
            data = b""
        self.closed = self.closed or not data
        self.pending += data
        return bool(data)

    def has_input(self, timeout_s: float) -> bool:
        """Whether there is something to read, now or within that time."""
        return bool(self.pending) or bool(select.select([self._socket], [], [], timeout_s)[0])

    def read_until_quiet(self, quiet_s: float) -> tuple[list[Reply], bool]:
        """All replies until nothing arrives for `quiet_s`, and whether the server hung up."""
        replies = []
        try:
            while (reply := self.read(quiet_s)) is not None:
                replies.append(reply)
        except TimeoutError:
            return replies, False
        return replies, True

    def ask(self, *argv: bytes | str | int) -> Reply:
        """Send one command and return its reply. Raises: ConnectionError if the server hangs up."""
        self.send(encode(str(arg).encode() if isinstance(arg, str | int) else arg for arg in argv))
        reply = self.read()
        if reply is None:
            raise ConnectionError(f"the server hung up on {argv[0]!r}")
        return reply

    def pipeline(self, commands: Sequence[Sequence[bytes]]) -> list[Reply]:
        """Send all commands at once and return their replies."""
        self.send(b"".join(map(encode, commands)))
        replies = []
        for command in commands:
            reply = self.read()
            if reply is None:
                raise ConnectionError(f"the server hung up on {command[0]!r}")
            replies.append(reply)
        return replies
