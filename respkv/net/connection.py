"""A client's socket under the pump: receives for its session, sends what the session answers."""

import socket
from collections import deque
from typing import Final

from respkv.net.sockets import receive, send
from respkv.server.durability import refusal_of
from respkv.server.parking import UNSENT
from respkv.server.session import Session

RECEIVE_BYTES_SMALL: Final = 448
RECEIVE_BYTES: Final = 16 * 1024
RECEIVE_BYTES_LONG: Final = 32 * 1024
RECEIVE_BYTES_LARGE: Final = 1024 * 1024
"""How much is received at once: the first until a client has sent so much, since buffers of that size cost next to
nothing; the second, as in Redis, for commands, the third for the rest of one that is longer than that, the fourth for
the rest of a large argument. What is received is run, or read, before anybody else is: a megabyte of short commands, or
of short arguments, would keep them waiting for 10 ms."""


SEND_BYTES: Final = 256 * 1024
"""How much is sent at once, which the kernel copies, and on one machine takes to the other end: whoever else has asked
something meanwhile is not to wait for megabytes of that. Of one value so long no copy is made behind its header."""


_receive: Final = receive
_send: Final = send


class Held:
    """Output that may leave once batch `lsn` is durable."""

    def __init__(self, lsn: int, data: bytes) -> None:
        self.lsn = lsn
        self.data = data


class Connection:
    """One client of the pump: `sock` is non-blocking, `fd` its number, -1 when it is closed."""

    def __init__(self, sock: socket.socket, session: Session) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        # Whoever speaks TLS is not to be read by the descriptor alone.
        self._tls = None if type(sock) is socket.socket else sock
        self._receive_bytes = RECEIVE_BYTES_SMALL
        self.session = session
        # Output that waits for the disk, in order; and output that waits for the client to read.
        self.held: list[Held] = []
        # The pump's window in which it was active last.
        self.active_window = 0
        self._unsent: deque[memoryview] = deque()
        self.unsent_bytes = 0
        # What the poller watches for.
        self.watches_write = False
        self.watches_read = True
        self.watches_end = False
        # The peer is gone, or must be.
        self.broken = False
        session.fd = self.fd

    def receive(self) -> None:
        """Take what has arrived and run what it completes."""
        session = self.session
        size = self._receive_bytes
        try:
            data = _receive(self.fd, size) if self._tls is None else self._tls.recv(size)
        except BlockingIOError:
            return
        except OSError:
            self.broken = True
            return
        if not data:
            self.hang_up()
            return
        session.receive(data)
        if len(data) >= size or size > RECEIVE_BYTES:
            reader = session.reader
            if reader.pending_bytes() < RECEIVE_BYTES:
                self._receive_bytes = RECEIVE_BYTES
                return
            self._receive_bytes = RECEIVE_BYTES_LARGE if reader.awaits_large() else RECEIVE_BYTES_LONG
            if session.is_over_query_limit():
                self.broken = True

    def hang_up(self) -> None:
        """The client sends no more, but may still read: say what there is to say, then end."""
        self.session.hang_up()

    def answer(self, durable: int) -> None:
        """Send the session's output, or hold it until its batch is durable."""
        session = self.session
        if not session.out:
            return
        out = session.out
        if len(out) == 3 and len(out[1]) > SEND_BYTES and not self.held and session.wait_lsn <= durable:
            for part in session.take_parts():
                self.send(part)
            return
        data = session.take_output()
        if self.held or session.wait_lsn > durable:
            self.held.append(Held(session.wait_lsn, data))
            session.held_bytes += len(data)
        else:
            self.send(data)

    def release(self, durable: int) -> bool:
        """Send held output up to batch `durable`; whether more is held."""
        held = self.held
        count = 0
        for part in held:
            if part.lsn > durable:
                break
            count += 1
            self.session.held_bytes -= len(part.data)
            self.send(part.data)
        if count == 1:
            del held[0]
        else:
            del held[:count]
        return len(held) > 0

    def refuse_held(self, message: bytes) -> None:
        """Answer all that is held with the error `message`: it could not be made durable."""
        for held in self.held:
            self.send(refusal_of(held.data, message, self.session))
        self.held.clear()
        self.session.held_bytes = 0
        # What it asks next need not wait for what was refused.
        self.session.wait_lsn = 0

    def drop_output(self) -> None:
        """Forget what was never sent: the connection is closed."""
        self.held.clear()
        self._unsent.clear()
        self.unsent_bytes = 0

    def send(self, data: bytes) -> None:
        """Send now what the socket takes, keep the rest."""
        if self._unsent:
            self._keep(memoryview(data))
            return
        part = data if len(data) <= SEND_BYTES else memoryview(data)[:SEND_BYTES]
        try:
            sent = _send(self.fd, part) if self._tls is None else self._tls.send(part)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.broken = True
            return
        if sent < len(data):
            self._keep(memoryview(data)[sent:])

    def send_unsent(self) -> None:
        """The socket has room again."""
        unsent = self._unsent
        room = SEND_BYTES
        try:
            while unsent and room > 0:
                part = unsent[0]
                sent = _send(self.fd, part[:room]) if self._tls is None else self._tls.send(part[:room])
                room -= sent
                self.unsent_bytes -= sent
                if sent < len(part):
                    unsent[0] = part[sent:]
                    break
                unsent.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self.broken = True
        self.session.unsent_bytes = self.unsent_bytes

    def waits_to_send_only(self) -> bool:
        """Whether the session is parked until its output is sent, and it is."""
        return self.session.parked == UNSENT and not self._unsent and not self.held

    def is_finished(self) -> bool:
        """Whether the connection can be closed: it broke, or said all that it had to before its end."""
        session = self.session
        return self.broken or session.killed or (session.closing and not self.held and not self._unsent)

    def _keep(self, part: memoryview) -> None:
        self._unsent.append(part)
        self.unsent_bytes += len(part)
        self.session.unsent_bytes = self.unsent_bytes
