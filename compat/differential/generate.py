"""Generated sequences: Hypothesis draws commands, both servers run them, the first difference is shrunk.

Three properties: sequences of commands on two connections; pipelines cut at random bytes; mutilated frames.
When one fails, the command that differed is left out and the property is tried again, so that one run
reports several differences.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure

from compat.differential import known
from compat.differential.grammar import GRAMMARS, KEYS, Argv, commands
from compat.differential.play import REPLY_TIMEOUT_S, Judge, empty_databases
from compat.servers import Server
from compat.wire import Connection, Reply, encode, quote, render

Call = tuple[str, Argv]
MAX_REPORTS = 12
# What may stand in a broken frame; a few bytes each, so that one read of the server takes it all.
FRAME_PIECES = [
    *(
        b"*1\r\n$4\r\nPING\r\n",
        b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n",
        b"*01\r\n$4\r\nPING\r\n",
        b"*1\n$4\nPING\n",
    ),
    *(b"*1\r\n$04\r\nPING\r\n", b"*1\r\n$4\r\nPINGxx", b"*1\r\n*1\r\n$4\r\nPING\r\n", b"*1\r\n:1\r\n"),
    *(b"*3\r\n", b"*-1\r\n", b"*0\r\n", b"*abc\r\n", b"*\r\n", b"* 1\r\n", b"*+1\r\n", b"*1048577\r\n"),
    *(b"*99999999999999999999\r\n", b"$3\r\n", b"$-1\r\n", b"$abc\r\n", b"$\r\n", b"$999999999999\r\n"),
    *(b"$4\r\nPING\r\n", b"PING\r\n", b"ping\n", b"\r\n", b"\n", b" \r\n", b"GET\r\n", b"nosuch a b\r\n"),
    *(b"ECHO 'a b'\r\n", b'ECHO "\\x41\\n"\r\n', b'ECHO "open\r\n', b"ECHO 'a'b\r\n"),
    *(b":1\r\n", b"+OK\r\n", b"-x\r\n", b"\xff\xfe\r\n"),
]


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


def _history(calls: list[Call], labels: tuple[str, str], replies: tuple[Reply, Reply]) -> str:
    lines = [f"    @{name} {' '.join(map(quote, argv))}" for name, argv in calls]
    lines += [f"    {label}: {render(reply, '    ')}" for label, reply in zip(labels, replies, strict=True)]
    return "\n".join(lines)


def _compare_sequence(pair: Pair, calls: list[Call], findings: Findings) -> None:
    """Run the calls, then look at all keys of the first two databases."""
    labels = (pair.servers[0].kind.label, pair.servers[1].kind.label)
    looks: list[Argv] = []
    for db in (b"0", b"1"):
        looks += [[b"SELECT", db], [b"KEYS", b"*"], [b"MGET", *KEYS]]
        looks += [argv for key in KEYS for argv in ([b"PTTL", key], [b"OBJECT", b"ENCODING", key])]
    done: list[Call] = []
    judge = Judge()
    for name, argv in [*calls, *(("look", argv) for argv in looks)]:
        done.append((name, argv))
        try:
            replies = pair.ask(name, argv)
        except Different as error:
            raise Different(
                error.command, _history(done, labels, (Reply("+", b"?"),) * 2) + f"\n    {error.text}"
            ) from None
        findings.replies += 1
        if not judge.same(name, argv, None, *replies):
            blamed = next((argv for name, argv in reversed(calls) if argv[0].upper() not in {b"EXEC", b"MULTI"}), argv)
            command = blamed[0] if name == "look" or argv[0].upper() == b"EXEC" else argv[0]
            text = _history(done, labels, replies)
            if known.reason(pair.servers[1].kind.name, "generated", text) is None:
                raise Different(command.upper(), text)


def _read_all(connection: Connection) -> tuple[list[Reply], bool]:
    """Every reply up to the hang-up that follows the client's own end of input."""
    connection.finish()
    return connection.read_until_quiet(REPLY_TIMEOUT_S)


