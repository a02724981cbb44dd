"""redis-py on RESP2 and RESP3: pipelines, WATCH, locks, scripts, threads for pub/sub, streams, the client's cache."""

import asyncio
import sys
import threading
import time

import redis
from redis.asyncio import Redis as AsyncRedis
from redis.cache import CacheConfig

HOST, PORT = sys.argv[1], int(sys.argv[2])


def sync(protocol: int) -> None:
    client = redis.Redis(HOST, PORT, protocol=protocol, decode_responses=True)
    client.flushall()
    with client.pipeline(transaction=True) as pipe:
        assert pipe.set("a", 1).incr("a").hset("h", mapping={"f": "v"}).hgetall("h").execute() == [
            True,
            2,
            1,
            {"f": "v"},
        ]

    def move(pipe: redis.client.Pipeline) -> None:
        found = int(pipe.get("a"))
        pipe.multi()
        pipe.set("a", found + 40)

    client.transaction(move, "a")
    assert client.get("a") == "42"

    lock = client.lock("lock", timeout=5)
    assert lock.acquire() and lock.owned() and not client.lock("lock", blocking=False).acquire()
    assert lock.extend(5) and lock.reacquire()
    lock.release()
    held = client.lock("lock", timeout=0.2)
    assert held.acquire()
    assert client.lock("lock", timeout=1, blocking_timeout=3).acquire()

    script = client.register_script("return {KEYS[1], ARGV[1], redis.call('incr', 'scripted')}")
    assert script(keys=["k"], args=["x"]) == ["k", "x", 1]
    client.script_flush()
    assert script(keys=["k"], args=["x"]) == ["k", "x", 2]

    heard = []
    arrived = threading.Event()

    def hear(message: dict) -> None:
        heard.append(message["data"])
        arrived.set()

    pubsub = client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(news=hear)
    pubsub.psubscribe(**{"n*": hear})
    thread = pubsub.run_in_thread(sleep_time=0.01)
    deadline = time.monotonic() + 5
    while client.publish("news", "hello") < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert arrived.wait(5)
    thread.stop()
    thread.join()
    assert "hello" in heard

    client.config_set("notify-keyspace-events", "KEA")
    events = client.pubsub()
    events.psubscribe("__keyevent@0__:*")
    assert events.get_message(timeout=5)["type"] == "psubscribe"
    client.set("expiring", 1, px=20)
    names = set()
    while "__keyevent@0__:expired" not in names:
        message = events.get_message(timeout=5)
        assert message is not None
        names.add(message["channel"])
    events.close()

    client.xgroup_create("stream", "group", mkstream=True)
    sent = [client.xadd("stream", {"n": n}) for n in range(5)]
    got = client.xreadgroup("group", "me", {"stream": ">"}, count=3)
    entries = got["stream"][0] if isinstance(got, dict) else got[0][1]
    assert [entry[0] for entry in entries] == sent[:3]
    assert client.xack("stream", "group", sent[0]) == 1
    assert client.xpending("stream", "group")["pending"] == 2
    assert client.zadd("z", {"a": 1, "b": 2.5}) == 2
    assert sorted(client.scan_iter("z*")) == ["z"]
    assert client.blpop("nothing", timeout=0.05) is None
    assert client.geoadd("geo", (13.361389, 38.115556, "Palermo")) == 1
    assert client.pfadd("hll", "a", "b") == 1
    client.close()


def cached() -> None:
    client = redis.Redis(HOST, PORT, protocol=3, decode_responses=True, cache_config=CacheConfig())
    other = redis.Redis(HOST, PORT, decode_responses=True)
    other.set("cached", "1")
    assert client.get("cached") == "1"
    assert len(client.get_cache().collection) == 1
    other.set("cached", "2")
    deadline = time.monotonic() + 5
    while client.get("cached") != "2":
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def asynchronous(protocol: int) -> None:
    client = AsyncRedis(host=HOST, port=PORT, protocol=protocol, decode_responses=True, max_connections=300)
    await client.flushall()
    async with client.pipeline(transaction=True) as pipe:
        assert await pipe.rpush("list", "a", "b").lrange("list", 0, -1).execute() == [2, ["a", "b"]]
    async with client.lock("lock", timeout=5):
        assert await client.get("lock")
    async with client.pubsub() as pubsub:
        await pubsub.subscribe("news")
        assert (await pubsub.get_message(timeout=5))["type"] == "subscribe"
        await client.publish("news", "hello")
        assert (await pubsub.get_message(timeout=5))["data"] == "hello"

    async def push() -> None:
        await asyncio.sleep(0.05)
        await client.lpush("queue", "job")

    waiting = asyncio.create_task(push())
    assert list(await client.blpop("queue", timeout=5)) == ["queue", "job"]
    await waiting
    counts = await asyncio.gather(*(client.incr("n") for _ in range(200)))
    assert sorted(counts) == list(range(1, 201))
    await client.aclose()


for protocol in (2, 3):
    sync(protocol)
    asyncio.run(asynchronous(protocol))
cached()
