"""Interactive transactions of sessions: what a command locks, how it waits, where it runs, and what time ends.

Between BEGIN and its end a session has `GATE_TRANSACTION` in its gate, so that each of its commands comes to the gate,
and from there to `must_wait` and `run`. While any transaction is open all sessions have `GATE_LOCKS`: commands on keys
that somebody has locked come to `wait_for_locks`, all others go on in the loop (`Session._run`).

Rule 1: who waits is parked, with the request first in its backlog, and runs it again once it has the locks. Nobody
  polls; a heap of deadlines bounds all waiting.
Rule 2: a command that is no part of a transaction holds locks only while it waits for its turn: from there on it is
  atomic by itself.
Rule 3: a transaction that somebody else ended stays with its session until that knows: all its commands are refused
  until COMMIT, ROLLBACK, BEGIN or RESET. What a client sent ahead never runs outside of its transaction.
"""

import heapq
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from respkv.commands.args import parse_int
from respkv.commands.flags import GATE_DISK, GATE_LOCKS, GATE_TRANSACTION, TRANSACTION, UNQUEUED, WRITE
from respkv.commands.sort import find_pattern
from respkv.commands.spec import Spec
from respkv.engine.locks import Lockable, LockTable, Wants, with_databases
from respkv.engine.transactions import Transaction, Transactions
from respkv.errors import LockTimeout, NoSuchTransaction, NotAnInteger, ReplyError, TransactionEnded
from respkv.server.gate import check, look_up, run
from respkv.server.parking import LOCKED

if TYPE_CHECKING:
    from respkv.acl.users import User
    from respkv.server.server import Server
    from respkv.server.session import Session

_REFUSED: Final = {
    b"swapdb": b"ERR SWAPDB is not allowed in an interactive transaction",
    b"watch": b"ERR WATCH is not needed in an interactive transaction: what it reads is locked",
    b"debug": b"ERR DEBUG is not allowed in an interactive transaction",
    b"shutdown": b"ERR SHUTDOWN is not allowed in an interactive transaction",
    b"function": b"ERR FUNCTION is not allowed in an interactive transaction",
}
"""Commands by their container's name that a transaction cannot have."""

_CONNECTION: Final = "connection"
"""The group of commands that a session may use whatever has become of its transaction."""

_NOTHING: Final[dict[Lockable, bool]] = {}


class Held:
    """A transaction of the server: whose it is, and when it is rolled back unless it is used.

    One of the program that has the store in it (`respkv.embedded`) has no session and no user.
    """

    def __init__(self, transaction: Transaction, session: "Session | None", idle_ms: int) -> None:
        self.transaction = transaction
        self.session = session
        self.user: User | None = None if session is None else session.user
        # 0 for never.
        self.idle_ms = idle_ms
        self.used_at_ms = transaction.begun_ms
        # Whose command waits for locks, if one does.
        self.waiter: Session | None = None


