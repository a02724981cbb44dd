"""The measurements of interactive transactions: what open ones cost others, and how many are done. respkv alone.

What is compared is a thousand connections that have each a transaction open, and the same connections with the same
keys beside, and none. So it is the transactions that are measured, and not connections, keys and a fuller heap.
"""

import contextlib
import time

from compat.benchmark.load import drive, fill
from compat.benchmark.plan import CLIENTS, EVERYSEC, Plan
from compat.benchmark.results import Results
from compat.servers import Server, start
from compat.wire import Connection

KEYS = 100_000
OPEN = 1000
SECTION = "transactions"


TESTS: dict[str, str | tuple[str, ...]] = {
    "GET": "get",
    "SET": "set",
    "MGET of 10": ("MGET", *["key:__rand_int__"] * 10),
    "COPY": ("COPY", "key:__rand_int__", "copied", "REPLACE"),
    "EVAL of one GET": ("EVAL", "return redis.call('GET', KEYS[1])", "1", "key:__rand_int__"),
}
DEPTHS = {1: 100_000, 64: 1_000_000}


def transactions(plan: Plan, results: Results) -> None:
    """Commands of others beside none and a thousand open transactions; transfers one after the other."""
    directives = {**EVERYSEC, "transaction-timeout": "0"}
    for kind in (kind for kind in plan.kinds if kind.name == "respkv"):
        with start(kind, directives, core=plan.server_core) as server:
            fill(server, KEYS, core=plan.client_core)
            for _ in range(plan.rounds):
                with contextlib.ExitStack() as stack:
                    others = [stack.enter_context(server.connect()) for _ in range(OPEN)]
                    for number, connection in enumerate(others):
                        _use(connection, number)
                    beside_none = _drive_all(plan, results, server, "none open")
                    for number, connection in enumerate(others):
                        _ask(connection, "BEGIN")
                        _use(connection, number)
                    beside_many = _drive_all(plan, results, server, f"{OPEN} open")
                for name, cpu_us in beside_many.items():
                    ratio = cpu_us / beside_none[name]
                    results.add(SECTION, f"{name}, {OPEN} against none", "", "respkv", ratio, more_is_better=False)
                    plan.say(f"{name}, {OPEN} open against none {ratio:.2f}")
                _transfer(plan, results, server)


def _use(connection: Connection, number: int) -> None:
    """Write one key and read another, which are nobody else's."""
    _ask(connection, "SET", f"locked:{number}", "v")
    _ask(connection, "GET", f"read:{number}")


def _ask(connection: Connection, *words: str) -> None:
    reply = connection.ask(*words)
    if reply.is_error:
        raise RuntimeError(reply.text)


def _drive_all(plan: Plan, results: Results, server: Server, beside: str) -> dict[str, float]:
    """CPU time by test, in µs a request."""
    found = {}
    for test, words in TESTS.items():
        for depth, full in DEPTHS.items():
            requests = plan.count(full if isinstance(words, str) else full // 10)
            rate = drive(
                server, words, requests=requests, clients=CLIENTS, depth=depth, keys=KEYS, core=plan.client_core
            )
            found[f"{test}, depth {depth}"] = rate.cpu_us
            name = f"{test}, depth {depth}, {beside}"
            results.add(SECTION, name, "µs/request", server.kind.name, rate.cpu_us, more_is_better=False)
            plan.say(f"{name} {rate.per_second:,.0f}/s {rate.cpu_us:.2f} µs")
    return found


def _transfer(plan: Plan, results: Results, server: Server) -> None:
    """Six commands each, one client that waits for each reply."""
    count = plan.count(5000)
    with server.connect() as connection:
        began = time.monotonic()
        for number in range(count):
            source, target = f"account:{number % 100}", f"account:{number % 99 + 100}"
            connection.ask("BEGIN")
            connection.ask("GET", source)
            connection.ask("GET", target)
            connection.ask("DECR", source)
            connection.ask("INCR", target)
            connection.ask("COMMIT")
        per_second = count / (time.monotonic() - began)
    name = "BEGIN, two reads, two writes, COMMIT"
    results.add(SECTION, name, "transactions/s", server.kind.name, per_second, more_is_better=True)
    plan.say(f"{name} {per_second:,.0f}/s")
