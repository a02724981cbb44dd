"""Publish/subscribe: who listens to which channels and patterns, and how a message reaches them.

Rule 1: a message is encoded once a protocol, whatever the number of subscribers; what each session gets is the same
  bytes object. So are the messages that follow each other on one channel within a turn: they are gathered, and pushed
  as one.
Rule 2: a session has `Subscriptions` from its first subscription to its last, and GATE_SUBSCRIBED with them: its
  commands are looked at one by one then, so that what it publishes to itself follows the reply.
Rule 3: gathered messages are sent before anything else reaches one of their subscribers, or who they are changes: by
  `flush`, which the doors to a session's output call.
Rule 4: channels, patterns and shard channels are three tables of one form. Shard channels are apart from the others as
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

GATHERED_MAX_BYTES: Final = 64 * 1024
"""So much is gathered: what subscribers do not read is looked at when they are pushed more."""


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


class Messages:
    """Messages on their way: their bytes in each protocol, made when the first subscriber needs them.

    Nothing is added once that is so.
    """

    def __init__(self, parts: list[bytes]) -> None:
        # Each without the mark of the protocol in front.
        self._bodies: list[bytes] = []
        self.nbytes = 0
        self._resp2 = b""
        self._resp3 = b""
        self.add(parts)

    def add(self, parts: list[bytes]) -> None:
        """One more message, whose `parts` are bulk strings."""
        bulks = [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
        body = b"%d\r\n" % len(bulks) + b"".join(bulks)
        self._bodies.append(body)
        self.nbytes += len(body)

    def encoded(self, protocol: int) -> bytes:
        """What a session of `protocol` is to be sent."""
        if protocol == 2:
            if not self._resp2:
                self._resp2 = b"*" + b"*".join(self._bodies)
            return self._resp2
        if not self._resp3:
            self._resp3 = b">" + b">".join(self._bodies)
        return self._resp3

    def send_to(self, subscribers: Iterable["Session"], lsn: int) -> None:
        """Push them to all of these; see `Session.push`. O(subscribers)."""
        for session in subscribers:
            session.push(self.encoded(session.protocol), lsn)


class PubSub:
    """All subscriptions of a server."""

    def __init__(self) -> None:
        self.channels: dict[bytes, Subscribers] = {}
        self.patterns: dict[bytes, Subscribers] = {}
        self.shard_channels: dict[bytes, Subscribers] = {}
        self._matchers: dict[bytes, glob.Matcher] = {}
        # What was published last in this turn, if that was on a channel and is not yet pushed; and which channel.
        self.gathered: Messages | None = None
        self._gathering = b""
        self.session_count = 0

    def subscribers_of(self, kind: int) -> dict[bytes, Subscribers]:
        """The table of one kind: name to who listens."""
        if kind == CHANNEL:
            return self.channels
        return self.patterns if kind == PATTERN else self.shard_channels

    # Subscribing

    def subscribe(self, session: "Session", kind: int, name: bytes) -> int:
        """Let `session` listen to `name`; the number to answer with."""
        self.flush()
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
        self.flush()
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
        subscribers = self.channels.get(channel)
        if not lsn and not self.patterns:
            if not subscribers:
                return 0
            self._gather(channel, message)
            return len(subscribers)
        self.flush()
        count = 0
        if subscribers:
            count = len(subscribers)
            Messages([b"message", channel, message]).send_to(subscribers, lsn)
        if self.patterns:
            matchers = self._matchers
            for pattern, listeners in self.patterns.items():
                if matchers[pattern](channel):
                    count += len(listeners)
                    Messages([b"pmessage", pattern, channel, message]).send_to(listeners, lsn)
        return count

    def publish_to_shard(self, channel: bytes, message: bytes) -> int:
        """Send `message` to all who listen to the shard channel `channel`; how many. O(subscribers)."""
        subscribers = self.shard_channels.get(channel)
        if not subscribers:
            return 0
        self.flush()
        Messages([b"smessage", channel, message]).send_to(subscribers, 0)
        return len(subscribers)

    def _gather(self, channel: bytes, message: bytes) -> None:
        """`message` goes to who listens to `channel` with the next `flush`, behind what was gathered before."""
        gathered = self.gathered
        if gathered is not None:
            if channel == self._gathering and gathered.nbytes < GATHERED_MAX_BYTES:
                gathered.add([b"message", channel, message])
                return
            self.flush()
        self.gathered = Messages([b"message", channel, message])
        self._gathering = channel

    def flush(self) -> None:
        """Push what was gathered. O(subscribers)."""
        gathered = self.gathered
        if gathered is not None:
            self.gathered = None
            gathered.send_to(self.channels[self._gathering], 0)

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
