"""The pytest plugin, in a pytest of its own."""

import subprocess
import sys
from pathlib import Path

TESTS = """
import redis

def test_a_client(respkv):
    assert isinstance(respkv, redis.Redis)
    assert respkv.dbsize() == 0
    assert respkv.incr("n") == 1

def test_it_is_empty_again(respkv):
    assert respkv.dbsize() == 0

def test_a_server(respkv_server):
    with redis.Redis.from_url(respkv_server) as client:
        assert client.dbsize() == 0
        client.config_set("maxmemory", "10mb")
        client.set("k", "v")

def test_it_is_new_again(respkv_server):
    with redis.Redis.from_url(respkv_server) as client:
        assert client.dbsize() == 0
        assert client.config_get("maxmemory") == {"maxmemory": "0"}
"""


def test_each_test_has_an_empty_store_and_an_empty_server(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "4 passed" in done.stdout, done.stdout


def test_the_plugin_itself_imports_no_server(tmp_path: Path) -> None:
    code = "import respkv.testing, sys; print([name for name in sys.modules if name.startswith('respkv.')])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "['respkv.testing']"
