"""The same line to a client in process and to a real redis-server."""

from typing import Any

from harness import Client
from real_redis import RealRedis

from respkv.errors import ReplyError
from respkv.reply import NULL_ARRAY
from respkv.resp.inline import split_args


def plain(reply: Any) -> Any:
    """A reply of `Client.run` in the form in which `RealRedis` gives it."""
    if isinstance(reply, str):
        return reply.encode()
    if isinstance(reply, ReplyError):
        return reply.message
    if reply is NULL_ARRAY:
        return None
    if isinstance(reply, list):
        return [plain(one) for one in reply]
    return reply


def both(client: Client, redis: RealRedis, line: str) -> tuple[Any, Any]:
    """Our reply and Redis's."""
    words = split_args(line.encode())
    assert words, line
    return plain(client.run(*words)), redis.call(*words)
