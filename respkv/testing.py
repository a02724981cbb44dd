"""A pytest plugin: an empty Redis for each test, without Docker and without a server to install.

It is loaded wherever respkv is installed. Two fixtures, each with an engine of its own, in memory, made in about 2 ms:

    def test_counts(respkv):                    # a redis.Redis on an engine in this process
        assert respkv.incr("n") == 1

    def test_my_program(respkv_server):         # the URL of a server that listens on 127.0.0.1
        run(["my-program", "--redis", respkv_server])
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import redis


@pytest.fixture
def respkv() -> "Iterator[redis.Redis]":
    """A `redis.Redis` on an empty engine in this process; replies are bytes. Needs redis-py."""
    from respkv.embedded.redis_client import connect

    with connect() as client:
        yield client


@pytest.fixture
def respkv_server() -> Iterator[str]:
    """The URL of an empty server in a thread of this process, for any client of any process: `redis://127.0.0.1:...`."""
    from respkv.embedded.server import running_server

    with running_server() as url:
        yield url
