"""`python -m compat.hit_rate`: hit rates of eviction on Zipf workloads, a real server's beside those of our evictor.

A cache in front of something slow: GET, and SET after a miss. The real server is given a `maxmemory`; ours, in process,
the number of keys that stayed resident there, so that it is the choice of keys that is compared, and the same time.
"""

import argparse
import random
import time
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate

from compat.servers import KINDS, start
from respkv.engine.eviction import Evictor
from respkv.engine.keyspace import open_engine
from respkv.engine.memory import Meter

VALUE = b"x" * 64
CHUNK = 100
START_MS = 1_700_000_000_000


@dataclass
class Outcome:
    """Hits as a share of the second half of the requests, and the keys resident then on average."""

    hit_rate: float
    resident: float
    seconds: float


def zipf(keys: int, exponent: float, requests: int, seed: int) -> list[bytes]:
    """Key names; the n-th most popular one is asked for in proportion to n ** -exponent."""
    chance = random.Random(seed)
    weights = list(accumulate((rank + 1) ** -exponent for rank in range(keys)))
    names = [b"key:%012d" % number for number in range(keys)]
    chance.shuffle(names)
    return [names[bisect_left(weights, chance.random() * weights[-1])] for _ in range(requests)]


def run_server(kind: str, policy: str, maxmemory: str, trace: list[bytes]) -> Outcome:
    directives = {"appendonly": "no", "maxmemory": maxmemory, "maxmemory-policy": policy}
    hits = 0
    resident: list[int] = []
    began_s = time.monotonic()
    with start(KINDS[kind], directives) as server, server.connect() as connection:
        for at in range(0, len(trace), CHUNK):
            names = trace[at : at + CHUNK]
            replies = connection.pipeline([(b"GET", name) for name in names])
            missed = dict.fromkeys(name for name, reply in zip(names, replies, strict=True) if reply.value is None)
            if missed:
                connection.pipeline([(b"SET", name, VALUE) for name in missed])
            if at >= len(trace) // 2:
                hits += sum(reply.value is not None for reply in replies)
                if at % (50 * CHUNK) == 0:
                    resident.append(int(connection.ask("DBSIZE").text))
    seconds = time.monotonic() - began_s
    return Outcome(hits / (len(trace) // 2), sum(resident) / len(resident), seconds)


def run_ours(policy: str, resident: float, seconds: float, trace: list[bytes]) -> Outcome:
    engine = open_engine(1)
    db = engine.databases[0]
    evictor = Evictor(engine, Meter(engine, payload_only=True))
    evictor.configure(policy, tenacity=100)
    limit = int(resident) * (len(trace[0]) + len(VALUE))
    hits = 0
    sizes: list[int] = []
    for at in range(0, len(trace), CHUNK):
        engine.now_ms = START_MS + int(seconds * 1000 * at / len(trace))
        names = trace[at : at + CHUNK]
        missed = [name for name in names if db.find(name) is None]
        for name in dict.fromkeys(missed):
            evictor.make_room(limit)
            db.set(name, VALUE)
        if at >= len(trace) // 2:
            hits += len(names) - len(missed)
            sizes.append(db.size())
    return Outcome(hits / (len(trace) // 2), sum(sizes) / len(sizes), seconds)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m compat.hit_rate", description=__doc__)
    parser.add_argument("--oracle", choices=KINDS, default="redis7")
    parser.add_argument("--keys", type=int, default=50_000)
    parser.add_argument("--requests", type=int, default=400_000)
    parser.add_argument("--maxmemory", default="2mb")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{'policy':<16}{'exponent':>9}{'resident':>10}{options.oracle:>10}{'respkv':>10}")
    for exponent in (0.8, 1.0, 1.2):
        trace = zipf(options.keys, exponent, options.requests, options.seed)
        for policy in ("allkeys-lru", "allkeys-lfu", "allkeys-random"):
            theirs = run_server(options.oracle, policy, options.maxmemory, trace)
            ours = run_ours(policy, theirs.resident, theirs.seconds, trace)
            print(
                f"{policy:<16}{exponent:>9}{theirs.resident:>10.0f}{theirs.hit_rate:>10.4f}{ours.hit_rate:>10.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
