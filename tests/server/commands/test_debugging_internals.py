"""DEBUG of values and clients; the replies beside Redis are in compat/differential/cases/debug.txt."""

import logging
import re
import subprocess
import sys

import pytest
from harness import Client, World


@pytest.fixture(autouse=True)
def allowed(world: World) -> None:
    world.server.config._values["enable-debug-command"] = "yes"


def test_sdslen_tells_of_key_and_value(client: Client) -> None:
    client.run("SET key hello")
    assert re.fullmatch(
        r"key_sds_len:3, key_sds_avail:0, key_zmalloc: \d+, val_sds_len:5, val_sds_avail:0, val_zmalloc: \d+",
        client.run("DEBUG SDSLEN key"),
    )
    for _ in range(50):
        client.run("APPEND key 0123456789")
    found = re.search(r"val_sds_len:505, val_sds_avail:(\d+)", client.run("DEBUG SDSLEN key"))
    assert found is not None


def test_the_structure_goes_to_the_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.run("RPUSH", "l", "a", "b")
    with caplog.at_level(logging.INFO):
        assert client.run("DEBUG LISTPACK l") == "Listpack structure printed on stdout"
    client.run("RPUSH", "long", *["x" * 100] * 500)
    assert client.run("DEBUG QUICKLIST long 1") == "Quicklist structure printed on stdout"


def test_htstats_key_counts(client: Client) -> None:
    client.run("SADD", "s", *[f"member{number}" for number in range(1000)])
    assert b"number of elements: 1000\n" in client.run("DEBUG HTSTATS-KEY s")


def test_client_eviction_shows_who_takes_how_much(world: World, client: Client) -> None:
    large = world.connect()
    large.raw(b"*2\r\n$4\r\nECHO\r\n$200000\r\n" + b"x" * 100_000)
    assert client.error("DEBUG CLIENT-EVICTION") == "ERR maxmemory-clients is disabled."
    client.run("CONFIG SET maxmemory-clients 100mb")
    lines = client.run("DEBUG CLIENT-EVICTION").decode().splitlines()
    assert len(lines) == 19
    assert lines[0].startswith("bucket          0 -      32767: tot-mem:")
    assert lines[0].endswith("clients: 1")
    assert lines[2].startswith("bucket      65536 -     131071: tot-mem:")
    assert lines[2].endswith("clients: 1")
    assert lines[-1] == "bucket 4294967296+            : tot-mem:          0, clients: 0"


@pytest.mark.parametrize("name", ["SEGFAULT", "PANIC", "ASSERT", "OOM"])
def test_a_crash_is_one(name: str) -> None:
    program = (
        "import respkv.server.commands.debugging_internals\n"
        "from respkv.server.commands.debugging import PARTS\n"
        f"PARTS[b'{name}'].handler(None, [b'DEBUG', b'{name}'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, cwd="/")
    assert done.returncode != 0
    assert b"Traceback" not in done.stderr
