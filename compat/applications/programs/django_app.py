"""Django's own Redis cache and django-redis: keys, many keys, counters, expiry, patterns, locks, sessions."""

import sys

import django
from django.conf import settings

URL = f"redis://{sys.argv[1]}:{sys.argv[2]}"
settings.configure(
    CACHES={
        "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"{URL}/1"},
        "builtin": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": f"{URL}/2"},
    },
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    INSTALLED_APPS=["django.contrib.sessions"],
    SECRET_KEY="x",
)
django.setup()

from django.contrib.sessions.backends.cache import SessionStore  # noqa: E402
from django.core.cache import caches  # noqa: E402

for name in ("default", "builtin"):
    cache = caches[name]
    cache.clear()
    assert cache.get("nothing", "missing") == "missing"
    cache.set("k", {"a": [1, 2]}, timeout=30)
    assert cache.get("k") == {"a": [1, 2]}
    assert not cache.add("k", 1) and cache.add("new", 1)
    cache.set("n", 40)
    assert cache.incr("n", 2) == 42 and cache.decr("n") == 41
    assert not cache.set_many({"x": 1, "y": 2})
    assert cache.get_many(["x", "y", "z"]) == {"x": 1, "y": 2}
    assert cache.get_or_set("lazy", lambda: "made") == "made"
    assert cache.touch("k", 60) and "k" in cache
    cache.delete_many(["x", "y"])
    assert cache.get("x") is None
    cache.set("versioned", 1, version=1)
    assert cache.incr_version("versioned") == 2

cache = caches["default"]
assert 0 < cache.ttl("k") <= 60
cache.set("p:1", 1)
cache.set("p:2", 2)
assert sorted(cache.keys("p:*")) == ["p:1", "p:2"] and sorted(cache.iter_keys("p:*")) == ["p:1", "p:2"]
assert cache.delete_pattern("p:*") == 2
with cache.lock("lock", timeout=5):
    assert cache.get("nothing") is None
assert cache.persist("k") and cache.ttl("k") is None
session = SessionStore()
session["user"] = 7
session.save()
assert SessionStore(session.session_key)["user"] == 7
