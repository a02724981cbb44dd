"""CLIENT: what a client can learn and settle about itself and others."""

from respkv.commands.args import Args, is_int, parse_int
from respkv.commands.flags import ADMIN, GATE_SILENT, GATE_UNTOUCHING, LOADING, NOSCRIPT, STALE
from respkv.commands.help import help_of
from respkv.commands.spec import CommandGroup
from respkv.commands.timeouts import deadline_ms_of
from respkv.errors import BadSubcommand, BadSyntax, NotAnInteger, ReplyError
from respkv.reply import NO_REPLY, OK, Reply, Verbatim
from respkv.server.clients import describe, parse_type, type_of
from respkv.server.commands.connection import BadClientName, is_plain
from respkv.server.session import Session

command = CommandGroup("connection", __name__, session=True)

OWN = NOSCRIPT | LOADING | STALE
"""Of subcommands about the client itself."""

OTHERS = ADMIN | NOSCRIPT | LOADING | STALE
"""Of subcommands about all clients."""

command.container("CLIENT", since="2.4.0", summary="Asks and tells about client connections.")


@command("CLIENT ID", OWN, since="5.0.0", cost="O(1)")
def client_id(session: Session, argv: list[bytes]) -> Reply:
    """The number of this connection, which no other ever has."""
    return session.number


@command("CLIENT GETNAME", OWN, since="2.6.9", cost="O(1)")
def client_getname(session: Session, argv: list[bytes]) -> Reply:
    """The name of this connection, or nil."""
    return session.name or None


@command(
    "CLIENT SETNAME connection-name",
    OWN,
    since="2.6.9",
    cost="O(1)",
    tips="request_policy:all_nodes response_policy:all_succeeded",
)
def client_setname(session: Session, argv: list[bytes]) -> Reply:
    """Name this connection; an empty name takes the name away."""
    if not is_plain(argv[2]):
        raise BadClientName
    session.name = argv[2]
    return OK


@command(
    "CLIENT SETINFO <LIB-NAME libname | LIB-VER libver>",
    OWN,
    since="7.2.0",
    cost="O(1)",
    tips="request_policy:all_nodes response_policy:all_succeeded",
)
def client_setinfo(session: Session, argv: list[bytes]) -> Reply:
    """Say which client library this is."""
    _, _, option, value = argv
    field = option.lower()
    if field not in (b"lib-name", b"lib-ver"):
        raise ReplyError(b"ERR Unrecognized option '%b'" % option)
    if not is_plain(value):
        raise ReplyError(b"ERR %b cannot contain spaces, newlines or special characters." % option)
    if field == b"lib-name":
        session.lib_name = value
    else:
        session.lib_version = value
    return OK


@command("CLIENT INFO", OWN, since="6.2.0", cost="O(1)", tips="nondeterministic_output")
def client_info(session: Session, argv: list[bytes]) -> Reply:
    """The line of CLIENT LIST about this connection."""
    return Verbatim(describe(session) + b"\n")


@command(
    "CLIENT LIST [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id:int [client-id:int ...]]",
    OTHERS,
    since="2.4.0",
    cost="O(n), n = connections",
    tips="nondeterministic_output",
)
def client_list(session: Session, argv: list[bytes]) -> Reply:
    """A line about each connection: all, those of a type, or those with the given numbers."""
    sessions = session.server.sessions
    option = argv[2].lower() if len(argv) > 2 else b""
    if not option:
        chosen = list(sessions.values())
    elif option == b"type" and len(argv) == 4:
        kind = parse_type(argv[3])
        chosen = [one for one in sessions.values() if type_of(one) == kind]
    elif option == b"id" and len(argv) > 3:
        numbers = [_number(word) for word in argv[3:]]
        chosen = [sessions[number] for number in numbers if number in sessions]
    else:
        raise BadSyntax
    return Verbatim(b"".join(describe(one) + b"\n" for one in chosen))


