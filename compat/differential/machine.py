"""Random sequences of commands of all types, from several clients, with expiry, transactions and waiting ones.

A machine of Hypothesis sends each step to oracle and subject and compares the raw replies; where there is no promise
of order, without it (`comparators.py`). At the end all keys are looked at, each in the manner of its type.

What ends by time is made to end within a step: the key gets a time to live of one millisecond, and both servers a rest
of some. They were told not to look for expired keys themselves, so that the commands that follow meet them.
"""

import time

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from compat.differential import known
from compat.differential.grammar import ALL_KEYS, GRAMMARS, Argv, blocking_commands, commands
from compat.differential.pair import Call, Different, Findings, Pair, history
from compat.differential.play import Judge
from compat.servers import Server
from compat.wire import Reply, encode

CLIENTS = ["a", "b"]
WAITING = ["w1", "w2"]
EXPIRY_REST_S = 0.004
SERVED_WITHIN_S = 0.05
"""What is served by a write arrives within this; it is waited for only where one of the two has it already."""

CONTENTS: dict[str, list[Argv]] = {
    "string": [[b"GET"]],
    "list": [[b"LRANGE", b"0", b"-1"]],
    "set": [[b"SMEMBERS"]],
    "hash": [[b"HGETALL"]],
    "zset": [[b"ZRANGE", b"0", b"-1", b"WITHSCORES"]],
    "stream": [[b"XRANGE", b"-", b"+"], [b"XINFO", b"STREAM"], [b"XINFO", b"GROUPS"]],
}
"""Type -> commands that show all of a value; the key comes behind their name, or behind both words of it."""


def looks_at(key: bytes, type_name: str) -> list[Argv]:
    """Commands that show all of a key."""
    looks = [[b"PTTL", key], [b"OBJECT", b"ENCODING", key]]
    for name, *rest in CONTENTS.get(type_name, []):
        looks.append([name, *rest[:1], key, *rest[1:]] if name == b"XINFO" else [name, key, *rest])
    return looks


def names_of(server: Server) -> frozenset[bytes]:
    """The commands that a server has, in upper case."""
    with server.connect() as connection:
        reply = connection.ask("COMMAND", "LIST")
    return frozenset(part.value.upper() for part in reply.parts if isinstance(part.value, bytes))


def machine_of(
    oracle: Server, subject: Server, findings: Findings, without: frozenset[bytes]
) -> type[RuleBasedStateMachine]:
    """The machine for these two servers, leaving out some commands."""
    known_names = names_of(oracle) & names_of(subject)
    version = oracle.kind.behaves_as
    # Deferred, since the text of so large a strategy, which Hypothesis makes for its reports, is long.
    drawn = st.deferred(lambda: commands(list(GRAMMARS), without, version, known_names))
    waiting = st.deferred(lambda: blocking_commands(known_names, without))
    labels = (oracle.kind.label, subject.kind.label)

    class Machine(RuleBasedStateMachine):
        """One sequence."""

        def __init__(self) -> None:
            super().__init__()
            findings.examples += 1
            self.pair: Pair | None = None
            self.judge = Judge()
            self.done: list[Call] = []
            self.waiting: dict[str, Argv] = {}
            # What may be drawn next follows from how much was drawn, and not from when a server answered: Hypothesis
            # plays a sequence again and expects the same.
            self.drawn = 0

        @initialize(protocol=st.sampled_from([2, 3]))
        def connect(self, protocol: int) -> None:
            self.pair = Pair(oracle, subject, protocol)
            self.pair.__enter__()
            self.pair.ask("a", [b"DEBUG", b"SET-ACTIVE-EXPIRE", b"0"])

        @rule(client=st.sampled_from(CLIENTS), argv=drawn)
        def command(self, client: str, argv: Argv) -> None:
            self.drawn += 1
            self.step(client, argv)
            self.hear()

        # Now and then; rules that may run are chosen as often as each other.
        @precondition(lambda self: self.drawn % 8 == 5)
        @rule(key=st.sampled_from(ALL_KEYS))
        def let_expire(self, key: bytes) -> None:
            self.drawn += 1
            self.step("c", [b"PEXPIRE", key, b"1"])
            time.sleep(EXPIRY_REST_S)

        @precondition(lambda self: self.drawn % 4 == 2)
        @rule(argv=waiting)
        def wait(self, argv: Argv) -> None:
            assert self.pair is not None
            self.drawn += 1
            client = next((name for name in WAITING if name not in self.waiting), None)
            if client is None:
                return
            self.done.append((client, argv))
            for connection in self.pair.connections(client):
                connection.send(encode(argv))
            self.waiting[client] = argv
            # So that both have begun to wait before the next step.
            self.step("c", [b"PING"])
            self.hear()

        def step(self, client: str, argv: Argv) -> None:
            assert self.pair is not None
            self.done.append((client, argv))
            try:
                replies = self.pair.ask(client, argv)
            except Different as error:
                unknown = Reply("+", b"?")
                text = history(self.done, labels, (unknown, unknown))
                raise Different(error.command, f"{text}\n    {error.text}") from None
            self.compare(client, argv, replies)

        def compare(self, client: str, argv: Argv, replies: tuple[Reply, Reply]) -> None:
            findings.replies += 1
            if self.judge.same(client, argv, None, *replies):
                return
            # What is known is known of one command.
            if known.reason(subject.kind.name, "generated", history(self.done[-1:], labels, replies)) is None:
                raise Different(self.blamed(argv).upper(), history(self.done, labels, replies))

        def blamed(self, argv: Argv) -> bytes:
            """The command to leave out next time: of a look or EXEC, the last one that was sent before."""
            if argv[0].upper() not in LOOKING:
                return argv[0]
            sent = (earlier[0] for _, earlier in reversed(self.done) if earlier[0].upper() not in LOOKING)
            return next(sent, argv[0])

        def hear(self) -> None:
            """Compare what those who wait have got by now."""
            assert self.pair is not None
            for client in list(self.waiting):
                ours, theirs = self.pair.connections(client)
                if not ours.has_input(0) and not theirs.has_input(0):
                    continue
                argv = self.waiting.pop(client)
                replies = []
                for connection in (ours, theirs):
                    came = connection.has_input(SERVED_WITHIN_S)
                    reply = connection.read() if came else Reply("+", b"<still waits>")
                    replies.append(reply or Reply("+", b"<hung up>"))
                self.done.append((client, [b"<gets>", *argv[:1]]))
                self.compare(client, argv, (replies[0], replies[1]))

        def teardown(self) -> None:
            if self.pair is None:
                return
            try:
                self.hear()
                for client in CLIENTS:
                    self.step(client, [b"RESET"])
                for db in (b"0", b"1"):
                    self.look(db)
            finally:
                self.pair.__exit__()

        def look(self, db: bytes) -> None:
            assert self.pair is not None
            self.step("look", [b"SELECT", db])
            self.step("look", [b"KEYS", b"*"])
            keys, _ = self.pair.ask("look", [b"KEYS", b"*"])
            for key in sorted(part.value for part in keys.parts if isinstance(part.value, bytes)):
                self.step("look", [b"TYPE", key])
                type_name, _ = self.pair.ask("look", [b"TYPE", key])
                for argv in looks_at(key, type_name.text):
                    self.step("look", argv)

    return Machine


LOOKING = frozenset(
    (b"EXEC", b"MULTI", b"RESET", b"SELECT", b"KEYS", b"TYPE", b"PTTL", b"OBJECT", b"PING", b"PEXPIRE")
) | {name for looks in CONTENTS.values() for (name, *_) in looks}
