"""arq: jobs with results, deferral, retries, unique jobs, a worker in burst mode."""

import asyncio
import sys
from datetime import timedelta

from arq import Retry, create_pool
from arq.connections import RedisSettings
from arq.worker import Worker

SETTINGS = RedisSettings(sys.argv[1], int(sys.argv[2]))


async def add(context: dict, a: int, b: int) -> int:
    return a + b


async def flaky(context: dict) -> int:
    if context["job_try"] < 3:
        raise Retry(defer=0.05)
    return context["job_try"]


async def main() -> None:
    pool = await create_pool(SETTINGS)
    await pool.flushall()
    job = await pool.enqueue_job("add", 40, 2)
    assert await pool.enqueue_job("add", 1, 1, _job_id="once") is not None
    assert await pool.enqueue_job("add", 1, 1, _job_id="once") is None
    late = await pool.enqueue_job("add", 2, 2, _defer_by=timedelta(milliseconds=200))
    again = await pool.enqueue_job("flaky")
    worker = Worker([add, flaky], redis_pool=pool, burst=True, poll_delay=0.05, handle_signals=False)
    await worker.main()
    assert await job.result(timeout=10) == 42
    assert await late.result(timeout=10) == 4
    assert await again.result(timeout=10) == 3
    assert len(await pool.all_job_results()) == 4


asyncio.run(main())
