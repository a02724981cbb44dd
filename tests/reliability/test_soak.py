"""Everything at once, for long: memory and descriptors stay flat behind the warm-up.

Clients write all types, some keys expire, others are evicted, subscribers listen, the log is compacted again and again.
The long form takes an hour, and does the same to a redis-server beside us: each client sends each of its batches to the
one and then to the other, so that both serve the same load in the same minutes. A client in a process of its own, which
does nothing else, asks both in turn and notes how long it waits; the waits are printed side by side.
"""

import multiprocessing
import os
import socket
import threading
import time
from array import array
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

from harness import encode
from net_servers import Raw, Served
from persistence_fakes import real_server
from workload import Workload

SECONDS = {True: 3600.0, False: 6.0}
SAMPLES = {True: 720, False: 60}
SETTINGS = ("--maxmemory", "30mb", "--maxmemory-policy", "allkeys-lru", "--appendfsync", "everysec")
REWRITES = ("--auto-aof-rewrite-min-size", "4mb", "--auto-aof-rewrite-percentage", "50")
WRITERS = 4
PATIENCE_S = 60.0


class Load:
    """Clients of all servers in two processes of their own, until told to stop."""

    def __init__(self, ports: list[int], rng: Random) -> None:
        # Forked while this process has no threads.
        context = multiprocessing.get_context("fork")
        self._workers: list[tuple[Any, Connection]] = []
        for run in (partial(_write_and_listen, ports, rng.getrandbits(32)), partial(_probe, ports)):
            ours, theirs = context.Pipe()
            worker = context.Process(target=run, args=(theirs,), daemon=True)
            worker.start()
            theirs.close()
            self._workers.append((worker, ours))

    def is_alive(self) -> bool:
        """Whether nothing has failed yet."""
        return all(worker.is_alive() for worker, _ in self._workers)

    def stop(self) -> tuple[int, list["array[float]"]]:
        """How many requests each server had, and how long the probe waited for each server, in s."""
        found = []
        for worker, pipe in self._workers:
            pipe.send("stop")
            found.append(pipe.recv())
            worker.join()
        request_count, waits_s = found
        return request_count, waits_s


def _connect(port: int) -> Raw:
    return Raw(socket.create_connection(("127.0.0.1", port), PATIENCE_S))


def _write_and_listen(ports: list[int], seed: int, pipe: Connection) -> None:
    rng = Random(seed)
    is_over = threading.Event()
    counts: list[int] = []
    runs: list[Callable[[], None]] = [partial(_listen, port, is_over) for port in ports]
    runs += [partial(_write, ports, Random(rng.getrandbits(32)), is_over, counts) for _ in range(WRITERS)]
    failures: list[BaseException] = []

    def guarded(run: Callable[[], None]) -> None:
        try:
            run()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(run,), daemon=True) for run in runs]
    for thread in threads:
        thread.start()
    while not pipe.poll(0.5):
        if failures:
            raise failures[0]
    is_over.set()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    pipe.send(sum(counts))


def _write(ports: list[int], rng: Random, is_over: threading.Event, counts: list[int]) -> None:
    servers = [_connect(port) for port in ports]
    workload = Workload(rng, b"%d:" % rng.getrandbits(16), keys_per_type=200)
    count = 0
    while not is_over.is_set():
        commands = [argv for _ in range(10) for argv in workload.repeatable_turn() if argv[0] != b"BLMPOP"]
        commands.append([b"SET", b"e%d" % rng.getrandbits(20), b"x" * 200, b"PX", b"%d" % rng.randrange(1, 3000)])
        commands.append([b"PUBLISH", b"news", b"x" * 50])
        sent = b"".join(map(encode, commands))
        for raw in servers:
            raw.send(sent)
            for _ in commands:
                raw.reply(PATIENCE_S)
        count += len(commands)
    counts.append(count)


def _listen(port: int, is_over: threading.Event) -> None:
    raw = _connect(port)
    raw.call("SUBSCRIBE", "news")
    while not is_over.is_set():
        try:
            raw.reply(0.5)
        except TimeoutError:
            continue


def _probe(ports: list[int], pipe: Connection) -> None:
    servers = [_connect(port) for port in ports]
    waits_s = [array("d") for _ in ports]
    request = encode([b"GET", b"probe"])
    while not pipe.poll(0.002):
        for raw, waited in zip(servers, waits_s, strict=True):
            begun_s = time.perf_counter()
            raw.send(request)
            raw.reply(PATIENCE_S)
            waited.append(time.perf_counter() - begun_s)
    pipe.send(waits_s)


def _waits(waited_s: "array[float]") -> str:
    ordered = sorted(waited_s)
    shares = ", ".join(f"p{share} {ordered[int(len(ordered) * share / 100)] * 1000:.2f}" for share in (50, 99, 99.9))
    return f"{shares}, longest {ordered[-1] * 1000:.1f} ms of {len(ordered)} requests"


def _use(pid: int) -> tuple[int, int]:
    """Resident memory in bytes, and open descriptors."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{pid}/fd"))


def test_nothing_grows(tmp_path: Path, rng: Random, is_long: bool) -> None:
    with ExitStack() as stack:
        server = Served(tmp_path, *SETTINGS, *REWRITES)
        stack.callback(server.close)
        ports, pids = {"respkv": server.port}, {"respkv": server.process.pid}
        if is_long:
            (tmp_path / "redis").mkdir()
            client = stack.enter_context(real_server("redis-server", tmp_path / "redis", *SETTINGS, *REWRITES))
            ports["redis-server"] = client.connection_pool.connection_kwargs["port"]
            pids["redis-server"] = client.info("server")["process_id"]
        uses: dict[str, list[tuple[int, int]]] = {name: [] for name in ports}
        load = Load(list(ports.values()), rng)
        end_s = time.monotonic() + SECONDS[is_long]
        while time.monotonic() < end_s and load.is_alive():
            time.sleep(SECONDS[is_long] / SAMPLES[is_long])
            for name, pid in pids.items():
                uses[name].append(_use(pid))
                if is_long:
                    print(f"{name} {time.monotonic() - end_s:.0f} s: {uses[name][-1]}", flush=True)
        request_count, waits_s = load.stop()
        raw = server.connect()
        told: Any = raw.call("INFO", "everything")
    for (name, used), waited_s in zip(uses.items(), waits_s, strict=True):
        first, last = (max(memory for memory, _ in part) for part in _halves(used))
        fewer, more = (max(count for _, count in part) for part in _halves(used))
        print(f"{name}: {request_count} requests; memory {first / 1e6:.1f} then {last / 1e6:.1f} MB; ", end="")
        print(f"descriptors {fewer} then {more}; {_waits(waited_s)}")
        if name == "respkv":
            # Behind the warm-up; in the short form it is still filling up, to twice `maxmemory` at most.
            assert last < (first * 1.05 + 3_000_000 if is_long else used[0][0] + 60_000_000)
            # A rewrite has some descriptors more while it runs.
            assert more <= fewer + 6
    if is_long:
        assert b"evicted_keys:0\r" not in told
        assert b"aof_rewrites:0\r" not in told
    assert b"expired_keys:0\r" not in told


def _halves(used: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """What was used behind the warm-up, a third of the time, earlier and later."""
    warm = used[len(used) // 3 :]
    return warm[: len(warm) // 2], warm[len(warm) // 2 :]
