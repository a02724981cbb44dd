"""Digests of values and of all data, as Redis computes them: equal data, equal digest, in whatever order.

Source: DEBUG DIGEST and DEBUG DIGEST-VALUE of the reference. `absorb` is order-dependent, `combine` is not.
"""

import hashlib

from respkv.engine.engine import Engine
from respkv.engine.keyspace import Keyspace, string_bytes

ZERO = bytes(20)

_STRING_TYPE = 0


def combine(digest: bytes, data: bytes) -> bytes:
    """`digest` with `data` among what it stands for, in any order."""
    other = hashlib.sha1(data, usedforsecurity=False).digest()
    return bytes(one ^ two for one, two in zip(digest, other, strict=True))


def absorb(digest: bytes, data: bytes) -> bytes:
    """`digest` with `data` behind what it stands for."""
    return hashlib.sha1(combine(digest, data), usedforsecurity=False).digest()


def value_digest(db: Keyspace, key: bytes, digest: bytes = ZERO) -> bytes:
    """`digest` with the value of `key` and whether it has an expiry behind it; `digest` if there is no such key."""
    value = db.peek(key)
    if value is None:
        return digest
    digest = absorb(digest, _STRING_TYPE.to_bytes(4, "big"))
    digest = absorb(digest, string_bytes(value))
    return combine(digest, b"!!expire!!") if db.expiry_of(key) >= 0 else digest


def data_digest(engine: Engine) -> bytes:
    """The digest of all databases; all zeros if they are empty. O(bytes of all keys and values)."""
    digest = ZERO
    for db in engine.databases:
        if db.size() == 0:
            continue
        digest = absorb(digest, db.index.to_bytes(4, "big"))
        for shard in db.shards:
            for key in list(shard.values):
                if db.holds(key):
                    digest = combine(digest, value_digest(db, key, absorb(ZERO, key)))
    return digest
