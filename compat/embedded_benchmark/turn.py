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

from compat.embedded_benchmark.stores import ALWAYS, COUNT, STORES, Store, key_name, value_of
from compat.servers import PAGE_BYTES, TICK_S

CHUNK = 200
SYNCED_CHUNK = 4
"""Operations between two looks at the clock; fewer where each may wait for the disk."""

FILL_CHUNK = 1000


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


@dataclass(frozen=True)
class Resident:
    """Memory of a process, empty and with a million keys."""

    empty_bytes: int
    full_bytes: int


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


def measure_memory(keys: int, folder: str) -> Resident:
    """Resident memory of this process, with a store of ours that is empty, and with `keys` in it."""
    store = STORES["respkv.Store"](folder, "everysec")
    try:
        empty_bytes = _resident_bytes()
        for first in range(0, keys, FILL_CHUNK):
            store.fill({key_name(number): value_of(number) for number in range(first, first + FILL_CHUNK)})
        return Resident(empty_bytes, _resident_bytes())
    finally:
        store.close()


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def main() -> None:
    what, *words = sys.argv[1:]
    if what == "memory":
        found: Turn | Resident = measure_memory(int(words[0]), words[1])
    else:
        durability, folder, threads, seconds = words
        found = take_turn(what, durability, folder, threads=int(threads), seconds=float(seconds))
    print(json.dumps(asdict(found)))