class SessionTransactions:
    """The transactions of all sessions of a server, and who waits for locks."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.engine = server.engine
        self.all = Transactions(server.engine)
        self.all.when_used = self._watch_keys
        self.held: dict[int, Held] = {}
        self.lock_timeout_ms = 0
        self.idle_timeout_ms = 0
        self.timeouts = 0
        # The transaction in which a command runs.
        self.running: Transaction | None = None
        # What the command that runs has waited for and got: its own, though it was given back, and the next in the
        # queue may have been granted it already.
        self._turn: dict[Lockable, bool] = _NOTHING
        # When a wait or a transaction may be over: time, a number that keeps them apart, and the session with the
        # number of its wait, or the transaction. Those that are over already are passed over.
        self._deadlines: list[tuple[int, int, Session | None, int]] = []
        self._count = 0

    # Beginning and end

    def begin(self, session: "Session", idle_ms: int, *, read_only: bool) -> int:
        """Open a transaction for `session`; its number. `idle_ms` is its own timeout, -1 the directive's."""
        current = session.transaction
        if current is not None and current.ended is None:
            raise ReplyError(b"ERR transaction %d is open already" % current.number)
        transaction = self.all.begin(read_only=read_only)
        transaction.on_abort = partial(self._aborted, transaction.number)
        self._hold(Held(transaction, session, self.idle_timeout_ms if idle_ms < 0 else idle_ms))
        session.transaction = transaction
        session.set_gate(GATE_TRANSACTION, True)
        return transaction.number

    def begin_without_session(self, when_aborted: Callable[[], None]) -> Held:
        """Open a transaction for the program itself; `when_aborted` is called if it is rolled back by others.

        Whoever has it sets `used_at_ms`, and ends it by `commit` or `rollback` here.
        """
        transaction = self.all.begin()

        def abort(error: ReplyError) -> None:
            self.held.pop(transaction.number, None)
            when_aborted()

        transaction.on_abort = abort
        held = Held(transaction, None, self.idle_timeout_ms)
        self._hold(held)
        return held

    def _hold(self, held: Held) -> None:
        number = held.transaction.number
        self.held[number] = held
        if held.idle_ms:
            self._note_deadline(held.used_at_ms + held.idle_ms, None, number)

    def leave(self, session: "Session") -> None:
        """`session` goes on without its transaction, which is rolled back if it is open."""
        transaction = session.transaction
        if transaction is None:
            return
        session.transaction = None
        session.set_gate(GATE_TRANSACTION, False)
        self.held.pop(transaction.number, None)
        if transaction.ended is None:
            transaction.rollback()

    def of(self, session: "Session", number: int) -> Held:
        """The open transaction of that number. Raises ReplyError if there is none, or it is another user's."""
        held = self.held.get(number)
        if held is None or held.user is not session.user:
            raise NoSuchTransaction(number)
        return held

    def commit(self, held: Held) -> None:
        """Commit it; its session knows by the reply to its next command, unless that is the one who asks.

        Raises ReplyError; while the disk fails, for one that has changed anything.
        """
        transaction = held.transaction
        if self.server.gate & GATE_DISK and transaction.ended is None and transaction.changed_keys:
            raise ReplyError(self.server.disk_error())
        transaction.commit()
        self.held.pop(held.transaction.number, None)

    def rollback(self, held: Held, reason: bytes) -> None:
        """Roll it back; `reason` is what its session is told, as the reply to the command that waits, or the next."""
        held.transaction.abort(TransactionEnded(held.transaction.number, reason))

    # Commands

    def must_wait(
        self, session: "Session", transaction: Transaction, spec: Spec, argv: list[bytes], request: list[bytes]
    ) -> bool:
        """Lock what `argv` touches within `transaction`; whether `session` is parked with `request` until it can.

        Raises ReplyError if the command is none for the transaction, or a lock cannot be had.
        """
        if session.waits_in is transaction:
            if transaction.ended is None and transaction.owner.waiting is not None:
                # Somebody let it go on for another reason.
                session.park(LOCKED, request)
                return True
            session.waits_in = None
            session.wait_number += 1
            if transaction.number in self.held:
                self.held[transaction.number].waiter = None
        if transaction.ended is not None:
            if spec.group == _CONNECTION and not spec.key_flags:
                return False
            transaction.check_open()
        _check_allowed(session, transaction, spec, argv)
        held = self.held[transaction.number]
        held.used_at_ms = self.engine.now_ms
        wants = wants_in_transaction(session, spec, argv)
        if transaction.acquire(wants, partial(self.server.ready.append, session)):
            return False
        session.waits_in = transaction
        held.waiter = session
        session.park(LOCKED, request)
        self._bound_wait(session)
        return True

    def must_wait_within(self, session: "Session", argv: list[bytes]) -> bool:
        """As `must_wait`, for the command that TXN is to run."""
        number, inner = parse_number(argv[1]), argv[2:]
        spec = look_up(session, inner)
        check(session, spec, inner)
        if spec.flags & (TRANSACTION | UNQUEUED):
            raise ReplyError(b"ERR TXN cannot run %b" % spec.name.upper())
        return self.must_wait(session, self.of(session, number).transaction, spec, inner, argv)

    def run_within(self, session: "Session", argv: list[bytes]) -> None:
        """Run the command of TXN, which has its locks."""
        number, inner = parse_number(argv[1]), argv[2:]
        self.run(session, self.of(session, number).transaction, look_up(session, inner), inner)

    def run(self, session: "Session", transaction: Transaction, spec: Spec, argv: list[bytes]) -> None:
        """Run one command within `transaction`, which has its locks; its reply is in the session's output."""
        if transaction.ended is not None:  # a command on the connection alone
            run(session, spec, argv)
            return
        wants = wants_in_transaction(session, spec, argv)
        try:
            transaction.prepare(wants)
        except ReplyError as error:
            spec.rejected_calls += 1
            session.write_error(error)
            return
        engine = session.engine
        db = session.db
        session.engine = transaction.engine
        session.db = transaction.database(db.index)
        # What would wait answers at once, as in MULTI.
        session.executing = True
        self.running = transaction
        try:
            run(session, spec, argv)
        except BaseException:
            transaction.engine.dirty = 0
            transaction.engine.replacement = None
            raise
        finally:
            self.running = None
            session.executing = False
            session.engine = engine
            session.db = engine.database(session.db.index)
            if transaction.ended is None:
                transaction.finish(wants)
        transaction.commands += 1

    def wait_for_locks(self, session: "Session", spec: Spec, argv: list[bytes]) -> bool:
        """Park the session if one of its keys is locked by another; whether it was.

        It asks for the locks that it needs and so has its place in the queues; once it has them it is run again, and
        gives them back just before it does what it wants, since from there on nobody comes in between.
        """
        locks = self.engine.locks
        owner = session.lock_owner
        self._turn = _NOTHING
        if owner is not None:
            if owner.waiting is not None:
                session.park(LOCKED, argv)
                return True
            session.lock_owner = None
            session.wait_number += 1
            self._turn = owner.held
            locks.release_all(owner)
            if self.engine.filled:
                # Who waits for a key may have waited for these locks too, ahead of this one.
                self.engine.waiters.serve()
            return False
        if _is_free(session, spec, argv):
            return False
        wants = with_databases(wants_of(session, spec, argv))
        if not wants or not locks.would_block(wants):
            return False
        owner = locks.new_owner()
        session.lock_owner = owner
        session.park(LOCKED, argv)
        locks.acquire(owner, wants, partial(self.server.ready.append, session))
        # It holds nothing, so whoever is in a cycle with it goes on, and nobody is to be aborted.
        locks.victim_of(owner)
        self._bound_wait(session)
        return True

    def check_free(self, session: "Session", spec: Spec, argv: list[bytes]) -> None:
        """Raise LockTimeout if a command of a script, which cannot wait, touches keys that a transaction has locked.

        Within a transaction they are locked now: a script may touch keys that it did not declare.
        """
        transaction = self.running
        if transaction is not None:
            _check_allowed(session, transaction, spec, argv)
            wants = wants_in_transaction(session, spec, argv)
            if self.engine.locks.would_block(with_databases(wants), transaction.owner):
                raise LockTimeout
            transaction.acquire(wants, _never)
            transaction.prepare(wants)
        elif not _is_free(session, spec, argv):
            for item, exclusive in with_databases(wants_of(session, spec, argv)).items():
                if self._is_kept_from(item, exclusive):
                    raise LockTimeout

    def _is_kept_from(self, item: Lockable, exclusive: bool) -> bool:
        """Whether a transaction holds `item`, which the command that runs may not use then, for it was not its turn."""
        of_turn = self._turn.get(item)
        if of_turn is not None and (of_turn or not exclusive):
            return False
        for holder, holds_exclusively in self.engine.locks.holders_of(item).items():
            # Other commands hold locks only since they wait for their turn: they have not looked at anything.
            if (exclusive or holds_exclusively) and holder.number in self.all.open:
                return True
        return False

    # Time

    def tick(self, now_ms: int) -> None:
        """End waits that have lasted too long, and roll back what is idle. O(due)."""
        while self._deadlines and self._deadlines[0][0] <= now_ms:
            _, _, session, number = heapq.heappop(self._deadlines)
            if session is None:
                self._end_idle(number, now_ms)
            elif session.wait_number == number and session.parked == LOCKED:
                self._end_wait(session)
        if not self.all.open and not self.engine.locks and self.server.gate & GATE_LOCKS:
            # Not at once, since to tell all sessions is O(sessions), and the next transaction may begin soon.
            self.server.set_gate(GATE_LOCKS, False)

    def next_due_ms(self) -> int:
        """When `tick` has something to do (unix ms); 0 for never."""
        return self._deadlines[0][0] if self._deadlines else 0

    def stop_waiting(self, session: "Session") -> None:
        """`session` no longer waits for locks, whatever for."""
        session.wait_number += 1
        owner = session.lock_owner
        if owner is not None:
            session.lock_owner = None
            self.engine.locks.release_all(owner)
        transaction = session.waits_in
        if transaction is not None:
            session.waits_in = None
            if transaction.number in self.held:
                self.held[transaction.number].waiter = None
            if transaction.ended is None:
                transaction.give_up_waiting()

    def _bound_wait(self, session: "Session") -> None:
        session.wait_number += 1
        if self.lock_timeout_ms:
            self._note_deadline(self.engine.now_ms + self.lock_timeout_ms, session, session.wait_number)

    def _note_deadline(self, at_ms: int, session: "Session | None", number: int) -> None:
        self._count += 1
        if len(self._deadlines) > 1000 + 4 * (len(self.all.open) + len(self.server.sessions)):
            self._deadlines = [entry for entry in self._deadlines if self._is_due_yet(entry[2], entry[3])]
            heapq.heapify(self._deadlines)
        heapq.heappush(self._deadlines, (at_ms, self._count, session, number))
        if at_ms < self.server.next_tick_ms:
            self.server.hurry()

    def _is_due_yet(self, session: "Session | None", number: int) -> bool:
        if session is None:
            return number in self.held
        return session.wait_number == number and session.parked == LOCKED

    def _end_wait(self, session: "Session") -> None:
        self.timeouts += 1
        self.stop_waiting(session)
        session.refuse_parked(LockTimeout())

    def _end_idle(self, number: int, now_ms: int) -> None:
        held = self.held.get(number)
        if held is None:
            return
        due_ms = held.used_at_ms + held.idle_ms
        if held.transaction.owner.waiting is not None:
            due_ms = max(due_ms, now_ms + held.idle_ms)
        if due_ms > now_ms:
            self._note_deadline(due_ms, None, number)
        else:
            self.timeouts += 1
            self.rollback(held, b"it was idle for %d ms" % held.idle_ms)

    def _aborted(self, number: int, error: ReplyError) -> None:
        """Transaction `number` was rolled back from outside: whoever waits in it is told."""
        held = self.held.pop(number, None)
        if held is not None and held.waiter is not None:
            session = held.waiter
            self.stop_waiting(session)
            session.refuse_parked(error)

    def _watch_keys(self) -> None:
        if not self.server.gate & GATE_LOCKS:
            self.server.set_gate(GATE_LOCKS, True)

    def follow_config(self) -> None:
        """Take over the directives."""
        config = self.server.config
        bounds = self.all.bounds
        bounds.open = config.transaction_max_open
        bounds.locks = config.transaction_max_keys
        bounds.savepoints = config.transaction_max_savepoints
        bounds.bytes = config.transaction_max_memory
        self.lock_timeout_ms = config.lock_timeout
        self.idle_timeout_ms = config.transaction_timeout


