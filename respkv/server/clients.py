"""The sessions of a server as CLIENT sees them: what kind each is, its line in CLIENT LIST, pauses, waiting."""

import heapq
from collections.abc import Iterator
from typing import TYPE_CHECKING

from respkv.commands.flags import GATE_MULTI, GATE_PAUSED, GATE_SUBSCRIBED
from respkv.commands.spec import Spec
from respkv.errors import ReplyError
from respkv.reply import Block
from respkv.server.parking import PAUSED

if TYPE_CHECKING:
    from respkv.server.session import Session

SESSION_BYTES = 3000
"""About what a connection takes when nothing is buffered for it: session, reader, socket and their dicts."""

TYPES = {
    b"normal": b"normal",
    b"master": b"master",
    b"slave": b"replica",
    b"replica": b"replica",
    b"pubsub": b"pubsub",
}
"""The kinds of client by all names that CLIENT KILL and CLIENT LIST take."""


def parse_type(word: bytes) -> bytes:
    """A kind of client by its name in any case. Raises ReplyError."""
    kind = TYPES.get(word.lower())
    if kind is None:
        raise ReplyError(b"ERR Unknown client type '%b'" % word)
    return kind


def type_of(session: "Session") -> bytes:
    """The kind that `session` is of."""
    if session.replica is not None and session.replica.is_served:
        return b"replica"
    return b"pubsub" if session.gate & GATE_SUBSCRIBED else b"normal"


def may_be_silent(session: "Session") -> bool:
    """Whether `timeout` does not count for `session`: it waits, or listens, and has no reason to speak."""
    return session.is_blocked() or session.is_monitor or type_of(session) != b"normal"


def is_local(session: "Session") -> bool:
    """Whether the client is on this machine, as far as its address tells."""
    host = session.address.rpartition(":")[0]
    return host.startswith(("127.", "/")) or host in ("::1", "[::1]") or is_unix(session)


def is_unix(session: "Session") -> bool:
    """Whether the client came by a Unix socket."""
    return session.address.endswith(":0")


def buffered_bytes(session: "Session") -> int:
    """What is held in memory for `session` just now, estimated."""
    return SESSION_BYTES + session.reader.pending_bytes() + session.queue_bytes + output_bytes(session)


def output_bytes(session: "Session") -> int:
    """Output that has not left yet."""
    return session.unsent_bytes + session.held_bytes + sum(map(len, session.out))


def describe(session: "Session") -> bytes:
    """The line of CLIENT LIST and CLIENT INFO, with the fields of 7.4."""
    now_ms = session.engine.now_ms
    reader = session.reader
    waiting = len(session.backlog[0]) if session.backlog else 0
    fields: dict[str, object] = {
        "id": session.number,
        "addr": session.address,
        "laddr": session.local_address,
        "fd": session.fd,
        "name": session.name.decode("latin-1"),
        "age": max(0, now_ms - session.created_ms) // 1000,
        "idle": max(0, now_ms - session.active_ms) // 1000,
        "flags": _flags(session),
        "db": session.db.index,
        "sub": len(session.subscriptions.channels),
        "psub": len(session.subscriptions.patterns),
        "ssub": len(session.subscriptions.shard_channels),
        "multi": len(session.queue) if session.gate & GATE_MULTI else -1,
        "watch": len(session.watcher.keys),
        "qbuf": reader.pending_bytes(),
        "qbuf-free": 0,
        "argv-mem": sum(map(len, session.backlog[0])) if waiting else 0,
        "multi-mem": session.queue_bytes,
        "rbs": 0,
        "rbp": 0,
        "obl": sum(map(len, session.out)),
        "oll": 1 if session.unsent_bytes else 0,
        "omem": session.unsent_bytes,
        "tot-mem": buffered_bytes(session),
        "events": "rw" if session.unsent_bytes else "r",
        "cmd": session.last_spec.name.decode() if session.last_spec is not None else "NULL",
        "user": session.user.name.decode("latin-1"),
        "redir": -1 if session.tracking is None else session.tracking.redirect,
        "resp": session.protocol,
        "lib-name": session.lib_name.decode("latin-1"),
        "lib-ver": session.lib_version.decode("latin-1"),
    }
    return " ".join(f"{name}={value}" for name, value in fields.items()).encode("latin-1", "replace")


