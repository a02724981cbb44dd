"""Sessions that wait for keys (BLPOP, XREAD BLOCK and their like), and how a write serves them.

A command that finds nothing answers with a `Block` that names its keys. Its session is parked and stands in a queue for
each of them. A change to such a key puts it into `Engine.filled` (the doors see to that, at the price of one test while
nobody waits), and when the command, transaction or script that made it has ended, `serve` asks those who wait, in
order of arrival, before any other command runs. What they take may fill other keys (BLMOVE), which are served in turn.

Rule 1: a queue holds sessions that wait for one type of value. For lists and sorted sets it ends with the first who
  goes away empty-handed: there is nothing left. Each reader of a stream waits for entries of its own, so all are asked.
Rule 2: who is no longer blocked stands in no queue. `Session.end_block` sees to that.
"""

import logging
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

from respkv.commands.spec import find_spec
from respkv.engine.clock import steady_ns
from respkv.engine.engine import AWAITED, Engine, Waiters
from respkv.engine.keyspace import Keyspace
from respkv.engine.locks import Owner, with_databases
from respkv.errors import InternalError, ReplyError
from respkv.reply import Block
from respkv.server.transactions import wants_of

if TYPE_CHECKING:
    from respkv.server.session import Session

logger = logging.getLogger(__name__)

Queue = OrderedDict["Session", None]


class KeyWaiters(Waiters):
    """All sessions of a server that wait for keys of `engine`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.session_count = 0

    def add(self, session: "Session", db: Keyspace, block: Block) -> None:
        """Let `session` wait for the keys of `block`. O(keys)."""
        for key in block.keys:
            queues: dict[bytes, Queue] = db.awaited.setdefault(key, {})
            queues.setdefault(block.type_name, OrderedDict())[session] = None
        db.set_alert(AWAITED, True)
        self.session_count += 1

    def remove(self, session: "Session", db: Keyspace, block: Block) -> None:
        """`session` no longer waits. O(keys)."""
        for key in block.keys:
            queues = db.awaited.get(key)
            if queues is None or block.type_name not in queues:
                continue
            queues[block.type_name].pop(session, None)
            if not queues[block.type_name]:
                del queues[block.type_name]
            if not queues:
                del db.awaited[key]
        if not db.awaited:
            db.set_alert(AWAITED, False)
        self.session_count -= 1

    def key_counts(self) -> tuple[int, int]:
        """How many keys somebody waits for, and for how many of them also for their deletion. O(keys waited for)."""
        keys = on_deletion = 0
        for db in self.engine.databases:
            keys += len(db.awaited)
            on_deletion += sum(b"stream" in queues for queues in db.awaited.values())
        return keys, on_deletion

    def serve(self) -> None:
        """Ask those who wait for the keys of `Engine.filled`, until nothing more is filled. O(sessions asked)."""
        engine = self.engine
        # What they do is committed, but served here and not from within.
        engine.serves_later = True
        waits_for = engine.waits_for
        try:
            while engine.filled:
                filled = dict.fromkeys(engine.filled)
                engine.filled = []
                for db, key in filled:
                    for type_name in list(db.awaited.get(key, ())):
                        self._serve_queue(db, key, type_name)
        finally:
            engine.serves_later = False
            # The reply to the command that filled them need not wait for what others do now; theirs do.
            engine.waits_for = waits_for

    def _serve_queue(self, db: Keyspace, key: bytes, type_name: bytes) -> None:
        if type_name == b"stream":
            for session in list(db.awaited[key][type_name]):
                if session.block is not None:
                    self._serve_session(session, db, key)
            return
        while True:
            queue = db.awaited.get(key, {}).get(type_name)
            if not queue:
                return
            value = db.peek(key)
            if value is None or getattr(value, "type_name", b"string") != type_name:
                return
            if not self._serve_session(next(iter(queue)), db, key):
                return

    def _is_kept_off(self, session: "Session", db: Keyspace, key: bytes) -> bool:
        """Whether a transaction has locked what the command of `session` would change: it is served once that ends."""
        if session.lock_owner is not None:
            return True
        locks = self.engine.locks
        argv = session.blocked_argv
        spec = find_spec(argv)
        assert spec is not None
        committing = self.engine.committing
        # Only what is in its way: others need not queue behind it for the rest.
        wants = {
            item: exclusive
            for item, exclusive in with_databases(wants_of(session, spec, argv)).items()
            if locks.is_held_against({item: exclusive}, committing)
        }
        if not wants:
            return False
        owner = session.lock_owner = locks.new_owner()
        locks.acquire(owner, wants, partial(self._look_again, session, owner, db, key))
        locks.victim_of(owner)
        return True

    def _look_again(self, session: "Session", owner: Owner, db: Keyspace, key: bytes) -> None:
        if session.lock_owner is owner:
            session.lock_owner = None
            self.engine.filled.append((db, key))
        self.engine.locks.release_all(owner)

    def _serve_session(self, session: "Session", db: Keyspace, key: bytes) -> bool:
        """Let the command of `session` try again; whether it has its reply."""
        engine = self.engine
        block = session.block
        assert block is not None
        assert block.retry is not None
        if engine.locks and self._is_kept_off(session, db, key):
            return False
        engine.waits_for = 0
        # What it is told of what it does now follows its reply.
        session.defers_pushes = True
        tracking = session.server.tracking
        current = tracking.current
        tracking.current = session
        reply: object
        started_ns = steady_ns()
        try:
            reply = block.retry(key)
        except ReplyError as error:
            reply = error
        except Exception:
            # Whoever filled the key has no part in this.
            logger.exception("a command that waited failed unexpectedly; its client is disconnected")
            session.server.forget_command()
            reply = InternalError()
            session.closing = True
            session.backlog = []
        if session.tracking is not None and type(reply) is not Block:
            tracking.remember_waiter(session, session.blocked_argv)
        tracking.current = current
        session.blocked_ns += steady_ns() - started_ns
        if type(reply) is Block:
            session.release_pushes()
            return False
        if engine.dirty:
            engine.commit(db, session.blocked_argv)
        if engine.logging:
            # What it found may be as new as the batch that is now being made.
            session.wait_lsn = engine.batch
        session.unblock(reply)
        session.release_pushes()
        return True
