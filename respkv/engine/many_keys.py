"""The doors for many keys at once: each is one of `Keyspace`'s in a loop that has all at hand that it needs.

There is little but the dict in such a loop, so that waits for memory overlap. Where anybody wants to know of a key
(`alert`, `attentive`), or it may have expired, the door for one key is used.
"""

from typing import TYPE_CHECKING, Any

from respkv.engine.engine import NOTIFIED
from respkv.engine.events import GENERIC, STRING
from respkv.engine.keyspace import Keyspace, payload_of
from respkv.engine.shards import SHARD_MASK, SHARD_SHIFT

if TYPE_CHECKING:
    from mypy_extensions import i64


def find_all(db: Keyspace, keys: list[bytes], start: int) -> list[Any]:
    """As `find`, of each of `keys` from `start` on. O(keys)."""
    shards = db.shards
    looks_closer = db.attentive or db.alert & NOTIFIED != 0
    found: list[Any] = []
    hits: i64 = 0
    misses: i64 = 0
    for at in range(start, len(keys)):
        key = keys[at]
        number: i64 = hash(key)
        shard = shards[number >> SHARD_SHIFT & SHARD_MASK]
        if looks_closer or shard.expires:
            found.append(db.find(key))
            continue
        value = shard.values.get(key)
        found.append(value)
        if value is None:
            misses += 1
        else:
            hits += 1
    db.engine.hits += hits
    db.engine.misses += misses
    return found


def count_of(db: Keyspace, keys: list[bytes], start: int) -> int:
    """How many of `keys` from `start` on `look` would find. O(keys)."""
    shards = db.shards
    looks_closer = db.attentive or db.alert & NOTIFIED != 0
    found: i64 = 0
    counted: i64 = 0
    missed: i64 = 0
    for at in range(start, len(keys)):
        key = keys[at]
        number: i64 = hash(key)
        shard = shards[number >> SHARD_SHIFT & SHARD_MASK]
        if looks_closer or shard.expires:
            if db.look(key) is not None:
                counted += 1
        elif key in shard.values:
            found += 1
        else:
            missed += 1
    db.engine.hits += found
    db.engine.misses += missed
    return found + counted


def remove_all(db: Keyspace, keys: list[bytes], start: int) -> int:
    """As `remove`, of each of `keys` from `start` on, and it is notified of; how many were there. O(keys)."""
    shards = db.shards
    removed: i64 = 0
    dropped: i64 = 0
    payload_bytes: i64 = 0
    for at in range(start, len(keys)):
        key = keys[at]
        number: i64 = hash(key)
        shard = shards[number >> SHARD_SHIFT & SHARD_MASK]
        if db.alert or shard.expires or shard.accessed:
            if db.remove(key):
                db.notify(GENERIC, b"del", key)
                removed += 1
            continue
        value = shard.values.pop(key, None)
        if value is not None:
            dropped += 1
            if type(value) is bytes:
                payload_bytes += len(key) + len(value)
            else:
                payload_bytes += len(key) + payload_of(value)
                db.let_go(value)
    db.payload_bytes -= payload_bytes
    db.engine.dirty += dropped
    return removed + dropped


def set_strings(db: Keyspace, flat: list[bytes], start: int) -> None:
    """As `set`, of keys and strings that alternate in `flat` from `start` on, and it is notified of. O(keys)."""
    shards = db.shards
    added: i64 = 0
    payload_bytes: i64 = 0
    for at in range(start, len(flat), 2):
        key = flat[at]
        value = flat[at + 1]
        if not db.alert:
            number: i64 = hash(key)
            shard = shards[number >> SHARD_SHIFT & SHARD_MASK]
            there = shard.values
            count = len(there)
            old = there.setdefault(key, value)
            if len(there) > count:
                added += 1
                payload_bytes += len(key) + len(value)
                continue
            if type(old) is bytes and not shard.expires:
                there[key] = value
                added += 1
                payload_bytes += len(value) - len(old)
                continue
        db.set(key, value)
        db.notify(STRING, b"set", key)
    db.payload_bytes += payload_bytes
    db.engine.dirty += added


def load_strings(db: Keyspace, keys: list[bytes], values: list[bytes]) -> None:
    """As `load`, for strings without expiry, which most keys of a base may be: `values[n]` is that of `keys[n]`."""
    shards = db.shards
    added: i64 = 0
    for at, key in enumerate(keys):
        value = values[at]
        number: i64 = hash(key)
        there = shards[number >> SHARD_SHIFT & SHARD_MASK].values
        count = len(there)
        there.setdefault(key, value)
        if len(there) > count:
            added += len(key) + len(value)
        else:
            db.load(key, value, None)
    db.payload_bytes += added
