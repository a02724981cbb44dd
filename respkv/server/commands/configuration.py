"""CONFIG: the directives of the running server, and its statistics."""

from respkv.commands.flags import ADMIN, LOADING, NOSCRIPT, STALE
from respkv.commands.help import help_of
from respkv.commands.spec import CommandGroup
from respkv.errors import BadSyntax
from respkv.reply import OK, Reply
from respkv.server.clients import is_local
from respkv.server.session import Session

command = CommandGroup("server", __name__, session=True)

_FLAGS = ADMIN | NOSCRIPT | LOADING | STALE
_EVERYWHERE = "request_policy:all_nodes response_policy:all_succeeded"

command.container("CONFIG", since="2.0.0", summary="Asks and sets the directives of the server.")


@command("CONFIG GET parameter [parameter ...]", _FLAGS, since="2.0.0", cost="O(n), n = directives")
def config_get(session: Session, argv: list[bytes]) -> Reply:
    """The directives that match any of the patterns, and their values."""
    return session.server.config.get_matching(argv[2:])


@command(
    "CONFIG SET parameter value [parameter value ...]",
    _FLAGS,
    since="2.0.0",
    cost="O(n), n = directives given",
    tips=_EVERYWHERE,
)
def config_set(session: Session, argv: list[bytes]) -> Reply:
    """Give directives new values: all of them, or none if one is refused."""
    if len(argv) % 2:
        raise BadSyntax
    pairs = list(zip(argv[2::2], argv[3::2], strict=True))
    server = session.server
    server.config.set_many(pairs, local_client=is_local(session), loading=server.persistence.is_loading)
    return OK


@command("CONFIG REWRITE", _FLAGS, since="2.8.0", cost="O(1)", tips=_EVERYWHERE)
def config_rewrite(session: Session, argv: list[bytes]) -> Reply:
    """Write the values in force into the configuration file."""
    session.server.config.rewrite()
    return OK


@command("CONFIG RESETSTAT", _FLAGS, since="2.0.0", cost="O(1)", tips=_EVERYWHERE)
def config_resetstat(session: Session, argv: list[bytes]) -> Reply:
    """Set the counters of INFO to zero."""
    session.server.stats.reset(session.engine)
    return OK


@command("CONFIG HELP", LOADING | STALE, since="5.0.0", cost="O(1)")
def config_help(session: Session, argv: list[bytes]) -> Reply:
    """Print this help."""
    return help_of(b"config")
