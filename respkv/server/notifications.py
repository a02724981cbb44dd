"""Keyspace notifications: events of keys, published to `__keyspace@<db>__:<key>` and `__keyevent@<db>__:<event>`.

Commands and doors say by `Keyspace.notify` what happens. While `notify-keyspace-events` is empty nobody is told, and an
event costs one test. What is published a subscriber may rely on: under `appendfsync always` an event leaves when the
change that it tells of is durable.
"""

from typing import Final

from respkv.engine.engine import NOTIFIED, UNSYNCED, Engine
from respkv.engine.events import (
    EVICTED,
    EXPIRED,
    GENERIC,
    HASH,
    KEY_MISS,
    LIST,
    NEW,
    SET,
    STREAM,
    STRING,
    ZSET,
)
from respkv.server.pubsub import PubSub

_CLASSES: Final = {
    "g": GENERIC,
    "$": STRING,
    "l": LIST,
    "s": SET,
    "h": HASH,
    "z": ZSET,
    "x": EXPIRED,
    "e": EVICTED,
    "t": STREAM,
    "m": KEY_MISS,
    "n": NEW,
    # Events of modules, which there are none of.
    "d": 0,
}


class Notifier:
    """Publishes the events of `engine` that the directive asks for."""

    def __init__(self, engine: Engine, pubsub: PubSub) -> None:
        self._engine = engine
        self._pubsub = pubsub
        self._classes = 0
        self._by_key = False
        self._by_event = False

    def configure(self, letters: str) -> None:
        """Publish the classes in `letters`, as the directive holds them: `K` and `E` say where, the others what."""
        self._by_key = "K" in letters
        self._by_event = "E" in letters
        self._classes = 0
        for letter in letters:
            self._classes |= _CLASSES.get(letter, 0)
        is_on = self._classes != 0 and (self._by_key or self._by_event)
        self._engine.notifier = self.notify if is_on else None
        self._engine.set_alert(NOTIFIED, is_on)

    def notify(self, database: int, kind: int, event: bytes, key: bytes) -> None:
        """There was `event`, of class `kind`, on `key`. O(subscribers + patterns)."""
        pubsub = self._pubsub
        if not self._classes & kind or not (pubsub.channels or pubsub.patterns):
            return
        lsn = self._shown_by(kind)
        if self._by_key:
            pubsub.publish(b"__keyspace@%d__:%b" % (database, key), event, lsn)
        if self._by_event:
            pubsub.publish(b"__keyevent@%d__:%b" % (database, event), key, lsn)

    def _shown_by(self, kind: int) -> int:
        """The batch that must be durable before anybody hears of an event of this kind; 0 for none."""
        engine = self._engine
        if not engine.alert & UNSYNCED or kind == EXPIRED:
            return 0  # after a crash the key would expire again
        if kind == KEY_MISS:
            return engine.waits_for  # as the reply that says that there is no key
        # An event that no change goes with must not wait for a batch that nobody writes.
        if kind == NEW or engine.dirty or engine.effects:
            return engine.batch
        return engine.batch - 1
