"""The measurements, one function a section; each adds its samples to the results.

A section starts the servers it needs, gives each its turn in each round, and stops them.
"""

import contextlib
import select
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from compat.benchmark.access import access
from compat.benchmark.blocking import blocking
from compat.benchmark.collections import collections, collections_memory
from compat.benchmark.disk import steady_disk
from compat.benchmark.load import drive, driving, fill
from compat.benchmark.messages import messages
from compat.benchmark.monitoring import monitoring
from compat.benchmark.plan import CLIENTS, EVERYSEC, Plan, fleet, turn
from compat.benchmark.point import Point, measure
from compat.benchmark.probe import Latencies, probing
from compat.benchmark.results import Results
from compat.benchmark.scripts import scripts
from compat.benchmark.transactions import transactions
from compat.servers import Server, start

KEYS = 100_000
POLL_S = 0.02
ALWAYS = {**EVERYSEC, "appendfsync": "always"}
TESTS = ("get", "set", "incr", "mset")


def throughput(plan: Plan, results: Results) -> None:
    """GET, SET, INCR, MSET at three depths, everysec: requests a second and CPU time a request."""
    full = {1: 100_000, 16: 800_000, 64: 1_500_000}
    with fleet(plan, EVERYSEC) as servers:
        for server in servers:
            with turn(server):
                fill(server, KEYS, core=plan.client_core)
        for _ in range(plan.rounds):
            for depth, test in ((depth, test) for depth in full for test in TESTS):
                name = f"{'MSET of 10' if test == 'mset' else test.upper()}, depth {depth}"
                requests = plan.count(full[depth] // (6 if test == "mset" else 1))
                point = Point("throughput", name, test, requests, depth, KEYS, wanted=1.0)
                for server in servers:
                    with turn(server):
                        measure(plan, results, server, point)


def always(plan: Plan, results: Results) -> None:
    """SET with every write synced; GET beside such writers; on the disk of this machine."""
    points = {(1, 1): 4_000, (50, 1): 40_000, (1, 16): 40_000, (50, 16): 300_000}
    with fleet(plan, ALWAYS) as servers:
        for server in servers:
            with turn(server):
                fill(server, KEYS, core=plan.client_core)
        for _ in range(plan.rounds):
            for (clients, depth), full in points.items():
                point = _synced_set("always", clients, depth, plan.count(full))
                for server in servers:
                    with turn(server):
                        measure(plan, results, server, point)
            for server in servers:
                _get_beside_set(plan, results, server, "always", plan.count(100_000))


def disks(plan: Plan, results: Results) -> None:
    """The same where a sync takes a known time: memory, and a library in each server that makes it wait so long."""
    for sync_us in (200, 1_000, 5_000):
        section = f"always, a sync of {sync_us / 1000:g} ms"
        writes = 2_000_000 // (sync_us + 200)
        with steady_disk(sync_us) as disk, fleet(plan, ALWAYS, disk) as servers:
            for server in servers:
                with turn(server):
                    fill(server, KEYS, core=plan.client_core)
            for _ in range(plan.rounds):
                for clients, weight in ((1, 1), (50, 20)):
                    point = _synced_set(section, clients, 1, plan.count(writes * weight))
                    for server in servers:
                        with turn(server):
                            rate = measure(plan, results, server, point)
                        if clients == 1 and rate.per_second > 1e6 / sync_us:
                            raise RuntimeError(f"{server.kind.label} does not heed the library that delays its syncs")
                for server in servers:
                    _get_beside_set(plan, results, server, section, plan.count(20_000_000 // (sync_us + 200)))


def _synced_set(section: str, clients: int, depth: int, requests: int) -> Point:
    name = f"SET, {clients} client{'s' if clients > 1 else ''}, depth {depth}"
    return Point(section, name, "set", requests, depth, KEYS, clients=clients, wanted=1.0)


def _get_beside_set(plan: Plan, results: Results, server: Server, section: str, requests: int) -> None:
    with turn(server), driving(server, "set", clients=25, depth=1, keys=KEYS, core=plan.client_core):
        began = time.monotonic()
        before = int(server.info("stats")["total_commands_processed"])
        rate = drive(server, "get", requests=requests, clients=25, depth=1, keys=KEYS, core=plan.client_core)
        writes = int(server.info("stats")["total_commands_processed"]) - before - requests
        writes_per_s = writes / (time.monotonic() - began)
    name, key = "25 clients GET beside 25 that SET", server.kind.name
    results.add(section, f"{name}: GET", "requests/s", key, rate.per_second, more_is_better=True, wanted=3.0)
    results.add(section, f"{name}: SET", "requests/s", key, writes_per_s, more_is_better=True)
    plan.say(f"{name} {key} GET {rate.per_second:,.0f}/s SET {writes_per_s:,.0f}/s")


def latency(plan: Plan, results: Results) -> None:
    """PING from a client that asks once a millisecond: alone, and beside 50 that keep the server busy."""
    seconds = 10 * plan.scale
    with fleet(plan, EVERYSEC) as servers:
        for server in servers:
            with turn(server):
                fill(server, KEYS, core=plan.client_core)
        for _ in range(plan.rounds):
            for load in ("", "get", "set"):
                for server in servers:
                    with contextlib.ExitStack() as stack:
                        stack.enter_context(turn(server))
                        if load:
                            busy = driving(server, load, clients=CLIENTS, depth=1, keys=KEYS, core=plan.client_core)
                            stack.enter_context(busy)
                        probe = stack.enter_context(probing(server.port, plan.client_core))
                        select.select([], [], [], seconds)
                        seen = probe.finish()
                    beside = f"beside {CLIENTS} clients that {load.upper()}" if load else "alone"
                    _add_latencies(results, f"PING {beside}", server, seen)
                    plan.say(f"PING {beside} {server.kind.name} {seen}")


def _add_latencies(results: Results, name: str, server: Server, seen: Latencies) -> None:
    for what, value in (("p50", seen.p50_ms), ("p99", seen.p99_ms), ("max", seen.max_ms)):
        results.add("latency", f"{name}: {what}", "ms", server.kind.name, value, more_is_better=False)


def memory(plan: Plan, results: Results) -> None:
    """Resident memory with a million keys of 16 bytes and values of 64."""
    count = plan.count(1_000_000)
    for _ in range(plan.rounds):
        for kind in plan.kinds:
            with start(kind, EVERYSEC, core=plan.server_core) as server:
                empty_bytes = server.rss_bytes()
                fill(server, count, core=plan.client_core)
                full_bytes = server.rss_bytes()
            per_key = (full_bytes - empty_bytes) / count
            add = results.add
            add("memory", "resident with a million keys", "MB", kind.name, full_bytes / 1e6,
                more_is_better=False, wanted=1.3)  # fmt: skip
            add("memory", "resident a key", "bytes", kind.name, per_key, more_is_better=False)
            add("memory", "resident when empty", "MB", kind.name, empty_bytes / 1e6, more_is_better=False)
            plan.say(f"memory {kind.name} {full_bytes / 1e6:.1f} MB, {per_key:.0f} bytes a key")


def load(plan: Plan, results: Results) -> None:
    """From the start of the process to the first PONG, over a log of SETs and over a base file."""
    count = plan.count(1_000_000)
    with tempfile.TemporaryDirectory(prefix="compat-load-") as name:
        logs, bases = Path(name, "log"), Path(name, "base")
        for kind in plan.kinds:
            for folder in (logs, bases):
                directory = folder / kind.name
                directory.mkdir(parents=True)
                with start(kind, EVERYSEC, directory=directory, core=plan.server_core) as server:
                    fill(server, count, core=plan.client_core)
                    if folder is bases:
                        _rewrite(server)
        for _ in range(plan.rounds):
            for what, folder in (("log of a million SETs", logs), ("base of a million keys", bases)):
                for kind in plan.kinds:
                    with start(kind, EVERYSEC, directory=folder / kind.name, core=plan.server_core) as server:
                        seconds = server.ready_after_s
                        with server.connect() as connection:
                            held = connection.ask("DBSIZE").text
                    if held != str(count):
                        raise RuntimeError(f"{kind.label} holds {held} of {count} keys after its start")
                    results.add("load", what, "keys/s", kind.name, count / seconds,
                                more_is_better=True, wanted=1.0)  # fmt: skip
                    plan.say(f"load {what} {kind.name} {seconds:.2f} s")
            for kind in plan.kinds:
                with start(kind, EVERYSEC, core=plan.server_core) as server:
                    results.add("load", "start with no data", "s", kind.name, server.ready_after_s,
                                more_is_better=False)  # fmt: skip


def _rewrite(server: Server) -> None:
    """BGREWRITEAOF, to its end."""
    with server.connect() as connection:
        reply = connection.ask("BGREWRITEAOF")
    if reply.is_error:
        raise RuntimeError(f"{server.kind.label}: {reply.text}")
    while True:
        state = server.info("persistence")
        if state["aof_rewrite_in_progress"] == state["aof_rewrite_scheduled"] == "0":
            break
        select.select([], [], [], POLL_S)
    if state["aof_last_bgrewrite_status"] != "ok":
        raise RuntimeError(f"{server.kind.label}: the rewrite failed")


def stall(plan: Plan, results: Results) -> None:
    """The longest wait of a pinging client while much is loaded, compacted, and expires."""
    many, million = plan.count(5_000_000), plan.count(1_000_000)
    for _ in range(plan.rounds):
        for kind in plan.kinds:
            with start(kind, EVERYSEC, core=plan.server_core) as server:
                with probing(server.port, plan.client_core) as probe:
                    began = time.monotonic()
                    fill(server, many, core=plan.client_core)
                    took_s = time.monotonic() - began
                    _add_stall(plan, results, server, "five million keys are loaded", probe.finish(), took_s)
                with probing(server.port, plan.client_core) as probe:
                    began = time.monotonic()
                    _rewrite(server)
                    took_s = time.monotonic() - began
                    _add_stall(plan, results, server, "a compaction runs", probe.finish(), took_s)
            with start(kind, EVERYSEC, core=plan.server_core) as server:
                _expire(plan, results, server, million)


def _expire(plan: Plan, results: Results, server: Server, count: int) -> None:
    """All keys expire at one instant, some seconds after the last is set; watched until none is left."""
    due_s = time.time() + 2 + count * 8e-6
    fill(server, count, expire_at_ms=int(due_s * 1000), core=plan.client_core)
    with probing(server.port, plan.client_core) as probe, server.connect() as connection:
        select.select([], [], [], max(0.0, due_s - time.time()))
        began = time.monotonic()
        while connection.ask("DBSIZE").text != "0":
            select.select([], [], [], POLL_S)
        took_s = time.monotonic() - began
        _add_stall(plan, results, server, "a million keys expire", probe.finish(), took_s)


def _add_stall(plan: Plan, results: Results, server: Server, name: str, seen: Latencies, took_s: float) -> None:
    key = server.kind.name
    results.add("stall", f"longest while {name}", "ms", key, seen.max_ms, more_is_better=False, wanted=1.0)
    results.add("stall", f"p99 while {name}", "ms", key, seen.p99_ms, more_is_better=False)
    results.add("stall", f"time in which {name}", "s", key, took_s, more_is_better=False)
    plan.say(f"stall while {name} {key} {seen} in {took_s:.1f} s")


SECTIONS: dict[str, Callable[[Plan, Results], None]] = {
    "throughput": throughput,
    "always": always,
    "disks": disks,
    "latency": latency,
    "memory": memory,
    "load": load,
    "stall": stall,
    "collections": collections,
    "collections memory": collections_memory,
    "blocking": blocking,
    "messages": messages,
    "access": access,
    "scripts": scripts,
    "monitoring": monitoring,
    "transactions": transactions,
}
