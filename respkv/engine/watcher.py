"""What a session watches (WATCH), and whether any of it has changed since."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from respkv.engine.keyspace import Keyspace


class Watcher:
    """The keys that one session watches; `touched` once a door has changed one of them since."""

    def __init__(self) -> None:
        self.touched = False
        self.keys: set[tuple[Keyspace, bytes]] = set()

    def watch(self, db: "Keyspace", key: bytes) -> None:
        """Let `has_changed` tell whether `key` of `db` changes from now on."""
        if self.touched or (db, key) in self.keys:
            return
        # Should it have expired already, it goes now: its removal later would be no change.
        db.peek(key)
        db.watch(key, self)
        self.keys.add((db, key))

    def has_changed(self) -> bool:
        """Whether a watched key has changed or expired. O(keys watched)."""
        if not self.touched:
            for db, key in self.keys:
                db.peek(key)
        return self.touched

    def end(self) -> None:
        """Forget all watched keys. O(keys watched)."""
        for db, key in self.keys:
            db.unwatch(key, self)
        self.keys.clear()
        self.touched = False