def _compare_bytes(pair: Pair, data: bytes, cuts: list[int], findings: Findings) -> None:
    """Send the same bytes in the same pieces, end the input, compare all that comes back."""
    oracle, subject = pair.connections("a")
    offsets = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for connection in (oracle, subject):
        for begin, end in pairwise(offsets):
            connection.send(data[begin:end])
            time.sleep(0.0002 * (len(cuts) > 0))
    try:
        expected, found = _read_all(oracle), _read_all(subject)
    except ValueError as error:
        raise Different(b"", f"    sent {quote(data)}\n    {error}") from None
    findings.replies += len(expected[0])
    if expected != found:
        sides = zip(pair.servers, (expected, found), strict=True)
        text = "\n".join(
            f"    {server.kind.label}: {', '.join(map(render, replies))}{'' if closed else ' <still open>'}"
            for server, (replies, closed) in sides
        )
        raise Different(b"", f"    sent {quote(data)} cut at {offsets[1:-1]}\n{text}")


def _properties(
    oracle: Server, subject: Server, findings: Findings
) -> Iterator[tuple[str, Callable[[frozenset[bytes]], Callable[[], None]], float]]:
    """(title, how to make the test without some commands, share of the examples)."""
    families = list(GRAMMARS)
    protocols = st.sampled_from([2, 3])

    def sequences(without: frozenset[bytes]) -> Callable[[], None]:
        call = st.tuples(st.sampled_from(["a", "a", "a", "b"]), commands(families, without))

        @given(protocols, st.lists(call, min_size=1, max_size=40))
        def test(protocol: int, calls: list[Call]) -> None:
            findings.examples += 1
            with Pair(oracle, subject, protocol) as pair:
                _compare_sequence(pair, calls, findings)

        return test

    def pipelines(without: frozenset[bytes]) -> Callable[[], None]:
        # Replies must be the same to the byte, so nothing that tells time or chance.
        timeless = without | {
            b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME", b"KEYS", b"SCAN", b"RANDOMKEY", b"RESET",
        }  # fmt: skip

        @given(st.lists(commands(families, timeless), max_size=20), st.lists(st.integers(0, 2000), max_size=12))
        def test(argvs: list[Argv], cuts: list[int]) -> None:
            findings.examples += 1
            with Pair(oracle, subject, 2) as pair:
                _compare_bytes(pair, b"".join(map(encode, argvs)), cuts, findings)

        return test

    def frames(without: frozenset[bytes]) -> Callable[[], None]:
        # No zero bytes: behind one in a header, Redis waits forever (see `known.py`).
        piece = st.sampled_from(FRAME_PIECES) | st.binary(max_size=3).filter(lambda data: 0 not in data)

        @given(st.lists(piece, max_size=6), st.lists(st.integers(0, 100), max_size=3))
        def test(pieces: list[bytes], cuts: list[int]) -> None:
            findings.examples += 1
            with Pair(oracle, subject, 2) as pair:
                _compare_bytes(pair, b"".join(pieces), cuts, findings)

        return test

    yield "sequences", sequences, 0.6
    yield "pipelines in pieces", pipelines, 0.2
    yield "broken frames", frames, 0.2


def _difference_in(error: Different | FlakyFailure) -> Different:
    """The difference itself; one that did not show again when tried says so."""
    if isinstance(error, Different):
        return error
    found = [each for each in error.exceptions if isinstance(each, Different)]
    if not found:
        raise error
    return Different(found[0].command, f"{found[0].text}\n    (not every time)")


def run(oracle: Server, subject: Server, seed_number: int, examples: int) -> Findings:
    """Try all properties with about `examples` examples in all."""
    findings = Findings()
    for title, make, share in _properties(oracle, subject, findings):
        without: frozenset[bytes] = frozenset()
        for _ in range(MAX_REPORTS):
            limits = settings(
                max_examples=max(1, int(examples * share)),
                deadline=None,
                database=None,
                print_blob=False,
                report_multiple_bugs=False,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            )
            try:
                with contextlib.redirect_stdout(None):
                    seed(seed_number)(limits(make(without)))()
            except (Different, FlakyFailure) as error:
                difference = _difference_in(error)
                findings.differences.append(f"generated {title} (seed {seed_number}), shrunk:\n{difference.text}")
                if not difference.command or difference.command in without:
                    break
                without |= {difference.command}
            else:
                break
    return findings
