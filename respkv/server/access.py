"""Who clients are and what they may do.

Authentication, the check before a command, and what becomes of sessions when users change.

The check costs only those whom it may refuse something. The session of a user who may do everything runs as if there
were no users; that of another one has `GATE_USER` in its gate and knows, as `Session.names`, just the commands that its
user may run with any arguments: all others come to the gate, which asks `check` (docs/adr/0020).

Rule 1: `check` and `check_queued` are the only places that refuse a command, and log it.
Rule 2: whoever changes a user calls `follow` before the next command runs.
"""

import logging
import os
from typing import TYPE_CHECKING, Final

from respkv.acl.lines import BadFile, format_file, line_of, parse_file, parse_words
from respkv.acl.permissions import CHANNEL, COMMAND, KEY, Refusal, may_listen, may_read_any_key, refusal
from respkv.acl.users import DEFAULT, BadRule, BadRuleIn, User, Users
from respkv.commands.flags import GATE_AUTH, GATE_MULTI
from respkv.commands.sort import find_pattern
from respkv.commands.spec import Spec
from respkv.errors import CannotRewrite, ReplyError, StartupError
from respkv.server import log
from respkv.server.acl_log import AclLog
from respkv.server.clients import describe
from respkv.server.config.rewrite import replace_file
from respkv.server.config.store import UserLines

if TYPE_CHECKING:
    from respkv.server.server import Server
    from respkv.server.session import Session

logger = logging.getLogger(__name__)

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


class Access(UserLines):
    """The users of one server, and the log of what was denied them."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.users = Users()
        self.log = AclLog()
        # Users of included files by name: their lines as they were at start.
        self._included: dict[bytes, bytes] = {}

    # Commands

    def check(self, session: "Session", spec: Spec, argv: list[bytes], context: bytes = b"") -> None:
        """Raise ReplyError if the user of `session` may not run `spec` with `argv`.

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
        text = describe_refusal(found, session.user, spec, argv)
        if context == LUA:
            raise ReplyError(b"ERR ACL failure in script: " + text)
        raise NoPermission(text)

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

    def change(self, user: User) -> None:
        """Let the user of that name be as `user`, who may be new.

        Clients that listen to what they no longer may are disconnected.
        """
        known = self.users.put(user)
        self.follow(known)
        for session in list(self.server.sessions.values()):
            heard = session.subscriptions
            if session.user is known and not may_listen(
                known, (*heard.channels, *heard.shard_channels), heard.patterns
            ):
                session.kill()

    def remove(self, name: bytes, by: "Session") -> bool:
        """Delete a user by a command of `by`; whether there was one."""
        user = self.users.remove(name)
        if user is not None:
            self.end_sessions(user, by)
        return user is not None

    # Files

    def start(self) -> None:
        """Take over the users of the configuration, or those of its `aclfile`. Raises: StartupError."""
        config = self.server.config
        config.users = self
        if config.user_lines and config.aclfile:
            raise StartupError(
                "there are users in the configuration and in an aclfile: declare all of them in one of both places"
            )
        for where, words, is_included in config.user_lines:
            try:
                user = parse_words(words, self.users)
            except BadRuleIn as error:
                rule, reason = os.fsdecode(_shown(error.rule)), error.reason.decode()
                raise StartupError(f"{where}: user {os.fsdecode(words[0])}: {rule}: {reason}") from None
            except BadRule as error:
                raise StartupError(f"{where}: user: {error.reason.decode()}") from None
            self.change(user)
            if is_included:
                self._included[user.name] = line_of(user)
        if config.aclfile:
            try:
                self._take_over(self._read_file())
            except ReplyError as error:
                raise StartupError(os.fsdecode(error.message.removeprefix(b"ERR "))) from None

    def load_file(self, by: "Session") -> None:
        """ACL LOAD: the users of the file instead of those that are, or nothing if it is wrong. Raises ReplyError."""
        found = self._read_file()
        for user in self.users.all():
            if user.name not in found:
                self.remove(user.name, by)
        self._take_over(found)

    def save_file(self) -> None:
        """ACL SAVE: write all users into the file. Raises ReplyError."""
        try:
            replace_file(self._path(), format_file(self.users.all()))
        except OSError as error:
            log.warning(logger, "cannot write the ACL file", file=self._path(), reason=error.strerror)
            raise ReplyError(
                b"ERR There was an error trying to save the ACLs. Please check the server logs for more information"
            ) from None

    def _read_file(self) -> dict[bytes, User]:
        path = self._path()
        name = os.fsencode(self.server.config.aclfile)
        try:
            with open(path, "rb") as file:
                return parse_file(file.read(), name, self.users)
        except OSError as error:
            reason = os.fsencode(error.strerror or str(error))
            raise ReplyError(b"ERR Error loading ACLs, opening file '%b': %b" % (name, reason)) from None
        except BadFile as error:
            raise ReplyError(b"ERR " + error.message) from None

    def _take_over(self, found: dict[bytes, User]) -> None:
        for user in found.values():
            self.change(user)

    def _path(self) -> str:
        config = self.server.config
        if not config.aclfile:
            raise ReplyError(
                b"ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the"
                b" ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file"
                b" set) in order to store users in the Redis configuration."
            )
        return os.path.join(config.dir, config.aclfile)

    def lines(self) -> dict[bytes, bytes]:
        """As UserLines: none, if users are in an aclfile, or as they were at start in an included one."""
        config = self.server.config
        if config.aclfile:
            return {}
        lines = {user.name: line_of(user) for user in self.users.all()}
        usual = Users().default
        if config.requirepass:
            usual.apply(b">" + config.requirepass)
        if lines[DEFAULT] == line_of(usual) and DEFAULT not in self._included:
            del lines[DEFAULT]
        for name, line in self._included.items():
            if lines.pop(name, b"") != line:
                # A second line for a user would be refused at the next start.
                raise CannotRewrite(f"the user {os.fsdecode(name)} is declared in an included file, and has changed")
        return lines

    def canonical(self, words: list[bytes]) -> bytes:
        """As UserLines."""
        try:
            return line_of(parse_words(words, self.users))
        except BadRule:
            return b""


def describe_refusal(found: Refusal, user: User, spec: Spec, argv: list[bytes], *, in_full: bool = False) -> bytes:
    """Why a command was refused; `in_full` names the key or channel, as DRYRUN does."""
    if found.reason == COMMAND:
        return b"User %b has no permissions to run the '%b' command" % (user.name, spec.name)
    what = b"key" if found.reason == KEY else b"channel"
    if in_full:
        return b"User %b has no permissions to access the '%b' %b" % (user.name, argv[found.at], what)
    return b"No permissions to access a %b" % what


_NOBODY: Final = User(b"")


def _shown(rule: bytes) -> bytes:
    """A rule as an operator may see it: without a password."""
    return rule[:1] + b"(redacted)" if rule[:1] in (b">", b"<", b"#", b"!") else rule


_SORTS: Final = frozenset((b"sort", b"sort_ro"))
"""Commands whose patterns name keys that only the data tell."""


def _check_sort(user: User, spec: Spec, argv: list[bytes]) -> None:
    """Raise ReplyError if SORT would look at keys that `user` may perhaps not read."""
    option = find_pattern(argv)
    if option and not may_read_any_key(user, spec, argv):
        raise ReplyError(b"ERR %b option of SORT denied due to insufficient ACL permissions." % option)


__all__ = ["DEFAULT", "LUA", "Access", "NoPermission", "describe_refusal"]
