"""Replication as far as a server without replicas has it: its role, and a snapshot for who asks like a replica.

`redis-cli --rdb` and backup tools connect as a replica that wants the data only (REPLCONF rdb-only 1). They get a file.
Whoever wants the changes behind it too is refused, as a replica that never hears of a change would be wrong for ever.
"""

from respkv.commands.args import Args, parse_int
from respkv.commands.flags import (
    ADMIN,
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NOSCRIPT,
    STALE,
)
from respkv.commands.spec import CommandGroup
from respkv.errors import BadSyntax, NotAnInteger, ReplyError
from respkv.reply import NO_REPLY, OK, Reply
from respkv.server.parking import TRANSFER
from respkv.server.replicas import Replica
from respkv.server.session import Session

command = CommandGroup("server", __name__, session=True)

_SYNC_FLAGS = ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI


@command("ROLE", NOSCRIPT | LOADING | STALE | FAST, since="2.8.12", cost="O(1)", acl="+admin +dangerous")
def role(session: Session, argv: list[bytes]) -> Reply:
    """What the server is to others: a primary, its offset, its replicas."""
    return [b"master", 0, []]


@command(
    "REPLICAOF <host port:int | NO ONE>",
    ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING,
    since="5.0.0",
    cost="O(1)",
)
def replicaof(session: Session, argv: list[bytes]) -> Reply:
    """Be a primary (NO ONE), which this server always is."""
    return _be_primary(argv)


@command(
    "SLAVEOF <host port:int | NO ONE>",
    ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING,
    since="1.0.0",
    cost="O(1)",
)
def slaveof(session: Session, argv: list[bytes]) -> Reply:
    """The old name of REPLICAOF."""
    return _be_primary(argv)


@command(
    "FAILOVER [TO host port:int [FORCE]] [ABORT] [TIMEOUT milliseconds:int]",
    ADMIN | NOSCRIPT | STALE,
    since="6.2.0",
    cost="O(1)",
)
def failover(session: Session, argv: list[bytes]) -> Reply:
    """Hand over to a replica, of which there is none."""
    args = Args(argv, 1)
    timeout_ms = 0
    has_target = False
    is_abort = is_forced = False
    while args.more():
        if not timeout_ms and args.token_with_value(b"TIMEOUT"):
            timeout_ms = args.integer()
            if timeout_ms <= 0:
                raise ReplyError(b"ERR FAILOVER timeout must be greater than 0")
        elif not is_abort and len(argv) == 2 and args.token(b"ABORT"):
            is_abort = True
        elif not has_target and args.remaining() >= 3 and args.token(b"TO"):
            args.next()
            args.integer()
            has_target = True
        elif not is_forced and args.token(b"FORCE"):
            is_forced = True
        else:
            raise BadSyntax
    if is_abort:
        raise ReplyError(b"ERR No failover in progress.")
    raise ReplyError(b"ERR FAILOVER requires connected replicas.")


@command(
    "REPLCONF [option value [option value ...]]",
    ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY,
    since="3.0.0",
    cost="O(1)",
    arity=-1,
)
def replconf(session: Session, argv: list[bytes]) -> Reply:
    """Say what kind of replica this client is: with `rdb-only 1`, one that wants a snapshot and no more."""
    if len(argv) % 2 == 0:
        raise BadSyntax
    replica = session.replica
    if replica is None:
        replica = session.replica = Replica()
    for at in range(1, len(argv), 2):
        option, value = argv[at].lower(), argv[at + 1]
        if option in (b"ack", b"getack"):
            return NO_REPLY  # between replicas and their primary, which neither of us is
        _configure(replica, option, value, argv[at])
    return OK


def _configure(replica: Replica, option: bytes, value: bytes, given: bytes) -> None:
    if option == b"listening-port":
        replica.port = parse_int(value)
    elif option == b"ip-address":
        replica.address = value
    elif option == b"rdb-only":
        replica.rdb_only = parse_int(value) == 1
    elif option == b"rdb-filter-only":
        words = value.lower().split()
        for word in words:
            if word != b"functions":
                raise ReplyError(b"ERR Unsupported rdb-filter-only option: %b" % word)
        replica.wants_data = False
        replica.wants_functions = bool(words)
    elif option != b"capa":
        raise ReplyError(b"ERR Unrecognized REPLCONF option: %b" % given)


@command("SYNC", _SYNC_FLAGS, since="1.0.0", cost="O(n), n = keys")
def sync(session: Session, argv: list[bytes]) -> Reply:
    """Send a snapshot of all data, then hang up; only after REPLCONF rdb-only 1."""
    return _send_snapshot(session)


@command("PSYNC replicationid offset:int", _SYNC_FLAGS, since="2.8.0", cost="O(n), n = keys", arity=-3)
def psync(session: Session, argv: list[bytes]) -> Reply:
    """Send a snapshot of all data, behind a line that says so, then hang up; only after REPLCONF rdb-only 1."""
    parse_int(argv[2])
    reply = _send_snapshot(session)
    session.out.append(b"+FULLRESYNC %b 0\r\n" % session.server.replication_id.encode())
    return reply


def _send_snapshot(session: Session) -> Reply:
    replica = session.replica
    if replica is None or not replica.rdb_only:
        raise ReplyError(b"ERR respkv sends a snapshot but no changes behind it: REPLCONF rdb-only 1 asks for that")
    if session.out or session.unsent_bytes:
        raise ReplyError(b"ERR SYNC and PSYNC are invalid with pending output")
    if not session.server.persistence.start_transfer(session, replica):
        raise ReplyError(b"ERR the snapshot could not be begun, see the log")
    replica.is_served = True
    session.parked = TRANSFER
    return NO_REPLY


def _be_primary(argv: list[bytes]) -> Reply:
    if argv[1].lower() == b"no" and argv[2].lower() == b"one":
        return OK
    try:
        port = parse_int(argv[2])
    except NotAnInteger:
        port = -1
    if not 0 <= port <= 65535:
        raise ReplyError(b"ERR Invalid master port")
    raise ReplyError(b"ERR respkv cannot be a replica of another server")
