"""What all sections share: how much is measured, and whose turn it is."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from compat.benchmark.disk import Disk
from compat.servers import Kind, Server, start

CLIENTS = 50
EVERYSEC = {"appendonly": "yes", "appendfsync": "everysec", "auto-aof-rewrite-percentage": "0"}


@dataclass(frozen=True)
class Plan:
    """What is measured, how often, how much of it, and on which cores."""

    kinds: list[Kind]
    rounds: int
    scale: float
    server_core: int | None
    client_core: int | None
    say: Callable[[str], None]
    cases: tuple[str, ...] = ("*",)

    def wants(self, name: str) -> bool:
        """Whether a case of this name is to be measured."""
        return any(fnmatchcase(name, pattern) for pattern in self.cases)

    def count(self, full: int) -> int:
        """`full`, or as much less of it as a quick run takes."""
        return max(100, int(full * self.scale))


@contextlib.contextmanager
def fleet(plan: Plan, directives: Mapping[str, str], disk: Disk | None = None) -> Iterator[list[Server]]:
    """All servers, running but stopped by SIGSTOP until their turn; on the usual disk unless one is given."""
    with contextlib.ExitStack() as stack:
        servers = []
        for kind in plan.kinds:
            place = disk.place(kind.name) if disk else None
            environment = disk.environment if disk else None
            running = start(kind, directives, directory=place, core=plan.server_core, environment=environment)
            server = stack.enter_context(running)
            server.pause()
            servers.append(server)
        yield servers


@contextlib.contextmanager
def turn(server: Server) -> Iterator[None]:
    """Only this server runs, and no other's writes are still on their way to the disk."""
    os.sync()
    server.resume()
    try:
        yield
    finally:
        server.pause()
