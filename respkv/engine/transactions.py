"""Interactive transactions: several commands over any time, all of which happen at once, or none.

    transactions = Transactions(engine)
    transaction = transactions.begin()
    wants = {(0, b"k"): True}                                 # database 0, key k, exclusively
    if transaction.acquire(wants, when_free):                 # else `when_free` is called once it has them
        transaction.prepare(wants)
        transaction.database(0).set(b"k", b"v")               # any door, any handler of a command
        transaction.finish(wants)
    transaction.commit()

Strict two-phase locking (`respkv.engine.locks`): a transaction locks each key before it looks at it, shared to read and
exclusively to write, and gives all locks back at its end. So the history of committed transactions and of all other
commands is serializable, in the order of their commits, as far as keys are named; what is not locked is what a key
would be called that is not there (`Workspace`, all keys). Until its commit its changes are in workspaces of its own.

Rule 1: nothing here waits, nor knows of sessions or clocks. Whoever drives it bounds how long locks are waited for.
Rule 2: a transaction that ended, for whatever reason, holds nothing. What aborts it from outside tells `on_abort`.
Rule 3: what grows is bounded: `Limits`. What transactions keep is part of `Engine.reserved_bytes`.
"""

from collections.abc import Callable, Iterable

from respkv.engine.engine import Argv, Engine
from respkv.engine.keyspace import Keyspace
from respkv.engine.locks import Owner, Wants, with_databases
from respkv.engine.workspace import Workspace
from respkv.errors import (
    BadDatabaseIndex,
    Deadlock,
    NoSuchSavepoint,
    ReplyError,
    TooManyLocks,
    TooManySavepoints,
    TooManyTransactions,
    TransactionBusy,
    TransactionEnded,
    TransactionTooLarge,
)

TRANSACTION_BYTES = 8192
"""About what a transaction takes that has touched nothing: engine, workspace, and their dicts."""

SAVEPOINT_BYTES = 500

ARGUMENT_BYTES = 41
"""What an argument of a command that is kept for the log takes beside its bytes."""


class Bounds:
    """What transactions may take: how many are open, and of one its keys locked, savepoints and bytes."""

    def __init__(self) -> None:
        self.open = 10_000
        self.locks = 100_000
        self.savepoints = 1000
        self.bytes = 256 * 1024 * 1024


class PrivateEngine(Engine):
    """The engine of one transaction: what its commands change, log and notify is kept until its commit.

    Databases that the transaction has not used yet are `nowhere`.
    """

    def __init__(self, base: Engine, nowhere: Keyspace) -> None:
        super().__init__()
        self.base = base
        self.nowhere = nowhere
        self.database_count = base.database_count
        self.logging = True
        self.random = base.random
        self.limits = base.limits
        self.events: list[tuple[int, int, bytes, bytes]] = []
        self.notifier = self.note_event

    def database(self, number: int) -> Keyspace:
        """As Engine, of those that are used."""
        return self._by_number.get(number, self.nowhere)

    def note_event(self, index: int, kind: int, event: bytes, key: bytes) -> None:
        """Keep a keyspace event until the commit."""
        self.events.append((index, kind, event, key))

    def wait_for_all(self) -> None:
        """The reply tells of many keys of the shared databases."""
        self.base.wait_for_all()

    def frame(self, since: int) -> None:
        """EXEC or a script ends within the transaction, which is one block in the log anyway."""


class Savepoint:
    """Where the transaction stood when `name` was set: how many effects and events there were."""

    def __init__(self, name: bytes, engine: PrivateEngine, effects_bytes: int) -> None:
        self.name = name
        self.effects = len(engine.effects)
        self.effects_db = engine.effects_db
        self.effects_bytes = effects_bytes
        self.events = len(engine.events)
        self.changes = engine.changes


