"""RQ: jobs, results, failures with retries, dependencies, scheduled jobs, registries."""

import operator
import sys
from datetime import timedelta

from redis import Redis
from rq import Queue, Retry, SimpleWorker
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry
from rq.scheduler import RQScheduler

client = Redis(sys.argv[1], int(sys.argv[2]))
queue = Queue(connection=client)
added = queue.enqueue(operator.add, 40, 2)
after = queue.enqueue(operator.mul, 6, 7, depends_on=added)
broken = queue.enqueue(operator.truediv, 1, 0, retry=Retry(max=2))
later = queue.enqueue_in(timedelta(seconds=0), operator.sub, 5, 3)
assert later.id in ScheduledJobRegistry(queue=queue).get_job_ids()
scheduler = RQScheduler([queue], connection=client)
scheduler.acquire_locks()
scheduler.enqueue_scheduled_jobs()
worker = SimpleWorker([queue], connection=client)
worker.work(burst=True)
assert Job.fetch(added.id, connection=client).return_value() == 42
assert Job.fetch(after.id, connection=client).return_value() == 42
assert Job.fetch(later.id, connection=client).return_value() == 2
assert Job.fetch(broken.id, connection=client).is_failed
assert broken.id in FailedJobRegistry(queue=queue).get_job_ids()
assert {added.id, after.id} <= set(FinishedJobRegistry(queue=queue).get_job_ids())
assert len(queue) == 0
