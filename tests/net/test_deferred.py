"""Modules that are not loaded before somebody uses them."""

import subprocess
import sys

PROGRAM = """
import sys
from respkv.net import deferred

deferred.defer()
import respkv.net.service

loaded = {"_hashlib", "_ssl"} & set(sys.modules)
assert not loaded, loaded

import hashlib, hmac, ssl
from respkv.acl.users import hash_of

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
