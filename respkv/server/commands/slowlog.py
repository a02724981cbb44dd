"""SLOWLOG: the commands that took long."""

from respkv.commands.args import parse_int
from respkv.commands.flags import ADMIN, LOADING, STALE
from respkv.commands.help import help_of
from respkv.commands.spec import CommandGroup
from respkv.errors import BadSubcommand, NotAnInteger, ReplyError
from respkv.reply import OK, Reply
from respkv.server.session import Session

command = CommandGroup("server", __name__, session=True)

_FLAGS = ADMIN | LOADING | STALE

SHOWN = 10
"""How many entries SLOWLOG GET shows unless asked for another number."""

command.container("SLOWLOG", since="2.2.12", summary="Shows the commands that took long.")


@command(
    "SLOWLOG GET [count:int]",
    _FLAGS,
    since="2.2.12",
    cost="O(n), n = entries shown",
    tips="request_policy:all_nodes nondeterministic_output",
)
def slowlog_get(session: Session, argv: list[bytes]) -> Reply:
    """The newest entries: number, time, duration in µs, arguments, client's address and name; -1 for all."""
    if len(argv) > 3:
        raise BadSubcommand(b"SLOWLOG", argv[1])
    count = SHOWN if len(argv) == 2 else _count(argv[2])
    return [
        [entry.number, entry.at_s, entry.duration_us, entry.argv, entry.address, entry.name]
        for entry in session.server.slowlog.newest(count)
    ]


@command(
    "SLOWLOG LEN",
    _FLAGS,
    since="2.2.12",
    cost="O(1)",
    tips="request_policy:all_nodes response_policy:agg_sum nondeterministic_output",
)
def slowlog_len(session: Session, argv: list[bytes]) -> Reply:
    """How many entries there are."""
    return len(session.server.slowlog)


@command(
    "SLOWLOG RESET",
    _FLAGS,
    since="2.2.12",
    cost="O(n), n = entries",
    tips="request_policy:all_nodes response_policy:all_succeeded",
)
def slowlog_reset(session: Session, argv: list[bytes]) -> Reply:
    """Forget all entries."""
    session.server.slowlog.clear()
    return OK


@command("SLOWLOG HELP", LOADING | STALE, since="6.2.0", cost="O(1)")
def slowlog_help(session: Session, argv: list[bytes]) -> Reply:
    """Print this help."""
    return help_of(b"slowlog")


def _count(word: bytes) -> int:
    try:
        count = parse_int(word)
    except NotAnInteger:
        count = -2
    if count < -1:
        raise ReplyError(b"ERR count should be greater than or equal to -1")
    return count
