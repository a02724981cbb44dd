"""Why a session is parked (`Session.parked`): it runs nothing until whoever parked it, or its end, lets it go on."""

from typing import Final

BLOCKED: Final = "blocked"
"""A command waits for a key, a time or the disk."""

LOCKED: Final = "locked"
"""Its next request waits for keys that a transaction has locked."""

PAUSED: Final = "paused"
"""CLIENT PAUSE holds its next request back."""

UNSENT: Final = "unsent"
"""Its replies are to be sent before it goes on."""

TRANSFER: Final = "transfer"
"""It gets a snapshot, and asks nothing more."""
