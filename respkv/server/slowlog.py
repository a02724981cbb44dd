"""The slow log: the last commands that took longer than `slowlog-log-slower-than`.

It keeps little of each: `ARGUMENTS_MAX` arguments of at most `ARGUMENT_MAX_BYTES`, and says how much was left out.
"""

from collections import deque

ARGUMENTS_MAX = 32
"""How many arguments an entry has at most; the last one of a longer command says how many there were."""

ARGUMENT_MAX_BYTES = 128


class Entry:
    """One slow command: when it began to be answered (unix s), for how long it ran, who sent it."""

    def __init__(
        self, number: int, at_s: int, duration_us: int, argv: list[bytes], address: bytes, name: bytes
    ) -> None:
        self.number = number
        self.at_s = at_s
        self.duration_us = duration_us
        self.argv = argv
        self.address = address
        self.name = name


class SlowLog:
    """At most `max_count` entries, the newest first; entries are numbered from 0 for the life of the server."""

    def __init__(self, max_count: int = 128) -> None:
        self._max_count = max_count
        self._entries: deque[Entry] = deque()
        self._next_number = 0

    def add(self, at_s: int, duration_us: int, argv: list[bytes], address: bytes, name: bytes) -> None:
        """Note a command; the oldest entries give way if there is no room."""
        entry = Entry(self._next_number, at_s, duration_us, shortened(argv), address, name)
        self._next_number += 1
        self._entries.appendleft(entry)
        while len(self._entries) > self._max_count:
            self._entries.pop()

    def resize(self, max_count: int) -> None:
        """Keep at most `max_count` entries, as soon as the next one comes."""
        self._max_count = max_count

    def newest(self, count: int) -> list[Entry]:
        """The `count` newest entries, all of them if it is -1."""
        entries = list(self._entries)
        return entries if count < 0 else entries[:count]

    def clear(self) -> None:
        """Forget all entries."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


def shortened(argv: list[bytes]) -> list[bytes]:
    """As much of `argv` as is kept: few arguments, none of them long."""
    kept = argv if len(argv) <= ARGUMENTS_MAX else argv[: ARGUMENTS_MAX - 1]
    shown = [
        argument
        if len(argument) <= ARGUMENT_MAX_BYTES
        else b"%b... (%d more bytes)" % (argument[:ARGUMENT_MAX_BYTES], len(argument) - ARGUMENT_MAX_BYTES)
        for argument in kept
    ]
    if len(shown) < len(argv):
        shown.append(b"... (%d more arguments)" % (len(argv) - len(shown)))
    return shown
