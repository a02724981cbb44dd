"""What all databases of a server or store share: time, effects, counters, and the marks of durability.

Rule 1: time stands still within a batch. Whoever drives the engine sets `now_ms` before it.
Rule 2: what changes data ends up in `effects`, in order, in a form whose replay gives the same data anywhere:
  absolute times, chosen elements, explicit IDs. `commit` puts it there after each command that was `dirty`.
Rule 3: the engine owns no file and no socket. Whoever drives it takes `effects` away once a turn and says by
  `durable` how far they are safe.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from respkv.engine.clock import Random
from respkv.engine.libraries import Libraries
from respkv.engine.locks import LockTable, Owner
from respkv.engine.shards import Shard, Value
from respkv.values.limits import Limits

if TYPE_CHECKING:
    from respkv.engine.keyspace import Keyspace

Argv: TypeAlias = list[bytes]

Effect: TypeAlias = list[bytes] | bytes
"""A command to be replayed: its argv, or the RESP bytes of one or more whole commands."""

# Why a change door has to look closer (`Keyspace.alert`). All bits are engine-wide but WATCHED and AWAITED.
WATCHED: Final = 1  # a session watches keys of this database
UNSYNCED: Final = 2  # replies wait for the disk: remember which keys are not yet durable
SNAPSHOT: Final = 4  # a snapshot has still shards to copy
ACCESS: Final = 8  # an eviction policy or OBJECT IDLETIME wants to know of each access
AWAITED: Final = 16  # somebody waits for keys of this database to be filled
NOTIFIED: Final = 32  # keyspace events are published
TRACKED: Final = 64  # clients keep copies of keys, and are told when they change


class AccessRecord:
    """What is written down when a key is read or written; the base class writes nothing.

    `respkv.engine.access` has the ones that do, and says what `kind` means.
    """

    def __init__(self) -> None:
        self.kind = 0

    def touch(self, shard: Shard, key: bytes) -> None:
        """Note that `key` was used just now."""

    def begin(self, shard: Shard, key: bytes) -> None:
        """Note that `key`, which has no mark, is about to be written."""

    def idle_ms(self, shard: Shard, key: bytes) -> int:
        """How long ago `key` was used, as far as that is recorded."""
        return 0

    def frequency(self, shard: Shard, key: bytes) -> int:
        """The counter of uses of `key`, 0 to 255, if there is one."""
        return 0


class Preserver:
    """What must happen to a shard before its first change while a snapshot runs."""

    def preserve(self, shard: Shard) -> None:
        """Copy `shard`, which is `unsaved`, and clear that."""

    def preserve_value(self, shard: Shard, key: bytes, value: Value) -> None:
        """Copy `value` of `key` too, which may be about to change in place."""

    def hand_over(self, shard: Shard) -> bool:
        """Keep the dicts of `shard`, which is `unsaved`, since it gets empty ones instead; whether they are kept."""
        return False


class Waiters:
    """Whoever waits for keys to be filled; the base class knows of nobody."""

    def serve(self) -> None:
        """Look at the keys of `Engine.filled`, and let go on whoever waited for what they hold now."""


class Tracker:
    """Whoever is told of changed keys while TRACKED is set; the base class tells nobody."""

    def changed(self, key: bytes) -> None:
        """`key` of some database is about to change or to go."""

    def flushed(self) -> None:
        """All keys of a database, or of all, are gone."""

    def undone(self, keys: Iterable[bytes] | None, readers: set[int]) -> None:
        """A transaction takes back what it did to `keys` (None: to all), of which only `readers` may know."""


class Engine:
    """The shared part of a store; `respkv.engine.keyspace.open_engine` makes one with its databases."""

    def __init__(self) -> None:
        # Those that somebody has used, by number, the first of all among them. What `database` knows them by.
        self.databases: list[Keyspace] = []
        self._by_number: dict[int, Keyspace] = {}
        # How many there may be.
        self.database_count = 0
        self.locks = LockTable()
        # What transactions keep beside the databases: their copies, and what they will log.
        self.reserved_bytes = 0
        self.now_ms = 0
        # The longest string that a command may make (proto-max-bulk-len).
        self.bulk_max_bytes = 512 * 1024 * 1024
        # Whether DUMP compresses long strings (rdbcompression).
        self.compresses_dumps = True
        # Changes made by the command that runs; `commit` folds them into `changes`.
        self.dirty = 0
        # Changes since the last save of a snapshot.
        self.changes = 0
        # False: nobody takes `effects` away, so none are made.
        self.logging = False
        self.effects: list[Effect] = []
        # The database in which the next effect would be replayed; -1: the log must say.
        self.effects_db = -1
        self.replacement: list[Argv] | None = None
        # The log sequence number that the effects now being made will get, the highest that is durable, and the
        # highest that the replies of the session that runs have to wait for.
        self.batch = 1
        self.durable = 0
        self.waits_for = 0
        self.alert = 0
        self.access = AccessRecord()
        self.preserver = Preserver()
        # Dicts and other containers taken out of use, for the sweeper to empty in slices.
        self.discarded: list[Any] = []
        self.limits = Limits()
        self.libraries = Libraries()
        # Keys that somebody waits for and that were changed, in order; who waits; and whether they are to be served
        # later, since a transaction or script is not at its end.
        self.filled: list[tuple[Keyspace, bytes]] = []
        self.waiters = Waiters()
        self.serves_later = False
        # Whether a script runs: what it is given must follow from the data alone.
        self.runs_script = False
        # Whose locks do not count while they are served, since it is about to give them back.
        self.committing: Owner | None = None
        # Who is told of changed keys while TRACKED is set.
        self.tracker = Tracker()
        # Who is told of keyspace events while NOTIFIED is set: database number, class and name of the event, key.
        self.notifier: Callable[[int, int, bytes, bytes], None] | None = None
        # False while DEBUG SET-ACTIVE-EXPIRE 0 keeps the sweeper from expiring keys.
        self.active_expire = True
        # Whether reads leave expired keys where they are, and only do not see them.
        self.keeps_expired = False
        self.random = Random()
        self.hits = 0
        self.misses = 0
        self.expired = 0
        self.expired_members = 0
        self.evicted = 0
        # How many keys' values were left to the sweeper to be freed.
        self.freed_later = 0
        # The sweeper's: percentage of expiries it found due, smoothed, and how often its slice of time ran out.
        self.expired_stale_percent = 0.0
        self.expired_time_cap_reached = 0

    def database(self, number: int) -> "Keyspace":
        """The database `number`, below `database_count`: made when first asked for, since most are never used.

        An empty one has 256 shards, 75 KB.
        """
        db = self._by_number.get(number)
        if db is None:
            db = self.make_database(number)
            self.add_database(number, db)
        return db

    def make_database(self, number: int) -> "Keyspace":
        """A new, empty one."""
        raise NotImplementedError

    def add_database(self, number: int, db: "Keyspace") -> None:
        """Let `database` find `db` by `number`, which none has yet."""
        self._by_number[number] = db
        at = len(self.databases)
        while at > 0 and self.databases[at - 1].index > number:
            at -= 1
        self.databases.insert(at, db)

    def forget_databases(self) -> None:
        """Have none any more: engine and databases refer to each other."""
        self.databases.clear()
        self._by_number.clear()

    def set_alert(self, bit: int, on: bool) -> None:
        """Set or clear the engine-wide alert `bit` in all databases."""
        self.alert = self.alert | bit if on else self.alert & ~bit
        for db in self.databases:
            db.set_alert(bit, on)

    def commit(self, db: "Keyspace", argv: Argv) -> None:
        """Close a command that changed data: count it, and propagate `argv` or what it put in its place."""
        self.changes += self.dirty
        self.dirty = 0
        if self.logging:
            if self.replacement is None:
                if self.effects_db != db.index:
                    self._select(db.index)
                self.effects.append(argv)
            elif self.replacement:
                if self.effects_db != db.index:
                    self._select(db.index)
                self.effects.extend(self.replacement)
            self.waits_for = self.batch
        self.replacement = None
        if self.filled and not self.serves_later:
            self.waiters.serve()

    def propagate(self, db: "Keyspace", argv: Argv) -> None:
        """Add an effect of its own, ahead of that of the command that runs (an expired key's DEL)."""
        self.changes += 1
        if self.logging:
            if self.effects_db != db.index:
                self._select(db.index)
            self.effects.append(argv)

    def _select(self, index: int) -> None:
        self.effects_db = index
        self.effects.append([b"SELECT", b"%d" % index])

    def frame(self, since: int) -> None:
        """Make the effects from position `since` on one transaction in the log, where they are more than one.

        A SELECT at its beginning stays in front of it.
        """
        effects = self.effects
        if since < len(effects):
            first = effects[since]
            if isinstance(first, list) and first[0] == b"SELECT":
                since += 1
        if len(effects) - since > 1:
            effects.insert(since, [b"MULTI"])
            effects.append([b"EXEC"])

    def take_effects(self) -> list[Effect]:
        """The effects so far, which become batch number `batch`; the next ones belong to the following."""
        effects = self.effects
        self.effects = []
        self.batch += 1
        return effects

    def made_durable(self, lsn: int) -> None:
        """Batches up to `lsn` are on disk: forget which keys they wrote. O(keys written since then)."""
        if lsn <= self.durable:
            return
        self.durable = lsn
        for db in self.databases:
            if db.unsynced:
                db.forget_synced(lsn)

    def wait_for_all(self) -> None:
        """The reply of the command that runs tells of many keys: it waits for all that is not yet durable."""
        if self.alert & UNSYNCED:
            last = self.batch if self.effects else self.batch - 1
            if last > self.durable and last > self.waits_for:
                self.waits_for = last

    def check(self) -> None:
        """Raise AssertionError where an invariant of the engine or a shard is broken. O(n)."""
        assert self.dirty == 0, "a command ended without commit"
        assert self.replacement is None, "an effect was replaced and nothing changed"
        for db in self.databases:
            db.check()
