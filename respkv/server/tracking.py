"""Client-side caching: which client has read which key, and who is told when a key changes.

    reads      gate, scripts ── remember ──> table: key -> numbers of sessions
    changes    doors ── changed ──> table (told at once), prefixes (told at the end of the turn)

Rule 1: while nobody tracks, doors and the gate spend nothing: the alert TRACKED and GATE_TRACKING are off. A session
  that tracks has its commands looked at one by one.
Rule 2: who is told of a change is forgotten for that key until it reads it again. The table knows sessions by number,
  so that one that is gone need not be looked for: its entries go when their keys change, or the table is full.
Rule 3: keys are tracked by name, whatever the database, as in Redis.
Rule 4: who reads in a transaction over round trips, and only that session, is told of what is rolled back.
Rule 5: an invalidation tells of a change, and so waits for its batch (`appendfsync always`) like the reply to it.

The table has a bound (`tracking-table-max-keys`): what was tracked longest is invalidated first. Redis takes keys at
random; the oldest are those that are the least likely to be still wanted.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from respkv.commands.flags import GATE_SUBSCRIBED, GATE_TRACKING, PUBSUB, READONLY
from respkv.commands.spec import Spec, find_spec
from respkv.engine.engine import TRACKED, UNSYNCED, Tracker
from respkv.resp.writer import array_header, write_bulk

if TYPE_CHECKING:
    from respkv.server.server import Server
    from respkv.server.session import Session

INVALIDATE_CHANNEL: Final = b"__redis__:invalidate"

EVICTIONS_MAX: Final = 100
"""So many keys more than it adds a command takes out of a table that is too large."""

_INVALIDATE3: Final = b">2\r\n$10\r\ninvalidate\r\n"
_INVALIDATE2: Final = b"*3\r\n$7\r\nmessage\r\n$20\r\n" + INVALIDATE_CHANNEL + b"\r\n"


class Tracking:
    """How one session tracks."""

    def __init__(self) -> None:
        self.is_broadcast = False
        self.opts_in = False
        self.opts_out = False
        self.no_loop = False
        # The session that is told instead, or 0; and whether it turned out to be gone.
        self.redirect = 0
        self.is_broken = False
        # CLIENT CACHING holds for the next command, or transaction.
        self.caching = False
        self.prefixes: dict[bytes, None] = {}


class Prefix:
    """Who is told of all changed keys that begin so, and those that changed in this turn, each by whom."""

    def __init__(self) -> None:
        self.sessions: dict[Session, None] = {}
        self.changed: dict[bytes, Session | None] = {}


class TrackingTable(Tracker):
    """All tracking of a server; `engine.tracker`."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.engine = server.engine
        self.keys: OrderedDict[bytes, int | set[int]] = OrderedDict()
        self.item_count = 0
        self.prefixes: dict[bytes, Prefix] = {}
        self.session_count = 0
        self.keys_max = 0
        # Whether a prefix has changed keys.
        self.has_news = False
        # The session whose command runs, if it tracks: NOLOOP leaves it out.
        self.current: Session | None = None

    # By commands

    def begin(self, session: "Session", tracking: Tracking) -> None:
        """Let `session`, which may do so already, track as `tracking` says from now on."""
        if session.tracking is None:
            self.session_count += 1
            session.set_gate(GATE_TRACKING, True)
            if self.session_count == 1:
                self.engine.set_alert(TRACKED, True)
        session.tracking = tracking
        for prefix in tracking.prefixes:
            self.prefixes.setdefault(prefix, Prefix()).sessions[session] = None

    def end(self, session: "Session") -> None:
        """Let `session` track no more. O(its prefixes); with the last one everything is forgotten."""
        tracking = session.tracking
        if tracking is None:
            return
        session.tracking = None
        session.set_gate(GATE_TRACKING, False)
        for prefix in tracking.prefixes:
            del self.prefixes[prefix].sessions[session]
            if not self.prefixes[prefix].sessions:
                del self.prefixes[prefix]
        self.session_count -= 1
        if self.session_count == 0:
            self.engine.set_alert(TRACKED, False)
            self.engine.discarded.append(self.keys)  # emptied in slices
            self.keys = OrderedDict()
            self.item_count = 0

    def remember(self, session: "Session", spec: Spec, argv: list[bytes]) -> None:
        """`session`, which tracks, has run `argv`: it may have a copy of the keys that this read. O(keys)."""
        tracking = session.tracking
        if tracking is None or not spec.flags & READONLY:
            return
        transaction = self.server.transactions.running
        if transaction is not None:
            transaction.readers.add(session.number)
        if tracking.is_broadcast:
            return
        # Scripts and functions that only read: what they call is remembered, not what they declare.
        if spec.flags & PUBSUB or spec.group == "scripting":
            return
        if (tracking.opts_in and not tracking.caching) or (tracking.opts_out and tracking.caching):
            return
        keys = spec.keys(argv)
        for key in keys:
            self._add(key, session.number)
        if 0 < self.keys_max < len(self.keys):
            self.shrink(len(keys) + EVICTIONS_MAX)

    def remember_waiter(self, session: "Session", argv: list[bytes]) -> None:
        """As `remember`, for a command that waited and now has what it waited for."""
        spec = find_spec(argv)
        if spec is not None:
            self.remember(session, spec, argv)

    def _add(self, key: bytes, number: int) -> None:
        known = self.keys.get(key)
        if known is None:
            # Most keys are read by one client, and a set takes ten times what a number does.
            self.keys[key] = number
        elif isinstance(known, int):
            if known == number:
                return
            self.keys[key] = {known, number}
        elif number in known:
            return
        else:
            known.add(number)
        self.item_count += 1

    def _forget(self, key: bytes, number: int) -> bool:
        """Let session `number` be told no more of `key`; whether it would have been."""
        known = self.keys.get(key)
        if known is None:
            return False
        if isinstance(known, int):
            if known != number:
                return False
            del self.keys[key]
        elif number not in known:
            return False
        else:
            known.discard(number)
            if not known:
                del self.keys[key]
        self.item_count -= 1
        return True

    def shrink(self, most: int) -> None:
        """Invalidate keys above `tracking-table-max-keys`, at most so many."""
        while most > 0 and 0 < self.keys_max < len(self.keys):
            most -= 1
            key = next(iter(self.keys))
            self._invalidate(key, 0)

    # By the engine

    def changed(self, key: bytes) -> None:
        """As Tracker."""
        if key in self.keys:
            self._invalidate(key, self._batch())
        for start, prefix in self.prefixes.items():
            if key.startswith(start):
                prefix.changed[key] = self.current
                self.has_news = True

    def flushed(self) -> None:
        """As Tracker."""
        self.engine.discarded.append(self.keys)
        self.keys = OrderedDict()
        self.item_count = 0
        lsn = self._batch()
        for session in list(self.server.sessions.values()):
            if session.tracking is not None:
                self._tell(session, None, lsn)

    def undone(self, keys: Iterable[bytes] | None, readers: set[int]) -> None:
        """As Tracker. Each of `readers` is told by itself: what it has read there may be what nobody else ever sees."""
        for number in sorted(readers):
            session = self.server.sessions.get(number)
            tracking = None if session is None else session.tracking
            if session is None or tracking is None:
                continue
            if keys is None:
                self._tell(session, None, 0)
            elif tracking.is_broadcast:
                mine = [key for key in keys if key.startswith(tuple(tracking.prefixes))]
                if mine:
                    self._tell(session, _array(sorted(mine)), 0)
            else:
                for key in keys:
                    if self._forget(key, number):
                        self._tell(session, _array([key]), 0)

    # At the end of a turn

    def broadcast(self) -> None:
        """Tell those who track by prefix which keys have changed. O(keys * clients)."""
        self.has_news = False
        lsn = self._batch() if self.engine.effects else 0
        for _, prefix in sorted(self.prefixes.items()):
            if not prefix.changed:
                continue
            changed = prefix.changed
            prefix.changed = {}
            names = sorted(changed)
            all_keys = _array(names)
            changers = set(changed.values())
            for session in prefix.sessions:
                keys = all_keys
                if session.tracking is not None and session.tracking.no_loop and session in changers:
                    of_others = [key for key in names if changed[key] is not session]
                    if not of_others:
                        continue
                    keys = _array(of_others)
                self._tell(session, keys, lsn)

    # Telling

    def _invalidate(self, key: bytes, lsn: int) -> None:
        entry = self.keys.pop(key)
        numbers = (entry,) if isinstance(entry, int) else sorted(entry)
        self.item_count -= len(numbers)
        sessions = self.server.sessions
        keys = b""
        for number in numbers:
            session = sessions.get(number)
            if session is None:
                continue
            tracking = session.tracking
            # Who broadcasts now had tracked by reading before.
            if tracking is None or tracking.is_broadcast or (tracking.no_loop and session is self.current):
                continue
            keys = keys or _array([key])
            self._tell(session, keys, lsn)

    def _tell(self, session: "Session", keys: bytes | None, lsn: int) -> None:
        """Let `session`, or whom it named, know that `keys` (an encoded array, or None for all) have changed."""
        tracking = session.tracking
        assert tracking is not None
        target = session
        if tracking.redirect:
            redirect = self.server.sessions.get(tracking.redirect)
            if redirect is None:
                tracking.is_broken = True
                if session.protocol == 3:
                    session.push(b">2\r\n$21\r\ntracking-redir-broken\r\n:%d\r\n" % tracking.redirect)
                return
            target = redirect
        if target.protocol == 3:
            target.push(_INVALIDATE3 + (b"_\r\n" if keys is None else keys), lsn)
        elif tracking.redirect and target.gate & GATE_SUBSCRIBED:
            target.push(_INVALIDATE2 + (b"$-1\r\n" if keys is None else keys), lsn)
        # Otherwise a client of RESP2, which takes no pushes: there is no way to tell it.

    def _batch(self) -> int:
        """The batch that the change of just now will be in, where anybody waits for it."""
        return self.engine.batch if self.engine.alert & UNSYNCED else 0

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(keys + prefixes)."""
        assert self.item_count == sum(1 if isinstance(one, int) else len(one) for one in self.keys.values())
        assert self.session_count == sum(one.tracking is not None for one in self.server.sessions.values())
        assert all(prefix.sessions for prefix in self.prefixes.values())


def _array(keys: list[bytes]) -> bytes:
    out = [array_header(len(keys))]
    for key in keys:
        write_bulk(out, key)
    return b"".join(out)
