"""What an open transaction sees of a database and has changed in it: a private database over the shared one.

A command of a transaction runs as any other does, by the same handler through the same doors, on a `Workspace`. There
it finds the keys that the transaction has locked: those that it only reads are the shared database's own values, by
reference, and one is copied when it is first edited in place. Nothing of this is in the shared database until
`install` moves it there. So whatever looks at that in between (a snapshot, compaction, KEYS, eviction, a watcher) sees
what is committed and no more, and to roll back is to forget.

Rule 1: a key is looked at under a lock only: `check_out` comes before the command. An exclusive lock allows any change,
  a shared one none.
Rule 2: a value that anybody else may need is *borrowed*, and never changed in place: `before_edit` copies it, O(size),
  once. An earlier savepoint's values are borrowed too.
Rule 3: `unsynced`, which the doors keep for the sake of the disk elsewhere, names the keys that were changed.
Rule 4: a key that ends while it is locked exclusively is deleted here as any other, and its DEL is the transaction's.
  One that is only read seems to be gone, and the shared database deletes it in its own time.
"""

from collections.abc import Callable, Iterable
from typing import Any

from respkv.engine.engine import ACCESS, NOTIFIED, SNAPSHOT, TRACKED, UNSYNCED, Engine
from respkv.engine.keyspace import Keyspace, payload_of
from respkv.engine.shards import SHARD_COUNT, Shard, Value, copy_of
from respkv.values.collection import NEVER_MS, Collection

KEY_BYTES = 400
"""About what a key that a transaction has locked takes, beside name and value: its lock, and its places in dicts."""

_TRIES = 64


class Image:
    """A key as it was at a savepoint: its value or None, when it expires or -1, and whether it was changed already."""

    def __init__(self, value: Value | None, at_ms: int, is_changed: bool) -> None:
        self.value = value
        self.at_ms = at_ms
        self.is_changed = is_changed


class Whole:
    """A workspace as it was when all its keys were deleted."""

    def __init__(self, workspace: "Workspace") -> None:
        self.shard = workspace.shard
        self.payload_bytes = workspace.payload_bytes
        self.borrowed = workspace.borrowed
        self.borrowed_bytes = workspace.borrowed_bytes
        self.unsynced = workspace.unsynced
        self.is_cleared = workspace.is_cleared


class Level:
    """What a savepoint needs to have back: keys changed since, and the rest if all were deleted since."""

    def __init__(self) -> None:
        self.images: dict[bytes, Image] = {}
        self.whole: Whole | None = None


