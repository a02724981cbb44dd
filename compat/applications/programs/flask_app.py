"""Flask-Session's server-side sessions, and cachelib's Redis cache."""

import sys

from cachelib import RedisCache
from flask import Flask, session
from flask_session import Session
from redis import Redis

HOST, PORT = sys.argv[1], int(sys.argv[2])
app = Flask("app")
app.config.update(SESSION_TYPE="redis", SESSION_REDIS=Redis(HOST, PORT), SECRET_KEY="x")
Session(app)


@app.route("/count")
def count():
    session["n"] = session.get("n", 0) + 1
    return str(session["n"])


@app.route("/out")
def out():
    session.clear()
    return "out"


one, two = app.test_client(), app.test_client()
assert [one.get("/count").text for _ in range(3)] == ["1", "2", "3"]
assert two.get("/count").text == "1"
assert one.get("/out").text == "out" and one.get("/count").text == "1"

cache = RedisCache(HOST, PORT, key_prefix="cache:", default_timeout=30)
assert cache.set("k", {"a": 1}) and cache.get("k") == {"a": 1} and cache.has("k")
assert cache.add("new", 1) and not cache.add("new", 2)
assert cache.inc("n", 5) == 5 and cache.dec("n") == 4
assert cache.set_many({"x": 1, "y": 2}) and cache.get_many("x", "y", "z") == [1, 2, None]
assert cache.delete("k") and cache.get("k") is None
assert cache.clear() and cache.get("x") is None
