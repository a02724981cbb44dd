"""What all sessions of one server share, without sockets and files: the engine, the gate, the counters.

Whoever runs the server (respkv.net) fills in what lies beyond it: how to make a session go on, how to start a
compaction, what the log is doing.
"""

import os

from respkv.commands.spec import Spec, exact_names
from respkv.engine.engine import Engine
from respkv.server.session import Session

ERROR_KINDS_MAX = 128
"""How many different error codes INFO errorstats counts; scripts can make up codes."""


class Server:
    """The state behind all sessions."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.names: dict[bytes, Spec] = exact_names()
        self.sessions: dict[int, Session] = {}
        self.gate = 0
        self.bulk_max_bytes = 512 * 1024 * 1024
        # What a client may have sent that is not yet run: pieces of a request, and its queue in MULTI.
        self.query_max_bytes = 1024 * 1024 * 1024
        self.run_id = os.urandom(20).hex()
        self.errors: dict[bytes, int] = {}
        self.slow_ns = 10_000_000
        self.last_session_number = 0
        # Sessions that have something to do or to say outside their own requests: parked ones that may go on, killed
        # ones. Whoever owns the connections drains it at the end of each turn.
        self.ready: list[Session] = []

    def open_session(self, address: str, local_address: str) -> Session:
        """A session for a new connection."""
        self.last_session_number += 1
        session = Session(self, self.last_session_number, address, local_address)
        self.sessions[session.number] = session
        return session

    def close_session(self, session: Session) -> None:
        """The connection of `session` has ended."""
        session.close()
        self.sessions.pop(session.number, None)

    def set_gate(self, bit: int, on: bool) -> None:
        """Set or clear a reason to look closer, for all sessions that are and that will be."""
        self.gate = self.gate | bit if on else self.gate & ~bit
        for session in self.sessions.values():
            session.set_gate(bit, on)

    def forget_command(self) -> None:
        """A command ended by an unexpected exception: what it changed is propagated no further."""
        self.engine.dirty = 0
        self.engine.replacement = None

    def count_error(self, code: bytes) -> None:
        """Count an error reply for INFO errorstats."""
        if code in self.errors or len(self.errors) < ERROR_KINDS_MAX:
            self.errors[code] = self.errors.get(code, 0) + 1

    def note_slow(self, session: Session, spec: Spec, argv: list[bytes], elapsed_ns: int) -> None:
        """A command took `slow_ns` or longer."""

    def make_room(self) -> bool:
        """Evict until used memory is at most maxmemory; whether it is."""
        return True

    def disk_error(self) -> bytes:
        """The MISCONF error while the log cannot be written."""
        return b"MISCONF Errors writing to the AOF file"

    def is_paused_for(self, session: Session, spec: Spec) -> bool:
        """Whether CLIENT PAUSE holds this command back."""
        return False

    def wait_for_locks(self, session: Session, spec: Spec, argv: list[bytes]) -> bool:
        """Park the session if one of its keys is locked by another; whether it was."""
        return False
