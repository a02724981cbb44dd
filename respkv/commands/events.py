"""Classes of keyspace notifications, under the roof where commands look for them."""

from respkv.engine.events import (
    EVICTED,
    EXPIRED,
    GENERIC,
    HASH,
    KEY_MISS,
    LIST,
    NEW,
    SET,
    STREAM,
    STRING,
    ZSET,
)

__all__ = ["EVICTED", "EXPIRED", "GENERIC", "HASH", "KEY_MISS", "LIST", "NEW", "SET", "STREAM", "STRING", "ZSET"]