def parse_number(text: bytes) -> int:
    """The number of a transaction. Raises ReplyError."""
    try:
        return parse_int(text)
    except NotAnInteger:
        raise ReplyError(b"ERR invalid transaction id '%b'" % text[:64]) from None


def _is_free(session: "Session", spec: Spec, argv: list[bytes]) -> bool:
    """Whether a quick look says that nobody has locked what a command touches (EXEC: the queue). O(arguments)."""
    locked = session.db.locked
    if spec.name != b"exec":
        return spec.is_free(argv, locked)
    # SELECT, though it locks nothing, decides whose keys those after it are.
    return all(queued.name != b"select" and queued.is_free(request, locked) for queued, request in session.queue)


def wants_of(session: "Session", spec: Spec, argv: list[bytes]) -> Wants:
    """The keys that a command touches (EXEC: all commands of the queue), exclusively what it may change. O(arguments).

    FLUSHALL, FLUSHDB and SWAPDB want whole databases.
    """
    wants: Wants = {}
    index = session.db.index
    if spec.name != b"exec":
        _add_wants(wants, session, spec, argv, index)
        return wants
    for queued, request in session.queue:
        if queued.name == b"select":
            index = _index_in(session, request[1], index)
        _add_wants(wants, session, queued, request, index)
    return wants


