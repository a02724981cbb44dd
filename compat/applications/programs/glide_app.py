"""valkey-glide: commands, a transaction, scripts, streams, and messages by callback."""

import asyncio
import sys

from glide import (
    Batch,
    ExpirySet,
    ExpiryType,
    GlideClient,
    GlideClientConfiguration,
    NodeAddress,
    Script,
    StreamAddOptions,
)

ADDRESS = [NodeAddress(sys.argv[1], int(sys.argv[2]))]
Modes = GlideClientConfiguration.PubSubChannelModes


async def main() -> None:
    client = await GlideClient.create(GlideClientConfiguration(ADDRESS, request_timeout=10_000))
    assert await client.set("k", "v", expiry=ExpirySet(ExpiryType.SEC, 30)) == "OK"
    assert await client.get("k") == b"v" and 0 < await client.ttl("k") <= 30
    assert await client.hset("h", {"f": "1", "g": "2"}) == 2 and await client.hgetall("h") == {b"f": b"1", b"g": b"2"}
    assert await client.zadd("z", {"a": 1.5, "b": 2.0}) == 2 and await client.zscore("z", "a") == 1.5
    batch = Batch(is_atomic=True)
    batch.set("n", "41")
    batch.incr("n")
    assert await client.exec(batch, raise_on_error=True) == ["OK", 42]
    script = Script("return {KEYS[1], ARGV[1]}")
    assert await client.invoke_script(script, keys=["k"], args=["x"]) == [b"k", b"x"]
    assert await client.xadd("stream", [("f", "v")], StreamAddOptions(id="1-1")) == b"1-1"
    assert (await asyncio.gather(*(client.incr("many") for _ in range(100))))[-1]
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    subscriptions = GlideClientConfiguration.PubSubSubscriptions(
        channels_and_patterns={Modes.Exact: {"news"}, Modes.Pattern: {"n*"}},
        callback=lambda message, context: loop.call_soon_threadsafe(heard.put_nowait, message.message),
        context=None,
    )
    listener = await GlideClient.create(GlideClientConfiguration(ADDRESS, pubsub_subscriptions=subscriptions))
    for _ in range(100):
        if await client.publish("hello", "news") == 2:
            break
        await asyncio.sleep(0.05)
    assert [await asyncio.wait_for(heard.get(), 10) for _ in range(2)] == [b"hello"] * 2
    await listener.close()
    await client.close()


asyncio.run(main())
