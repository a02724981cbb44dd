"""Commands about the server as a whole: INFO, TIME, LOLWUT, and modules, which are not there."""

from respkv.commands.args import parse_int
from respkv.commands.flags import ADMIN, FAST, LOADING, NO_ASYNC_LOADING, NOSCRIPT, PROTECTED, READONLY, STALE
from respkv.commands.help import help_of
from respkv.commands.spec import CommandGroup
from respkv.engine.clock import unix_us
from respkv.errors import ReplyError
from respkv.reply import NO_REPLY, OK, Reply, Verbatim
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


@command(
    "MONITOR", ADMIN | NOSCRIPT | LOADING | STALE, since="1.0.0", cost="O(1), and a line for each command of anybody"
)
def monitor(session: Session, argv: list[bytes]) -> Reply:
    """Show this client every command that the server runs, until RESET or its end."""
    if session.executing:
        raise ReplyError(b"ERR MONITOR isn't allowed for DENY BLOCKING client")
    if session.is_monitor:
        return NO_REPLY
    session.is_monitor = True
    session.server.monitors.add(session)
    return OK


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


_LOADS = ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED


def _load(session: Session, argv: list[bytes]) -> Reply:
    """Refuse: modules are made for Redis's own process."""
    raise ReplyError(b"ERR Error loading the extension. Please check the server logs.")


command("MODULE LOAD path [arg [arg ...]]", _LOADS, since="4.0.0", cost="O(1)")(_load)
command(
    "MODULE LOADEX path [CONFIG name value [CONFIG name value ...]] [ARGS args [args ...]]",
    _LOADS,
    since="7.0.0",
    cost="O(1)",
)(_load)


@command("MODULE UNLOAD name", _LOADS, since="4.0.0", cost="O(1)")
def module_unload(session: Session, argv: list[bytes]) -> Reply:
    """Refuse: no module is loaded."""
    raise ReplyError(b"ERR Error unloading module: no such module with that name")


@command("MODULE HELP", LOADING | STALE, since="5.0.0", cost="O(1)")
def module_help(session: Session, argv: list[bytes]) -> Reply:
    """Print this help."""
    return help_of(b"module")