@command(
    "CLIENT KILL <ip-port | <ID client-id:int [client-id:int ...] | TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>"
    " | USER username | ADDR addr | LADDR laddr | SKIPME yes-or-no | MAXAGE maxage:int>"
    " [<ID client-id:int [client-id:int ...] | TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>"
    " | USER username | ADDR addr | LADDR laddr | SKIPME yes-or-no | MAXAGE maxage:int> ...]>",
    OTHERS,
    since="2.4.0",
    cost="O(n), n = connections",
)
def client_kill(session: Session, argv: list[bytes]) -> Reply:
    """Close connections: the one from `ip-port`, or all that fit every filter; how many in the latter case."""
    if len(argv) == 3:
        if not _kill(session, Filters(addr=argv[2], skip_me=False)):
            raise ReplyError(b"ERR No such client")
        return OK
    return _kill(session, _filters(session, argv))


@command("CLIENT UNBLOCK client-id:int [TIMEOUT | ERROR]", OTHERS, since="5.0.0", cost="O(log n), n = connections")
def client_unblock(session: Session, argv: list[bytes]) -> Reply:
    """End the waiting of another client, as if its time were up or by an error; 1, or 0 if it does not wait."""
    with_error = False
    if len(argv) > 3:
        reason = argv[3].lower()
        if len(argv) > 4:
            raise BadSubcommand(b"CLIENT", argv[1])
        if reason not in (b"timeout", b"error"):
            raise ReplyError(b"ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
        with_error = reason == b"error"
    other = session.server.sessions.get(parse_int(argv[2]))
    if other is None or other.block is None:
        return 0
    if with_error:
        other.unblock(ReplyError(b"UNBLOCKED client unblocked via CLIENT UNBLOCK"))
    else:
        other.unblock(other.block.at_deadline)
    return 1


@command("CLIENT PAUSE timeout:int [WRITE | ALL]", OTHERS, since="2.9.50", cost="O(1)")
def client_pause(session: Session, argv: list[bytes]) -> Reply:
    """Hold back all commands, or those that write, for `timeout` milliseconds."""
    holds_reads = True
    if len(argv) > 3:
        mode = argv[3].lower()
        if len(argv) > 4:
            raise BadSubcommand(b"CLIENT", argv[1])
        if mode not in (b"write", b"all"):
            raise ReplyError(b"ERR CLIENT PAUSE mode must be WRITE or ALL")
        holds_reads = mode == b"all"
    until_ms = deadline_ms_of(argv[2], session.engine.now_ms)
    session.server.start_pause(until_ms or session.engine.now_ms, holds_reads=holds_reads)
    return OK


@command("CLIENT UNPAUSE", OTHERS, since="6.2.0", cost="O(n), n = connections that wait")
def client_unpause(session: Session, argv: list[bytes]) -> Reply:
    """Let everyone go on that CLIENT PAUSE held back."""
    session.server.unpause()
    return OK


@command("CLIENT REPLY <ON | OFF | SKIP>", OWN, since="3.2.0", cost="O(1)")
def client_reply(session: Session, argv: list[bytes]) -> Reply:
    """Leave out all replies, or the next one, or send them again."""
    mode = argv[2].lower()
    if mode == b"on":
        session.reply_mode = "on"
        session.set_gate(GATE_SILENT, session.skips_next)
        return OK
    if mode == b"off":
        session.reply_mode = "off"
    elif mode == b"skip":
        session.skips_next = session.reply_mode != "off"
    else:
        raise BadSyntax
    session.set_gate(GATE_SILENT, True)
    return NO_REPLY


@command("CLIENT NO-EVICT <ON | OFF>", OTHERS, since="7.0.0", cost="O(1)")
def client_no_evict(session: Session, argv: list[bytes]) -> Reply:
    """Keep this connection, or no longer, when clients are closed for lack of memory."""
    session.no_evict = _switch(argv[2])
    return OK


@command("CLIENT NO-TOUCH <ON | OFF>", OWN, since="7.2.0", cost="O(1)")
def client_no_touch(session: Session, argv: list[bytes]) -> Reply:
    """Let what this connection does not count, or count again, as use of a key; TOUCH always does."""
    session.no_touch = _switch(argv[2])
    session.set_gate(GATE_UNTOUCHING, session.no_touch)
    return OK


@command("CLIENT HELP", LOADING | STALE, since="5.0.0", cost="O(1)")
def client_help(session: Session, argv: list[bytes]) -> Reply:
    """Print this help."""
    return help_of(b"client")


class Filters:
    """What CLIENT KILL asks for; None and empty ask for nothing."""

    def __init__(self, *, addr: bytes = b"", skip_me: bool = True) -> None:
        self.addr = addr
        self.own_addr = b""
        self.numbers: set[int] | None = None
        self.kind = b""
        self.user: bytes | None = None
        self.max_age_s = 0
        self.skip_me = skip_me

    def fits(self, asking: Session, one: Session) -> bool:
        """Whether `one` is to be closed, as `asking` wants it."""
        return not (
            (self.addr and one.address.encode("utf-8", "surrogateescape") != self.addr)
            or (self.own_addr and one.local_address.encode("utf-8", "surrogateescape") != self.own_addr)
            or (self.numbers is not None and one.number not in self.numbers)
            or (self.kind and type_of(one) != self.kind)
            or (self.user is not None and one.user.name != self.user)
            or (self.max_age_s and (one.engine.now_ms - one.created_ms) // 1000 < self.max_age_s)
            or (self.skip_me and one is asking)
        )


def _filters(session: Session, argv: list[bytes]) -> Filters:
    filters = Filters()
    args = Args(argv, 2)
    while args.more():
        if args.token_with_value(b"ID"):
            filters.numbers = {_positive(args.next(), b"client-id should be greater than 0")}
            # More of them may follow, as in Valkey.
            while args.more() and is_int(argv[args.at]):
                filters.numbers.add(_positive(args.next(), b"client-id should be greater than 0"))
        elif args.token_with_value(b"MAXAGE"):
            filters.max_age_s = _max_age(args.next())
        elif args.token_with_value(b"TYPE"):
            filters.kind = parse_type(args.next())
        elif args.token_with_value(b"ADDR"):
            filters.addr = args.next()
        elif args.token_with_value(b"LADDR"):
            filters.own_addr = args.next()
        elif args.token_with_value(b"USER"):
            filters.user = args.next()
            if session.server.access.users.get(filters.user) is None:
                raise ReplyError(b"ERR No such user '%b'" % filters.user)
        elif args.token_with_value(b"SKIPME"):
            filters.skip_me = _yes(args.next())
        else:
            raise BadSyntax
    return filters


def _kill(session: Session, filters: Filters) -> int:
    count = 0
    for one in list(session.server.sessions.values()):
        if one.killed or not filters.fits(session, one):
            continue
        count += 1
        if one is session:
            session.closing = True  # after the reply
        else:
            one.kill()
    return count


def _number(word: bytes) -> int:
    try:
        return parse_int(word)
    except NotAnInteger:
        raise ReplyError(b"ERR Invalid client ID") from None


def _positive(word: bytes, error: bytes) -> int:
    try:
        number = parse_int(word)
    except NotAnInteger:
        number = 0
    if number < 1:
        raise ReplyError(b"ERR " + error)
    return number


def _max_age(word: bytes) -> int:
    try:
        parse_int(word)
    except NotAnInteger:
        raise ReplyError(b"ERR maxage is not an integer or out of range") from None
    return _positive(word, b"maxage should be greater than 0")


def _switch(word: bytes) -> bool:
    if word.lower() not in (b"on", b"off"):
        raise BadSyntax
    return word.lower() == b"on"


def _yes(word: bytes) -> bool:
    if word.lower() not in (b"yes", b"no"):
        raise BadSyntax
    return word.lower() == b"yes"
