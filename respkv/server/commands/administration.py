"""Commands about the server as a whole: INFO, TIME, ROLE, LOLWUT, modules and replication that are not there."""

from respkv.commands.args import parse_int
from respkv.commands.flags import ADMIN, FAST, LOADING, NO_ASYNC_LOADING, NOSCRIPT, READONLY, STALE
from respkv.commands.help import help_of
from respkv.commands.spec import CommandGroup
from respkv.engine.clock import unix_us
from respkv.errors import NotAnInteger, ReplyError
from respkv.reply import OK, Reply, Verbatim
from respkv.server.banner import REDIS_VERSION
from respkv.server.info import info
from respkv.server.lolwut import landscape
from respkv.server.session import Session

command = CommandGroup("server", __name__, session=True)


@command(
    "INFO [section [section ...]]",
    LOADING | STALE,
    since="1.0.0",
    cost="O(1)",
    acl="+dangerous",
    tips="nondeterministic_output request_policy:all_shards response_policy:special",
)
def info_(session: Session, argv: list[bytes]) -> Reply:
    """What the server is, does and has counted, by section."""
    names = [name.decode("latin-1") for name in argv[1:]]
    return Verbatim(info(session.server, names).encode("utf-8", "surrogateescape"))


@command("TIME", LOADING | STALE | FAST, since="2.6.0", cost="O(1)", tips="nondeterministic_output")
def time(session: Session, argv: list[bytes]) -> Reply:
    """The time of day: unix seconds, and the microseconds of the second."""
    seconds, microseconds = divmod(unix_us(), 1_000_000)
    return [b"%d" % seconds, b"%d" % microseconds]


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


@command("LOLWUT [VERSION version:int]", READONLY | FAST, since="5.0.0", cost="O(1)")
def lolwut(session: Session, argv: list[bytes]) -> Reply:
    """Draw something, and tell the version."""
    if len(argv) > 2 and argv[1].upper() == b"VERSION":
        parse_int(argv[2])
    seed = session.number * 1000 + session.commands
    return Verbatim(f"{landscape(seed)}\nRedis ver. {REDIS_VERSION}\n".encode())


command.container("MODULE", since="4.0.0", summary="Lists extensions, of which there are none.")


@command("MODULE LIST", ADMIN | NOSCRIPT, since="4.0.0", cost="O(n), n = modules", tips="nondeterministic_output_order")
def module_list(session: Session, argv: list[bytes]) -> Reply:
    """The modules that are loaded: none, since they are made for Redis's own process."""
    return []


@command("MODULE HELP", LOADING | STALE, since="5.0.0", cost="O(1)")
def module_help(session: Session, argv: list[bytes]) -> Reply:
    """Print this help."""
    return help_of(b"module")


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
