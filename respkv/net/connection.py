"""A client's socket under the pump: receives for its session, sends what the session answers."""

import socket
from collections import deque

from respkv.server.session import Session


class Held:
    """Output that may leave once batch `lsn` is durable."""

    def __init__(self, lsn: int, data: bytes) -> None:
        self.lsn = lsn
        self.data = data


class Connection:
    """One client: `sock` is non-blocking, `fd` its number."""

    def __init__(self, sock: socket.socket, session: Session) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.recv = sock.recv
        self.send = sock.send
        self.session = session
        # Output that waits for the disk, in order; and output that waits for the client to read.
        self.held: deque[Held] = deque()
        self.unsent = b""
        # Whether the poller watches for room to send.
        self.wants_write = False
