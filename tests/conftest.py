"""Fixtures of all tests: a server in process, and what must hold after each test."""

from collections.abc import Iterator

import pytest
from harness import Client, World


@pytest.fixture
def world() -> Iterator[World]:
    """A server without sockets. After the test its log is replayed and compared, and its engine checked."""
    world = World()
    yield world
    world.close()


@pytest.fixture
def client(world: World) -> Client:
    """A client of `world` that speaks RESP2."""
    return world.connect()


@pytest.fixture
def client3(world: World) -> Client:
    """A client of `world` that speaks RESP3."""
    client = world.connect()
    client.session.protocol = 3
    return client
