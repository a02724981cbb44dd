"""`python -m compat.hitrate`: what each eviction policy keeps, respkv beside a real server.

A cache in front of something slow: GET a key; if it is not there, SET it. Keys are drawn from a Zipf
distribution with a fixed seed, the same draws for each server and policy. The servers count memory
differently, so `maxmemory` is adjusted in a warm-up until each holds the same number of keys, and then left
alone while hits are counted; the mean number of keys held is printed beside the hit rate.
"""

import argparse
import itertools
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from compat.benchmark.load import key_name
from compat.servers import KINDS, Kind, Server, available, end_with_signals, start
from compat.wire import Connection

POLICIES = (
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
)
VALUE_BYTES = 512
BATCH = 50
ADJUST_EVERY = 40
# How much of the error in the number of keys is put right at each adjustment.
GAIN = 0.7


@dataclass(frozen=True)
class Workload:
    """How many keys there are, how many should stay, how often they are asked for, and how unevenly."""

    keys: int = 50_000
    resident: int = 10_000
    warm_up: int = 150_000
    requests: int = 150_000
    exponent: float = 0.9
    seed: int = 20260101

    def draws(self, count: int, phase: int) -> Iterator[list[int]]:
        """Key numbers in batches; popular keys are spread over all numbers."""
        chance = random.Random(self.seed + phase)
        names = list(range(self.keys))
        random.Random(self.seed).shuffle(names)
        weights = list(itertools.accumulate(1 / rank**self.exponent for rank in range(1, self.keys + 1)))
        for _ in range(count // BATCH):
            yield chance.choices(names, cum_weights=weights, k=BATCH)

    def ttl_s(self, number: int) -> int:
        """For the volatile policies: unrelated to how popular the key is."""
        return random.Random(self.seed ^ number).randrange(10_000, 100_000)


@dataclass(frozen=True)
class Outcome:
    """Hits for each request, and keys held on the average."""

    hit_rate: float
    resident: float


class Cache:
    """One server used as a cache under one policy."""

    def __init__(self, connection: Connection, workload: Workload, policy: str) -> None:
        self._connection = connection
        self._workload = workload
        self._volatile = policy.startswith("volatile")

    def ask(self, numbers: list[int]) -> int:
        """GET all of them, SET those that were missing; how many were there."""
        gets = self._connection.pipeline([[b"GET", key_name(number)] for number in numbers])
        missing = [number for number, reply in zip(numbers, gets, strict=True) if reply.value is None]
        sets = [self._set(number) for number in dict.fromkeys(missing)]
        for reply in self._connection.pipeline(sets):
            if reply.is_error:
                raise RuntimeError(f"a SET failed: {reply.text}")
        return len(numbers) - len(missing)

    def _set(self, number: int) -> list[bytes]:
        command = [b"SET", key_name(number), b"%08d" % number * (VALUE_BYTES // 8)]
        return [*command, b"EX", b"%d" % self._workload.ttl_s(number)] if self._volatile else command

    def resident(self) -> int:
        return int(self._connection.ask("DBSIZE").text)

    def limit(self, maxmemory: int) -> None:
        reply = self._connection.ask("CONFIG", "SET", "maxmemory", maxmemory)
        if reply.is_error:
            raise RuntimeError(reply.text)


def measure(server: Server, policy: str, workload: Workload) -> Outcome:
    """Warm up to `workload.resident` keys, then count hits."""
    used_empty = int(server.info("memory")["used_memory"])
    with server.connect() as connection:
        connection.ask("CONFIG", "SET", "maxmemory-policy", policy)
        cache = Cache(connection, workload, policy)
        # The first limit: what that many keys take here, without any limit.
        wanted = dict.fromkeys(number for batch in workload.draws(workload.warm_up, 0) for number in batch)
        for numbers in _batched(list(wanted)):
            if cache.resident() >= workload.resident:
                break
            cache.ask(numbers)
        used = int(server.info("memory")["used_memory"])
        per_key = (used - used_empty) / cache.resident()
        maxmemory = used
        cache.limit(maxmemory)
        for index, batch in enumerate(workload.draws(workload.warm_up, 1)):
            cache.ask(batch)
            if index % ADJUST_EVERY == ADJUST_EVERY - 1:
                maxmemory += int((workload.resident - cache.resident()) * per_key * GAIN)
                cache.limit(maxmemory)
        hits, held = 0, []
        for index, batch in enumerate(workload.draws(workload.requests, 2)):
            hits += cache.ask(batch)
            if index % ADJUST_EVERY == 0:
                held.append(cache.resident())
    return Outcome(hits / (workload.requests // BATCH * BATCH), sum(held) / len(held))


def _batched(numbers: list[int]) -> Iterator[list[int]]:
    for at in range(0, len(numbers), BATCH):
        yield numbers[at : at + BATCH]


def compare(kinds: list[Kind], policies: list[str], workload: Workload) -> dict[str, dict[str, Outcome]]:
    """Outcomes by policy and server; each measured on a server of its own."""
    outcomes: dict[str, dict[str, Outcome]] = {}
    for policy in policies:
        outcomes[policy] = {}
        for kind in kinds:
            with start(kind, {"appendonly": "no"}) as server:
                outcomes[policy][kind.name] = measure(server, policy, workload)
        cells = "  ".join(
            f"{name} {outcome.hit_rate:7.2%} ({outcome.resident:,.0f} keys)"
            for name, outcome in outcomes[policy].items()
        )
        print(f"{policy:16} {cells}", flush=True)
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m compat.hitrate", description=__doc__)
    parser.add_argument("--servers", default="", help=f"of {', '.join(KINDS)} (default: all found)")
    parser.add_argument("--policies", default=",".join(POLICIES))
    parser.add_argument("--quick", action="store_true", help="a fifth of the keys and requests")
    options = parser.parse_args()
    end_with_signals()
    kinds = [KINDS[name] for name in options.servers.split(",")] if options.servers else available()
    workload = Workload(10_000, 2_000, 30_000, 30_000) if options.quick else Workload()
    compare(kinds, options.policies.split(","), workload)
    return 0


if __name__ == "__main__":
    sys.exit(main())
