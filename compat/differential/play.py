"""Playing a case on one server, and judging two plays of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from compat.differential.comparators import comparator_for
from compat.differential.script import Case, Step, fill_in, split_words
from compat.servers import Server
from compat.wire import Connection, Reply, encode, render

REPLY_TIMEOUT_S = 3.0
QUIET_S = 0.025
EXTRA_S = 0.01
PEEK_S = 0.03
PIECE_GAP_S = 0.0003


@dataclass(frozen=True)
class Answer:
    """What came back for one step: replies, whether the server hung up, or why nothing came."""

    replies: tuple[Reply, ...] = ()
    closed: bool = False
    note: str = ""

    def __str__(self) -> str:
        lines = [render(reply) for reply in self.replies]
        if self.closed:
            lines.append("<the server hung up>")
        return "\n".join(lines + [self.note] * bool(self.note)) or "<nothing>"


class Player:
    """One server's connections during one case."""

    def __init__(self, server: Server, case: Case, protocol: int, now_ms: int) -> None:
        self._server = server
        self._case = case
        self._protocol = protocol
        self._now_ms = now_ms
        self._kept: dict[str, str] = {}
        self._connections: dict[str, Connection] = {}

    def play(self, expected: Sequence[Answer] | None = None) -> list[Answer]:
        """The answers to all steps; the oracle's, if known, say how many replies to wait for.

        A step that is not answered ends the play: what follows would only be shifted.
        """
        empty_databases(self._server, self._case.directives.get("requirepass"))
        answers: list[Answer] = []
        try:
            for index, step in enumerate(self._case.steps):
                try:
                    answer = self._step(step, expected[index] if expected and index < len(expected) else None)
                except TimeoutError:
                    answer = Answer(note=f"<no reply within {REPLY_TIMEOUT_S:g} s>")
                except ValueError as error:
                    answer = Answer(note=f"<{error}>")
                answers.append(answer)
                if answer.note:
                    break
        finally:
            for connection in self._connections.values():
                connection.close()
        return answers

    def _connection(self, name: str) -> Connection:
        if name not in self._connections:
            connection = Connection(self._server.port, timeout_s=REPLY_TIMEOUT_S)
            self._connections[name] = connection
            if self._protocol == 3 and "requirepass" not in self._case.directives:
                connection.ask("HELLO", 3)
        return self._connections[name]

    def _step(self, step: Step, expected: Answer | None) -> Answer:
        if step.action == "wait":
            time.sleep(step.size / 1000)
            return Answer()
        connection = self._connection(step.connection)
        text = fill_in(step.text, self._kept, self._now_ms)
        if step.action == "close":
            connection.close()
            del self._connections[step.connection]
            return Answer()
        if step.action == "peek":
            replies, closed = connection.read_until_quiet(PEEK_S)
            return Answer(tuple(replies), closed)
        if step.action == "raw":
            self._send_raw(connection, split_words(text)[0], step.size)
            return self._collect(connection, expected)
        if step.action != "read":
            connection.send(encode(split_words(text)))
        if step.action == "send":
            # What others do next must find this one waiting: by the time that a newcomer is answered, it does.
            with self._server.connect() as newcomer:
                newcomer.ask("PING")
            return Answer()
        reply = connection.read()
        if reply is not None and step.keep:
            self._kept[step.keep] = reply.text
        return Answer((reply,) if reply else (), closed=reply is None)

    @staticmethod
    def _send_raw(connection: Connection, data: bytes, size: int) -> None:
        for at in range(0, len(data), size or len(data) or 1):
            connection.send(data[at : at + (size or len(data))])
            if size:
                time.sleep(PIECE_GAP_S)

    @staticmethod
    def _collect(connection: Connection, expected: Answer | None) -> Answer:
        """All that comes until it is quiet; of the subject, at least as much as the oracle sent."""
        replies: list[Reply] = []
        closed = False
        while expected and not closed and len(replies) < len(expected.replies):
            reply = connection.read()
            closed = reply is None
            if reply is not None:
                replies.append(reply)
        if expected and expected.closed and not closed:
            more, closed = connection.read_until_quiet(REPLY_TIMEOUT_S)
            replies += more
        elif not closed:
            more, closed = connection.read_until_quiet(QUIET_S if expected is None else EXTRA_S)
            replies += more
        return Answer(tuple(replies), closed)


def empty_databases(server: Server, password: str | None = None) -> None:
    with server.connect() as admin:
        if password:
            admin.ask("AUTH", password)
        reply = admin.ask("FLUSHALL")
        if reply.text != "OK":
            raise RuntimeError(f"{server.kind.label}: FLUSHALL failed: {reply.text}")


class Judge:
    """Compares answers in the order they came, knowing what each connection has queued in MULTI."""

    def __init__(self) -> None:
        self._queued: dict[str, list[list[bytes]]] = {}

    def same(self, connection: str, argv: list[bytes], name: str | None, oracle: Reply, subject: Reply) -> bool:
        """Whether the subject's reply to `argv` will do; parts of EXEC's are judged by their own commands."""
        queue = self._queued.setdefault(connection, [])
        if oracle.kind == "+" and oracle.value == b"QUEUED":
            queue.append(argv)
            return oracle == subject
        word = argv[0].upper() if argv else b""
        if word not in {b"EXEC", b"DISCARD", b"RESET"}:
            return comparator_for(name, argv)(oracle, subject)
        self._queued[connection] = []
        parts, theirs = oracle.parts, subject.parts
        if name or word != b"EXEC" or not len(queue) == len(parts) == len(theirs):
            return comparator_for(name, argv)(oracle, subject)
        return all(comparator_for(None, each)(a, b) for each, a, b in zip(queue, parts, theirs, strict=True))

    def accepts(self, step: Step, oracle: Answer, subject: Answer) -> bool:
        """Whether the subject's answer to a step of a case will do."""
        if step.comparator == "any":
            return bool(subject.replies) == bool(oracle.replies)
        if oracle.closed != subject.closed or len(oracle.replies) != len(subject.replies):
            return False
        if oracle.note or subject.note:
            return oracle.note == subject.note
        argv = split_words(step.text) if step.action in {"ask", "read"} else []
        return all(
            self.same(step.connection, argv, step.comparator, ours, theirs)
            for ours, theirs in zip(oracle.replies, subject.replies, strict=True)
        )
