"""What one client that monitors costs all others: GET with nobody watching, and with one who reads each line."""

import contextlib
import socket
import threading
from collections.abc import Iterator

from compat.benchmark.load import fill
from compat.benchmark.plan import EVERYSEC, Plan, fleet, turn
from compat.benchmark.point import Point, measure
from compat.benchmark.results import Results
from compat.servers import Server, pinned_to

KEYS = 100_000
CHUNK_BYTES = 1 << 18


def monitoring(plan: Plan, results: Results) -> None:
    """GET at depths 1 and 16, monitored and not: requests a second and CPU time a request."""
    with fleet(plan, EVERYSEC) as servers:
        for server in servers:
            with turn(server):
                fill(server, KEYS, core=plan.client_core)
        for _ in range(plan.rounds):
            for depth, full in ((1, 100_000), (16, 400_000)):
                for is_watched in (False, True):
                    name = f"GET, depth {depth}, {'one client monitors' if is_watched else 'nobody monitors'}"
                    point = Point("monitoring", name, "get", plan.count(full), depth, KEYS, wanted=0.7)
                    for server in servers:
                        watching = _watching(server, plan.client_core) if is_watched else contextlib.nullcontext()
                        with turn(server), watching:
                            measure(plan, results, server, point)


@contextlib.contextmanager
def _watching(server: Server, core: int | None) -> Iterator[None]:
    """A client that monitors for as long as the block lasts, on the core of the other clients.

    Raises RuntimeError if the server ended it: what was measured then is not what it says.
    """
    ends: list[str] = []

    def read_all() -> None:
        while connection.recv(CHUNK_BYTES):
            pass
        ends.append("end")

    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(b"MONITOR\r\n")
        if connection.recv(5, socket.MSG_WAITALL) != b"+OK\r\n":
            raise RuntimeError(f"{server.kind.label} refused MONITOR")
        connection.settimeout(None)
        with pinned_to(core):
            reader = threading.Thread(target=read_all)
            reader.start()
        try:
            yield
            was_ended = bool(ends)
        finally:
            connection.shutdown(socket.SHUT_RD)
            reader.join()
    if was_ended:
        raise RuntimeError(f"{server.kind.label} ended the client that monitors")
