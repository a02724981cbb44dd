"""Classes of keyspace notifications: the `kind` of `Keyspace.notify`.

The bits are those by which Redis keeps `notify-keyspace-events`; the letter is how that directive names the class.
"""

from typing import Final

GENERIC: Final = 1 << 2
"""`g`: what any type of value can meet (del, expire, rename_from)."""
STRING: Final = 1 << 3
"""`$`"""
LIST: Final = 1 << 4
"""`l`"""
SET: Final = 1 << 5
"""`s`"""
HASH: Final = 1 << 6
"""`h`"""
ZSET: Final = 1 << 7
"""`z`"""
EXPIRED: Final = 1 << 8
"""`x`: a key whose time has come was deleted."""
EVICTED: Final = 1 << 9
"""`e`: a key was deleted to make room."""
STREAM: Final = 1 << 10
"""`t`"""
KEY_MISS: Final = 1 << 11
"""`m`: a read met no key."""
NEW: Final = 1 << 14
"""`n`: a key was created."""