def _flags(session: "Session") -> str:
    tracking = session.tracking
    reasons = (
        (session.is_monitor, "O"),
        (type_of(session) == b"replica", "S"),
        (session.gate & GATE_SUBSCRIBED, "P"),
        (session.gate & GATE_MULTI or session.executing, "x"),
        (session.is_blocked(), "b"),
        (tracking is not None, "t"),
        (tracking is not None and tracking.is_broken, "R"),
        (tracking is not None and tracking.is_broadcast, "B"),
        (session.watcher.touched, "d"),
        (session.closing and not session.killed, "c"),
        (session.killed, "A"),
        (is_unix(session), "U"),
        (session.no_evict, "e"),
        (session.no_touch, "T"),
    )
    return "".join(letter for holds, letter in reasons if holds) or "N"


class Pause:
    """CLIENT PAUSE: which commands wait, and until when (unix ms; 0 while nothing is paused)."""

    def __init__(self) -> None:
        self.until_ms = 0
        self.holds_reads = False

    def begin(self, until_ms: int, *, holds_reads: bool) -> None:
        """Hold writes back until `until_ms`, and reads too if asked; a pause that is on is only made stronger."""
        self.holds_reads = holds_reads or (self.holds_reads and self.until_ms > 0)
        self.until_ms = max(self.until_ms, until_ms)

    def end(self) -> None:
        """Hold nothing back."""
        self.until_ms = 0
        self.holds_reads = False

    def holds(self, session: "Session", spec: Spec, argv: list[bytes]) -> bool:
        """Whether the command must wait. Of a script the first line is asked, as long as it has one."""
        if self.holds_reads:
            return True
        requests = session.queue if spec.name == b"exec" else [(spec, argv)]
        may_write = session.server.scripting.may_write
        return any(may_write(each, arguments) for each, arguments in requests)


STALE_MAX = 64
"""So many who wait no more may be left among those who do, or as many as those."""


class Waiting:
    """Sessions whose command waits until a point in time, ordered by that.

    Those unblocked before stay in here until their time comes, or they are more than those who wait.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Session, Block]] = []
        self._added = 0
        # How many in the heap wait no more.
        self._stale = 0

    def add(self, session: "Session", block: Block) -> None:
        """Remember that `session` waits; forever if there is no deadline."""
        if block.deadline_ms:
            # The number keeps those with the same deadline in order, and apart.
            self._added += 1
            heapq.heappush(self._heap, (block.deadline_ms, self._added, session, block))

    def note_end(self, block: Block) -> None:
        """The wait of `block` has ended, whatever ended it. O(1) on average."""
        if not block.deadline_ms:
            return
        self._stale += 1
        if self._stale > STALE_MAX and self._stale * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if not self._is_stale(entry[2], entry[3])]
            heapq.heapify(self._heap)
            self._stale = 0

    def next_deadline_ms(self) -> int:
        """The next point in time at which somebody's waiting ends; 0 for none."""
        while self._heap and self._is_stale(self._heap[0][2], self._heap[0][3]):
            self._pop()
        return self._heap[0][0] if self._heap else 0

    def take_due(self, now_ms: int) -> Iterator[tuple["Session", Block]]:
        """Those whose deadline has come."""
        while self._heap and self._heap[0][0] <= now_ms:
            session, block = self._pop()
            if not self._is_stale(session, block):
                yield session, block

    def _pop(self) -> tuple["Session", Block]:
        # Whoever has not been unblocked will be, because it is due: `note_end` then counts it back.
        self._stale -= 1
        _, _, session, block = heapq.heappop(self._heap)
        return session, block

    def __len__(self) -> int:
        return sum(not self._is_stale(session, block) for _, _, session, block in self._heap)

    def _is_stale(self, session: "Session", block: Block) -> bool:
        return session.block is not block or session.closed


def resume_paused(sessions: Iterator["Session"]) -> None:
    """Let go on whoever a pause has parked."""
    for session in sessions:
        if session.parked == PAUSED:
            session.server.ready.append(session)


__all__ = ["GATE_PAUSED", "Pause", "Waiting", "describe", "parse_type", "resume_paused", "type_of"]
