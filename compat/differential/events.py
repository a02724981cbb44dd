"""The keyspace events of a case: what a subscriber to all of them hears while it is played on a server.

    python -m compat.differential --events --cases 'lists*'

Replies are not compared here; the cases are the same ones.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from compat.differential.play import Player
from compat.differential.script import Case
from compat.servers import Server
from compat.wire import Connection

CLASSES = "KEAn"
"""All but `m`: how often a command looks for a key that is not there is its own affair."""
END = "end-of-events"
BY_TIME = ("expired", "hexpired")
"""Events that no command brings about: when they come, and in which order of keys, is the sweeper's affair."""


class Event(NamedTuple):
    """One message to a subscriber, on a channel named after a key (`__keyspace@0__:key`) or after an event."""

    channel: str
    message: str

    @property
    def key(self) -> tuple[str, str]:
        """The database's part of the channel's name, without the kind of channel, and the key."""
        prefix, _, rest = self.channel.partition(":")
        kind, _, database = prefix.partition("@")
        return database, rest if kind == "__keyspace" else self.message

    @property
    def is_by_time(self) -> bool:
        prefix, _, rest = self.channel.partition(":")
        return (self.message if prefix.startswith("__keyspace@") else rest) in BY_TIME

    def __str__(self) -> str:
        return f"{self.channel} {self.message}"


def same(some: Sequence[Event], others: Sequence[Event]) -> bool:
    """Whether each key saw the same events in the same order, and whether those of commands came in the same order.

    An event that only time brings about has no place among those of other keys.
    """

    def views(heard: Sequence[Event]) -> tuple[list[Event], dict[tuple[str, str], list[Event]]]:
        of_keys = defaultdict(list)
        for event in heard:
            of_keys[event.key].append(event)
        return [event for event in heard if not event.is_by_time], of_keys

    return views(some) == views(others)


def events_of(server: Server, case: Case, now_ms: int) -> list[Event]:
    """All that `__keyspace@*` and `__keyevent@*` said during `case`, in RESP2.

    Raises OSError if the case ends the server.
    """
    with server.connect() as admin, Connection(server.port) as listener:
        if password := case.directives.get("requirepass"):
            admin.ask("AUTH", password)
            listener.ask("AUTH", password)
        admin.ask("FLUSHALL")
        admin.ask("CONFIG", "SET", "notify-keyspace-events", CLASSES)
        listener.ask("PSUBSCRIBE", "__key*__:*")
        listener.ask("SUBSCRIBE", END)
        try:
            Player(server, case, 2, now_ms).play()
        finally:
            with server.connect() as speaker:
                if password:
                    speaker.ask("AUTH", password)
                speaker.ask("CONFIG", "SET", "notify-keyspace-events", "")
                speaker.ask("PUBLISH", END, "")
        heard: list[Event] = []
        while (message := listener.read()) is not None and message.parts[1].text != END:
            heard.append(Event(*(part.text for part in message.parts[2:])))
        return heard
