"""ACL LOG: what was denied lately, to whom, and how often.

What is denied again within a minute is counted in the entry that is there. The log is bounded twice: in entries
(acllog-max-len) and, unlike Redis's, in what an entry keeps of a key or name, which may be half a gigabyte.
"""

from collections import deque
from typing import Final

GROUPING_MS: Final = 60_000
"""What happens again within this time is the same entry."""

LOOKED_AT: Final = 10
"""So many of the newest entries are looked at for that."""

TEXT_MAX_BYTES: Final = 1024
"""What is kept of the key, channel, command or user's name."""


class Entry:
    """Something that was denied: `count` times, from `created_ms` to `updated_ms` (unix)."""

    def __init__(
        self, number: int, reason: bytes, context: bytes, subject: bytes, user: bytes, now_ms: int, client: bytes
    ) -> None:
        self.number = number
        self.count = 1
        self.reason = reason
        self.context = context
        self.subject = subject
        self.user = user
        self.created_ms = now_ms
        self.updated_ms = now_ms
        self.client = client

    def is_like(self, other: "Entry") -> bool:
        """Whether `other` is the same thing again."""
        return (
            self.reason == other.reason
            and self.context == other.context
            and abs(self.updated_ms - other.updated_ms) <= GROUPING_MS
            and self.subject == other.subject
            and self.user == other.user
        )


class AclLog:
    """The entries, newest first."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._most = 0
        self._added = 0

    def resize(self, most: int) -> None:
        """Keep at most so many entries."""
        self._most = most
        self._trim()

    def clear(self) -> None:
        """Forget all entries."""
        self._entries.clear()

    def latest(self, count: int) -> list[Entry]:
        """The newest `count` entries, newest first."""
        return [self._entries[at] for at in range(min(count, len(self._entries)))]

    def add(self, reason: bytes, context: bytes, subject: bytes, user: bytes, now_ms: int, client: bytes) -> None:
        """Note that something was denied; `client` is its line in CLIENT LIST."""
        subject = subject[:TEXT_MAX_BYTES]
        user = user[:TEXT_MAX_BYTES]
        entry = Entry(self._added, reason, context, subject, user, now_ms, client)
        for at in range(min(LOOKED_AT, len(self._entries))):
            known = self._entries[at]
            if known.is_like(entry):
                known.count += 1
                known.updated_ms = now_ms
                known.client = client
                del self._entries[at]
                self._entries.appendleft(known)
                return
        self._added += 1
        self._entries.appendleft(entry)
        self._trim()

    def _trim(self) -> None:
        while len(self._entries) > self._most:
            self._entries.pop()
