"""The door for strings that are edited in place: long ones are not copied for their first edit.

A string is `bytes` until a command edits it; that makes a `bytearray` of it, which takes O(bytes). For long ones
`values/thaw.py` does it on the memory that they have, if only the keyspace has the bytes: no reply that is being sent,
no snapshot, no transaction. To whoever looks, nothing has changed.
"""

from typing import Any, Final

from respkv.engine.keyspace import Keyspace
from respkv.values.thaw import thaw

THAWED_BYTES: Final = 1 << 18
"""Shorter strings are copied within some ten microseconds."""


def edit_string(db: Keyspace, key: bytes, end: int, suffix_bytes: int) -> Any:
    """As `Keyspace.edit`, for a command that edits a string in place.

    It is about to make the string `end` bytes long, if it is shorter, or `suffix_bytes` longer. What comes as `bytes`
    the command has to copy. O(1); O(pages) where a long string needs room.
    """
    value = db.edit(key)
    if type(value) is not bytes and type(value) is not bytearray:
        return value
    size = len(value)
    if size < THAWED_BYTES:
        return value
    growth = max(end - size, suffix_bytes)
    if growth <= 0 and type(value) is bytearray:
        return value
    # What is too long is refused by the command.
    if size + growth > db.engine.bulk_max_bytes:
        return value
    values = db.shard_of(key).values
    # Not to be held here, or somebody has it.
    value = None
    value = thaw(values, key, growth)
    return values[key] if value is None else value
