"""`maxmemory-clients`: when the buffers of all clients together take too much, those that take most are closed.

Looked at ten times a second, with many clients less often, and not at all without a limit. What a client may send and
leave unread has bounds of its own; this is for many that stay below those. CLIENT NO-EVICT and replicas are spared.
"""

import logging
from typing import TYPE_CHECKING

from respkv.server import log
from respkv.server.clients import buffered_bytes, describe, type_of

if TYPE_CHECKING:
    from respkv.server.server import Server
    from respkv.server.session import Session

logger = logging.getLogger(__name__)

CLIENTS_A_TICK = 2000
"""With more clients than that, only every second (third, ...) tick looks at them."""


class ClientEvictor:
    """Closes clients of `server` for the memory that they take. `limit_bytes` 0 is no limit."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.limit_bytes = 0
        self._ticks = 0

    def configure(self, value: int, maxmemory: int) -> None:
        """Take over the directive: bytes, or a negative percentage of `maxmemory`."""
        self.limit_bytes = value if value >= 0 else -value * maxmemory // 100

    def tick(self) -> None:
        """Close clients until the others take no more than the limit. O(clients)."""
        if self.limit_bytes == 0:
            return
        self._ticks += 1
        if self._ticks % (len(self.server.sessions) // CLIENTS_A_TICK + 1):
            return
        sizes = self.sizes()
        total = sum(sizes.values())
        if total <= self.limit_bytes:
            return
        for session in sorted(sizes, key=sizes.__getitem__, reverse=True):
            log.notice(logger, "evicting a client", client=describe(session))
            self.server.stats.evicted_clients += 1
            session.kill()
            total -= sizes[session]
            if total <= self.limit_bytes:
                break

    def sizes(self) -> "dict[Session, int]":
        """The clients that may be closed, and what each takes. O(clients)."""
        return {
            one: buffered_bytes(one)
            for one in self.server.sessions.values()
            if not (one.no_evict or one.killed or type_of(one) == b"replica")
        }
