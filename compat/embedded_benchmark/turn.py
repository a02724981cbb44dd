"""One store's turn, in a process of its own: what it prints is a `Turn` as JSON."""

import json
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from compat.embedded_benchmark.data import COUNT, FILL_CHUNK, key_name, value_of
from compat.embedded_benchmark.stores import ALWAYS, STORES, Store
from compat.servers import TICK_S

CHUNK = 200
SYNCED_CHUNK = 4
"""Operations between two looks at the clock; fewer where each may wait for the disk."""


@dataclass(frozen=True)
class Rate:
    """Microseconds for each operation: by the clock, and of processors."""

    wall_us: float
    cpu_us: float


@dataclass(frozen=True)
class Turn:
    """What one process measured."""

    get: Rate
    put: Rate


def cpu_s(store: Store) -> float:
    """Of this process, and of the server that the store has started."""
    used_s = time.process_time()
    if store.server_pid:
        fields = Path(f"/proc/{store.server_pid}/stat").read_text().rpartition(")")[2].split()
        used_s += (int(fields[11]) + int(fields[12])) * TICK_S
    return used_s


def drive(store: Store, work: Callable[[Store, list[str]], None], *, threads: int, chunk: int, seconds: float) -> Rate:
    """Let `threads` threads work on keys in random order for a while."""
    done = [0] * threads
    handles = [store if number == 0 else store.of_thread() for number in range(threads)]
    numbers = list(range(COUNT))
    random.Random(1).shuffle(numbers)
    chunks = [[key_name(number) for number in numbers[first : first + chunk]] for first in range(0, COUNT, chunk)]
    barrier = threading.Barrier(threads)
    end_s = 0.0

    def run(number: int) -> None:
        handle = handles[number]
        barrier.wait()
        for at in count(number * len(chunks) // threads):
            work(handle, chunks[at % len(chunks)])
            done[number] += chunk
            if time.perf_counter() >= end_s:
                return

    workers = [threading.Thread(target=run, args=(number,)) for number in range(1, threads)]
    for worker in workers:
        worker.start()
    before_s = cpu_s(store)
    began_s = time.perf_counter()
    end_s = began_s + seconds
    run(0)
    for worker in workers:
        worker.join()
    wall_s = time.perf_counter() - began_s
    used_s = cpu_s(store) - before_s
    for handle in handles[1:]:
        if handle is not store:
            handle.close()
    return Rate(wall_s / sum(done) * 1e6, used_s / sum(done) * 1e6)


def take_turn(name: str, durability: str, folder: str, *, threads: int, seconds: float) -> Turn:
    """Open, fill, measure and close a store."""
    store = STORES[name](folder, durability)
    try:
        for first in range(0, COUNT, FILL_CHUNK):
            store.fill({key_name(number): value_of(number) for number in range(first, first + FILL_CHUNK)})
        value = value_of(COUNT)
        chunk = SYNCED_CHUNK if durability == ALWAYS else CHUNK

        def put(handle: Store, keys: list[str]) -> None:
            handle.put_each(keys, value)

        def get(handle: Store, keys: list[str]) -> None:
            handle.get_each(keys)

        get_rate = drive(store, get, threads=threads, chunk=CHUNK, seconds=seconds)
        return Turn(get_rate, drive(store, put, threads=threads, chunk=chunk, seconds=seconds))
    finally:
        store.close()


def main() -> None:
    name, durability, folder, threads, seconds = sys.argv[1:]
    turn = take_turn(name, durability, folder, threads=int(threads), seconds=float(seconds))
    print(json.dumps(asdict(turn)))
