"""Celery with broker and results: tasks, groups, chains, chords, countdowns, retries, errors, revocation."""

import sys

from celery import Celery, chain, chord, group
from celery.contrib.testing.worker import start_worker

URL = f"redis://{sys.argv[1]}:{sys.argv[2]}"
app = Celery("app", broker=f"{URL}/0", backend=f"{URL}/1")
app.conf.update(
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    result_expires=60,
    broker_transport_options={"visibility_timeout": 5},
)
tries = []


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3)
def flaky(self):
    tries.append(1)
    if len(tries) < 3:
        raise self.retry(countdown=0.1)
    return len(tries)


@app.task
def broken():
    raise ValueError("as asked")


with start_worker(app, perform_ping_check=False, pool="threads", concurrency=4, loglevel="error"):
    assert add.delay(40, 2).get(timeout=20) == 42
    assert group(add.s(n, n) for n in range(10)).delay().get(timeout=20) == [2 * n for n in range(10)]
    assert chain(add.s(1, 2), add.s(3), add.s(4)).delay().get(timeout=20) == 10
    assert chord((add.s(n, 1) for n in range(5)), total.s()).delay().get(timeout=20) == 15
    assert add.apply_async((1, 1), countdown=1).get(timeout=20) == 2
    assert flaky.delay().get(timeout=20) == 3
    failed = broken.delay()
    try:
        failed.get(timeout=20)
    except ValueError as error:
        assert str(error) == "as asked"
    assert failed.state == "FAILURE"
    gone = add.apply_async((1, 1), countdown=60)
    gone.revoke()
    result = add.delay(1, 1)
    result.get(timeout=20)
    result.forget()