class Transaction:
    """One transaction, from `Transactions.begin` to `commit` or `rollback`; `number` is its id."""

    def __init__(self, transactions: "Transactions", owner: Owner, *, read_only: bool) -> None:
        self.transactions = transactions
        self.base = transactions.engine
        self.owner = owner
        self.number = owner.number
        self.read_only = read_only
        self.begun_ms = self.base.now_ms
        self.engine = PrivateEngine(self.base, transactions.nowhere)
        # By database; those that were not used are not made.
        self.workspaces: dict[int, Workspace] = {}
        self.savepoints: list[Savepoint] = []
        # Why it ended, for who still asks; None while it is open.
        self.ended: ReplyError | None = None
        # Called when it is rolled back by others than its own driver: a deadlock, an operator, time.
        self.on_abort: Callable[[ReplyError], None] | None = None
        # Who has read in it and keeps copies (CLIENT TRACKING), by the numbers that `Engine.tracker` knows them by.
        self.readers: set[int] = set()
        self.commands = 0
        self.used_bytes = 0
        self._effects_bytes = 0
        self._effects_counted = 0
        self._account()

    # Locks

    def acquire(self, wants: Wants, when_free: Callable[[], None]) -> bool:
        """Lock the keys of `wants`: whether it has them now, or `when_free` will be called once it has.

        Raises TransactionEnded; TransactionBusy if another command of the transaction waits; TooManyLocks; Deadlock if
        this would close a cycle in which the transaction is the youngest: it is rolled back then. Others that are
        rolled back for its sake are told by `on_abort`.
        """
        self.check_open()
        if self.owner.waiting is not None:
            raise TransactionBusy(self.number)
        bounds = self.transactions.bounds
        if len(self.owner.held) + len(wants) > bounds.locks:
            news = sum(1 for item in wants if item not in self.owner.held)
            if len(self.owner.held) + news > bounds.locks:
                raise TooManyLocks(self.number)
        request = self.base.locks.acquire(self.owner, with_databases(wants), when_free)
        if request.is_granted:
            return True
        self.transactions.break_deadlocks(self.owner, self)
        self.check_open()
        return request.is_granted

    def give_up_waiting(self) -> None:
        """No longer wait for locks; those that it has it keeps."""
        self.base.locks.withdraw(self.owner)

    # Commands

    def prepare(self, wants: Wants) -> None:
        """Before a command: have the keys of `wants`, which are locked, in the workspaces. O(keys).

        Raises TransactionTooLarge, if any are wanted exclusively.
        """
        engine = self.engine
        base = self.base
        engine.now_ms = base.now_ms
        engine.bulk_max_bytes = base.bulk_max_bytes
        engine.access = base.access
        is_full = self.used_bytes > self.transactions.bounds.bytes
        for (index, key), exclusive in wants.items():
            if exclusive and is_full:
                raise TransactionTooLarge(self.number)
            workspace = self.database(index)
            workspace.follow_base()
            if key is not None:
                workspace.check_out(key, exclusive)
                if exclusive:
                    workspace.save(key)

    def finish(self, wants: Wants) -> None:
        """After a command, whether it failed or not. O(keys)."""
        engine = self.engine
        base = self.base
        base.hits += engine.hits
        base.misses += engine.misses
        engine.hits = engine.misses = 0
        for (index, key), exclusive in wants.items():
            if exclusive and key is not None:
                self.workspaces[index].settle_borrowed(key)
        self._account()

    def database(self, index: int) -> Workspace:
        """Database `index` as the transaction sees it. Raises BadDatabaseIndex."""
        workspace = self.workspaces.get(index)
        if workspace is None:
            if not 0 <= index < self.base.database_count:
                raise BadDatabaseIndex
            workspace = Workspace(self.engine, self.base.database(index))
            for _ in self.savepoints:
                workspace.push_level()
            self.workspaces[index] = workspace
            self.engine.add_database(index, workspace)
        return workspace

    # Savepoints

    def savepoint(self, name: bytes) -> None:
        """Remember how things are now as `name`; a savepoint of that name is hidden meanwhile. Raises ReplyError."""
        self.check_idle()
        if len(self.savepoints) >= self.transactions.bounds.savepoints:
            raise TooManySavepoints(self.number)
        self.savepoints.append(Savepoint(name, self.engine, self._effects_bytes))
        for workspace in self.workspaces.values():
            workspace.push_level()
        self._account()

    def rollback_to(self, name: bytes) -> None:
        """Be as at savepoint `name`, which stays; locks are kept. O(keys changed since). Raises ReplyError."""
        self.check_idle()
        at = self._find(name)
        saved = self.savepoints[at]
        undone: list[Iterable[bytes] | None] = []
        for workspace in self.workspaces.values():
            undone += [workspace.restore_level() for _ in range(len(self.savepoints) - at)]
            workspace.push_level()
        self._tell_readers(undone)
        del self.savepoints[at + 1 :]
        engine = self.engine
        del engine.effects[saved.effects :]
        del engine.events[saved.events :]
        engine.effects_db = saved.effects_db
        engine.changes = saved.changes
        self._effects_counted = saved.effects
        self._effects_bytes = saved.effects_bytes
        self._account()

    def release(self, name: bytes) -> None:
        """Forget savepoint `name` and those after it; nothing else changes. Raises ReplyError."""
        self.check_idle()
        at = self._find(name)
        for workspace in self.workspaces.values():
            for _ in range(len(self.savepoints) - at):
                workspace.merge_level()
        del self.savepoints[at:]
        self._account()

    def _find(self, name: bytes) -> int:
        for at in range(len(self.savepoints) - 1, -1, -1):
            if self.savepoints[at].name == name:
                return at
        raise NoSuchSavepoint(name)

    # The end

    def commit(self) -> None:
        """Let all that was changed be so: one transaction in the log, told to watchers and whoever waits. O(changes).

        The engine's `waits_for` says what the reply has to wait for. Raises TransactionEnded, TransactionBusy.
        """
        self.check_idle()
        base = self.base
        engine = self.engine
        for workspace in self.workspaces.values():
            workspace.publish()
        base.dirty = 0
        base.changes += engine.changes
        if engine.changes and base.logging:
            since = len(base.effects)
            base.effects.extend(engine.effects)
            base.effects_db = engine.effects_db
            base.frame(since)
            base.waits_for = base.batch
        if base.notifier is not None:
            for index, kind, event, key in engine.events:
                base.notifier(index, kind, event, key)
        if base.filled and not base.serves_later:
            # They were there before whoever waits for the locks.
            base.committing = self.owner
            base.waiters.serve()
            base.committing = None
        self._end(TransactionEnded(self.number, b"it was committed"))

    def rollback(self) -> None:
        """Let nothing have happened. O(keys). Raises TransactionEnded."""
        self.check_open()
        self._end(TransactionEnded(self.number, b"it was rolled back"))

    def abort(self, error: ReplyError) -> None:
        """Roll it back on behalf of somebody else, who gives `error` as the reason; `on_abort` is told."""
        if self.ended is None:
            self._end(error)
            if self.on_abort is not None:
                self.on_abort(error)

    def check_open(self) -> None:
        """Raises the reason why the transaction has ended, if it has."""
        if self.ended is not None:
            raise ReplyError(self.ended.message)

    def check_idle(self) -> None:
        """Raises the reason why the transaction has ended, or TransactionBusy if a command of it waits for locks."""
        self.check_open()
        if self.owner.waiting is not None:
            raise TransactionBusy(self.number)

    @property
    def changed_keys(self) -> int:
        """How many keys it has changed so far."""
        return sum(len(workspace.unsynced) for workspace in self.workspaces.values())

    def _end(self, reason: ReplyError) -> None:
        self.ended = reason
        self.base.reserved_bytes -= self.used_bytes
        self.used_bytes = 0
        self._tell_readers([one.changed_names() for one in self.workspaces.values()])
        for workspace in self.workspaces.values():
            workspace.give_up()
        self.workspaces.clear()
        self.savepoints.clear()
        self.engine.forget_databases()
        self.engine.effects.clear()
        self.engine.events.clear()
        del self.transactions.open[self.number]
        # Last, since whoever waited may go on from there.
        base = self.base
        base.locks.release_all(self.owner)
        if base.filled and not base.serves_later:
            base.waiters.serve()

    def _tell_readers(self, undone: list[Iterable[bytes] | None]) -> None:
        """What was done to all these keys (None: all of a database) is taken back. Nobody else knows of it."""
        if self.readers:
            names = None if None in undone else {key for keys in undone if keys is not None for key in keys}
            self.base.tracker.undone(names, self.readers)

    def _account(self) -> None:
        """Count what it takes now."""
        effects = self.engine.effects
        for at in range(self._effects_counted, len(effects)):
            effect = effects[at]
            if isinstance(effect, list):
                for argument in effect:
                    self._effects_bytes += len(argument) + ARGUMENT_BYTES
            else:
                self._effects_bytes += len(effect)
        self._effects_counted = len(effects)
        used_bytes = TRANSACTION_BYTES + self._effects_bytes + SAVEPOINT_BYTES * len(self.savepoints)
        for workspace in self.workspaces.values():
            used_bytes += workspace.own_bytes()
        self.base.reserved_bytes += used_bytes - self.used_bytes
        self.used_bytes = used_bytes


