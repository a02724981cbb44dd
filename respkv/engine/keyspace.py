"""A database and its doors, the only ways to its keys; those for many keys at once are in `respkv.engine.many_keys`.

Rule 1: whoever reads a key goes through `find` or `peek`, whoever changes one through `set`, `put`, `changed`,
  `changed_aside`, `settle`, `remove`, `take`, `expire` or `persist`. What must happen on each access (expiry, hit and
  miss, the access record, waiting for the disk) and on each change (dirty count, WATCH, who waits for the key, snapshot
  pre-image, memory) happens there and nowhere else.
Rule 2: what nobody wants costs one test: `alert` before a change, `attentive` after a read.
Rule 3: `load` is for recovery alone: no effects, no counting.

The file is long because rule 1 is kept by one class: who adds a door sees all others, and what they note, in one place.
"""

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from respkv.engine.engine import ACCESS, AWAITED, NOTIFIED, SNAPSHOT, TRACKED, UNSYNCED, WATCHED, Argv, Engine
from respkv.engine.events import EVICTED, EXPIRED, GENERIC, HASH, KEY_MISS, NEW
from respkv.engine.scan import Order, scan_keys
from respkv.engine.shards import NEVER_MS, SHARD_COUNT, SHARD_MASK, SHARD_SHIFT, Shard, Value
from respkv.engine.watcher import Watcher
from respkv.errors import WrongType
from respkv.values.collection import ELEMENT_BYTES, Collection

if TYPE_CHECKING:
    from mypy_extensions import i64


DISMANTLED_BYTES: Final = 64 * 1024
"""A collection from this size on is not freed in one piece, which would keep everyone waiting."""


RANDOM_KEY_TRIES: Final = 100
"""How many expired keys RANDOMKEY meets, while some are lent to transactions, before it finds nothing."""


def payload_of(value: Value) -> int:
    """Bytes that `value` takes beside the interpreter's cost of a bytes object, which is counted for each value."""
    if type(value) is bytes or type(value) is bytearray:
        return len(value)
    if type(value) is int:
        return 8
    return int(value.nbytes) - ELEMENT_BYTES


def string_bytes(value: Value) -> bytes:
    """The bytes of a string value of any form. Raises WrongType if `value` is no string."""
    if type(value) is bytes:
        return value
    if type(value) is int:
        return b"%d" % value
    if type(value) is bytearray:
        return bytes(value)
    raise WrongType


