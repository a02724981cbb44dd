"""Write down which keyspace events a real server fires for each command of a script.

    python -m compat.capture_events --port 6379 < tests/reference/events-8.2.txt > events.txt

A line is `COMMAND -> event key, event key`; what stands behind the arrow is replaced by what the server says. All
classes of events are asked for, new and missed keys too.
"""

import argparse
import sys

from compat.differential.script import split_words
from compat.wire import Connection

END = "end-of-events"


def events_of(client: Connection, listener: Connection, line: str) -> list[str]:
    """The events of one command."""
    client.ask(*split_words(line))
    client.ask("PUBLISH", END, "")
    heard: list[str] = []
    while (message := listener.read()) is not None:
        channel, key = (part.text for part in message.parts[2:4])
        if channel == END:
            break
        heard.append(f"{channel.partition(':')[2]} {key}")
    return heard


def main() -> None:
    """Ask for each line of standard input."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--port", type=int, default=6379)
    port = options.parse_args().port
    with Connection(port) as client, Connection(port) as listener:
        client.ask("FLUSHALL")
        client.ask("CONFIG", "SET", "notify-keyspace-events", "KEAmn")
        listener.ask("PSUBSCRIBE", "__keyevent@*", END)
        listener.read()
        for line in sys.stdin:
            command = line.partition(" -> ")[0].strip()
            print(f"{command} -> {', '.join(events_of(client, listener, command))}".rstrip())


if __name__ == "__main__":
    main()
