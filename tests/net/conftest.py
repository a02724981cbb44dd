"""Fixtures: servers in processes of their own, and a pump in this one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from net_servers import Serve, Served

from respkv.engine.keyspace import open_engine
from respkv.net.poller import make_poller
from respkv.net.pump import Pump
from respkv.server.durability import Durability
from respkv.server.server import Server


@pytest.fixture(params=["pump", "portable"])
def is_portable(request: pytest.FixtureRequest) -> bool:
    """Both ways of serving clients in turn."""
    return bool(request.param == "portable")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers that are gone after the test: `serve("--appendfsync", "no", faulty=True)`."""
    servers: list[Served] = []

    def start(*options: str, **kinds: bool) -> Served:
        folder = tmp_path / str(len(servers))
        folder.mkdir()
        servers.append(Served(folder, *options, **kinds))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def pump() -> Iterator[Pump]:
    """A pump without a log, whose turns the test takes itself."""
    poller = make_poller()
    if poller is None:
        pytest.skip("no poller here")
    server = Server(open_engine())
    pump = Pump(server, Durability(server), poller)
    server.go_on = pump.go_on
    yield pump
    pump.close_all()
    poller.close()


@pytest.fixture(scope="module", params=["pump", "portable"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for the tests of a module that leave it as it was, by the pump and portably in turn."""
    server = Served(tmp_path_factory.mktemp("shared"), portable=request.param == "portable", faulty=True)
    yield server
    server.close()


@pytest.fixture
def server(shared: Served) -> Served:
    """`shared`, without keys."""
    shared.connect().call("FLUSHALL")
    return shared
