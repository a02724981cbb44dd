"""`python -m compat.differential`: cases, then generated sequences; exit code 1 on a difference."""

import argparse
import contextlib
import difflib
import random
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from compat.differential import events, generate, known
from compat.differential.pair import Findings
from compat.differential.play import Answer, Judge, Player
from compat.differential.script import Case, Step, load_cases
from compat.servers import KINDS, Kind, Server, ServerUnavailable, available, end_with_signals, start

CASES = Path(__file__).parent / "cases"
# Oracles that a case may be given to when it does not name one, oldest first.
ORACLES = ("redis7", "redis8")
DIRECTIVES = {"appendonly": "no", "enable-debug-command": "yes"}
# Limits at which collections of a few elements leave their packed forms; those that all oracles have.
SMALL = {
    "hash-max-listpack-entries": "3",
    "list-max-listpack-size": "3",
    "set-max-intset-entries": "3",
    "stream-node-max-entries": "3",
    "zset-max-listpack-entries": "3",
    "hll-sparse-max-bytes": "30",
}
QUICK_EXAMPLES, FULL_EXAMPLES = 1000, 20000


class Fleet:
    """Running servers by kind and directives, started when first asked for."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._servers: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[Server, contextlib.ExitStack]] = {}

    def get(self, kind: Kind, directives: dict[str, str], role: str) -> Server:
        """The server for this role. Raises: ServerUnavailable."""
        key = (role + kind.name, tuple(sorted(directives.items())))
        if key not in self._servers:
            stack = contextlib.ExitStack()
            server = stack.enter_context(start(kind, {**DIRECTIVES, **directives}))
            self._stack.push(stack)
            self._servers[key] = (server, stack)
        return self._servers[key][0]

    def discard(self, server: Server) -> None:
        for key, (running, stack) in list(self._servers.items()):
            if running is server:
                del self._servers[key]
                stack.close()


@dataclass
class Tally:
    """The run's count."""

    cases: int = 0
    replies: int = 0
    skipped: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    different: int = 0


def report(case: Case, protocol: int, step: Step, answers: Iterable[tuple[str, Answer]]) -> str:
    """One difference as text."""
    lines = [f"DIFFERENT {case.file}:{step.line} [RESP{protocol}] {case.title}", f"  > {step.text[:300]}"]
    for label, answer in answers:
        first, *rest = str(answer).splitlines()
        lines += [f"  {label}: {first}", *(f"      {line}" for line in rest[:40])]
    return "\n".join(lines)


def play_case(fleet: Fleet, case: Case, oracle_kind: Kind, subject_kind: Kind, tally: Tally, limit: int) -> None:
    """Play it on both in each protocol; print at most `limit` differences, since one brings on the next."""
    for protocol in case.protocols:
        oracle = fleet.get(oracle_kind, case.directives, "oracle ")
        subject = fleet.get(subject_kind, case.directives, "subject ")
        now_ms = time.time_ns() // 1_000_000
        expected = Player(oracle, case, protocol, now_ms).play()
        found = Player(subject, case, protocol, now_ms).play(expected)
        judge = Judge()
        printed = 0
        tally.cases += 1
        for step, ours, theirs in zip(case.steps, expected, found, strict=False):
            tally.replies += len(ours.replies)
            # A case that even the oracle leaves hanging is a mistake of ours.
            if not ours.note and judge.accepts(step, ours, theirs):
                continue
            if why := known.reason(subject_kind.name, case.title, step.text):
                tally.known.append(why)
                continue
            tally.different += 1
            printed += 1
            if printed <= limit:
                sides = [(oracle.kind.label, ours), (subject.kind.label, theirs)]
                print(report(case, protocol, step, sides), flush=True)
        if printed > limit:
            print(f"  ... and {printed - limit} more in this case", flush=True)
        if case.fresh or (found and found[-1].note):
            fleet.discard(oracle)
            fleet.discard(subject)


