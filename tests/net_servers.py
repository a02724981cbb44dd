"""Servers in processes of their own, and clients that speak raw bytes: what tests of the network share."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom
from typing import Any

import hiredis
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_FAULTY = str(Path(__file__).parent / "faulty_server.py")
_JUMPING = str(Path(__file__).parent / "jumping_clock.py")

# By -c and not by its path, so that respkv is found where -m finds it.
_RUN = "import runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__')"

pack: Any = hiredis.pack_command  # its stub asks for a tuple of one word

# For what must come: long, since the machine may be busy with other things.
DEADLINE_S = 30.0

RESERVED_MAX = 64
"""How many ports are held for those who asked for them: more than one test has use for."""

_chance = SystemRandom()
_reserved: deque[socket.socket] = deque()


def eventually(condition: Callable[[], Any], what: str = "", within_s: float = DEADLINE_S) -> Any:
    """The first true value of `condition`."""
    end_s = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < end_s, f"did not come: {what or condition}"
        time.sleep(0.005)
    return value


def free_port() -> int:
    """A port that nobody uses, below those that the kernel gives to clients, of which one could get it first.

    Nor does another run of tests beside this one get it before the server has it: the UDP port of the same number is
    held until enough others have been asked for.
    """
    while True:
        port = _chance.randrange(10_000, 32_000)
        reserved = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            reserved.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            reserved.close()
            continue
        _reserved.append(reserved)
        if len(_reserved) > RESERVED_MAX:
            _reserved.popleft().close()
        return port


class Raw:
    """A connection on which a test says exactly what it wants to."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(DEADLINE_S)
        self._reader = hiredis.Reader()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def reply(self, within_s: float = DEADLINE_S) -> Any:
        """The next reply, an error as its text; TimeoutError if there is none."""
        self.sock.settimeout(within_s)
        while (reply := self._reader.gets()) is False:
            data = self.sock.recv(1 << 20)
            if not data:
                raise EOFError
            self._reader.feed(data)
        return str(reply).encode() if isinstance(reply, Exception) else reply

    def call(self, *words: bytes | str | int) -> Any:
        self.send(pack(words))
        return self.reply()

    def is_compacting(self) -> bool:
        """Whether the server's log is being rewritten, or is about to be."""
        told: bytes = self.call("INFO", "persistence")
        return b"aof_rewrite_in_progress:1" in told or b"aof_rewrite_scheduled:1" in told

    def is_silent(self, for_s: float = 0.15) -> bool:
        """Whether nothing arrives for so long: the one thing that cannot be polled for."""
        try:
            self.reply(for_s)
        except TimeoutError:
            return True
        return False

    def rest(self) -> bytes:
        """Everything up to the end of the connection, which must come."""
        data = bytearray()
        self.sock.settimeout(DEADLINE_S)
        with contextlib.suppress(ConnectionResetError):
            while part := self.sock.recv(1 << 20):
                data += part
        return bytes(data)

    def is_closed(self) -> bool:
        """Whether the server has ended the connection; what it said before is dropped."""
        self.sock.setblocking(False)
        try:
            while self.sock.recv(1 << 20):
                pass
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        self.sock.close()


class Served:
    """A server process with data in `folder / "data"`.

    `control` is the folder that `faulty_server` looks at, and `jumping_clock`.
    """

    def __init__(
        self, folder: Path, *options: str, portable: bool = False, faulty: bool = False, jumping: bool = False
    ) -> None:
        self.data = folder / "data"
        self.data.mkdir(exist_ok=True)
        self.control = folder / "control"
        self.control.mkdir(exist_ok=True)
        self._options = options
        self._log = folder / "server.log"
        self._program = ["-m", "respkv"]
        if faulty or jumping:
            self._program = ["-c", _RUN, _JUMPING if jumping else _FAULTY, str(self.control)]
        self._environment = {**os.environ, "RESPKV_IO": "portable" if portable else ""}
        self._connections: list[Raw] = []
        self._clients: list[redis.Redis] = []
        self.start()

    def start(self, *, wait: bool = True) -> None:
        """Start the process (again)."""
        self.port = free_port()
        words = ["serve", "--port", str(self.port), "--dir", str(self.data), *self._options]
        with self._log.open("ab") as log:
            # Of a session of its own: an interrupt from the keyboard is the tests' to handle.
            self.process = subprocess.Popen(
                [sys.executable, *self._program, *words],
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        eventually(self._is_ready, "the server's start")

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log_text()
        try:
            raw = self.connect()
        except OSError:
            return False
        answer = raw.call("PING")
        told = raw.call("INFO", "server")
        raw.close()
        # Somebody else's may have the port, and ours be about to find that out.
        assert told.startswith(b"NOAUTH") or b"\nprocess_id:%d\r" % self.process.pid in told, "another server answers"
        return not answer.startswith(b"LOADING")

    def connect(self) -> Raw:
        return self.own(Raw(socket.create_connection(("127.0.0.1", self.port), DEADLINE_S)))

    def own(self, raw: Raw) -> Raw:
        """`raw`, which is closed with the server."""
        self._connections.append(raw)
        return raw

    def client(self, **options: Any) -> redis.Redis:
        options.setdefault("protocol", 2)
        # Not retried: a test wants to know what became of its command.
        client = redis.Redis(port=self.port, socket_timeout=DEADLINE_S, retry=Retry(NoBackoff(), 0), **options)
        self._clients.append(client)
        return client

    def log_text(self) -> str:
        return self._log.read_text()

    def memory_bytes(self) -> int:
        """Resident memory of the process."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @contextlib.contextmanager
    def fault(self, name: str) -> Any:
        """The fault `name` of `faulty_server` is on meanwhile."""
        path = self.control / name
        path.touch()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)

    def set_clock(self, offset_ms: int) -> None:
        """From now on the time of day of a server that is `jumping` is the true one and `offset_ms`."""
        new = self.control / "clock.new"
        new.write_text(str(offset_ms))
        new.replace(self.control / "clock")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def exit_code(self) -> int:
        return self.process.wait(DEADLINE_S)

    def kill(self) -> None:
        """As a crash would."""
        self.signal(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def close(self) -> None:
        for client in self._clients:
            client.close()
        for raw in self._connections:
            raw.close()
        if self.process.poll() is None:
            self.kill()


Serve = Callable[..., Served]