def wants_in_transaction(session: "Session", spec: Spec, argv: list[bytes]) -> Wants:
    """As `wants_of`, and the databases that are used without naming a key."""
    wants: Wants = {(session.db.index, None): False}
    if spec.name == b"select":
        wants[_index_in(session, argv[1], session.db.index), None] = False
    elif spec.name == b"exec":
        for queued, request in session.queue:
            if queued.name == b"select":
                wants[_index_in(session, request[1], session.db.index), None] = False
    wants.update(wants_of(session, spec, argv))
    return wants


def _add_wants(wants: Wants, session: "Session", spec: Spec, argv: list[bytes], index: int) -> None:
    writes = spec.flags & WRITE != 0
    if spec.key_finder is not None:
        for key in spec.keys(argv):
            wants[index, key] = writes or wants.get((index, key), False)
        return
    if not spec.key_flags:
        if writes:
            for number in _flushed_by(session, spec, argv, index):
                wants[number, None] = True
        return
    # XREADGROUP has but one kind of key, which it changes though it is declared to be read.
    reads_some = not writes or any(not flags.startswith("RO") for flags in spec.key_flags)
    for number, flags in enumerate(spec.key_flags):
        exclusive = not (reads_some and flags.startswith("RO"))
        place = index
        if number == 1 and spec.name == b"copy":
            place = _target_of_copy(session, argv, index)
        for at in spec.syntax.keys[number].positions(argv):
            key = argv[at]
            wants[place, key] = exclusive or wants.get((place, key), False)
            if spec.name == b"move":
                wants[_index_in(session, argv[2], index), key] = True


