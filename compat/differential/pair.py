"""Oracle and subject side by side, and what comparing them found."""

from dataclasses import dataclass, field
from typing import Self

from compat.differential.grammar import Argv
from compat.differential.play import REPLY_TIMEOUT_S, empty_databases
from compat.servers import Server
from compat.wire import Connection, Reply, quote, render

Call = tuple[str, Argv]
"""The name of a client, and what it sends."""


class Different(AssertionError):
    """The two servers answered differently; `text` shows it, `command` is the name to leave out."""

    def __init__(self, command: bytes, text: str) -> None:
        super().__init__(text)
        self.command = command
        self.text = text


@dataclass
class Findings:
    """What the generated tests found."""

    replies: int = 0
    examples: int = 0
    differences: list[str] = field(default_factory=list)


class Pair:
    """Oracle and subject with the same named connections on each."""

    def __init__(self, oracle: Server, subject: Server, protocol: int) -> None:
        self.servers = (oracle, subject)
        self.protocol = protocol
        self._connections: dict[str, tuple[Connection, Connection]] = {}

    def __enter__(self) -> Self:
        for server in self.servers:
            empty_databases(server)
        return self

    def __exit__(self, *exc_info: object) -> None:
        for pair in self._connections.values():
            for connection in pair:
                connection.close()

    def connections(self, name: str) -> tuple[Connection, Connection]:
        if name not in self._connections:
            oracle, subject = (Connection(server.port, timeout_s=REPLY_TIMEOUT_S) for server in self.servers)
            self._connections[name] = (oracle, subject)
            if self.protocol == 3:
                for connection in (oracle, subject):
                    connection.ask("HELLO", 3)
        return self._connections[name]

    def ask(self, name: str, argv: Argv) -> tuple[Reply, Reply]:
        """Both replies. Raises: Different if the subject gives none."""
        oracle, subject = self.connections(name)
        expected = oracle.ask(*argv)
        try:
            return expected, subject.ask(*argv)
        except (ConnectionError, TimeoutError, ValueError) as error:
            raise Different(argv[0].upper(), f"{render(expected)}\n    but the subject: {error!r}") from None


def history(calls: list[Call], labels: tuple[str, str], replies: tuple[Reply, Reply]) -> str:
    lines = [f"    @{name} {' '.join(map(quote, argv))}" for name, argv in calls]
    lines += [f"    {label}: {render(reply, '    ')}" for label, reply in zip(labels, replies, strict=True)]
    return "\n".join(lines)
