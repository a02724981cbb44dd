"""MONITOR: clients that are shown every command of everyone, as it has run.

While nobody monitors this costs nothing: `GATE_MONITORED` is a reason to look closer that no session has. While
somebody does, all sessions have it, each command is timed by itself, and `feed` writes one line for all who watch.

Rule 1: what administers the server is not shown, nor are passwords (`redacted`).
Rule 2: a command is shown when it has run, so that what it ran itself comes first; scripts are shown before.
Rule 3: who does not read is cut off by the bound of `Session.push`.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from respkv.commands.flags import ADMIN, GATE_MONITORED, SKIP_MONITOR
from respkv.commands.spec import Spec
from respkv.engine.clock import unix_us
from respkv.server.clients import is_unix

if TYPE_CHECKING:
    from respkv.server.server import Server
    from respkv.server.session import Session

_PLAIN: Final[dict[int, bytes]] = {
    0x22: b'\\"',
    0x5C: b"\\\\",
    0x07: b"\\a",
    0x08: b"\\b",
    0x09: b"\\t",
    0x0A: b"\\n",
    0x0D: b"\\r",
}
_ESCAPES: Final = [_PLAIN.get(byte, b"\\x%02x" % byte) for byte in range(256)]
_SPECIAL: Final = re.compile(rb"[^ !#-\[\]-~]")


def quoted(text: bytes) -> bytes:
    """`text` between quotes, as C would write it."""
    return b'"' + _SPECIAL.sub(_escape, text) + b'"'


def _escape(found: "re.Match[bytes]") -> bytes:
    return _ESCAPES[found.group()[0]]


class Monitors:
    """Those who watch. `redact` says what of a command may be shown."""

    def __init__(self, server: "Server", redact: Callable[[Spec, list[bytes]], list[bytes]]) -> None:
        self.server = server
        self.sessions: list[Session] = []
        self._redact = redact

    def add(self, session: "Session") -> None:
        """Show `session` all commands from now on."""
        self.sessions.append(session)
        if len(self.sessions) == 1:
            self.server.set_gate(GATE_MONITORED, True)

    def remove(self, session: "Session") -> None:
        """Show it no more."""
        if session in self.sessions:
            self.sessions.remove(session)
            if not self.sessions:
                self.server.set_gate(GATE_MONITORED, False)

    def feed(self, session: "Session", spec: Spec, argv: list[bytes]) -> None:
        """`session` ran `argv`: show it, unless it is one of those that are not."""
        if spec.flags & (ADMIN | SKIP_MONITOR):
            return
        self.show(session, spec, argv)

    def show(self, session: "Session", spec: Spec, argv: list[bytes]) -> None:
        """Show what `session` runs."""
        source = session.address
        if is_unix(session):
            source = "unix:" + source.removesuffix(":0")
        self._push(session, source.encode("utf-8", "surrogateescape"), self._redact(spec, argv))

    def show_in_script(self, session: "Session", spec: Spec, argv: list[bytes]) -> None:
        """Show what a script of `session` ran."""
        if not spec.flags & (ADMIN | SKIP_MONITOR):
            self._push(session, b"lua", argv)

    def _push(self, session: "Session", source: bytes, argv: list[bytes]) -> None:
        now_us = unix_us()
        # Arguments are mostly plain: one look at all of them together then does.
        if _SPECIAL.search(b"".join(argv)) is None:
            words = b'" "'.join(argv)
            line = b'+%d.%06d [%d %b] "%b"\r\n' % (
                now_us // 1_000_000,
                now_us % 1_000_000,
                session.db.index,
                source,
                words,
            )
        else:
            line = b"+%d.%06d [%d %b] %b\r\n" % (
                now_us // 1_000_000,
                now_us % 1_000_000,
                session.db.index,
                source,
                b" ".join([quoted(argument) for argument in argv]),
            )
        for one in list(self.sessions):
            if one.reply_mode == "on":
                one.push(line)
