"""channels_redis: both layers, with groups, expiry and capacity."""

import asyncio
import sys

from channels.exceptions import ChannelFull
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

HOSTS = [f"redis://{sys.argv[1]}:{sys.argv[2]}/0"]


async def talk(layer: RedisChannelLayer | RedisPubSubChannelLayer) -> None:
    one, two = await layer.new_channel(), await layer.new_channel()
    await layer.group_add("room", one)
    await layer.group_add("room", two)
    await layer.group_send("room", {"type": "chat", "text": "hello"})
    for channel in (one, two):
        assert (await asyncio.wait_for(layer.receive(channel), 10))["text"] == "hello"
    await layer.group_discard("room", two)
    await layer.group_send("room", {"type": "chat", "text": "again"})
    assert (await asyncio.wait_for(layer.receive(one), 10))["text"] == "again"
    await layer.send(two, {"type": "chat", "text": "direct"})
    assert (await asyncio.wait_for(layer.receive(two), 10))["text"] == "direct"


async def main() -> None:
    core = RedisChannelLayer(hosts=HOSTS, capacity=3)
    await talk(core)
    for number in range(3):
        await core.send("full", {"type": "x", "n": number})
    try:
        await core.send("full", {"type": "x"})
    except ChannelFull:
        pass
    else:
        raise AssertionError("the channel takes more than its capacity")
    await core.flush()
    await core.close_pools()
    layer = RedisPubSubChannelLayer(hosts=HOSTS)
    await talk(layer)
    await layer.flush()


asyncio.run(main())
