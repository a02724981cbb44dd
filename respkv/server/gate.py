"""What the hot loop leaves alone: every check before a command that is not an everyday one, in Redis's order.

`run_unusual` is called when the command is not in the table as it was spelled, takes another number of arguments, or
minds a reason that is set in the session's gate. Adding a reason: a bit in `respkv.commands.flags`, whoever owns the
state sets it, and a check here.
"""

import logging
from typing import TYPE_CHECKING, Final

from respkv.commands.flags import (
    DENYOOM,
    GATE_AUTH,
    GATE_BUSY,
    GATE_DISK,
    GATE_LOADING,
    GATE_LOCKS,
    GATE_MEMORY,
    GATE_MONITORED,
    GATE_MULTI,
    GATE_PAUSED,
    GATE_SILENT,
    GATE_SUBSCRIBED,
    GATE_TRACKING,
    GATE_TRANSACTION,
    GATE_UNTOUCHING,
    GATE_USER,
    LOADING,
    MAY_REPLICATE,
    NO_MULTI,
    PROTECTED,
    READONLY,
    SKIP_MONITOR,
    SKIP_SLOWLOG,
    TRANSACTION,
    UNQUEUED,
    WRITE,
)
from respkv.commands.spec import COMMANDS, Spec
from respkv.engine.clock import steady_ns
from respkv.engine.engine import AccessRecord
from respkv.engine.shards import Shard
from respkv.errors import Loading, OutOfMemory, ReplyError, WrongArity
from respkv.reply import QUEUED, Block
from respkv.server.parking import PAUSED

if TYPE_CHECKING:
    from respkv.server.session import Session

logger = logging.getLogger(__name__)

SPELLINGS_MAX: Final = 4096
"""How many spellings of command names are remembered, so that `gEt` is looked up only once."""

_HTTP_WORDS: Final = (b"post", b"host:")

_QUOTED_MAX: Final = 128
"""How much of an unknown command an error message quotes."""


class Untouching(AccessRecord):
    """The access record for a session with CLIENT NO-TOUCH: to use a key leaves no mark, all else is as ever."""

    def __init__(self, record: AccessRecord) -> None:
        super().__init__()
        self.record = record
        self.kind = record.kind

    def begin(self, shard: Shard, key: bytes) -> None:
        """Note that `key` is new."""
        self.record.begin(shard, key)

    def idle_ms(self, shard: Shard, key: bytes) -> int:
        """How long ago `key` was used."""
        return self.record.idle_ms(shard, key)

    def frequency(self, shard: Shard, key: bytes) -> int:
        """The counter of uses of `key`."""
        return self.record.frequency(shard, key)


def run_unusual(session: "Session", argv: list[bytes]) -> None:
    """Check `argv`, then run, queue, park or refuse it; the reply is in the session's output."""
    if session.gate & GATE_SUBSCRIBED:
        session.server.pubsub.flush()
    if session.gate & GATE_SILENT:
        _run_silently(session, argv)
        return
    spec: Spec | None = None
    try:
        spec = look_up(session, argv)
        check(session, spec, argv)
        if _must_wait(session, spec, argv):
            return
        if session.gate & GATE_MULTI and not spec.flags & UNQUEUED:
            _queue(session, spec, argv)
            return
    except ReplyError as error:
        if session.killed:
            return
        if spec is not None:
            spec.rejected_calls += 1
            if spec.name == b"exec":
                session.end_multi()
                if session.transaction is None:
                    error = ReplyError(
                        b"EXECABORT Transaction discarded because of: " + error.message.removeprefix(b"ERR ")
                    )
        if session.gate & GATE_MULTI:
            session.queue_failed = True
        session.write_error(error)
        _end_caching(session, spec)
        return
    session.last_spec = spec
    transaction = session.transaction
    if transaction is not None and not spec.flags & TRANSACTION:
        session.server.transactions.run(session, transaction, spec, argv)
    else:
        run(session, spec, argv)
    _end_caching(session, spec)


def _end_caching(session: "Session", spec: Spec | None) -> None:
    """CLIENT CACHING holds for one command or transaction, and other CLIENT commands between are none."""
    tracking = session.tracking
    if tracking is not None and tracking.caching and not session.gate & GATE_MULTI:
        tracking.caching = spec is not None and spec.name.startswith(b"client|")


