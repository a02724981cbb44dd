"""Commands on HyperLogLogs: what they change and propagate. How a real server answers is in compat."""

import pytest
from harness import Client, World

from respkv.errors import ReplyError
from respkv.values import hyperloglog

NO_SKETCH = "WRONGTYPE Key is not a valid HyperLogLog string value."
CORRUPTED = "INVALIDOBJ Corrupted HLL object detected"
BROKEN = b"HYLL\1" + bytes(10) + b"\x80\x7f\xf0"


def test_pfadd_tells_whether_something_changed(world: World, client: Client) -> None:
    assert client.run("PFADD h") == 1
    assert client.run("PFADD h") == 0
    assert client.run("PFADD h a b c") == 1
    assert client.run("PFADD h a b") == 0
    assert client.run("PFCOUNT h") == 3
    assert client.run("OBJECT ENCODING h") == b"raw"
    assert world.take_log() == [[b"PFADD", b"h"], [b"PFADD", b"h", b"a", b"b", b"c"], [b"PFCOUNT", b"h"]]


def test_an_estimate_is_kept_with_the_string_and_logged_once(world: World, client: Client) -> None:
    client.run("PFADD h a b c")
    world.take_log()
    stale = client.run("GET h")
    assert [client.run("PFCOUNT h") for _ in range(2)] == [3, 3]
    assert world.take_log() == [[b"PFCOUNT", b"h"]]
    assert client.run("GET h") == stale[:8] + b"\3" + bytes(7) + stale[16:]
    assert client.run("PFCOUNT none") == 0


def test_an_estimate_of_several_keys_changes_nothing(world: World, client: Client) -> None:
    client.run("PFADD a 1 2 3")
    client.run("PFADD b 3 4")
    client.run("PFDEBUG TODENSE b")
    world.take_log()
    assert client.run("PFCOUNT a b none") == 4
    assert client.run("PFCOUNT none none") == 0
    assert world.take_log() == []


def test_a_sketch_is_a_string(world: World, client: Client) -> None:
    client.run("PFADD h a b c")
    client.run("SET", "copy", client.run("GET h"))
    client.run("EXPIRE copy 100")
    assert client.run("PFCOUNT copy") == 3
    assert client.run("TTL copy") == 100
    assert client.run("PFADD copy d") == 1
    assert client.run("PFCOUNT copy") == 4
    assert client.run("TTL copy") == 100
    assert client.run("PFCOUNT h") == 3
    client.run("PFADD", "h", *range(5000))
    assert client.run("STRLEN h") == hyperloglog.DENSE_BYTES


def test_pfmerge(world: World, client: Client) -> None:
    client.run("PFADD a 1 2 3")
    client.run("PFADD b 3 4")
    client.run("EXPIRE b 100")
    assert client.run("PFMERGE d a b") == "OK"
    assert client.run("PFCOUNT d") == 4
    assert client.run("PFDEBUG ENCODING d") == "sparse"
    client.run("PFDEBUG TODENSE a")
    assert client.run("PFMERGE b a") == "OK"
    assert client.run("PFDEBUG ENCODING b") == "dense"
    assert client.run("PFCOUNT b") == 4
    assert client.run("TTL b") == 100
    assert client.run("PFMERGE new none") == "OK"
    assert client.run("PFCOUNT new") == 0


def test_the_limit_of_sparse_ones_is_a_directive(world: World, client: Client) -> None:
    world.engine.limits.hll_sparse_max_bytes = 30
    client.run("PFADD", "h", *range(3))
    assert client.run("PFDEBUG ENCODING h") == "sparse"
    client.run("PFADD", "h", *range(3, 10))
    assert client.run("PFDEBUG ENCODING h") == "dense"
    world.engine.limits.hll_sparse_max_bytes = 3000
    client.run("PFADD", "i", *range(10))
    assert client.run("PFDEBUG ENCODING i") == "sparse"
    assert client.run("PFDEBUG GETREG i") == client.run("PFDEBUG GETREG h")
    assert client.run("PFDEBUG ENCODING i") == "dense"
    # A replay goes by its own limit.
    client.run("DEL h")


def test_pfdebug(world: World, client: Client) -> None:
    client.run("PFADD h a")
    world.take_log()
    index, count = hyperloglog.place_of(b"a")
    assert client.run("PFDEBUG DECODE h") == b"Z:%d v:%d,1 Z:%d" % (index, count, 16383 - index)
    assert world.take_log() == []
    assert client.run("PFDEBUG TODENSE h") == 1
    assert client.run("PFDEBUG todense h") == 0
    assert world.take_log() == [[b"PFDEBUG", b"TODENSE", b"h"]]
    registers = client.run("PFDEBUG GETREG h")
    assert len(registers) == 16384
    assert registers[index] == count == sum(registers)
    assert client.error("PFDEBUG DECODE h") == "ERR HLL encoding is not sparse"
    assert client.error("PFDEBUG nosuch h") == "ERR Unknown PFDEBUG subcommand 'nosuch'"
    assert client.error("PFDEBUG ENCODING none") == "ERR The specified key does not exist"


def test_pfselftest(client: Client) -> None:
    assert client.run("PFSELFTEST") == "OK"


@pytest.mark.parametrize("line", ["PFADD k a", "PFCOUNT k", "PFCOUNT h k", "PFMERGE h k", "PFMERGE k h", "PFDEBUG x k"])
def test_other_values_are_refused(client: Client, line: str) -> None:
    client.run("PFADD h a")
    client.run("SET k string")
    assert client.error(line) == NO_SKETCH
    client.run("SET k 5")
    client.run("INCR k")
    assert client.error(line) == NO_SKETCH
    client.run("DEL k")
    client.run("SADD k a")
    assert client.error(line).startswith("WRONGTYPE Operation")


def test_broken_ones_are_refused_and_left_alone(client: Client) -> None:
    """The harness sees that nothing changes. Some elements would fall where the runs are in order."""
    client.run("PFADD h a")
    client.run("SET", "k", BROKEN)
    for line in ("PFCOUNT k", "PFCOUNT h k", "PFMERGE h k", "PFMERGE k h", "PFDEBUG GETREG k", "PFDEBUG TODENSE k"):
        assert client.error(line) == CORRUPTED, line
    errors = [client.run("PFADD", "k", *range(start, start + 500)) for start in range(0, 2000, 500)]
    assert any(isinstance(error, ReplyError) for error in errors)
