"""Nodes and encodings of lists, after any history, are those of Redis 8.2."""

import random
import re
import socket
from collections.abc import Iterator
from typing import Any

import hiredis
import pytest
from harness import NULL_ARRAY, World, encode

from compat.servers import KINDS, ServerUnavailable, start
from respkv.errors import ReplyError
from respkv.values.lists import List


class Oracle:
    """A connection to Redis 8.2."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        self._reader = hiredis.Reader()

    def call(self, *words: bytes | str | int) -> Any:
        self._socket.sendall(encode([word if isinstance(word, bytes) else str(word).encode() for word in words]))
        while (reply := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(1 << 20))
        return str(reply).encode() if isinstance(reply, Exception) else reply

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    try:
        with start(KINDS["redis8"], {"enable-debug-command": "yes"}) as server:
            oracle = Oracle(server.port)
            yield oracle
            oracle.close()
    except ServerUnavailable as reason:
        pytest.skip(str(reason))


def element(chance: random.Random, length_max: int) -> bytes:
    kind = chance.random()
    if kind < 0.1:
        return b"%d" % chance.choice([0, 127, 128, 4095, -4096, 70_000, 1 << 31, 1 << 40, -(1 << 63), 1 << 63])
    if kind < 0.13:
        return b"p" * chance.choice([4000, 5000, 8190, 8193, 9000])
    return b"dup" if kind < 0.3 else bytes([97 + chance.randrange(26)]) * chance.randrange(length_max)


def command(chance: random.Random, oracle: Oracle, length_max: int) -> list[bytes]:
    key, other = chance.choice([b"a", b"b"]), chance.choice([b"a", b"b"])
    length = oracle.call("LLEN", key)
    some = b"%d" % chance.randrange(max(1, length))
    ends = [chance.choice([b"LEFT", b"RIGHT"]) for _ in range(2)]
    pop = chance.choice([b"LPOP", b"RPOP"])
    added = [element(chance, length_max) for _ in range(chance.choice([1, 1, 5, 60]))]
    changes = [
        [chance.choice([b"LPUSH", b"RPUSH"]), key, *added],
        [pop, key],
        [pop, key, b"%d" % chance.randrange(60)],
        [b"LREM", key, b"%d" % chance.randrange(-3, 4), b"dup"],
        [b"LTRIM", key, b"%d" % chance.randrange(max(1, length // 2)), b"%d" % (length - chance.randrange(1, 9))],
        [b"LMOVE", key, other, *ends],
    ]
    # Those that fail convert a list in Redis all the same, which respkv leaves as it was.
    if length:
        pivot = oracle.call("LINDEX", key, some)
        where = chance.choice([b"BEFORE", b"AFTER"])
        changes += 2 * [[b"LINSERT", key, where, pivot, added[0]], [b"LSET", key, some, added[0]]]
    return chance.choice(changes + changes[:1])


@pytest.mark.parametrize("seed", range(12))
def test_after_any_history(oracle: Oracle, seed: int) -> None:
    chance = random.Random(seed)
    world = World()
    world.checks_each_command = False
    client = world.connect()
    oracle.call("FLUSHALL")
    fill = chance.choice([-2, -2, -1, 0, 3, 10, 100])
    oracle.call("CONFIG", "SET", "list-max-listpack-size", fill)
    world.engine.limits.list_max_listpack_size = fill
    length_max = chance.choice([20, 200, 3000])
    for _ in range(150):
        argv = command(chance, oracle, length_max)
        said = f"fill {fill}: {[word[:20] for word in argv]}"
        expected = oracle.call(*argv)
        reply = client.run(*argv)
        if reply is NULL_ARRAY:
            reply = None
        plain = reply.message if isinstance(reply, ReplyError) else reply.encode() if isinstance(reply, str) else reply
        assert plain == expected, said
        for key in (b"a", b"b"):
            value = world.engine.databases[0].peek(key)
            if value is None:
                assert oracle.call("EXISTS", key) == 0
                continue
            assert isinstance(value, List)
            value.check()
            assert value.encoding == oracle.call("OBJECT", "ENCODING", key), said
            if value.nodes is not None:
                nodes = re.search(rb"ql_nodes:(\d+)", oracle.call("DEBUG", "OBJECT", key))
                assert nodes is not None
                assert len(value.nodes.nodes) == int(nodes[1]), said
    for key in (b"a", b"b"):
        assert client.run(b"LRANGE", key, 0, -1) == oracle.call("LRANGE", key, 0, -1)
    world.close()
