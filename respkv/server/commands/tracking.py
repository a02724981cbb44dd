"""CLIENT TRACKING and what belongs to it: caches that clients keep, and how they hear that a key has changed.

Source of all behaviour and texts: redis-server 7.0.15 and 8.2.
"""

from respkv.commands.args import Args, parse_int
from respkv.commands.spec import CommandGroup
from respkv.errors import BadSyntax, ReplyError
from respkv.reply import OK, Members, Reply
from respkv.server.commands.client import OWN
from respkv.server.session import Session
from respkv.server.tracking import Tracking

command = CommandGroup("connection", __name__, session=True)


@command(
    "CLIENT TRACKING <ON | OFF> [REDIRECT client-id:int] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT]"
    " [NOLOOP]",
    OWN,
    since="6.0.0",
    cost="O(n), n = prefixes",
)
def client_tracking(session: Session, argv: list[bytes]) -> Reply:
    """Tell this connection, or another one, when keys change that it has read, or that begin so."""
    wanted, prefixes = _options(session, argv)
    status = argv[2].lower()
    table = session.server.tracking
    if status == b"off":
        table.end(session)
        return OK
    if status != b"on":
        raise BadSyntax
    if prefixes and not wanted.is_broadcast:
        raise ReplyError(b"ERR PREFIX option requires BCAST mode to be enabled")
    current = session.tracking
    if current is not None and current.is_broadcast != wanted.is_broadcast:
        raise ReplyError(
            b"ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling"
            b" it with a different mode."
        )
    if wanted.is_broadcast and (wanted.opts_in or wanted.opts_out):
        raise ReplyError(b"ERR OPTIN and OPTOUT are not compatible with BCAST")
    if wanted.opts_in and wanted.opts_out:
        raise ReplyError(b"ERR You can't specify both OPTIN mode and OPTOUT mode")
    if current is not None and ((wanted.opts_in and current.opts_out) or (wanted.opts_out and current.opts_in)):
        raise ReplyError(
            b"ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it"
            b" with a different mode."
        )
    if wanted.is_broadcast:
        known = {} if current is None else current.prefixes
        _check_overlaps(list(known), prefixes)
        wanted.prefixes = {**known, **dict.fromkeys(prefixes or [b""])}
    table.begin(session, wanted)
    return OK


@command("CLIENT CACHING <YES | NO>", OWN, since="6.0.0", cost="O(1)")
def client_caching(session: Session, argv: list[bytes]) -> Reply:
    """Track the keys of the next command, or leave them out."""
    tracking = session.tracking
    if tracking is None:
        raise ReplyError(
            b"ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode"
            b" enabled"
        )
    mode = argv[2].lower()
    if mode == b"yes":
        if not tracking.opts_in:
            raise ReplyError(b"ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
    elif mode == b"no":
        if not tracking.opts_out:
            raise ReplyError(b"ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
    else:
        raise BadSyntax
    tracking.caching = True
    return OK


@command("CLIENT GETREDIR", OWN, since="6.0.0", cost="O(1)")
def client_getredir(session: Session, argv: list[bytes]) -> Reply:
    """The connection to which invalidations of tracked keys go; 0 for this one, -1 without tracking."""
    return -1 if session.tracking is None else session.tracking.redirect


@command("CLIENT TRACKINGINFO", OWN, since="6.2.0", cost="O(n), n = prefixes")
def client_trackinginfo(session: Session, argv: list[bytes]) -> Reply:
    """How this connection tracks the keys that it reads."""
    tracking = session.tracking
    if tracking is None:
        return {b"flags": Members([b"off"]), b"redirect": -1, b"prefixes": []}
    flags = [
        (True, b"on"),
        (tracking.is_broadcast, b"bcast"),
        (tracking.opts_in, b"optin"),
        (tracking.opts_in and tracking.caching, b"caching-yes"),
        (tracking.opts_out, b"optout"),
        (tracking.opts_out and tracking.caching, b"caching-no"),
        (tracking.no_loop, b"noloop"),
        (tracking.is_broken, b"broken_redirect"),
    ]
    return {
        b"flags": Members([name for holds, name in flags if holds]),
        b"redirect": tracking.redirect,
        b"prefixes": sorted(tracking.prefixes),
    }


def _options(session: Session, argv: list[bytes]) -> tuple[Tracking, list[bytes]]:
    """What stands behind ON or OFF, prefixes apart as they are yet to be looked at. Raises ReplyError."""
    wanted = Tracking()
    prefixes: list[bytes] = []
    args = Args(argv, 3)
    while args.more():
        if args.token_with_value(b"REDIRECT"):
            if wanted.redirect:
                raise ReplyError(b"ERR A client can only redirect to a single other client")
            wanted.redirect = parse_int(args.next())
            if wanted.redirect not in session.server.sessions:
                raise ReplyError(b"ERR The client ID you want redirect to does not exist")
        elif args.token(b"BCAST"):
            wanted.is_broadcast = True
        elif args.token(b"OPTIN"):
            wanted.opts_in = True
        elif args.token(b"OPTOUT"):
            wanted.opts_out = True
        elif args.token(b"NOLOOP"):
            wanted.no_loop = True
        elif args.token_with_value(b"PREFIX"):
            prefixes.append(args.next())
        else:
            raise BadSyntax
    return wanted, prefixes


def _check_overlaps(known: list[bytes], prefixes: list[bytes]) -> None:
    """Raise ReplyError if one of `prefixes` begins as another, or one that the client has. O(n * m)."""
    for at, prefix in enumerate(prefixes):
        for other in known:
            if prefix.startswith(other) or other.startswith(prefix):
                raise ReplyError(
                    b"ERR Prefix '%b' overlaps with an existing prefix '%b'. Prefixes for a single client must not"
                    b" overlap." % (prefix, other)
                )
        for other in prefixes[at + 1 :]:
            if prefix.startswith(other) or other.startswith(prefix):
                raise ReplyError(
                    b"ERR Prefix '%b' overlaps with another provided prefix '%b'. Prefixes for a single client must"
                    b" not overlap." % (prefix, other)
                )
