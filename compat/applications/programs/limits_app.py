"""limits: fixed, moving and sliding windows, whose counters are Lua scripts."""

import sys
import time

from limits import parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

storage = storage_from_string(f"redis://{sys.argv[1]}:{sys.argv[2]}")
assert storage.check()
for kind in (FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter):
    storage.reset()
    limiter = kind(storage)
    limit = parse("5/second")
    while time.time() % 1 > 0.5:  # not across the end of a window
        time.sleep(0.01)
    assert [limiter.hit(limit, "user") for _ in range(7)] == [True] * 5 + [False] * 2
    assert limiter.get_window_stats(limit, "user").remaining == 0
    assert limiter.hit(limit, "another")
    time.sleep(2.1)
    assert limiter.test(limit, "user")
    limiter.clear(limit, "user")