class Transactions:
    """All open transactions of `engine`, by number."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.bounds = Bounds()
        self.open: dict[int, Transaction] = {}
        # Called when one begins and there was none.
        self.when_used: Callable[[], None] | None = None
        self.deadlocks = 0
        # Stands in for databases that a transaction has not used yet. It has no shards, so nothing gets lost in it.
        self.nowhere = Keyspace(engine, -1, [])

    def begin(self, *, read_only: bool = False) -> Transaction:
        """A new transaction. With `read_only` its driver must let it change nothing. Raises TooManyTransactions."""
        if len(self.open) >= self.bounds.open:
            raise TooManyTransactions
        transaction = Transaction(self, self.engine.locks.new_owner(), read_only=read_only)
        is_first = not self.open
        self.open[transaction.number] = transaction
        if is_first and self.when_used is not None:
            self.when_used()
        return transaction

    def break_deadlocks(self, owner: Owner, own: Transaction | None = None) -> None:
        """`owner` waits: roll back the youngest of each deadlock that this closes. `own`, its transaction, is not told.

        Only transactions are in deadlocks: who holds nothing gives way (`LockTable.victim_of`).
        """
        while (victim := self.engine.locks.victim_of(owner)) is not None:
            self.deadlocks += 1
            transaction = self.open[victim.number]
            if transaction is own:
                transaction._end(Deadlock(victim.number))
                return
            transaction.abort(Deadlock(victim.number))

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(keys looked at)."""
        lent: dict[tuple[int, bytes], int] = {}
        for transaction in self.open.values():
            for index, workspace in transaction.workspaces.items():
                for key, exclusive in workspace.modes.items():
                    lent[index, key] = lent.get((index, key), 0) + 1
                    held = transaction.owner.held.get((index, key))
                    assert held is not None, "looked at without a lock"
                    assert held or not exclusive, "changed under a shared lock"
                workspace.check_view()
        for db in self.engine.databases:
            assert db.lent == {key: count for (index, key), count in lent.items() if index == db.index}
        assert self.engine.reserved_bytes == sum(each.used_bytes for each in self.open.values())


__all__ = ["Argv", "Bounds", "PrivateEngine", "Savepoint", "Transaction", "Transactions"]