def run(session: "Session", spec: Spec, argv: list[bytes]) -> None:
    """Run one command by itself, timed: the handler, the commit, the reply."""
    engine = session.engine
    server = session.server
    spec.calls += 1
    timed_ns = session.timed_ns
    started_ns = steady_ns()
    db = session.db
    access = engine.access
    if session.gate & GATE_UNTOUCHING and spec.name != b"touch":
        engine.access = Untouching(access)
    is_outermost = not session.defers_pushes
    session.defers_pushes = True
    if session.gate & GATE_TRACKING:
        server.tracking.current = session
    if session.gate & GATE_MONITORED and spec.flags & SKIP_MONITOR:
        server.monitors.show(session, spec, argv)
    try:
        reply = spec.handler(session if spec.wants_session else db, argv)  # type: ignore[misc]
    except ReplyError as error:
        spec.failed_calls += 1
        if engine.dirty:
            engine.commit(db, argv)
        session.write_error(error)
    else:
        if engine.dirty:
            engine.commit(db, argv)
        if type(reply) is Block:
            server.block(session, reply, argv)
        else:
            session.write(reply)
    if session.gate & GATE_MONITORED:
        server.monitors.feed(session, spec, argv)
    if session.gate & GATE_TRACKING:
        server.tracking.remember(session, spec, argv)
    if is_outermost:
        server.tracking.current = None
        session.release_pushes()
    if type(engine.access) is Untouching:
        engine.access = access
    elapsed_ns = steady_ns() - started_ns
    # Those that ran within it are not counted twice.
    session.timed_ns = timed_ns + elapsed_ns
    spec.nanoseconds += elapsed_ns
    if server.tracks_latency:
        spec.histogram.add(elapsed_ns)
    if session.block is not None and session.blocked_argv is argv:
        # It has not ended: `Server.note_end_of_block` judges it then.
        session.blocked_ns = elapsed_ns
    elif elapsed_ns >= server.slow_ns and not spec.flags & SKIP_SLOWLOG:
        server.note_slow(session, spec, argv, elapsed_ns)


def look_up(session: "Session", argv: list[bytes]) -> Spec:
    """The command that `argv` names. Raises ReplyError if there is none."""
    name = argv[0]
    spec = session.names.get(name)
    if spec is None:
        spec = COMMANDS.get(name.lower())
        if spec is None:
            if name.lower() in _HTTP_WORDS:
                # A browser was made to send commands to us: say nothing, end it.
                logger.warning("an HTTP request came from %s; disconnected", session.address)
                session.kill()
            raise ReplyError(_unknown(argv))
        if len(session.names) < SPELLINGS_MAX and not session.gate & GATE_USER:
            session.names[name] = spec
    if spec.subcommands and len(argv) > 1:
        subcommand = spec.subcommands.get(argv[1].lower())
        if subcommand is not None:
            spec = subcommand
        elif not spec.syntax.arguments:  # else it takes arguments beside its subcommands, as TXN does
            raise ReplyError(
                b"ERR unknown subcommand '%b'. Try %b HELP." % (_quoted(argv[1], _QUOTED_MAX), spec.name.upper())
            )
    return spec


def _unknown(argv: list[bytes]) -> bytes:
    quoted = b""
    for argument in argv[1:]:
        if len(quoted) >= _QUOTED_MAX:
            break
        quoted += b"'%b' " % _quoted(argument, _QUOTED_MAX - len(quoted))
    return b"ERR unknown command '%b', with args beginning with: %b" % (_quoted(argv[0], _QUOTED_MAX), quoted)


def _quoted(text: bytes, most: int) -> bytes:
    """What an error message shows of `text`: up to the first zero byte, as C does."""
    return text[:most].partition(b"\0")[0]


