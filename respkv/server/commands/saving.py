"""Commands about what is on disk, and the end of the server."""

from functools import partial

from respkv.commands.args import Args, parse_count, parse_int, parse_within
from respkv.commands.flags import (
    ADMIN,
    ALLOW_BUSY,
    BLOCKING,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NOSCRIPT,
    STALE,
)
from respkv.commands.spec import CommandGroup
from respkv.commands.timeouts import deadline_ms_of
from respkv.errors import BadSyntax, ReplyError
from respkv.reply import NO_REPLY, OK, Block, Reply, Status
from respkv.server.session import Session

command = CommandGroup("server", __name__, session=True)
waiting = CommandGroup("generic", __name__, session=True)

SAVE_STARTED = Status(b"Background saving started")
SAVE_SCHEDULED = Status(b"Background saving scheduled")
REWRITE_STARTED = Status(b"Background append only file rewriting started")
REWRITE_SCHEDULED = Status(b"Background append only file rewriting scheduled")


class AlreadySaving(ReplyError):
    """A snapshot is being written."""

    def __init__(self) -> None:
        super().__init__(b"ERR Background save already in progress")


@command("SAVE", ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, since="1.0.0", cost="O(n), n = keys")
def save(session: Session, argv: list[bytes]) -> Reply:
    """Write a snapshot; all clients wait until it is done."""
    persistence = session.server.persistence
    if persistence.is_saving:
        raise AlreadySaving
    if not persistence.save():
        raise ReplyError(b"ERR")
    return OK


@command("BGSAVE [SCHEDULE]", ADMIN | NOSCRIPT | NO_ASYNC_LOADING, since="1.0.0", cost="O(1)")
def bgsave(session: Session, argv: list[bytes]) -> Reply:
    """Begin to write a snapshot; with SCHEDULE, as soon as a rewrite of the log is over."""
    args = Args(argv, 1)
    may_wait = args.token(b"SCHEDULE")
    args.finish()
    persistence = session.server.persistence
    if persistence.is_saving:
        raise AlreadySaving
    if persistence.is_rewriting:
        if not may_wait:
            raise ReplyError(
                b"ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to"
                b" schedule a BGSAVE whenever possible."
            )
        persistence.schedule_save()
        return SAVE_SCHEDULED
    if not persistence.start_save():
        raise ReplyError(
            b"ERR Background save could not be started. Please check the server logs for more information."
        )
    return SAVE_STARTED


@command("BGREWRITEAOF", ADMIN | NOSCRIPT | NO_ASYNC_LOADING, since="1.0.0", cost="O(1)")
def bgrewriteaof(session: Session, argv: list[bytes]) -> Reply:
    """Begin to rewrite the log to its shortest form."""
    persistence = session.server.persistence
    if persistence.is_rewriting:
        raise ReplyError(b"ERR Background append only file rewriting already in progress")
    if persistence.is_saving:
        persistence.schedule_rewrite()
        return REWRITE_SCHEDULED
    if not persistence.start_rewrite():
        raise ReplyError(
            b"ERR Can't execute an AOF background rewriting. Please check the server logs for more information."
        )
    return REWRITE_STARTED


@command(
    "LASTSAVE",
    LOADING | STALE | FAST,
    since="1.0.0",
    cost="O(1)",
    acl="+admin +dangerous",
    tips="nondeterministic_output",
)
def lastsave(session: Session, argv: list[bytes]) -> Reply:
    """When the last snapshot was written: unix seconds."""
    return session.server.persistence.last_save_s


@command(
    "SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
    ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY,
    since="1.0.0",
    cost="O(n) with a snapshot, n = keys; else O(1)",
)
def shutdown(session: Session, argv: list[bytes]) -> Reply:
    """Make the data safe and end the server; ABORT stops a shutdown that waits."""
    words = [word.upper() for word in argv[1:]]
    persistence = session.server.persistence
    if not set(words) <= {b"NOSAVE", b"SAVE", b"NOW", b"FORCE", b"ABORT"}:
        raise BadSyntax
    if (b"ABORT" in words and len(words) > 1) or (b"SAVE" in words and b"NOSAVE" in words):
        raise BadSyntax
    if b"ABORT" in words:
        if not persistence.abort_shutdown():
            raise ReplyError(b"ERR No shutdown in progress.")
        return OK
    wants_save = True if b"SAVE" in words else False if b"NOSAVE" in words else None
    scripting = session.server.scripting
    if scripting.is_busy:
        if wants_save is not False:
            raise scripting.busy_error()
        scripting.end_for_shutdown(partial(persistence.shut_down, save=False, now=True, force=True))
        session.closing = True
        return NO_REPLY
    if not persistence.shut_down(save=wants_save, now=b"NOW" in words, force=b"FORCE" in words):
        raise ReplyError(b"ERR Errors trying to SHUTDOWN. Check logs.")
    # Nothing that the client sent behind it is run.
    session.closing = True
    return NO_REPLY


@waiting(
    "WAIT numreplicas:int timeout:int",
    BLOCKING,
    since="3.0.0",
    cost="O(1)",
    acl="-keyspace +connection",
    tips="request_policy:all_shards response_policy:agg_min",
)
def wait(session: Session, argv: list[bytes]) -> Reply:
    """Wait until so many replicas have what this client wrote, or the time is up; how many have it."""
    replicas = parse_int(argv[1])
    deadline_ms = deadline_ms_of(argv[2], session.engine.now_ms)
    return _wait_for_replicas(session, replicas, deadline_ms, 0)


@waiting(
    "WAITAOF numlocal:int numreplicas:int timeout:int",
    BLOCKING,
    since="7.2.0",
    cost="O(1)",
    acl="-keyspace +connection",
    tips="request_policy:all_shards response_policy:agg_min",
)
def waitaof(session: Session, argv: list[bytes]) -> Reply:
    """Wait until what was written is on disk, here and on so many replicas; on how many disks it is, here and there."""
    local = parse_within(argv[1], 0, 1)
    replicas = parse_count(argv[2])
    deadline_ms = deadline_ms_of(argv[3], session.engine.now_ms)
    persistence = session.server.persistence
    if local and not persistence.log_enabled:
        raise ReplyError(b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
    on_disk = False
    if local:
        on_disk = persistence.sync()
    elif persistence.log_enabled and session.server.config.appendfsync == "always":
        session.engine.wait_for_all()  # holds the reply until it is true
        on_disk = True
    return _wait_for_replicas(session, replicas, deadline_ms, [int(on_disk), 0])


def _wait_for_replicas(session: Session, replicas: int, deadline_ms: int, reply: Reply) -> Reply:
    """`reply`, which says that no replica has it, once there is no more to wait for."""
    if replicas <= 0:
        return reply
    return Block(deadline_ms, reply)
