"""One point of a table: what redis-benchmark asks each server for in its turn."""

from collections.abc import Sequence
from dataclasses import dataclass

from compat.benchmark.load import Rate, drive
from compat.benchmark.plan import CLIENTS, Plan
from compat.benchmark.results import Results
from compat.servers import Server


@dataclass(frozen=True)
class Point:
    """`test` is one of redis-benchmark's, or the words of a command; `unit` is what one request of it is called."""

    section: str
    name: str
    test: str | Sequence[str]
    requests: int
    depth: int
    keys: int
    clients: int = CLIENTS
    connect: Sequence[str] = ()
    unit: str = "request"
    wanted: float | None = None


def measure(plan: Plan, results: Results, server: Server, point: Point) -> Rate:
    """Drive the server, whose turn it is; adds requests a second, and CPU time a request in a section of its own."""
    rate = drive(
        server,
        point.test,
        requests=point.requests,
        clients=point.clients,
        depth=point.depth,
        keys=point.keys,
        core=plan.client_core,
        connect=point.connect,
    )
    section, name, kind = point.section, point.name, server.kind.name
    results.add(section, name, f"{point.unit}s/s", kind, rate.per_second, more_is_better=True, wanted=point.wanted)
    results.add(f"{section} CPU", name, f"µs/{point.unit}", kind, rate.cpu_us, more_is_better=False)
    plan.say(f"{name} {kind} {rate.per_second:,.0f}/s {rate.cpu_us:.2f} µs")
    return rate