def check(session: "Session", spec: Spec, argv: list[bytes]) -> None:
    """Raise the reason, if any, why `spec` must not run now with `argv`."""
    if not spec.least <= len(argv) <= spec.most or spec.handler is None:
        raise WrongArity(spec.name)
    reasons = session.gate & spec.mask
    server = session.server
    if spec.flags & PROTECTED:
        server.check_protected(session, spec)
    if reasons & GATE_AUTH:
        raise ReplyError(b"NOAUTH Authentication required.")
    if reasons & GATE_MULTI and spec.flags & NO_MULTI:
        raise ReplyError(b"ERR Command not allowed inside a transaction")
    if session.gate & GATE_USER:
        server.access.check(session, spec, argv)
    if session.gate & GATE_MEMORY and _may_grow(session, spec) and not server.make_room():
        raise OutOfMemory
    if session.gate & GATE_DISK and (spec.flags & WRITE or spec.name == b"ping" or is_queued(session, spec, WRITE)):
        raise ReplyError(server.disk_error())
    if reasons & GATE_SUBSCRIBED and session.protocol == 2 and spec.name not in _IN_SUBSCRIBER_MODE:
        raise ReplyError(
            b"ERR Can't execute '%b': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in"
            b" this context" % spec.name
        )
    if session.is_monitor and spec.flags & (WRITE | READONLY | MAY_REPLICATE):
        raise ReplyError(b"ERR Replica can't interact with the keyspace")
    if session.gate & GATE_LOADING and (reasons & GATE_LOADING or not _all_queued(session, spec, LOADING)):
        raise Loading
    if reasons & GATE_BUSY:
        raise server.scripting.busy_error()


_IN_SUBSCRIBER_MODE: Final = frozenset(
    (
        b"ping",
        b"subscribe",
        b"ssubscribe",
        b"psubscribe",
        b"unsubscribe",
        b"sunsubscribe",
        b"punsubscribe",
        b"quit",
        b"reset",
    )
)


def _may_grow(session: "Session", spec: Spec) -> bool:
    """Whether to run or queue `spec` may take memory."""
    if spec.flags & DENYOOM or is_queued(session, spec, DENYOOM):
        return True
    return bool(session.gate & GATE_MULTI) and spec.name not in _LEAVE_MULTI


_LEAVE_MULTI: Final = frozenset((b"exec", b"discard", b"quit", b"reset"))


def is_queued(session: "Session", spec: Spec, flag: int) -> bool:
    """Whether `spec` is EXEC and a command in the queue has `flag`."""
    return spec.name == b"exec" and any(queued.flags & flag for queued, _ in session.queue)


def _all_queued(session: "Session", spec: Spec, flag: int) -> bool:
    """Whether `spec` is not EXEC, or all commands in the queue have `flag`."""
    return spec.name != b"exec" or all(queued.flags & flag for queued, _ in session.queue)


def _must_wait(session: "Session", spec: Spec, argv: list[bytes]) -> bool:
    """Park the session if a key of `argv` is locked, or clients are paused; the request is first in its backlog."""
    server = session.server
    reasons = session.gate & (GATE_PAUSED | GATE_LOCKS | GATE_TRANSACTION)
    if not reasons:
        return False
    if reasons & GATE_PAUSED and server.is_paused_for(session, spec, argv):
        session.park(PAUSED, argv)
        return True
    if session.gate & GATE_MULTI and not spec.flags & UNQUEUED:
        return False
    transactions = server.transactions
    if spec.flags & TRANSACTION:
        return spec.name == b"txn" and transactions.must_wait_within(session, argv)
    if session.transaction is not None:
        return transactions.must_wait(session, session.transaction, spec, argv, argv)
    return reasons & GATE_LOCKS != 0 and transactions.wait_for_locks(session, spec, argv)


def _queue(session: "Session", spec: Spec, argv: list[bytes]) -> None:
    session.queue.append((spec, argv))
    for argument in argv:
        session.queue_bytes += len(argument)
    # Redis looks when it has read, not per command: the queue counts as query buffer, and the client is cut off.
    if session.queue_bytes > session.server.query_max_bytes:
        session.end_multi()
        session.stats.query_limit_disconnections += 1
        session.closing = True
        return
    session.write(QUEUED)


def _run_silently(session: "Session", argv: list[bytes]) -> None:
    """Run `argv` and leave its reply out, unless it is the CLIENT REPLY that ends the silence."""
    skips = session.skips_next
    length = len(session.out)
    session.skips_next = False
    if skips and session.reply_mode == "on":
        session.reply_mode = "skipping"
    session.set_gate(GATE_SILENT, False)
    session.defers_pushes = True
    run_unusual(session, argv)
    if session.reply_mode != "on":
        del session.out[length:]
    session.release_pushes()
    if session.parked and session.block is None:  # it is yet to run
        session.skips_next = skips
    if session.reply_mode == "skipping" and (not session.parked or session.block is None):
        session.reply_mode = "on"
    session.set_gate(GATE_SILENT, session.reply_mode != "on" or session.skips_next)
