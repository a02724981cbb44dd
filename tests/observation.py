"""What a server's data look like from outside: the same for any server that holds the same data."""

from collections.abc import Callable, Iterator
from typing import Any

Call = Callable[..., Any]
"""Runs one command given as words; bulk strings as `bytes`, an error raised or returned as an exception."""

Observation = dict[bytes, tuple[Any, ...]]
"""Key to its type, its value in a form that compares, and when it expires (unix ms, -1 never)."""


def observe(call: Call, pattern: bytes = b"*") -> Observation:
    """All keys of the selected database that match the pattern. RESP2 replies are assumed."""
    return {key: observe_key(call, key) for key in sorted(_keys(call, pattern))}


def _keys(call: Call, pattern: bytes) -> Iterator[bytes]:
    cursor = b"0"
    seen: set[bytes] = set()
    while True:
        cursor, keys = call(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", b"500")
        seen.update(keys)
        if cursor in (b"0", 0):
            break
    yield from seen


def observe_key(call: Call, key: bytes) -> tuple[Any, ...]:
    """Type, value and expiry of one key; `(b"none", None, -2)` if it is not there."""
    kind = call(b"TYPE", key)
    kind = kind.encode() if isinstance(kind, str) else kind
    return kind, _VALUES[kind](call, key), call(b"PEXPIRETIME", key)


def _hash(call: Call, key: bytes) -> Any:
    flat = call(b"HGETALL", key)
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    times = call(b"HPEXPIRETIME", key, b"FIELDS", str(len(fields)).encode(), *fields)
    # A server without expiring fields answers with an error.
    times = times if isinstance(times, list) else [-1] * len(fields)
    return fields, {field: at_ms for field, at_ms in zip(fields, times, strict=True) if at_ms != -1}


def _sorted_set(call: Call, key: bytes) -> Any:
    flat = call(b"ZRANGE", key, b"0", b"-1", b"WITHSCORES")
    return list(zip(flat[::2], map(float, flat[1::2]), strict=True))


def _stream(call: Call, key: bytes) -> Any:
    entries = call(b"XRANGE", key, b"-", b"+")
    facts = _facts(call(b"XINFO", b"STREAM", key))
    groups = {}
    for reply in call(b"XINFO", b"GROUPS", key):
        group = _facts(reply)
        name = group[b"name"]
        pending = call(b"XPENDING", key, name, b"-", b"+", b"100000")
        consumers = [_facts(consumer)[b"name"] for consumer in call(b"XINFO", b"CONSUMERS", key, name)]
        groups[name] = (
            group[b"last-delivered-id"],
            group.get(b"entries-read"),
            [(entry[0], entry[1], entry[3]) for entry in pending],
            sorted(consumers),
        )
    return (
        entries,
        facts[b"last-generated-id"],
        facts.get(b"entries-added"),
        facts.get(b"max-deleted-entry-id"),
        groups,
    )


def _facts(flat: list[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


_VALUES: dict[bytes, Callable[[Call, bytes], Any]] = {
    b"none": lambda call, key: None,
    b"string": lambda call, key: call(b"GET", key),
    b"list": lambda call, key: call(b"LRANGE", key, b"0", b"-1"),
    b"hash": _hash,
    b"set": lambda call, key: sorted(call(b"SMEMBERS", key)),
    b"zset": _sorted_set,
    b"stream": _stream,
}
