"""ACL: the users of the server, what they may do, and what they were denied.

Source of all behaviour: redis-server 7.4 and 8.2, tried.
"""

import os
from typing import Final

from respkv.acl.lines import line_of
from respkv.acl.permissions import refusal
from respkv.acl.selector import Selector
from respkv.acl.users import DEFAULT, BadRule, BadRuleIn, has_spaces
from respkv.commands.args import parse_int
from respkv.commands.flags import ADMIN, LOADING, NOSCRIPT, STALE
from respkv.commands.help import help_of
from respkv.commands.spec import CATEGORIES, CommandGroup, every_spec, find_spec
from respkv.errors import ReplyError, WrongArity
from respkv.reply import OK, Members, Reply, Status
from respkv.server.access import describe_refusal
from respkv.server.acl_log import Entry
from respkv.server.session import Session

command = CommandGroup("server", __name__, session=True)

_OPEN: Final = NOSCRIPT | LOADING | STALE
_ADMIN: Final = ADMIN | _OPEN

GENPASS_MAX_BITS: Final = 4096

LOG_COUNT: Final = 10
"""How many entries ACL LOG shows unless told otherwise."""

command.container("ACL", since="6.0.0", summary="Asks and sets who may do what.")


@command("ACL CAT [categoryname]", _OPEN, since="6.0.0", cost="O(n), n = commands")
def acl_cat(session: Session, argv: list[bytes]) -> Reply:
    """The categories of commands, or the commands of one."""
    if len(argv) > 3:
        raise _unknown(argv)
    if len(argv) == 2:
        return [name.encode() for name in CATEGORIES]
    category = argv[2].lower().decode("latin-1")
    if category not in CATEGORIES:
        raise ReplyError(b"ERR Unknown category '%b'" % argv[2][:128])
    return [spec.name for spec in every_spec() if category in spec.categories]


@command("ACL SETUSER username [rule [rule ...]]", _ADMIN, since="6.0.0", cost="O(n), n = rules given")
def acl_setuser(session: Session, argv: list[bytes]) -> Reply:
    """Make or change a user by rules: all of them, or none if one is wrong.

    > ACL SETUSER ada on >secret +@read ~app:*
    OK
    > ACL SETUSER ada +nosuch
    (error) ERR Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL
    > ACL DRYRUN ada GET other
    "User ada has no permissions to access the 'other' key"
    """
    if has_spaces(argv[2]):
        raise ReplyError(b"ERR Usernames can't contain spaces or null characters")
    access = session.server.access
    try:
        user = access.users.staged(argv[2], argv[3:])
    except BadRuleIn as error:
        raise ReplyError(b"ERR Error in ACL SETUSER modifier '%b': %b" % (error.rule, error.reason)) from None
    except BadRule as error:
        raise ReplyError(b"ERR Unmatched parenthesis in acl selector starting at '%b'." % error.reason) from None
    access.change(user)
    return OK


@command("ACL DELUSER username [username ...]", _ADMIN, since="6.0.0", cost="O(n), n = users and clients")
def acl_deluser(session: Session, argv: list[bytes]) -> Reply:
    """Delete users, and disconnect their clients; how many there were."""
    if DEFAULT in argv[2:]:
        raise ReplyError(b"ERR The 'default' user cannot be removed")
    access = session.server.access
    return sum(access.remove(name, by=session) for name in argv[2:])


@command("ACL GETUSER username", _ADMIN, since="6.0.0", cost="O(n), n = passwords, rules and patterns")
def acl_getuser(session: Session, argv: list[bytes]) -> Reply:
    """What a user is and may do; nil if there is none.

    > ACL SETUSER ada +get ~app:*
    OK
    > ACL GETUSER ada
     1) "flags"
     2) 1) "off"
        2) "sanitize-payload"
     3) "passwords"
     4) (empty array)
     5) "commands"
     6) "-@all +get"
     7) "keys"
     8) "~app:*"
     9) "channels"
    10) ""
    11) "selectors"
    12) (empty array)
    """
    user = session.server.access.users.get(argv[2])
    if user is None:
        return None
    return {
        b"flags": Members([*user.flags()]),
        b"passwords": [*user.passwords],
        **_selector_fields(user.selectors[0]),
        b"selectors": [_selector_fields(selector) for selector in user.selectors[1:]],
    }