class Keyspace:
    """One logical database, number `index`."""

    def __init__(self, engine: Engine, index: int, shards: list[Shard] | None = None) -> None:
        self.engine = engine
        self.index = index
        self.shards: list[Shard] = [Shard() for _ in range(SHARD_COUNT)] if shards is None else shards
        # Bytes of keys and values, without the interpreter's own cost, which `respkv.engine.memory` adds.
        self.payload_bytes = 0
        self.alert = engine.alert
        self.attentive = False
        self.watched: dict[bytes, set[Watcher]] = {}
        # Keys that somebody waits for; what is kept of each is the business of `Engine.waiters`.
        self.awaited: dict[bytes, Any] = {}
        # Key to the number of the batch that wrote it last, for keys that are not yet durable; and the number of the
        # batch that changed all keys at once (FLUSHDB, SWAPDB).
        self.unsynced: dict[bytes, int] = {}
        self.exchanged_batch = 0
        # Keys that somebody has a lock on, or waits for: live, from the lock table. And how many open transactions have
        # looked at or changed a key under their locks: such a key neither expires nor is evicted until they end.
        self.locked = engine.locks.keys_of(index)
        self.lent: dict[bytes, int] = {}
        # Of shards that a SCAN is in the middle of.
        self.scan_orders: dict[int, Order] = {}
        self.set_alert(0, True)

    # Reading

    def find(self, key: bytes) -> Any:
        """The value of `key`, or None: a read that counts as hit or miss and as a use of the key."""
        shard = self.shard_of(key)
        value = shard.values.get(key)
        if value is not None and shard.expires and self._expire_if_due(shard, key):
            value = None
        if self.attentive:
            self.attend(shard, key, value is not None)
        if value is None:
            self.engine.misses += 1
            if self.alert & NOTIFIED:
                self.notify(KEY_MISS, b"keymiss", key)
        else:
            self.engine.hits += 1
        return value

    def find_string(self, key: bytes) -> bytes | None:
        """As `find`, for strings. Raises WrongType if the key holds anything else."""
        value = self.find(key)
        if type(value) is bytes or value is None:
            return value
        return string_bytes(value)

    def peek(self, key: bytes) -> Any:
        """The value of `key`, or None: a look that is no use of the key and is not counted."""
        shard = self.shard_of(key)
        value = shard.values.get(key)
        if value is not None and shard.expires and self._expire_if_due(shard, key):
            value = None
        if self.attentive:
            self._wait_for(key)
        return value

    def look(self, key: bytes) -> Any:
        """As `find`, but a read that leaves the access record alone."""
        value = self.examine(key)
        if value is None and self.alert & NOTIFIED:
            self.notify(KEY_MISS, b"keymiss", key)
        return value

    def examine(self, key: bytes) -> Any:
        """As `look`, but nobody is notified of a miss."""
        value = self.peek(key)
        if value is None:
            self.engine.misses += 1
        else:
            self.engine.hits += 1
        return value

    def edit(self, key: bytes) -> Any:
        """The value of `key`, or None, for a command that may change it: a use of the key, not counted.

        Where the value is then changed in place, `changed` says so.
        """
        return self.edit_in(self.shard_of(key), key)

    def edit_in(self, shard: Shard, key: bytes) -> Any:
        """As `edit`, where `shard_of` has told the shard: to find it takes as long as the lookup in it."""
        value = shard.values.get(key)
        if value is not None and shard.expires and self._expire_if_due(shard, key):
            value = None
        if self.attentive:
            self.attend(shard, key, value is not None)
        if value is not None and self.alert & SNAPSHOT:
            value = self.before_edit(shard, key, value)
        return value

    def find_to_edit(self, key: bytes) -> Any:
        """As `edit`, for a command that the reference counts among the reads: a hit or a miss, of which it notifies."""
        value = self.edit(key)
        if value is None:
            return self.look(key)
        self.engine.hits += 1
        return value

    def before_edit(self, shard: Shard, key: bytes, value: Value) -> Any:
        """What is to be changed in place of `value`, which is that of `key`, while others may need it as it is."""
        self.engine.preserver.preserve_value(shard, key, value)
        return value

    def expiry_of(self, key: bytes) -> int:
        """When `key`, which exists, expires: unix ms, or -1 for never."""
        shard = self.shard_of(key)
        return shard.expires.get(key, -1)

    # Changing. `set`, `set_until`, `put` and `exchange` say much the same, each without what it need not do, and none
    # calls another: they are in the way of every write.

    def set(self, key: bytes, value: Value) -> None:
        """Give `key` a new value of any type and no expiry, whatever it held: a use of the key."""
        shard = self.shard_of(key)
        if self.alert:
            self._note_set(shard, key)
        values = shard.values
        old = values.get(key)
        if old is None:
            self.payload_bytes += len(key) + payload_of(value)
        else:
            self.payload_bytes += payload_of(value) - payload_of(old)
            if shard.expires:
                shard.expires.pop(key, None)
            if type(old) is not bytes:
                self.let_go(old)
        values[key] = value
        if type(value) is not bytes and isinstance(value, Collection):
            self._plan_members(shard, key, value)
        self.engine.dirty += 1

    def set_until(self, key: bytes, value: Value, at_ms: int) -> None:
        """Give `key` a new value of any type that ends at `at_ms` (unix ms), whatever it held: a use of the key."""
        shard = self.shard_of(key)
        if self.alert:
            self._note_set(shard, key)
        values = shard.values
        old = values.get(key)
        if old is None:
            self.payload_bytes += len(key) + payload_of(value)
        else:
            self.payload_bytes += payload_of(value) - payload_of(old)
            if type(old) is not bytes:
                self.let_go(old)
        values[key] = value
        if type(value) is not bytes and isinstance(value, Collection):
            self._plan_members(shard, key, value)
        shard.expires[key] = at_ms
        if at_ms < shard.sweep_at_ms:
            shard.note_early(at_ms)
        self.engine.dirty += 1

    def put(self, key: bytes, value: Value) -> None:
        """Give `key` a new value, not the one that it has; its expiry stays."""
        shard = self.shard_of(key)
        if self.alert:
            self._note(shard, key)
        values = shard.values
        old = values.get(key)
        if old is None:
            self.payload_bytes += len(key) + payload_of(value)
        else:
            self.payload_bytes += payload_of(value) - payload_of(old)
            if type(old) is not bytes:
                self.let_go(old)
        values[key] = value
        if type(value) is not bytes and isinstance(value, Collection):
            self._plan_members(shard, key, value)
        self.engine.dirty += 1

    def exchange(self, shard: Shard, key: bytes, old: Value | None, value: Value) -> None:
        """As `put`, for strings, where `edit_in` has just told that the key's value is `old`: that saves a lookup."""
        if self.alert:
            self._note(shard, key)
        if old is None:
            self.payload_bytes += len(key) + payload_of(value)
        else:
            self.payload_bytes += payload_of(value) - payload_of(old)
            if type(old) is not bytes:
                self.let_go(old)
        shard.values[key] = value
        self.engine.dirty += 1

    def changed(self, key: bytes, payload_delta: int) -> None:
        """The value of `key`, got from `edit`, was changed in place and grew by `payload_delta` bytes."""
        if self.alert:
            self._note(self.shard_of(key), key)
        self.payload_bytes += payload_delta
        self.engine.dirty += 1

    def recast(self, key: bytes, value: Value) -> None:
        """Give `key`, which exists, what it holds in another form, which is no change to anybody."""
        values = self.shard_of(key).values
        self.payload_bytes += payload_of(value) - payload_of(values[key])
        values[key] = value

    def settle(self, key: bytes, value: Collection, bytes_before: int) -> bool:
        """The collection of `key`, got from `edit`, was changed in place: as `changed`, and an empty one is deleted.

        `bytes_before` is its `nbytes` before the change. Whether the key was deleted.
        """
        shard = self.shard_of(key)
        if self.alert:
            self._note(shard, key)
        self.payload_bytes += value.nbytes - bytes_before
        self.engine.dirty += 1
        if len(value):
            at_ms = value.next_expiry_ms()
            if at_ms < value.planned_expiry_ms():
                shard.plan_members(key, value, at_ms)
            return False
        self._drop(shard, key)
        return True

    def changed_aside(self, key: bytes, payload_delta: int) -> None:
        """As `changed`, where neither WATCH nor who waits for the key minds: who has read how much of a stream."""
        shard = self.shard_of(key)
        alert = self.alert
        if alert & UNSYNCED:
            self.unsynced[key] = self.engine.batch
        if alert & SNAPSHOT and shard.unsaved:
            self.engine.preserver.preserve(shard)
        if alert & ACCESS and key not in shard.accessed:
            self.engine.access.begin(shard, key)
        self.payload_bytes += payload_delta
        self.engine.dirty += 1

    def wake(self, key: bytes) -> None:
        """Let those who wait for `key` look at it again."""
        if self.alert & AWAITED and key in self.awaited:
            self.engine.filled.append((self, key))

    def remove(self, key: bytes) -> bool:
        """Delete `key`; whether it was there (an expired one was not)."""
        value = self.take(key)
        if value is None:
            return False
        if type(value) is not bytes:
            self.let_go(value)
        return True

    def take(self, key: bytes) -> Value | None:
        """Delete `key`, whose value goes on elsewhere; the value, or None if there was none (or an expired one)."""
        shard = self.shard_of(key)
        if key not in shard.values:
            if self.attentive:
                self._wait_for(key)
            return None
        if shard.expires and self._expire_if_due(shard, key):
            return None
        if self.alert:
            self._note(shard, key)
        self.engine.dirty += 1
        return self._drop(shard, key)

    def expire(self, key: bytes, at_ms: int) -> None:
        """Let `key`, which exists, end at `at_ms` (unix ms)."""
        shard = self.shard_of(key)
        if self.alert:
            self._note(shard, key)
        shard.expires[key] = at_ms
        if at_ms < shard.sweep_at_ms:
            shard.note_early(at_ms)
        self.engine.dirty += 1

    def persist(self, key: bytes) -> bool:
        """Take the expiry of `key` away; whether it had one."""
        shard = self.shard_of(key)
        if key not in shard.expires:
            return False
        if self.alert:
            self._note(shard, key)
        del shard.expires[key]
        self.engine.dirty += 1
        return True

    def propagate_as(self, argv: Argv) -> None:
        """Let the log have `argv` (several calls: one after the other) instead of the command that runs."""
        if self.engine.replacement is None:
            self.engine.replacement = [argv]
        else:
            self.engine.replacement.append(argv)

    def notify(self, kind: int, event: bytes, key: bytes) -> None:
        """Tell whoever wants to know that there was `event`, of class `kind`, on `key`. O(1)."""
        if self.alert & NOTIFIED and self.engine.notifier is not None:
            self.engine.notifier(self.index, kind, event, key)

    def clear(self) -> int:
        """Delete all keys; how many there were. O(shards): the sweeper frees the memory afterwards, in slices."""
        for key in self.watched:
            if key in self.shard_of(key).values:
                self._touch_watchers(key)
        count = 0
        for shard in self.shards:
            if shard.values:
                count += len(shard.values)
                self._empty(shard)
        self.payload_bytes = 0
        self.scan_orders.clear()
        self._note_exchange()
        self.engine.filled.extend((self, key) for key in self.awaited)
        self.engine.dirty += count
        return count

    def swap_with(self, other: "Keyspace") -> None:
        """Exchange all keys with database `other`; who watches a key that either has is touched. O(keys watched)."""
        for one, two in ((self, other), (other, self)):
            for key in one.watched:
                if key in one.shard_of(key).values or two.peek(key) is not None:
                    one._touch_watchers(key)
        self.shards, other.shards = other.shards, self.shards
        self.payload_bytes, other.payload_bytes = other.payload_bytes, self.payload_bytes
        for db in (self, other):
            db.scan_orders.clear()
            db._note_exchange()
            self.engine.filled.extend((db, key) for key in db.awaited)
        self.engine.dirty += 1

    def install(self, key: bytes, value: Value | None, at_ms: int) -> None:
        """Let `key` hold what a transaction that commits has left there: `value`, or nothing, until `at_ms` (-1: ever).

        Its events are the transaction's own, and so is what the log gets.
        """
        shard = self.shard_of(key)
        values = shard.values
        alert = self.alert
        if alert:
            self.alert = alert & ~NOTIFIED
            if value is not None or key in values:
                self._note(shard, key)
            self.alert = alert
        if key in values:
            self.let_go(self._drop(shard, key))
        if value is not None:
            self.payload_bytes += len(key) + payload_of(value)
            values[key] = value
            if isinstance(value, Collection):
                self._plan_members(shard, key, value)
            if at_ms >= 0:
                shard.expires[key] = at_ms
                if at_ms < shard.sweep_at_ms:
                    shard.note_early(at_ms)
        self.engine.dirty += 1

    def replan(self, key: bytes) -> None:
        """The sweeper may have passed `key` over while it was lent: let it come again."""
        shard = self.shard_of(key)
        at_ms = shard.expires.get(key)
        if at_ms is not None and at_ms < self.engine.now_ms:
            shard.sweep_at_ms = 0
        value = shard.values.get(key)
        if isinstance(value, Collection) and value.next_expiry_ms() < value.planned_expiry_ms():
            self._plan_members(shard, key, value)

    # The whole database

    def names(self, matches: Callable[[bytes], object] | None) -> list[bytes]:
        """The names of all keys, or of those that match, without expired ones. O(n)."""
        now_ms = self.engine.now_ms
        found: list[bytes] = []
        for shard in self.shards:
            names = shard.values if matches is None else filter(matches, shard.values)
            if shard.expires:
                expires = shard.expires
                found.extend([name for name in names if expires.get(name, now_ms) >= now_ms])
            else:
                found.extend(names)
        return found

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """As `respkv.engine.scan.scan_keys`, which says what a cursor is."""
        return scan_keys(self, cursor, count)

    def glance(self, key: bytes) -> Any:
        """As `peek`, at a key that nobody asked for by its name."""
        return self.peek(key)

    def size(self) -> int:
        """How many keys there are, expired ones included that nobody met yet. O(shards)."""
        count = 0
        for shard in self.shards:
            count += len(shard.values)
        return count

    def expiring_size(self) -> int:
        """How many keys have an expiry. O(shards)."""
        count = 0
        for shard in self.shards:
            count += len(shard.expires)
        return count

    def random_key(self) -> bytes | None:
        """Some key, each about as likely as any other, or None. Expired ones that it meets are deleted.

        O(shards + n / shards), n = keys.
        """
        tries = 0
        while size := self.size():
            tries += 1
            if tries > RANDOM_KEY_TRIES and (self.lent or self.engine.keeps_expired):
                # All that it meets may have ended, and be left alone while transactions have them, or in a pause.
                return None
            position = self.engine.random.randrange(size)
            for shard in self.shards:
                if position < len(shard.values):
                    break
                position -= len(shard.values)
            key = next(islice(shard.values, position, None))
            if not self._expire_if_due(shard, key):
                return key
        return None

    def shard_of(self, key: bytes) -> Shard:
        """The shard in which `key` is, or would be."""
        # A machine integer where compiled: half of all hashes are longer than the integers that need no object.
        number: i64 = hash(key)
        return self.shards[number >> SHARD_SHIFT & SHARD_MASK]

    def holds(self, key: bytes) -> bool:
        """Whether `key` is there and not expired; changes nothing, not even an expired key."""
        shard = self.shard_of(key)
        return key in shard.values and shard.expires.get(key, self.engine.now_ms) >= self.engine.now_ms

    def load(self, key: bytes, value: Value, expire_at_ms: int | None) -> None:
        """Put a key from a base file or snapshot, in place of what it held: no effect, no event."""
        shard = self.shard_of(key)
        values = shard.values
        # One lookup: among millions of keys it waits for memory, which takes longer than all the rest.
        count = len(values)
        old = values.setdefault(key, value)
        if len(values) > count:
            self.payload_bytes += len(key) + payload_of(value)
        else:
            self.payload_bytes += payload_of(value) - payload_of(old)
            shard.expires.pop(key, None)
            values[key] = value
        if type(value) is not bytes and isinstance(value, Collection):
            self._plan_members(shard, key, value)
        if expire_at_ms is not None:
            shard.expires[key] = expire_at_ms
            if expire_at_ms < shard.sweep_at_ms:
                shard.note_early(expire_at_ms)

    def expire_now(self, shard: Shard, key: bytes) -> None:
        """Delete `key` of `shard`, whose time has come, and propagate that.

        No reply has to wait for it: the expiry itself would delete the key after a crash.
        """
        if self.alert & SNAPSHOT and shard.unsaved:
            self.engine.preserver.preserve(shard)
        if self.alert & WATCHED:
            self._touch_watchers(key)
        if self.alert & TRACKED:
            self.engine.tracker.changed(key)
        self.wake(key)
        self.let_go(self._drop(shard, key))
        self.engine.expired += 1
        self.engine.propagate(self, [b"DEL", key])
        self.notify(EXPIRED, b"expired", key)

    def expire_together(self, shard: Shard, keys: list[bytes]) -> None:
        """As `expire_now` for each of `keys`, which all are in `shard` with an expiry; one DEL propagates them."""
        if self.alert & ~UNSYNCED or shard.accessed:
            # Somebody wants to know of each.
            for key in keys:
                self.expire_now(shard, key)
            return
        values = shard.values
        expires = shard.expires
        payload_bytes = 0
        for key in keys:
            value = values[key]
            del values[key]
            del expires[key]
            payload_bytes += len(key) + payload_of(value)
            if type(value) is not bytes:
                self.let_go(value)
        self.payload_bytes -= payload_bytes
        engine = self.engine
        engine.expired += len(keys)
        engine.changes += len(keys) - 1
        engine.propagate(self, [b"DEL", *keys])

    def expire_members(self, key: bytes, value: Collection, count: int, names: list[bytes] | None = None) -> bool:
        """Take expired elements out of `value`, which is that of `key`, and propagate that; whether the key is left.

        The oldest `count`, and those that are among `names`. An empty collection is deleted. No reply has to wait.
        """
        shard = self.shard_of(key)
        if self.alert & SNAPSHOT:
            self.engine.preserver.preserve_value(shard, key, value)
        now_ms = self.engine.now_ms
        bytes_before = value.nbytes
        removed = value.remove_due(now_ms, count)
        if names is not None:
            removed += value.remove_due_among(now_ms, names)
        self.payload_bytes += value.nbytes - bytes_before
        if removed:
            if self.alert & WATCHED:
                self._touch_watchers(key)
            if self.alert & TRACKED:
                self.engine.tracker.changed(key)
            if self.alert & AWAITED and key in self.awaited:
                self.engine.filled.append((self, key))
            self.engine.expired_members += len(removed)
            # Hashes are the only ones whose elements expire.
            self.engine.propagate(self, [b"HDEL", key, *removed])
            self.notify(HASH, b"hexpired", key)
            if len(value) == 0:
                self._drop(shard, key)
                self.notify(GENERIC, b"del", key)
                return False
        at_ms = value.next_expiry_ms()
        if at_ms < value.planned_expiry_ms():
            shard.plan_members(key, value, at_ms)
        return True

    def evict(self, shard: Shard, key: bytes) -> None:
        """Delete `key` of `shard` to make room, and propagate that."""
        if self.alert:
            self._note(shard, key)
        self.let_go(self._drop(shard, key))
        self.engine.evicted += 1
        self.engine.propagate(self, [b"DEL", key])
        self.notify(EVICTED, b"evicted", key)

    # Watching

    def watch(self, key: bytes, watcher: Watcher) -> None:
        """Let `watcher`, who calls this, be touched when `key` changes."""
        self.watched.setdefault(key, set()).add(watcher)
        self.set_alert(WATCHED, True)

    def unwatch(self, key: bytes, watcher: Watcher) -> None:
        """Take one `watch` back."""
        watchers = self.watched.get(key)
        if watchers is None:
            return
        watchers.discard(watcher)
        if not watchers:
            del self.watched[key]
        if not self.watched:
            self.set_alert(WATCHED, False)

    # Within

    def set_alert(self, bit: int, on: bool) -> None:
        """Set or clear `bit` of `alert`, and what follows from it."""
        self.alert = self.alert | bit if on else self.alert & ~bit
        self.attentive = self.alert & (ACCESS | UNSYNCED) != 0

    def forget_synced(self, lsn: int) -> None:
        """Forget keys whose last write is in a batch up to `lsn`."""
        self.unsynced = {key: batch for key, batch in self.unsynced.items() if batch > lsn}

    def check(self) -> None:
        """Raise AssertionError where an invariant of the database or a shard is broken. O(n)."""
        total = 0
        for number, shard in enumerate(self.shards):
            shard.check()
            for key, value in shard.values.items():
                assert hash(key) >> SHARD_SHIFT & SHARD_MASK == number, "a key in the wrong shard"
                total += len(key) + payload_of(value)
        assert total == self.payload_bytes, (total, self.payload_bytes)

    def _expire_if_due(self, shard: Shard, key: bytes) -> bool:
        at_ms = shard.expires.get(key)
        # The last millisecond counts as life, as in the reference.
        if at_ms is None or at_ms >= self.engine.now_ms:
            return False
        if not self.engine.keeps_expired and (not self.lent or key not in self.lent):
            self.expire_now(shard, key)
        return True

    def _drop(self, shard: Shard, key: bytes) -> Value:
        value = shard.values.pop(key)
        self.payload_bytes -= len(key) + payload_of(value)
        if shard.expires:
            shard.expires.pop(key, None)
        if shard.accessed:
            shard.accessed.pop(key, None)
        return value

    def _plan_members(self, shard: Shard, key: bytes, value: Collection) -> None:
        """`key` has got `value`, whose elements may expire."""
        at_ms = value.next_expiry_ms()
        if at_ms < NEVER_MS:
            shard.plan_members(key, value, at_ms)

    def let_go(self, value: Value) -> None:
        """Nobody needs `value`: a large collection is left to the sweeper, unless a snapshot may still need it."""
        if isinstance(value, Collection) and value.nbytes >= DISMANTLED_BYTES and not self.alert & SNAPSHOT:
            self.engine.discarded.extend(value.parts())
            self.engine.freed_later += 1

    def _empty(self, shard: Shard) -> None:
        self.engine.freed_later += len(shard.values)
        if not (shard.unsaved and self.engine.preserver.hand_over(shard)):
            self.engine.discarded.append(shard.values)
            if shard.expires:
                self.engine.discarded.append(shard.expires)
        if shard.accessed:
            self.engine.discarded.append(shard.accessed)
        shard.values = {}
        shard.expires = {}
        shard.accessed = {}
        shard.sweep_at_ms = NEVER_MS
        shard.early_count = 0
        shard.early_at_ms = NEVER_MS
        if shard.member_plans:
            self.engine.discarded.append(shard.member_plans)
            shard.drop_plans()

    def _note(self, shard: Shard, key: bytes) -> None:
        alert = self.alert
        if alert & UNSYNCED:
            self.unsynced[key] = self.engine.batch
        if alert & SNAPSHOT and shard.unsaved:
            self.engine.preserver.preserve(shard)
        if alert & WATCHED:
            self._touch_watchers(key)
        if alert & TRACKED:
            self.engine.tracker.changed(key)
        if alert & AWAITED:
            self.wake(key)
        if alert & ACCESS and key not in shard.accessed:
            self.engine.access.begin(shard, key)
        if alert & NOTIFIED and key not in shard.values:
            # Only what is about to be created is not there when it changes.
            self.notify(NEW, b"new", key)

    def _note_set(self, shard: Shard, key: bytes) -> None:
        if self.alert & NOTIFIED and shard.expires:
            # What is overwritten may have ended before.
            self._expire_if_due(shard, key)
        if self.alert & ACCESS and key in shard.values:
            self.engine.access.touch(shard, key)
        self._note(shard, key)

    def _note_exchange(self) -> None:
        if self.alert & UNSYNCED:
            self.unsynced = {}
            self.exchanged_batch = self.engine.batch

    def _touch_watchers(self, key: bytes) -> None:
        for watcher in self.watched.get(key, ()):
            watcher.touched = True

    def attend(self, shard: Shard, key: bytes, found: bool) -> None:
        """`key` is read while `attentive`: let the reply wait for its last write, and count a use of what is found."""
        self._wait_for(key)
        if found and self.alert & ACCESS:
            self.engine.access.touch(shard, key)

    def _wait_for(self, key: bytes) -> None:
        batch = self.unsynced.get(key, 0)
        if batch < self.exchanged_batch:
            batch = self.exchanged_batch
        if batch > self.engine.waits_for:
            self.engine.waits_for = batch


class _SharedEngine(Engine):
    """The engine of a server or store, whose databases are keyspaces of their own."""

    def make_database(self, number: int) -> Keyspace:
        """As Engine."""
        return Keyspace(self, number)


def open_engine(databases: int = 16) -> Engine:
    """An engine with that many empty databases."""
    engine = _SharedEngine()
    engine.database_count = databases
    engine.database(0)
    return engine
