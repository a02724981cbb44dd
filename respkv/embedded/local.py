"""Sessions of clients in this process: what a socket does, without a socket.

A client's thread gives its bytes to the session and runs it, then reads what came back. Others may make a session ready
(a push to the list that it waits for); their threads, or the housekeeper, put its output into its inbox.

Rule 1: everything here is done with the store's latch held; a client that waits for output waits on it.
Rule 2: output is held until what it tells of is durable. The thread that made it sees to that before it goes on.
Rule 3: a client that does not read its replies is in this process, too: its inbox has no limit of its own, but a
  session whose output is large goes on only when it was read (`UNSENT`).
"""

import errno
import logging
import threading
from collections import deque
from typing import Final

from respkv.embedded.core import Clients, Core
from respkv.embedded.errors import DiskError, StoreClosedError
from respkv.engine.clock import steady_s, unix_ms
from respkv.server.durability import refusal_of
from respkv.server.parking import UNSENT
from respkv.server.session import Session

logger = logging.getLogger(__name__)

ADDRESS: Final = "/in-process:0"
"""What CLIENT LIST shows, in the form of a Unix socket's."""


class LocalClients(Clients):
    """All sessions of one store."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.sockets: dict[int, LocalSocket] = {}
        self._holding: set[LocalSocket] = set()
        # Sessions that were ready in this turn.
        self._resumed: list[Session] = []
        core.server.go_on = self._go_on

    @classmethod
    def of(cls, core: Core) -> "LocalClients":
        """Those of `core`, made when the first of them comes. The latch is held."""
        if not isinstance(core.clients, LocalClients):
            core.clients = cls(core)
        assert isinstance(core.clients, LocalClients)
        return core.clients

    def run(self, socket: "LocalSocket", data: bytes) -> None:
        """Let the session of `socket` receive `data`, and everyone concerned have their replies. Raises nothing."""
        session = socket.session
        try:
            session.receive(data)
        except Exception:
            logger.exception("a command failed unexpectedly; its client is disconnected")
            session.fail()
        if session.reader.pending_bytes() and session.is_over_query_limit():
            session.kill()
        self._finish([session])

    def go_on(self, socket: "LocalSocket") -> None:
        """The client has read its output: run what waited for that."""
        self._resume(socket.session)
        self._finish([socket.session])

    def finish_turn(self) -> None:
        """As Clients."""
        self._finish([])

    def release(self) -> None:
        """As Clients."""
        durable = self.core.engine.durable
        for socket in list(self._holding):
            if not socket.release(durable):
                self._holding.discard(socket)

    def close(self) -> None:
        """As Clients."""
        self.release()
        for socket in list(self.sockets.values()):
            socket.end()

    def _go_on(self, session: Session) -> None:
        if session.number in self.sockets:
            if session.parked:
                self._resume(session)
            self._resumed.append(session)

    def _resume(self, session: Session) -> None:
        try:
            session.resume()
        except Exception:
            logger.exception("a command failed unexpectedly; its client is disconnected")
            session.fail()

    def _finish(self, active: list[Session]) -> None:
        core = self.core
        engine = core.engine
        server = core.server
        server.finish_turn()
        active += self._resumed
        self._resumed = []
        active += server.pushed
        server.pushed.clear()
        lsn = 0
        for session in active:
            socket = self.sockets.get(session.number)
            if socket is not None:
                lsn = max(lsn, socket.answer(engine.durable if core.durability.holds else engine.batch))
                if socket.held:
                    self._holding.add(socket)
        if engine.effects and not core.durability.holds:
            core.durability.write()
        if lsn:
            try:
                core.settle(lsn)
            except DiskError:
                self._refuse()
            self.release()

    def _refuse(self) -> None:
        message = self.core.server.disk_error()
        for socket in self._holding:
            socket.refuse_held(message)
        self._holding.clear()


class LocalSocket:
    """One client's end: the part of `socket.socket` that redis-py uses. For one thread at a time, as a socket is.

    Raises: StoreClosedError if the store is closed.
    """

    def __init__(self, core: Core, timeout_s: float | None = None) -> None:
        self._core = core
        self._timeout_s = timeout_s
        # What was sent and not yet read, and what waits for the disk: batch and bytes.
        self._inbox: deque[bytes] = deque()
        self.held: deque[tuple[int, bytes]] = deque()
        self._has_ended = False
        with core.latch:
            if core.closed:
                raise StoreClosedError("the store is closed")
            self._arrived = threading.Condition(core.latch)
            core.engine.now_ms = unix_ms()
            self._clients = LocalClients.of(core)
            self.session = core.server.open_session(ADDRESS, ADDRESS)
            self._clients.sockets[self.session.number] = self

    # The client's end

    def sendall(self, data: bytes) -> None:
        """Run what `data` completes. Raises BrokenPipeError after the end."""
        core = self._core
        with core.latch:
            if self._has_ended or core.closed:
                raise BrokenPipeError(errno.EPIPE, "the store is closed" if core.closed else "the connection has ended")
            core.engine.now_ms = unix_ms()
            self._clients.run(self, bytes(data))

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes of output, waiting for some; nothing after the end.

        Raises: TimeoutError, or BlockingIOError with a timeout of 0.
        """
        with self._core.latch:
            if not self._wait(self._timeout_s):
                if self._timeout_s == 0:
                    raise BlockingIOError(errno.EWOULDBLOCK, "there is no output yet")
                raise TimeoutError("timed out")
            if not self._inbox:
                return b""
            data = self._inbox.popleft()
            if len(data) > size:
                self._inbox.appendleft(data[size:])
                data = data[:size]
            return data

    def recv_into(self, buffer: bytearray) -> int:
        """As `recv`, into `buffer`; how many bytes."""
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def wait_readable(self, timeout_s: float | None) -> bool:
        """Whether `recv` would give something, or the end, within `timeout_s` (None: however long it takes)."""
        with self._core.latch:
            return self._wait(timeout_s)

    def settimeout(self, timeout_s: float | None) -> None:
        """How long `recv` waits."""
        self._timeout_s = timeout_s

    def gettimeout(self) -> float | None:
        """How long `recv` waits."""
        return self._timeout_s

    def getpeername(self) -> str:
        """The address as a Unix socket has it."""
        return ADDRESS

    def getsockname(self) -> str:
        """As `getpeername`."""
        return ADDRESS

    def shutdown(self, how: int) -> None:
        """End both directions."""
        self.close()

    def close(self) -> None:
        """The client is gone."""
        with self._core.latch:
            self.end()

    def _wait(self, timeout_s: float | None) -> bool:
        end_s = None if timeout_s is None else steady_s() + timeout_s
        while not self._inbox and not self._has_ended:
            if self.session.parked == UNSENT and not self.held:
                self._core.engine.now_ms = unix_ms()
                self._clients.go_on(self)
                continue
            left_s = None if end_s is None else end_s - steady_s()
            if left_s is not None and left_s <= 0:
                return False
            self._arrived.wait(left_s)
        return True

    # The store's end

    def answer(self, durable: int) -> int:
        """Take the session's output; the batch that it has to wait for, or 0."""
        session = self.session
        if session.out:
            data = session.take_output()
            if self.held or session.wait_lsn > durable:
                self.held.append((session.wait_lsn, data))
            else:
                self._deliver(data)
        if session.closing and not self.held:
            self.end()
        return self.held[-1][0] if self.held else 0

    def release(self, durable: int) -> bool:
        """Give out what waited for batches up to `durable`; whether more waits."""
        while self.held and self.held[0][0] <= durable:
            self._deliver(self.held.popleft()[1])
        if self.session.closing and not self.held:
            self.end()
        return len(self.held) > 0

    def refuse_held(self, message: bytes) -> None:
        """Answer all that waits with the error `message`: it could not be made durable."""
        while self.held:
            self._deliver(refusal_of(self.held.popleft()[1], message, self.session))
        self.session.wait_lsn = 0

    def end(self) -> None:
        """Nothing more comes."""
        if not self._has_ended:
            self._has_ended = True
            self._clients.sockets.pop(self.session.number, None)
            self._core.server.close_session(self.session)
            self._arrived.notify_all()

    def _deliver(self, data: bytes) -> None:
        self._inbox.append(data)
        self._arrived.notify_all()
