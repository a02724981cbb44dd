"""Huey: tasks, results, schedules, retries, locks, pipelines, priorities."""

import sys
import time

from huey import PriorityRedisHuey, RedisHuey
from huey.consumer import Consumer

address = {"host": sys.argv[1], "port": int(sys.argv[2])}
for kind in (RedisHuey, PriorityRedisHuey):
    huey = kind("app", **address)
    huey.flush()
    tries = []

    @huey.task()
    def add(a, b):
        return a + b

    @huey.task(retries=2, retry_delay=0)
    def flaky():
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("as asked")
        return len(tries)

    @huey.task()
    @huey.lock_task("one")
    def locked():
        return huey.is_locked("one")

    consumer = Consumer(huey, workers=2, periodic=False, initial_delay=0.01, max_delay=0.05, scheduler_interval=1)
    consumer.start()
    try:
        assert add(40, 2).get(blocking=True, timeout=20) == 42
        assert add.schedule((1, 1), delay=1).get(blocking=True, timeout=20) == 2
        assert huey.enqueue(add.s(1, 2).then(add, 3)).get(blocking=True, timeout=20) == [3, 6]
        assert locked().get(blocking=True, timeout=20) is True
        flaky()
        deadline = time.monotonic() + 20
        while len(tries) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        revoked = add.schedule((1, 1), delay=60)
        revoked.revoke()
        assert revoked.is_revoked()
    finally:
        consumer.stop(graceful=True)
