"""Commands on the connection itself: who it is, which database and protocol it speaks, its end."""

from respkv.acl.users import DEFAULT
from respkv.commands.args import INT32_MAX, INT32_MIN, Args, parse_int, parse_within
from respkv.commands.flags import ALLOW_BUSY, FAST, GATE_SUBSCRIBED, LOADING, NO_AUTH, NOSCRIPT, STALE, UNQUEUED
from respkv.commands.spec import CommandGroup
from respkv.errors import BadDatabaseIndex, BadSyntax, NotAnInteger, ReplyError, WrongArity
from respkv.reply import OK, PONG, Reply, Status
from respkv.server.banner import REDIS_VERSION
from respkv.server.session import Session

command = CommandGroup("connection", __name__, session=True)

RESET = Status(b"RESET")

_HANDSHAKE = NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY


class WrongPassword(ReplyError):
    """No such user, or not that password: nobody is told which."""

    def __init__(self) -> None:
        super().__init__(b"WRONGPASS invalid username-password pair or user is disabled.")


class BadClientName(ReplyError):
    """A name that would spoil the lines of CLIENT LIST."""

    def __init__(self) -> None:
        super().__init__(b"ERR Client names cannot contain spaces, newlines or special characters.")


def is_plain(text: bytes) -> bool:
    """Whether `text` is printable ASCII without spaces, so that it can stand in a line of CLIENT LIST."""
    return all(0x21 <= byte <= 0x7E for byte in text)


@command(
    "PING [message]",
    FAST,
    since="1.0.0",
    cost="O(1)",
    tips="request_policy:all_shards response_policy:all_succeeded",
)
def ping(session: Session, argv: list[bytes]) -> Reply:
    """Answer, with `message` if there is one, to show that the server is there."""
    if len(argv) > 2:
        raise WrongArity(b"ping")
    if session.gate & GATE_SUBSCRIBED and session.protocol == 2:
        return [b"pong", argv[1] if len(argv) > 1 else b""]  # what such a client reads are messages
    return argv[1] if len(argv) > 1 else PONG


@command("ECHO message", LOADING | STALE | FAST, since="1.0.0", cost="O(1)")
def echo(session: Session, argv: list[bytes]) -> Reply:
    """Answer with `message`."""
    return argv[1]


@command("SELECT index:int", LOADING | STALE | FAST, since="1.0.0", cost="O(1)")
def select(session: Session, argv: list[bytes]) -> Reply:
    """Work on database number `index` from now on."""
    index = parse_within(argv[1], INT32_MIN, INT32_MAX)
    if not 0 <= index < session.engine.database_count:
        raise BadDatabaseIndex
    session.select(index)
    return OK


@command("AUTH [username] password", _HANDSHAKE, since="1.0.0", cost="O(1)")
def auth(session: Session, argv: list[bytes]) -> Reply:
    """Prove by a password to be the user `username`, or the default user."""
    if len(argv) > 3:
        raise BadSyntax
    if len(argv) == 2 and session.server.access.users.default.has_no_password:
        raise ReplyError(
            b"ERR AUTH <password> called without any password configured for the default user. Are you sure your"
            b" configuration is correct?"
        )
    _authenticate(session, argv[1] if len(argv) == 3 else DEFAULT, argv[-1], argv[0])
    return OK


@command("HELLO [protover:int [AUTH username password] [SETNAME clientname]]", _HANDSHAKE, since="6.0.0", cost="O(1)")
def hello(session: Session, argv: list[bytes]) -> Reply:
    """Agree on a protocol version, authenticate and name the connection, all at will; what the server is."""
    protocol = session.protocol
    user = password = name = None
    if len(argv) > 1:
        protocol = _protocol(argv[1])
        args = Args(argv, 2)
        while args.more():
            if args.remaining() >= 3 and args.token(b"AUTH"):
                user, password = args.next(), args.next()
            elif args.remaining() >= 2 and args.token(b"SETNAME"):
                name = args.next()
                if not is_plain(name):
                    raise BadClientName
            else:
                raise ReplyError(b"ERR Syntax error in HELLO option '%b'" % args.next())
    if user is not None and password is not None:
        _authenticate(session, user, password, argv[0])
    elif not session.is_authenticated():
        raise ReplyError(
            b"NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH"
            b" <user> <pass> option can be used to authenticate the client and select the RESP protocol version at"
            b" the same time"
        )
    if name is not None:
        session.name = name
    session.protocol = protocol
    return {
        b"server": b"redis",
        b"version": REDIS_VERSION.encode(),
        b"proto": protocol,
        b"id": session.number,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }


@command("QUIT", _HANDSHAKE | UNQUEUED, since="1.0.0", cost="O(1)", arity=-1)
def quit_(session: Session, argv: list[bytes]) -> Reply:
    """Say goodbye and close the connection."""
    session.closing = True
    return OK


@command("RESET", _HANDSHAKE | UNQUEUED, since="6.2.0", cost="O(1)")
def reset(session: Session, argv: list[bytes]) -> Reply:
    """Take the connection back to where it began: no name, transaction or database, RESP2, not authenticated."""
    session.reset()
    return RESET


def _protocol(word: bytes) -> int:
    try:
        version = parse_int(word)
    except NotAnInteger:
        raise ReplyError(b"ERR Protocol version is not an integer or out of range") from None
    if version not in (2, 3):
        raise ReplyError(b"NOPROTO unsupported protocol version")
    return version


def _authenticate(session: Session, user: bytes, password: bytes, command_word: bytes) -> None:
    if not session.server.access.authenticate(session, user, password, command_word):
        raise WrongPassword
