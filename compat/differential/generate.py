"""Generated sequences: Hypothesis draws commands, both servers run them, the first difference is shrunk.

Three properties: sequences of commands of all types from several clients (`machine.py`); pipelines cut at random bytes;
mutilated frames. When one fails, the command that differed is left out and the property is tried again, so that one
run reports several differences.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure
from hypothesis.stateful import run_state_machine_as_test

from compat.differential.grammar import Argv, commands
from compat.differential.machine import machine_of
from compat.differential.pair import Different, Findings, Pair
from compat.differential.play import REPLY_TIMEOUT_S
from compat.servers import Server
from compat.wire import Connection, Reply, encode, quote, render

Run = Callable[[settings], None]
"""Tries a property within these limits."""

STEPS = 40
# Families whose replies are in the order that Redis promises.
ORDERED = ["strings", "keys", "expiry", "transactions"]
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
    oracle: Server, subject: Server, findings: Findings, seed_number: int
) -> Iterator[tuple[str, Callable[[frozenset[bytes]], Run], float]]:
    """(title, how to make what tries it without some commands, share of the examples)."""

    def sequences(without: frozenset[bytes]) -> Run:
        machine = seed(seed_number)(machine_of(oracle, subject, findings, without))
        return lambda limits: run_state_machine_as_test(machine, settings=limits)

    def pipelines(without: frozenset[bytes]) -> Run:
        # Replies must be the same to the byte, so nothing that tells time or chance; and nothing that Redis 8 does in
        # another thread, whose reply is lost if the client has ended its input by then.
        timeless = without | {
            b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME", b"KEYS", b"SCAN", b"RANDOMKEY", b"RESET",
            b"FLUSHDB", b"FLUSHALL",
        }  # fmt: skip

        @given(st.lists(commands(ORDERED, timeless), max_size=20), st.lists(st.integers(0, 2000), max_size=12))
        def test(argvs: list[Argv], cuts: list[int]) -> None:
            findings.examples += 1
            with Pair(oracle, subject, 2) as pair:
                _compare_bytes(pair, b"".join(map(encode, argvs)), cuts, findings)

        return lambda limits: seed(seed_number)(limits(test))()

    def frames(without: frozenset[bytes]) -> Run:
        # No zero bytes: behind one in a header, Redis waits forever (see `known.py`).
        piece = st.sampled_from(FRAME_PIECES) | st.binary(max_size=3).filter(lambda data: 0 not in data)

        @given(st.lists(piece, max_size=6), st.lists(st.integers(0, 100), max_size=3))
        def test(pieces: list[bytes], cuts: list[int]) -> None:
            findings.examples += 1
            with Pair(oracle, subject, 2) as pair:
                _compare_bytes(pair, b"".join(pieces), cuts, findings)

        return lambda limits: seed(seed_number)(limits(test))()

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
    for title, make, share in _properties(oracle, subject, findings, seed_number):
        without: frozenset[bytes] = frozenset()
        for _ in range(MAX_REPORTS):
            limits = settings(
                max_examples=max(1, int(examples * share)),
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                print_blob=False,
                report_multiple_bugs=False,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            )
            try:
                with contextlib.redirect_stdout(None):
                    make(without)(limits)
            except (Different, FlakyFailure) as error:
                difference = _difference_in(error)
                findings.differences.append(f"generated {title} (seed {seed_number}), shrunk:\n{difference.text}")
                if not difference.command or difference.command in without:
                    break
                without |= {difference.command}
            else:
                break
    return findings
