"""Who clients are and what they may do.

Authentication, the check before a command, and what becomes of sessions when users change.

The check costs only those whom it may refuse something. The session of a user who may do everything runs as if there
were no users; that of another one has `GATE_USER` in its gate and knows, as `Session.names`, just the commands that its
user may run with any arguments: all others come to the gate, which asks `check` (docs/adr/0020).

Rule 1: `check` and `check_queued` are the only places that refuse a command, and log it.
Rule 2: whoever changes a user calls `follow` before the next command runs.
"""

from typing import TYPE_CHECKING, Final

from respkv.acl.permissions import CHANNEL, COMMAND, KEY, Refusal, may_read_any_key, refusal
from respkv.acl.users import DEFAULT, User, Users
from respkv.commands.flags import GATE_AUTH, GATE_MULTI
from respkv.commands.sort import find_pattern
from respkv.commands.spec import Spec
from respkv.errors import ReplyError
from respkv.server.acl_log import AclLog
from respkv.server.clients import describe

if TYPE_CHECKING:
    from respkv.server.server import Server
    from respkv.server.session import Session

TOP_LEVEL: Final = b"toplevel"
MULTI: Final = b"multi"
LUA: Final = b"lua"
"""Where a command that was refused came from, as ACL LOG says it."""

_REASONS: Final = {COMMAND: b"command", KEY: b"key", CHANNEL: b"channel"}

_CHANGED: Final = {
    COMMAND: b"no permission to execute the command or subcommand",
    KEY: b"no permission to touch the specified keys",
    CHANNEL: b"no permission to access one of the channels used as arguments to the command",
}


class NoPermission(ReplyError):
    """The user may not run this command, or not with these keys or channels."""

    def __init__(self, text: bytes) -> None:
        super().__init__(b"NOPERM " + text)


class Access:
    """The users of one server, and the log of what was denied them."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.users = Users()
        self.log = AclLog()

    # Commands

    def check(self, session: "Session", spec: Spec, argv: list[bytes], context: bytes = b"") -> None:
        """Raise NoPermission if the user of `session` may not run `spec` with `argv`.

        To be asked where `GATE_USER` is in the session's gate, by whoever runs a command for it: the gate, and with
        the `context` LUA, scripts.
        """
        found = refusal(session.user, spec, argv)
        is_queueing = session.gate & GATE_MULTI
        if found is None:
            if spec.name in _SORTS and not is_queueing:
                _check_sort(session.user, spec, argv)
            return
        self._note(session, found, spec, argv, context or (MULTI if is_queueing else TOP_LEVEL))
        raise NoPermission(describe_refusal(found, session.user, spec, argv))

    def check_queued(self, session: "Session", spec: Spec, argv: list[bytes]) -> None:
        """Raise NoPermission if the user may no longer run a command that was queued in MULTI."""
        found = refusal(session.user, spec, argv)
        if found is None:
            if spec.name in _SORTS:
                _check_sort(session.user, spec, argv)
            return
        self._note(session, found, spec, argv, MULTI)
        raise NoPermission(
            b"ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command"
            b" is no longer allowed for the following reason: " + _CHANGED[found.reason]
        )

    def _note(self, session: "Session", found: Refusal, spec: Spec, argv: list[bytes], context: bytes) -> None:
        stats = self.server.stats
        if found.reason == COMMAND:
            stats.denied_commands += 1
        elif found.reason == KEY:
            stats.denied_keys += 1
        else:
            stats.denied_channels += 1
        subject = spec.name if found.reason == COMMAND else argv[found.at]
        now_ms = self.server.engine.now_ms
        self.log.add(_REASONS[found.reason], context, subject, session.user.name, now_ms, describe(session))

    # Authentication

    def needs_authentication(self) -> bool:
        """Whether a new client must say who it is."""
        default = self.users.default
        return not (default.is_enabled and default.has_no_password)

    def authenticate(self, session: "Session", name: bytes, password: bytes, command: bytes) -> bool:
        """Let `session` be the user `name` if `password` is right; whether it is. `command` is for the log."""
        user = self.users.get(name)
        # For a user who is not there it takes as long to say so.
        if (user or _NOBODY).accepts(password) and user is not None:
            session.authenticate(user)
            return True
        self.server.stats.denied_auths += 1
        context = MULTI if session.gate & GATE_MULTI else TOP_LEVEL
        self.log.add(b"auth", context, command, name, self.server.engine.now_ms, describe(session))
        return False

    def set_default_password(self, password: bytes) -> None:
        """As `requirepass`: the one password of the default user; none is needed if it is empty."""
        default = self.users.default
        default.apply_all((b"resetpass", b">" + password if password else b"nopass"))
        self.follow(default)

    # Changes

    def follow(self, user: User) -> None:
        """`user` has changed: let its sessions know. O(clients)."""
        for session in self.server.sessions.values():
            if session.user is user:
                session.act_as(user)
        if user is self.users.default:
            needs = self.needs_authentication()
            self.server.gate = self.server.gate | GATE_AUTH if needs else self.server.gate & ~GATE_AUTH
            for session in self.server.sessions.values():
                session.require_authentication(needs)

    def end_sessions(self, user: User, by: "Session") -> None:
        """`user` was deleted by a command of `by`: its clients are nobody any more, and disconnected. O(clients)."""
        for session in list(self.server.sessions.values()):
            if session.user is user:
                session.disown(after_reply=session is by)


def describe_refusal(found: Refusal, user: User, spec: Spec, argv: list[bytes], *, in_full: bool = False) -> bytes:
    """Why a command was refused; `in_full` names the key or channel, as DRYRUN does."""
    if found.reason == COMMAND:
        return b"User %b has no permissions to run the '%b' command" % (user.name, spec.name)
    what = b"key" if found.reason == KEY else b"channel"
    if in_full:
        return b"User %b has no permissions to access the '%b' %b" % (user.name, argv[found.at], what)
    return b"No permissions to access a %b" % what


_NOBODY: Final = User(b"")

_SORTS: Final = frozenset((b"sort", b"sort_ro"))
"""Commands whose patterns name keys that only the data tell."""


def _check_sort(user: User, spec: Spec, argv: list[bytes]) -> None:
    """Raise ReplyError if SORT would look at keys that `user` may perhaps not read."""
    option = find_pattern(argv)
    if option and not may_read_any_key(user, spec, argv):
        raise ReplyError(b"ERR %b option of SORT denied due to insufficient ACL permissions." % option)


__all__ = ["DEFAULT", "LUA", "Access", "NoPermission", "describe_refusal"]
