"""Modules that are not loaded before somebody uses them."""

import subprocess
import sys
from pathlib import Path

import pytest
from net_servers import Serve

PROGRAM = """
import importlib.util
import sys
from respkv.net import deferred

deferred.defer()
import respkv.cli
import respkv.net.service

loaded = {"_bz2", "_datetime", "_hashlib", "_json", "_lzma", "_ssl", "encodings.idna", "idna.core"} & set(sys.modules)
assert not loaded, loaded
assert importlib.util.find_spec("json").name == "json"

import hashlib, hmac, json, ssl
from respkv.acl.users import hash_of

assert json.loads("[1]") == [1]
assert hmac.new(b"k", b"text", "sha256").hexdigest().startswith("c1a9")
assert hash_of(b"p") == hashlib.sha256(b"p").hexdigest().encode()
assert issubclass(ssl.SSLWantReadError, ssl.SSLError)
assert ssl.create_default_context().check_hostname
assert {"_hashlib", "_ssl"} <= set(sys.modules)
print("done")
"""


def test_what_nobody_uses_is_not_loaded_and_what_somebody_uses_is() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("done\n", "")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the system does not tell what a process has loaded")
def test_a_server_without_wishes_has_none_of_the_libraries_that_few_need(serve: Serve) -> None:
    server = serve()
    raw = server.connect()
    assert raw.call("SET", "k", "v") == b"OK"
    assert raw.call("HSET", "h", "f", "v") == 1
    assert b"respkv_build" in raw.call("INFO")
    loaded = Path(f"/proc/{server.process.pid}/maps").read_text()
    for library in ("libcrypto", "libssl", "liblzma", "libbz2", "unicodedata", "/_datetime", "/_json"):
        assert library not in loaded
