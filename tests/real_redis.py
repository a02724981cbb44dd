"""A real redis-server, for tests that ask how Redis does it."""

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hiredis

pack: Any = hiredis.pack_command  # its stub asks for a tuple of one word

_MARKER = b"end-of-answer"
_MARKED = b"$%d\r\n%b\r\n" % (len(_MARKER), _MARKER)


class RealRedis:
    """A redis-server of this machine, reached over a Unix socket."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.path = str(folder / "redis.sock")
        self.process = subprocess.Popen(
            ["redis-server", *arguments, "--port", "0", "--unixsocket", self.path, "--dir", str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if b"ready to accept connections" in line:
                break
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(self.path)
        self._reader = hiredis.Reader()

    def call(self, *words: bytes | str) -> Any:
        """The reply to one command; an error as its text."""
        return self.pipeline([words])[0]

    def pipeline(self, commands: list[tuple[bytes | str, ...]]) -> list[Any]:
        """The replies to many commands."""
        self._socket.sendall(b"".join(pack(words) for words in commands))
        return [self._reply() for _ in commands]

    def inline(self, line: bytes) -> Any:
        """The reply to a line of words; a protocol error closes the connection, which is then opened anew."""
        self._socket.sendall(line + b"\r\n")
        reply = self._reply()
        if isinstance(reply, bytes) and reply.startswith(b"ERR Protocol error"):
            self._socket.close()
            self._connect()
        return reply

    def answer(self, data: bytes) -> bytes:
        """Send whole requests, any number, on a new connection; the bytes of their replies."""
        with self._another() as connection:
            sender = threading.Thread(target=connection.sendall, args=(data + pack(("ECHO", _MARKER)),))
            sender.start()
            answer = bytearray()
            while not answer.endswith(_MARKED):
                part = connection.recv(1 << 20)
                assert part, "redis-server hung up"
                answer += part
            sender.join()
        return bytes(answer[: -len(_MARKED)])

    def answer_to_the_end(self, data: bytes) -> bytes:
        """Send bytes of any kind on a new connection and close our half; all that comes back.

        For little data: the server drops what it could not send before it saw the end.
        """
        answer = bytearray()
        with self._another() as connection, contextlib.suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(1 << 20):
                answer += part
        return bytes(answer)

    @contextlib.contextmanager
    def _another(self) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(self.path)
            yield connection

    def _reply(self) -> Any:
        while (reply := self._reader.gets()) is False:
            chunk = self._socket.recv(1 << 20)
            assert chunk, "redis-server hung up"
            self._reader.feed(chunk)
        return str(reply).encode() if isinstance(reply, Exception) else reply

    def stop(self) -> None:
        self._socket.close()
        self.process.kill()
        self.process.communicate()
