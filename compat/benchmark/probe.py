"""A client that only asks PING, a thousand times a second, and remembers how long each answer took.

It runs in a process of its own (`python -m compat.benchmark.probe PORT`) with real-time priority where that
is allowed, so that what it sees is the server's doing. A ping that could not be sent on time because the
last one was still out counts from the time it was due: a stall of 50 ms is fifty slow pings, not one.
"""

import contextlib
import gc
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from compat.servers import REPOSITORY, pinned_to

INTERVAL_NS = 1_000_000
PING = b"*1\r\n$4\r\nPING\r\n"


@dataclass(frozen=True)
class Latencies:
    """What a probe saw, in milliseconds."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Probe:
    """A running probe; `finish()` ends it and tells what it saw."""

    def __init__(self, process: "subprocess.Popen[str]", stdin: IO[str], stdout: IO[str]) -> None:
        self._process = process
        self._stdin = stdin
        self._stdout = stdout

    def finish(self) -> Latencies:
        self._stdin.close()
        seen: dict[str, float] = json.loads(self._stdout.readline())
        self._process.wait()
        return Latencies(int(seen["count"]), seen["p50_ms"], seen["p99_ms"], seen["max_ms"])


@contextlib.contextmanager
def probing(port: int, core: int | None) -> Iterator[Probe]:
    """A probe that has had its first answer; ended with the block if not finished before."""
    with pinned_to(core):
        process = subprocess.Popen(
            [sys.executable, "-m", "compat.benchmark.probe", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the probe did not start")
        yield Probe(process, process.stdin, process.stdout)
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def main() -> None:
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    gc.disable()
    latencies_ns: list[int] = []
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=600) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(PING)
        connection.recv(64)
        print("ready", flush=True)
        due_ns = time.perf_counter_ns()
        while True:
            due_ns += INTERVAL_NS
            wait_ns = due_ns - time.perf_counter_ns()
            if select.select([sys.stdin], [], [], max(0.0, wait_ns / 1e9))[0]:
                break
            sent_ns = due_ns if wait_ns < 0 else time.perf_counter_ns()
            connection.sendall(PING)
            if not connection.recv(64):
                break
            latencies_ns.append(time.perf_counter_ns() - sent_ns)
    latencies_ns.sort()
    count = len(latencies_ns)
    found = {
        "count": count,
        "p50_ms": latencies_ns[count // 2] / 1e6 if count else 0,
        "p99_ms": latencies_ns[count * 99 // 100] / 1e6 if count else 0,
        "max_ms": latencies_ns[-1] / 1e6 if count else 0,
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
