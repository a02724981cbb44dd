"""Clients that ask for the data set as a replica would: what REPLCONF told of them, and the transfer to them.

A transfer is a file that is being sent, in parts, each when the part before it has left. What a client does not read
therefore costs a descriptor, and no memory. There is no stream of changes behind it.
"""

from typing import TYPE_CHECKING, Protocol

from respkv.server.parking import TRANSFER, UNSENT

if TYPE_CHECKING:
    from respkv.server.session import Session

PART_BYTES = 256 * 1024
"""How much of a file is read into a client's output at once."""


class Transfer(Protocol):
    """A snapshot that goes to one client."""

    def read(self, byte_count: int) -> bytes:
        """The next bytes, at most so many; none at the end."""

    def close(self) -> None:
        """Let go of it; more than once does no more."""


class Replica:
    """What a client has told by REPLCONF, and what is sent to it."""

    def __init__(self) -> None:
        self.port = 0
        self.address = b""
        self.rdb_only = False
        # What `rdb-filter-only` asks for.
        self.wants_data = True
        self.wants_functions = True
        # Whether it has asked for a snapshot: it does nothing else from then on.
        self.is_served = False
        # Set while a snapshot is being sent.
        self.transfer: Transfer | None = None
        # When the last part was handed to the connection (unix ms).
        self.progress_ms = 0

    def goes_on(self, session: "Session") -> bool:
        """Let `session`, which is parked and may go on, send the next part of its snapshot; False if that is not it."""
        if session.parked not in (TRANSFER, UNSENT):
            return False
        if self.transfer is None:
            return session.parked == TRANSFER  # it is still being written
        part = self.transfer.read(PART_BYTES)
        self.progress_ms = session.engine.now_ms
        if part:
            session.out.append(part)
            session.parked = UNSENT
        else:
            self.end_transfer()
            session.parked = ""
            session.closing = True
        return True

    def end_transfer(self) -> None:
        """Send no more of a snapshot, if one is being sent."""
        if self.transfer is not None:
            self.transfer.close()
            self.transfer = None
