"""Dramatiq: actors, results, delays, retries, groups, pipelines; all of its broker is Lua."""

import sys
import time

import dramatiq
from dramatiq import group, pipeline
from dramatiq.brokers.redis import RedisBroker
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import RedisBackend as LimiterBackend
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

address = {"host": sys.argv[1], "port": int(sys.argv[2])}
broker = RedisBroker(**address)
broker.add_middleware(Results(backend=RedisBackend(**address)))
dramatiq.set_broker(broker)
tries = []


@dramatiq.actor(store_results=True)
def add(a, b):
    return a + b


@dramatiq.actor(max_retries=5, min_backoff=50, max_backoff=100)
def flaky():
    tries.append(1)
    if len(tries) < 3:
        raise RuntimeError("as asked")


worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=4)
worker.start()
assert add.send(40, 2).get_result(block=True, timeout=20_000) == 42
assert pipeline([add.message(1, 2), add.message(3)]).run().get_result(block=True, timeout=20_000) == 6
jobs = group([add.message(n, n) for n in range(8)]).run()
assert list(jobs.get_results(block=True, timeout=20_000)) == [2 * n for n in range(8)]
assert add.send_with_options(args=(1, 1), delay=300).get_result(block=True, timeout=20_000) == 2
flaky.send()
deadline = time.monotonic() + 20
while len(tries) < 3:
    assert time.monotonic() < deadline
    time.sleep(0.05)
broker.join(add.queue_name)
limiter = ConcurrentRateLimiter(LimiterBackend(**address), "one-at-a-time", limit=1)
with limiter.acquire() as first, limiter.acquire(raise_on_failure=False) as second:
    assert first and not second
worker.stop()
