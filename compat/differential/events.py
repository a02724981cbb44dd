"""The keyspace events of a case: what a subscriber to all of them hears while it is played on a server.

    python -m compat.differential --events --cases 'lists*'

Replies are not compared here; the cases are the same ones. Events that only time brings about may come in another order
when several are due at once.
"""

from compat.differential.play import Player
from compat.differential.script import Case
from compat.servers import Server
from compat.wire import Connection

CLASSES = "KEAn"
"""All but `m`: how often a command looks for a key that is not there is its own affair."""
END = "end-of-events"


def events_of(server: Server, case: Case, now_ms: int) -> list[str]:
    """All that `__keyspace@*` and `__keyevent@*` said during `case`, in RESP2, as `channel message`.

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
        heard: list[str] = []
        while (message := listener.read()) is not None and message.parts[1].text != END:
            heard.append(" ".join(part.text for part in message.parts[2:]))
        return heard
