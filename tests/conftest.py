"""Fixtures of all tests: a server in process, and what must hold after each test."""

import gc
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Client, World
from real_redis import RealRedis

# `compat` is no part of what is installed: it is found in the checkout, behind everything else.
sys.path.append(str(Path(__file__).resolve().parents[1]))


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """Tools switch the garbage collector off for their process, which here goes on with other tests."""
    yield
    gc.enable()


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


@pytest.fixture
def other(world: World) -> Client:
    """Another client of `world`."""
    return world.connect()


@pytest.fixture
def third(world: World) -> Client:
    """One more."""
    return world.connect()


@pytest.fixture(scope="session")
def real_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    """One redis-server for all tests that ask the real thing; skips them where there is none."""
    yield from run_redis(tmp_path_factory.mktemp("redis"))


@pytest.fixture
def reference(real_redis: RealRedis) -> RealRedis:
    """A real redis-server without keys."""
    real_redis.call("FLUSHALL")
    return real_redis


@pytest.fixture
def fresh_redis(tmp_path: Path) -> Iterator[RealRedis]:
    """A redis-server that no other test has touched."""
    yield from run_redis(tmp_path)


def run_redis(folder: Path, *arguments: str) -> Iterator[RealRedis]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    server = RealRedis(folder, "--save", "", *arguments)
    yield server
    server.stop()
