"""Digests of values and of all data, as Redis computes them: equal data, equal digest, in whatever order.

Source: DEBUG DIGEST and DEBUG DIGEST-VALUE of Redis 8.2 (in 7.0, scores have 17 digits). `absorb` is order-dependent,
`combine` is not.
"""

from respkv.doubles import format_float
from respkv.engine.engine import Engine
from respkv.engine.keyspace import Keyspace, string_bytes
from respkv.engine.shards import Value, type_name_of
from respkv.values.hashes import Hash
from respkv.values.lists import List
from respkv.values.sets import Set
from respkv.values.sorted_sets import SortedSet
from respkv.values.stream_ids import format_id
from respkv.values.streams import Stream

ZERO = bytes(20)

_TYPE_NUMBERS = {b"string": 0, b"list": 1, b"set": 2, b"zset": 3, b"hash": 4, b"stream": 6}


def combine(digest: bytes, data: bytes) -> bytes:
    """`digest` with `data` among what it stands for, in any order."""
    other = _sha1(data)
    return bytes(one ^ two for one, two in zip(digest, other, strict=True))


def absorb(digest: bytes, data: bytes) -> bytes:
    """`digest` with `data` behind what it stands for."""
    return _sha1(combine(digest, data))


def _sha1(data: bytes) -> bytes:
    import hashlib  # here, since it brings OpenSSL: 4 MB that a program without DEBUG DIGEST need not have

    return hashlib.sha1(data, usedforsecurity=False).digest()


def value_digest(db: Keyspace, key: bytes, digest: bytes = ZERO) -> bytes:
    """`digest` with the value of `key` and whether it has an expiry behind it; `digest` if there is no such key."""
    value = db.peek(key)
    if value is None:
        return digest
    digest = _absorb_value(digest, value)
    return combine(digest, b"!!expire!!") if db.expiry_of(key) >= 0 else digest


def _absorb_value(digest: bytes, value: Value) -> bytes:
    """`digest` with the type and the contents of `value` behind it. O(bytes)."""
    type_name = type_name_of(value)
    digest = absorb(digest, _TYPE_NUMBERS[type_name].to_bytes(4, "big"))
    if isinstance(value, List):
        for item in value.items():
            digest = absorb(digest, item)
    elif isinstance(value, Set):
        for member in value.members():
            digest = combine(digest, member)
    elif isinstance(value, SortedSet):
        for member, score in value.pairs():
            digest = combine(digest, absorb(absorb(ZERO, member), format_float(score)))
    elif isinstance(value, Hash):
        expires = value.expires
        for field, content in value.pairs():
            pair = absorb(absorb(ZERO, field), content)
            digest = combine(digest, combine(pair, b"!!hexpire!!") if field in expires else pair)
    elif isinstance(value, Stream):
        for number, fields in value.entries():
            # Not `-`, of all things.
            digest = absorb(digest, format_id(number).replace(b"-", b"."))
            for word in fields:
                digest = absorb(digest, word)
    else:
        digest = absorb(digest, string_bytes(value))
    return digest


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
