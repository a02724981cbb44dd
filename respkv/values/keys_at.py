"""Keys of many small sets and dicts by their place: in C where it was built, which does not look at other keys.

A part of a `Directory` has no n-th key but the one that an iterator comes to. To pass over a key, Python takes hold of
it and lets go again: among a million, that is to wait for memory some thirty times a pick. `_keys_at.c` waits three or
four times, and for several picks at once: a third of the time.
"""

from collections.abc import Callable
from itertools import islice
from typing import Any, TypeAlias

KeysAt: TypeAlias = Callable[[list[Any], list[int]], list[bytes]]
"""For each of several sets and dicts the key at the place given for it, from 0 on, in some order that stays the same
while nothing changes. Raises IndexError where there are not so many keys (or StopIteration, in Python)."""


def portable_keys_at(parts: list[Any], places: list[int]) -> list[bytes]:
    """As `KeysAt` says. O(place) each."""
    return [next(islice(part, place, None)) for part, place in zip(parts, places, strict=True)]


keys_at: KeysAt = portable_keys_at
try:
    from respkv.values import _keys_at
except ImportError:
    pass
else:
    keys_at = _keys_at.keys_at