def compare_events(fleet: Fleet, case: Case, oracle_kind: Kind, subject_kind: Kind, tally: Tally, limit: int) -> None:
    """Play it on both, and compare what a subscriber to keyspace events hears meanwhile."""
    now_ms = time.time_ns() // 1_000_000
    oracle = fleet.get(oracle_kind, case.directives, "oracle ")
    subject = fleet.get(subject_kind, case.directives, "subject ")
    try:
        expected, found = (events.events_of(server, case, now_ms) for server in (oracle, subject))
    except OSError:
        tally.skipped.append(case.title)
        fleet.discard(oracle)
        fleet.discard(subject)
        return
    tally.cases += 1
    tally.replies += len(expected)
    if case.fresh:
        fleet.discard(oracle)
        fleet.discard(subject)
    if events.same(expected, found):
        return
    if why := known.reason(subject_kind.name, f"events of {case.title}", ""):
        tally.known.append(why)
        return
    tally.different += 1
    print(f"DIFFERENT EVENTS {case.file}:{case.line} {case.title}")
    labels = (oracle.kind.label, subject.kind.label)
    lines = list(difflib.unified_diff([*map(str, expected)], [*map(str, found)], *labels, lineterm=""))
    print("\n".join("  " + line for line in lines[: 2 + 10 * limit]), flush=True)


def play_all(fleet: Fleet, cases: list[Case], options: argparse.Namespace, tally: Tally) -> None:
    subject_kind = KINDS[options.subject]
    installed = [kind.name for kind in available()]
    names = [options.oracle] if options.oracle else [name for name in ORACLES if name in installed]
    candidates = [KINDS[name] for name in names]
    for case in cases:
        fit = [kind for kind in candidates if case.oracle_allows(kind.name, kind.behaves_as)]
        if not fit or not case.oracle_allows(subject_kind.name, subject_kind.behaves_as):
            tally.skipped.append(case.title)
            continue
        try:
            play = compare_events if options.events else play_case
            play(fleet, case, fit[0], subject_kind, tally, options.limit)
        except (ServerUnavailable, OSError) as error:
            tally.different += 1
            print(f"DIFFERENT {case.file}:{case.line} {case.title}\n  {error}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m compat.differential", description=__doc__)
    parser.add_argument("--subject", choices=KINDS, default="respkv", help="the server under test")
    parser.add_argument("--oracle", choices=KINDS, help="use only this oracle (default: each case's own)")
    parser.add_argument("--cases", default="*", help="glob of case files, without .txt; '' for none")
    parser.add_argument("--title", default="", help="only cases whose title contains this")
    parser.add_argument("--events", action="store_true", help="compare keyspace events during cases, not replies")
    parser.add_argument("--quick", action="store_true", help="fewer generated sequences (below a minute in all)")
    parser.add_argument("--examples", type=int, help="how many generated examples (0 for none)")
    parser.add_argument("--small", action="store_true", help="generated: packed forms of three elements at most")
    parser.add_argument("--seed", type=int, default=None, help="of the generated sequences (default: random)")
    parser.add_argument("--limit", type=int, default=3, help="differences to print of one case")
    options = parser.parse_args()
    end_with_signals()

    tally = Tally()
    cases = load_cases(CASES, options.cases) if options.cases else []
    cases = [case for case in cases if options.title.lower() in case.title.lower()]
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    examples = 0 if options.events else options.examples
    if examples is None:
        examples = QUICK_EXAMPLES if options.quick else FULL_EXAMPLES
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        fleet = Fleet(stack)
        play_all(fleet, cases, options, tally)
        findings = Findings()
        if examples:
            # Where the oracles differ, the newest decides.
            newest = next(kind.name for kind in reversed(available()) if kind.name in ORACLES)
            directives = SMALL if options.small else {}
            oracle = fleet.get(KINDS[options.oracle or newest], directives, "oracle ")
            subject = fleet.get(KINDS[options.subject], directives, "subject ")
            findings = generate.run(oracle, subject, seed, examples)
            for text in findings.differences:
                print(f"DIFFERENT {text}", flush=True)

    differences = tally.different + len(findings.differences)
    print(
        f"{tally.cases} cases, {findings.examples} generated examples (seed {seed}), "
        f"{tally.replies + findings.replies} replies compared, {differences} differences "
        f"(known: {len(tally.known)}), {len(tally.skipped)} cases skipped, {time.monotonic() - began:.1f} s"
    )
    if tally.skipped and not options.oracle and "redis8" not in {kind.name for kind in available()}:
        print("  skipped: cases newer than redis-server 7.0 need Redis 8.2 (pip install respkv[compat])")
    for why in sorted(set(tally.known)):
        print(f"  known: {why}")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
