"""Publish/subscribe: who listens to which channels and patterns, and how a message reaches them.

Rule 1: a message is encoded once a protocol, whatever the number of subscribers; what each session gets is the same
  bytes object.
Rule 2: a session has `Subscriptions` from its first subscription to its last, and GATE_SUBSCRIBED with them: its
  commands are looked at one by one then, so that what it publishes to itself follows the reply.
Rule 3: channels, patterns and shard channels are three tables of one form. Shard channels are apart from the others as
  in Redis, though here one server has them all.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from respkv.commands.flags import GATE_SUBSCRIBED
from respkv.engine import glob

if TYPE_CHECKING:
    from respkv.server.session import Session

Subscribers = dict["Session", None]
"""Sessions in the order in which they subscribed."""

CHANNEL: Final = 0
PATTERN: Final = 1
SHARD_CHANNEL: Final = 2


class Subscriptions:
    """What one session listens to: names in order, by kind."""

    def __init__(self) -> None:
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shard_channels: dict[bytes, None] = {}

    def of(self, kind: int) -> dict[bytes, None]:
        """The names of one kind."""
        if kind == CHANNEL:
            return self.channels
        return self.patterns if kind == PATTERN else self.shard_channels

    def count_beside(self, kind: int) -> int:
        """The number that a (un)subscription of that kind answers with: patterns and channels count together."""
        if kind == SHARD_CHANNEL:
            return len(self.shard_channels)
        return len(self.channels) + len(self.patterns)

    def is_empty(self) -> bool:
        """Whether nothing is left."""
        return not (self.channels or self.patterns or self.shard_channels)


NOTHING: Final = Subscriptions()
"""Those of a session that listens to nothing. Nobody adds to them."""


class Message:
    """A message on its way: its bytes in each protocol, made when the first subscriber needs them. `parts` are bulk."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts
        self._resp2 = b""
        self._resp3 = b""

    def encoded(self, protocol: int) -> bytes:
        """What a session of `protocol` is to be sent."""
        if protocol == 2:
            if not self._resp2:
                self._resp2 = b"*" + self._body()
            return self._resp2
        if not self._resp3:
            self._resp3 = b">" + self._body()
        return self._resp3

    def _body(self) -> bytes:
        bulks = [b"$%d\r\n%b\r\n" % (len(part), part) for part in self._parts]
        return b"%d\r\n" % len(bulks) + b"".join(bulks)

    def send_to(self, subscribers: Iterable["Session"], lsn: int) -> None:
        """Push it to all of them; see `Session.push`. O(subscribers)."""
        for session in subscribers:
            session.push(self.encoded(session.protocol), lsn)


class PubSub:
    """All subscriptions of a server."""

    def __init__(self) -> None:
        self.channels: dict[bytes, Subscribers] = {}
        self.patterns: dict[bytes, Subscribers] = {}
        self.shard_channels: dict[bytes, Subscribers] = {}
        self._matchers: dict[bytes, glob.Matcher] = {}
        self.session_count = 0

    def subscribers_of(self, kind: int) -> dict[bytes, Subscribers]:
        """The table of one kind: name to who listens."""
        if kind == CHANNEL:
            return self.channels
        return self.patterns if kind == PATTERN else self.shard_channels

    # Subscribing

    def subscribe(self, session: "Session", kind: int, name: bytes) -> int:
        """Let `session` listen to `name`; the number to answer with."""
        own = session.subscriptions
        if own is NOTHING:
            own = session.subscriptions = Subscriptions()
            self.session_count += 1
            session.set_gate(GATE_SUBSCRIBED, True)
            session.server.output_guard.measure_room(session)
        if name not in own.of(kind):
            own.of(kind)[name] = None
            self.subscribers_of(kind).setdefault(name, {})[session] = None
            if kind == PATTERN and name not in self._matchers:
                self._matchers[name] = glob.compile(name)
        return own.count_beside(kind)

    def unsubscribe(self, session: "Session", kind: int, name: bytes) -> int:
        """Let `session` no longer listen to `name`, to which it need not listen; the number to answer with."""
        own = session.subscriptions
        names = own.of(kind)
        if name in names:
            del names[name]
            table = self.subscribers_of(kind)
            del table[name][session]
            if not table[name]:
                del table[name]
                if kind == PATTERN:
                    del self._matchers[name]
            if own.is_empty():
                self._let_go(session)
        return own.count_beside(kind)

    def unsubscribe_all(self, session: "Session") -> None:
        """Let `session` listen to nothing. O(what it listened to)."""
        own = session.subscriptions
        for kind in (CHANNEL, PATTERN, SHARD_CHANNEL):
            for name in list(own.of(kind)):
                self.unsubscribe(session, kind, name)

    def _let_go(self, session: "Session") -> None:
        session.subscriptions = NOTHING
        self.session_count -= 1
        session.set_gate(GATE_SUBSCRIBED, False)
        session.server.output_guard.measure_room(session)

    # Publishing

    def publish(self, channel: bytes, message: bytes, lsn: int = 0) -> int:
        """Send `message` to all who listen to `channel`, by its name or by patterns; how many times it was sent.

        `lsn` is the batch that the message tells of, as for `Session.push`. O(subscribers + patterns).
        """
        count = 0
        subscribers = self.channels.get(channel)
        if subscribers:
            count = len(subscribers)
            Message([b"message", channel, message]).send_to(subscribers, lsn)
        if self.patterns:
            matchers = self._matchers
            for pattern, listeners in self.patterns.items():
                if matchers[pattern](channel):
                    count += len(listeners)
                    Message([b"pmessage", pattern, channel, message]).send_to(listeners, lsn)
        return count

    def publish_to_shard(self, channel: bytes, message: bytes) -> int:
        """Send `message` to all who listen to the shard channel `channel`; how many. O(subscribers)."""
        subscribers = self.shard_channels.get(channel)
        if not subscribers:
            return 0
        Message([b"smessage", channel, message]).send_to(subscribers, 0)
        return len(subscribers)

    def check(self) -> None:
        """Raise AssertionError where tables and sessions do not agree. O(subscriptions)."""
        listening: set[Session] = set()
        for kind in (CHANNEL, PATTERN, SHARD_CHANNEL):
            for name, subscribers in self.subscribers_of(kind).items():
                assert subscribers, "a channel without subscribers"
                for session in subscribers:
                    assert not session.closed, "a closed session is subscribed"
                    assert name in session.subscriptions.of(kind)
                    listening.add(session)
        assert len(listening) == self.session_count
        assert self._matchers.keys() == self.patterns.keys()