class Workspace(Keyspace):
    """Database `base` as a transaction sees it; `engine` is the transaction's own."""

    def __init__(self, engine: Engine, base: Keyspace) -> None:
        self.shard = Shard()
        super().__init__(engine, base.index, [self.shard] * SHARD_COUNT)
        self.base = base
        # The keys that were looked at, and whether under an exclusive lock.
        self.modes: dict[bytes, bool] = {}
        self.borrowed: dict[bytes, Value] = {}
        self.borrowed_bytes = 0
        # All keys of the database were deleted: what is not here is nowhere.
        self.is_cleared = False
        # One for each savepoint; and the bytes that only they hold.
        self.levels: list[Level] = []
        self.saved_bytes = 0
        self.follow_base()

    # For the transaction

    def follow_base(self) -> None:
        """Take over what the shared database minds just now."""
        self.alert = UNSYNCED | SNAPSHOT | (self.base.alert & (NOTIFIED | ACCESS))
        self.attentive = True

    def check_out(self, key: bytes, exclusive: bool) -> None:
        """Have `key`, on which the transaction holds a lock, as the shared database has it. O(1).

        A hash with fields that expire is copied: O(size).
        """
        base = self.base
        base_shard = base.shard_of(key)
        mode = self.modes.get(key)
        if mode is None or (exclusive and not mode):
            if mode is None:
                base.lent[key] = base.lent.get(key, 0) + 1
            else:
                # What was seen under a shared lock may have ended since, in this view only.
                self._forget(key)
            self.modes[key] = exclusive
            if not self.is_cleared:
                self._borrow(base_shard, key)
        if base.attentive:
            base.attend(base_shard, key, key in base_shard.values)

    def save(self, key: bytes) -> None:
        """Keep `key` for the last savepoint as it is, before the first change since. O(1)."""
        if not self.levels:
            return
        level = self.levels[-1]
        if level.whole is not None or key in level.images:
            return
        value = self.shard.values.get(key)
        if value is not None and key not in self.borrowed:
            if isinstance(value, Collection) and value.next_expiry_ms() < NEVER_MS:
                value = copy_of(value)
            else:
                self._lend(key, value)
            self.saved_bytes += len(key) + payload_of(value)
        level.images[key] = Image(value, self.shard.expires.get(key, -1), key in self.unsynced)

    def settle_borrowed(self, key: bytes) -> None:
        """A command that may have changed `key` is over: it may have another value now. O(1)."""
        value = self.borrowed.get(key)
        if value is not None and self.shard.values.get(key) is not value:
            del self.borrowed[key]
            self.borrowed_bytes -= len(key) + payload_of(value)

    def own_bytes(self) -> int:
        """Bytes of keys and values that exist for this transaction alone."""
        return self.payload_bytes - self.borrowed_bytes + self.saved_bytes + KEY_BYTES * len(self.modes)

    def push_level(self) -> None:
        """A savepoint."""
        self.levels.append(Level())

    def merge_level(self) -> None:
        """Forget the last savepoint: what it keeps is the business of the one before. O(keys changed since)."""
        last = self.levels.pop()
        if not self.levels:
            self.saved_bytes = 0
            return
        level = self.levels[-1]
        if level.whole is None:
            for key, image in last.images.items():
                level.images.setdefault(key, image)
            level.whole = last.whole

    def restore_level(self) -> Iterable[bytes] | None:
        """Be as at the last savepoint, which is gone then; the keys changed since, or None for all. O(those)."""
        level = self.levels.pop()
        whole = level.whole
        if whole is not None:
            self.shard = whole.shard
            self.shards = [whole.shard] * SHARD_COUNT
            self.payload_bytes = whole.payload_bytes
            self.borrowed = whole.borrowed
            self.borrowed_bytes = whole.borrowed_bytes
            self.unsynced = whole.unsynced
            self.is_cleared = whole.is_cleared
            for key in self.modes:
                # Looked at for the first time since.
                if not self.is_cleared and key not in self.shard.values and key not in self.unsynced:
                    self._borrow(self.base.shard_of(key), key)
        for key, image in level.images.items():
            self._forget(key)
            value = image.value
            if value is not None:
                self.load(key, value, image.at_ms if image.at_ms >= 0 else None)
                # Another savepoint may have it too.
                if not isinstance(value, Collection) or value.next_expiry_ms() == NEVER_MS:
                    self._lend(key, value)
            if image.is_changed:
                self.unsynced[key] = 1
            else:
                self.unsynced.pop(key, None)
        if not self.levels:
            self.saved_bytes = 0
        return level.images if whole is None else None

    def changed_names(self) -> Iterable[bytes] | None:
        """The keys that the shared database has otherwise, or None for all."""
        return None if self.is_cleared else self.unsynced

    def publish(self) -> None:
        """Let the shared database hold what was changed. O(keys changed); values are moved."""
        base = self.base
        if self.is_cleared:
            base.clear()
            if base.alert & TRACKED:
                base.engine.tracker.flushed()
        values = self.shard.values
        expires = self.shard.expires
        for key in self.unsynced:
            base.install(key, values.get(key), expires.get(key, -1))
        self.unsynced = {}
        self.is_cleared = False

    def give_up(self) -> None:
        """Let the shared database have its keys back as they are. O(keys looked at)."""
        base = self.base
        lent = base.lent
        for key in self.modes:
            count = lent[key] - 1
            if count:
                lent[key] = count
            else:
                del lent[key]
                base.replan(key)
        self.modes.clear()

    def check_view(self) -> None:
        """Raise AssertionError where an invariant is broken. O(keys looked at)."""
        self.shard.check()
        assert self.payload_bytes == sum(len(key) + payload_of(value) for key, value in self.shard.values.items())
        assert self.borrowed_bytes == sum(len(key) + payload_of(value) for key, value in self.borrowed.items())
        assert self.shard.values.keys() <= self.modes.keys()
        for key in self.unsynced:
            assert self.modes[key], "changed under a shared lock"

    # Doors that differ here

    def before_edit(self, shard: Shard, key: bytes, value: Value) -> Any:
        """What is to be changed in place of `value`: a copy of it if it is borrowed."""
        if self.borrowed.get(key) is not value or isinstance(value, bytes | int):
            return value
        copy = copy_of(value)
        self._return(key)
        self.payload_bytes += payload_of(copy) - payload_of(value)
        shard.values[key] = copy
        return copy

    def expire_now(self, shard: Shard, key: bytes) -> None:
        """Delete `key`, whose time has come; for the shared database only if it is locked exclusively."""
        if self.modes.get(key, False):
            self.save(key)
            super().expire_now(shard, key)
            self.unsynced[key] = 1
        else:
            self._forget(key)

    def expire_members(self, key: bytes, value: Collection, count: int, names: list[bytes] | None = None) -> bool:
        """Take expired elements out of `value`, which is not borrowed; whether the key is left."""
        if self.modes.get(key, False):
            self.save(key)
            is_left = super().expire_members(key, value, count, names)
            self.unsynced[key] = 1
            return is_left
        bytes_before = value.nbytes
        value.remove_due(self.engine.now_ms, count)
        if names is not None:
            value.remove_due_among(self.engine.now_ms, names)
        self.payload_bytes += value.nbytes - bytes_before
        if len(value) == 0:
            self._forget(key)
            return False
        return True

    def clear(self) -> int:
        """Delete all keys; how many there were. The transaction has the whole database locked. O(changed keys)."""
        count = self.size()
        if self.levels and self.levels[-1].whole is None:
            self.levels[-1].whole = Whole(self)
            self.saved_bytes += self.payload_bytes - self.borrowed_bytes
        self.shard = Shard()
        self.shards = [self.shard] * SHARD_COUNT
        self.payload_bytes = 0
        self.borrowed = {}
        self.borrowed_bytes = 0
        self.unsynced = {}
        self.is_cleared = True
        self.engine.dirty += count
        return count

    def swap_with(self, other: Keyspace) -> None:
        """Not in a transaction: raises NotImplementedError."""
        raise NotImplementedError

    # All keys: those of the shared database as they are just now, with what was changed here. Nothing is locked.

    def size(self) -> int:
        """How many keys there are. O(shards + changed keys)."""
        if self.is_cleared:
            return len(self.shard.values)
        count = self.base.size()
        for key in self.unsynced:
            if key in self.base.shard_of(key).values:
                count -= 1
            if key in self.shard.values:
                count += 1
        return count

    def expiring_size(self) -> int:
        """At least how many keys have an expiry, here or in the shared database. O(shards)."""
        return self.base.expiring_size() + len(self.shard.expires)

    def names(self, matches: Callable[[bytes], object] | None) -> list[bytes]:
        """The names of all keys, or of those that match, without expired ones. O(n)."""
        found = [] if self.is_cleared else [key for key in self.base.names(matches) if key not in self.unsynced]
        now_ms = self.engine.now_ms
        for key in self.unsynced:
            is_there = key in self.shard.values and self.shard.expires.get(key, now_ms) >= now_ms
            if is_there and (matches is None or matches(key)):
                found.append(key)
        return found

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """The cursor to go on with, and the next keys; with the first of them come all that were made here."""
        found: list[bytes] = []
        if cursor == 0:
            found = [key for key in self.unsynced if key in self.shard.values and not self._is_in_base(key)]
        if self.is_cleared:
            return 0, found
        cursor, names = self.base.scan(cursor, count)
        found += [key for key in names if key not in self.unsynced or key in self.shard.values]
        return cursor, found

    def glance(self, key: bytes) -> Any:
        """As `peek`; a key that was not looked at is as it is in the shared database just now."""
        if key in self.modes or self.is_cleared:
            return self.peek(key)
        return self.base.peek(key)

    def random_key(self) -> bytes | None:
        """Some key, or None."""
        made = [key for key in self.unsynced if key in self.shard.values and not self._is_in_base(key)]
        total = len(made) + (0 if self.is_cleared else self.base.size())
        for _ in range(_TRIES if total else 0):
            position = self.engine.random.randrange(total)
            key = made[position] if position < len(made) else self.base.random_key()
            if key is not None and self.glance(key) is not None:
                return key
        # Nearly all of them were deleted here.
        names = self.names(None)
        return names[0] if names else None

    # Within

    def _is_in_base(self, key: bytes) -> bool:
        return not self.is_cleared and key in self.base.shard_of(key).values

    def _borrow(self, base_shard: Shard, key: bytes) -> None:
        base = self.base
        value = base_shard.values.get(key)
        if value is None:
            return
        at_ms = base_shard.expires.get(key, -1)
        if 0 <= at_ms < self.engine.now_ms:
            if not base.engine.keeps_expired:
                base.expire_now(base_shard, key)
            return
        if isinstance(value, Collection) and value.next_expiry_ms() < NEVER_MS:
            value = copy_of(value)
        else:
            self._lend(key, value)
        self.load(key, value, at_ms if at_ms >= 0 else None)
        if key in base_shard.accessed:
            self.shard.accessed[key] = base_shard.accessed[key]

    def _lend(self, key: bytes, value: Value) -> None:
        """`value`, which is or will be that of `key`, is not to be changed in place."""
        self.borrowed[key] = value
        self.borrowed_bytes += len(key) + payload_of(value)

    def _return(self, key: bytes) -> None:
        value = self.borrowed.pop(key, None)
        if value is not None:
            self.borrowed_bytes -= len(key) + payload_of(value)

    def _forget(self, key: bytes) -> None:
        """Have nothing of `key`, without any effect."""
        self._return(key)
        if key in self.shard.values:
            self._drop(self.shard, key)