def _selector_fields(selector: Selector) -> dict[bytes, Reply]:
    return {
        b"commands": selector.describe_commands(),
        b"keys": selector.describe_keys(),
        b"channels": selector.describe_channels(),
    }


@command("ACL LIST", _ADMIN, since="6.0.0", cost="O(n), n = users")
def acl_list(session: Session, argv: list[bytes]) -> Reply:
    """All users, as lines of a configuration file."""
    return [line_of(user) for user in session.server.access.users.all()]


@command("ACL USERS", _ADMIN, since="6.0.0", cost="O(n), n = users")
def acl_users(session: Session, argv: list[bytes]) -> Reply:
    """The names of all users."""
    return [user.name for user in session.server.access.users.all()]


@command("ACL WHOAMI", _OPEN, since="6.0.0", cost="O(1)")
def acl_whoami(session: Session, argv: list[bytes]) -> Reply:
    """The name of the user that this connection is."""
    return session.user.name


@command("ACL GENPASS [bits:int]", _OPEN, since="6.0.0", cost="O(1)")
def acl_genpass(session: Session, argv: list[bytes]) -> Reply:
    """A password by chance, in hexadecimal digits; of 256 bits, or as many as asked for."""
    if len(argv) > 3:
        raise _unknown(argv)
    bits = parse_int(argv[2]) if len(argv) > 2 else 256
    if not 0 < bits <= GENPASS_MAX_BITS:
        raise ReplyError(
            b"ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to %d"
            % GENPASS_MAX_BITS
        )
    return os.urandom(GENPASS_MAX_BITS // 8).hex()[: (bits + 3) // 4].encode()


@command("ACL LOG [count:int | RESET]", _ADMIN, since="6.0.0", cost="O(n), n = entries shown")
def acl_log(session: Session, argv: list[bytes]) -> Reply:
    """What was denied lately, newest first."""
    if len(argv) > 3:
        raise _unknown(argv)
    log = session.server.access.log
    if len(argv) > 2 and argv[2].lower() == b"reset":
        log.clear()
        return OK
    count = parse_int(argv[2]) if len(argv) > 2 else LOG_COUNT
    now_ms = session.engine.now_ms
    return [_entry_fields(entry, now_ms) for entry in log.latest(max(count, 0))]


def _entry_fields(entry: Entry, now_ms: int) -> Reply:
    return {
        b"count": entry.count,
        b"reason": entry.reason,
        b"context": entry.context,
        b"object": entry.subject,
        b"username": entry.user,
        b"age-seconds": (now_ms - entry.updated_ms) / 1000,
        b"client-info": entry.client,
        b"entry-id": entry.number,
        b"timestamp-created": entry.created_ms,
        b"timestamp-last-updated": entry.updated_ms,
    }


@command("ACL DRYRUN username command [arg [arg ...]]", _ADMIN, since="7.0.0", cost="O(1)")
def acl_dryrun(session: Session, argv: list[bytes]) -> Reply:
    """Whether a user may run a command: OK, or why not."""
    user = session.server.access.users.get(argv[2])
    if user is None:
        raise ReplyError(b"ERR User '%b' not found" % argv[2])
    request = argv[3:]
    spec = find_spec(request)
    if spec is None or (spec.subcommands and len(request) > 1):
        raise ReplyError(b"ERR Command '%b' not found" % argv[3])
    if not spec.least <= len(request) <= spec.most:
        raise WrongArity(spec.name)
    found = refusal(user, spec, request)
    return OK if found is None else describe_refusal(found, user, spec, request, in_full=True)


@command("ACL LOAD", _ADMIN, since="6.0.0", cost="O(n), n = users and clients")
def acl_load(session: Session, argv: list[bytes]) -> Reply:
    """Take all users from the ACL file, or none if a line is wrong."""
    session.server.access.load_file(by=session)
    return OK


@command("ACL SAVE", _ADMIN, since="6.0.0", cost="O(n), n = users")
def acl_save(session: Session, argv: list[bytes]) -> Reply:
    """Write all users into the ACL file."""
    session.server.access.save_file()
    return OK


@command("ACL HELP", LOADING | STALE, since="6.0.0", cost="O(1)")
def acl_help(session: Session, argv: list[bytes]) -> list[Status]:
    """Print this help."""
    return help_of(b"acl")


def _unknown(argv: list[bytes]) -> ReplyError:
    return ReplyError(b"ERR unknown subcommand or wrong number of arguments for '%b'. Try ACL HELP." % argv[1][:128])
