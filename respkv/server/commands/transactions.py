"""MULTI, EXEC and WATCH: commands run one after the other with nobody in between, if nothing watched has changed.

Between MULTI and EXEC the gate (`respkv.server.gate`) checks and queues. EXEC runs each command as the session would
have, so a command in a transaction may do all that it may do outside, SELECT and CLIENT included; an error of one does
not stop the others. What all of them changed is one MULTI..EXEC in the log.

Source of all behaviour: redis-server 7.0.15 and 8.2.
"""

from respkv.commands.flags import (
    ALLOW_BUSY,
    FAST,
    GATE_MULTI,
    GATE_PAUSED,
    GATE_USER,
    LOADING,
    NOSCRIPT,
    SKIP_SLOWLOG,
    STALE,
    UNQUEUED,
)
from respkv.commands.spec import CommandGroup, Spec
from respkv.errors import ExecWithoutMulti, NestedMulti, ReplyError
from respkv.reply import NO_REPLY, NULL_ARRAY, OK, Reply
from respkv.resp.writer import array_header
from respkv.server.gate import run
from respkv.server.session import Session

command = CommandGroup("transactions", __name__, session=True)

_ANYTIME = NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY


@command("MULTI", _ANYTIME | UNQUEUED, since="1.2.0", cost="O(1)")
def multi(session: Session, argv: list[bytes]) -> Reply:
    """Begin a transaction: commands are queued from now on.

    > MULTI
    OK
    > INCR k
    QUEUED
    > EXEC
    1) (integer) 1
    """
    if session.gate & GATE_MULTI:
        raise NestedMulti
    session.set_gate(GATE_MULTI, True)
    return OK


@command("DISCARD", _ANYTIME | UNQUEUED, since="2.0.0", cost="O(n), n = commands queued")
def discard(session: Session, argv: list[bytes]) -> Reply:
    """Forget the commands of a transaction and all watched keys."""
    if not session.gate & GATE_MULTI:
        raise ReplyError(b"ERR DISCARD without MULTI")
    session.end_multi()
    return OK


@command("EXEC", NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG | UNQUEUED, since="1.2.0", cost="That of the commands.")
def exec_(session: Session, argv: list[bytes]) -> Reply:
    """Run the commands of a transaction; their replies, or nil if a watched key has changed."""
    if not session.gate & GATE_MULTI:
        raise ExecWithoutMulti
    failed = session.queue_failed
    touched = session.watcher.has_changed()
    queue = session.queue
    session.end_multi()
    if failed:
        raise ReplyError(b"EXECABORT Transaction discarded because of previous errors.")
    if touched:
        return NULL_ARRAY
    engine = session.engine
    first_effect = len(engine.effects)
    if session.reply_mode != "off":
        session.out.append(array_header(len(queue)))
    session.executing = True
    engine.serves_later = True
    try:
        for spec, queued in queue:
            _run_queued(session, spec, queued)
    finally:
        session.executing = False
        engine.serves_later = False
        if session.gate & GATE_PAUSED:
            session.server.mind_pause()
    engine.frame(first_effect)
    if engine.filled:
        engine.waiters.serve()
    return NO_REPLY


def _run_queued(session: Session, spec: Spec, argv: list[bytes]) -> None:
    was_off = session.reply_mode == "off"
    length = len(session.out)
    try:
        if session.gate & GATE_USER:  # the user may have changed since it was queued
            session.server.access.check_queued(session, spec, argv)
    except ReplyError as error:
        spec.rejected_calls += 1
        session.write_error(error)
    else:
        run(session, spec, argv)
    if was_off and session.reply_mode == "off":
        del session.out[length:]


@command("WATCH key [key ...]", _ANYTIME | UNQUEUED, keys="RO", since="2.2.0", cost="O(n), n = keys given")
def watch(session: Session, argv: list[bytes]) -> Reply:
    """Let the next EXEC answer nil if one of these keys changes until then.

    > WATCH k
    OK
    > SET k v
    OK
    > MULTI
    OK
    > EXEC
    (nil)
    """
    if session.gate & GATE_MULTI:
        raise ReplyError(b"ERR WATCH inside MULTI is not allowed")
    for at in range(1, len(argv)):
        session.watcher.watch(session.db, argv[at])
    return OK


@command("UNWATCH", _ANYTIME, since="2.2.0", cost="O(n), n = keys watched")
def unwatch(session: Session, argv: list[bytes]) -> Reply:
    """Forget all watched keys."""
    session.watcher.end()
    return OK
