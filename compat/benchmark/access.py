"""What permissions and TLS cost: GET as users who may do less and less, and through TLS.

Each point is beside the same server's GET as the default user, and beside the other servers.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import trustme

from compat.benchmark.load import fill
from compat.benchmark.plan import EVERYSEC, Plan, fleet, turn
from compat.benchmark.point import Point, measure
from compat.benchmark.results import Results
from compat.servers import KINDS, free_port, start

KEYS = 100_000
USERS = {
    "the default user": "",
    "a user without one command": "on >p ~* &* +@all -flushall",
    "a user with one pattern": "on >p ~key:* +@read +@connection",
    "a user with ten patterns": "on >p " + " ".join(f"~p{number}:*" for number in range(9)) + " ~key:* +get",
}
"""Who asks -> the rules of that user."""

WITH_TLS = ("redis7", "respkv")


def access(plan: Plan, results: Results) -> None:
    """GET as several users, then through TLS, at depths 1 and 16."""
    with fleet(plan, EVERYSEC) as servers:
        for server in servers:
            with turn(server), server.connect() as connection:
                fill(server, KEYS, core=plan.client_core)
                for number, rules in enumerate(USERS.values()):
                    connection.ask("ACL", "SETUSER", f"u{number}", *rules.split())
        for _ in range(plan.rounds):
            for depth, full in ((1, 100_000), (16, 800_000)):
                for number, (who, rules) in enumerate(USERS.items()):
                    connect = ("--user", f"u{number}", "-a", "p") if rules else ()
                    point = _get(plan, f"GET as {who}, depth {depth}", depth, full, connect)
                    for server in servers:
                        with turn(server):
                            measure(plan, results, server, point)
    _tls(plan, results)


def _get(plan: Plan, name: str, depth: int, full: int, connect: Sequence[str]) -> Point:
    return Point("access", name, "get", plan.count(full), depth, KEYS, connect=connect, wanted=0.7)


def _tls(plan: Plan, results: Results) -> None:
    with tempfile.TemporaryDirectory(prefix="compat-tls-") as name:
        folder = Path(name)
        authority = trustme.CA()
        issued = authority.issue_cert("localhost", "127.0.0.1")
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        issued.private_key_pem.write_to_path(str(folder / "key.pem"))
        issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
        files = {f"tls-{what}-file": str(folder / f"{file}.pem") for what, file in (("cert", "cert"), ("key", "key"))}
        for kind in plan.kinds:
            if kind.name not in WITH_TLS:
                continue
            port = free_port()
            directives = {**EVERYSEC, **files, "tls-port": str(port), "tls-auth-clients": "no"}
            with start(KINDS[kind.name], directives, core=plan.server_core) as server:
                fill(server, KEYS, core=plan.client_core)
                server.pause()
                connect = ("-p", str(port), "--tls", "--cacert", str(folder / "ca.pem"))
                for _ in range(plan.rounds):
                    for depth, full in ((1, 100_000), (16, 400_000)):
                        with turn(server):
                            measure(
                                plan, results, server, _get(plan, f"GET by TLS, depth {depth}", depth, full, connect)
                            )
