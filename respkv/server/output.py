"""How much output may wait for a client that does not read it: `client-output-buffer-limit`, decided in one place.

Replies are looked at by whoever sends them, with `OutputGuard.is_over`: when something is left unsent, and each tick.
Pushes are looked at where they arise, with `OutputGuard.admits_more`, since one turn can make any number of them.

Rule 1: a client belongs to one class, and only that class's limits count for it.
Rule 2: whoever has yet to authenticate gets errors only, which nobody needs to pile up.
Rule 3: what others make a client get has a bound even where its class has none (normal clients, by default): the hard
  limit of subscribers then counts for pushes alone. Redis lets MONITOR and tracking grow without end there.
"""

import logging
from typing import TYPE_CHECKING, Final

from respkv.server.clients import describe, output_bytes, type_of
from respkv.server.config.kinds import OutputLimit, OutputLimits

if TYPE_CHECKING:
    from respkv.server.session import Session

logger = logging.getLogger(__name__)

UNLIMITED_BYTES: Final = 1 << 62

UNAUTHENTICATED_MAX_BYTES: Final = 1024
"""How much may wait, beside what the kernel took, for a client that has yet to authenticate."""


class OutputGuard:
    """The limits of all classes, as `configure` was told last."""

    def __init__(self, limits: OutputLimits) -> None:
        self._limits = limits

    def configure(self, limits: OutputLimits) -> None:
        """From now on `limits` count. Sessions see the new ones when their room for pushes is measured again."""
        self._limits = limits

    def limit_of(self, session: "Session") -> OutputLimit:
        """The limit of the class that `session` is in."""
        kind = type_of(session)
        limits = self._limits
        return limits.pubsub if kind == b"pubsub" else limits.replica if kind == b"replica" else limits.normal

    def is_over(self, session: "Session", now_ms: int) -> bool:
        """Whether `session` is to be cut off for what it has not read; counts and logs it then."""
        limit = self.limit_of(session)
        # Not what waits for the disk, for which the client cannot be blamed.
        unsent = output_bytes(session) - session.held_bytes
        is_over = 0 < limit.hard_bytes < unsent or (
            unsent > UNAUTHENTICATED_MAX_BYTES and not session.is_authenticated()
        )
        if 0 < limit.soft_bytes < unsent:
            if session.over_soft_limit_ms == 0:
                session.over_soft_limit_ms = now_ms
            is_over = is_over or now_ms - session.over_soft_limit_ms >= limit.soft_s * 1000
        else:
            session.over_soft_limit_ms = 0
        if is_over:
            note_cut_off(session)
        return is_over

    def measure_room(self, session: "Session") -> None:
        """Forget what `session` was pushed so far: its class or the limits changed. It is looked at with the next."""
        session.push_room_bytes = 0
        session.pushes_begin_at = -1

    def admits_more(self, session: "Session") -> bool:
        """Whether `session` may be pushed more. O(parts of its output), but called seldom.

        That is once it was pushed more than `push_room_bytes` since the last call. Notes how much room it has now.
        """
        waiting = output_bytes(session)
        position = session.bytes_out + sum(map(len, session.out))
        hard = self.limit_of(session).hard_bytes
        if hard:
            if waiting > hard:
                return False
            session.push_room_bytes = hard - waiting
        else:
            # With a window's worth of pushes behind it, a client that reads has come to where the window began.
            hard = self._limits.pubsub.hard_bytes or UNLIMITED_BYTES
            if position - waiting < session.pushes_begin_at:
                return False
            session.pushes_begin_at = position
            session.push_room_bytes = hard
        session.pushed_bytes = 0
        return True


def note_cut_off(session: "Session") -> None:
    """Count and log that `session` is cut off for not reading."""
    session.stats.output_limit_disconnections += 1
    line = describe(session).decode("latin-1")
    logger.warning("Client %s closed for overcoming of output buffer limits.", line)