def _target_of_copy(session: "Session", argv: list[bytes], index: int) -> int:
    for at in range(3, len(argv) - 1):
        if argv[at].upper() == b"DB":
            return _index_in(session, argv[at + 1], index)
    return index


def _flushed_by(session: "Session", spec: Spec, argv: list[bytes], index: int) -> list[int]:
    """The databases of which a command that names no keys may change any."""
    if spec.name == b"flushdb":
        return [index]
    if spec.name == b"swapdb":
        return [_index_in(session, argv[1], index), _index_in(session, argv[2], index)]
    if spec.name == b"flushall":
        return list(range(session.server.engine.database_count))
    return []


def _index_in(session: "Session", text: bytes, otherwise: int) -> int:
    """A database's number; `otherwise` where the command will find that it is none."""
    try:
        index = parse_int(text)
    except NotAnInteger:
        return otherwise
    return index if 0 <= index < session.server.engine.database_count else otherwise


def _check_allowed(session: "Session", transaction: Transaction, spec: Spec, argv: list[bytes]) -> None:
    """Raise ReplyError if the command is none for a transaction, or writes in one that only reads."""
    refusal = _REFUSED.get(spec.name.partition(b"|")[0])
    if refusal is not None:
        raise ReplyError(refusal)
    requests = session.queue if spec.name == b"exec" else [(spec, argv)]
    for queued, request in requests:
        if transaction.read_only and queued.flags & WRITE:
            raise ReplyError(b"READONLY transaction %d only reads" % transaction.number)
        if queued.name in (b"sort", b"sort_ro") and find_pattern(request):
            raise ReplyError(b"ERR BY and GET patterns of SORT are not allowed in an interactive transaction")


def holders_of(locks: LockTable, index: int, key: bytes) -> list[int]:
    """The numbers of the transactions (or waiting commands) that hold a lock on the key, oldest first."""
    return sorted(owner.number for owner in locks.holders_of((index, key)))


def _never() -> None:
    """Who asks has looked before: it need not wait."""


__all__ = ["TRANSACTION", "Held", "SessionTransactions", "holders_of", "wants_of"]
