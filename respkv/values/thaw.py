"""Bytes that are about to be edited become a bytearray on the same memory, where C was built.

A string of 100 MB that is copied keeps everyone waiting for 50 ms, and takes its memory twice meanwhile.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

Thaw: TypeAlias = Callable[[dict[bytes, Any], bytes, int], bytearray | None]
"""The bytes of a key as a bytearray, which takes their place in the dict: O(1); O(pages) where room has to be made.

The third argument says by how many bytes it is about to grow, or 0. A bytearray that was thawed before gets room for
them too: when it grew by itself, it would be copied.

None, and nothing changed, where there is neither or somebody else has the bytes too, who would see them change.
"""


def portable_thaw(values: dict[bytes, Any], key: bytes, growth: int) -> bytearray | None:
    """None: to Python, bytes have their memory for ever."""
    return None


thaw: Thaw = portable_thaw
try:
    from respkv.values import _thaw
except ImportError:
    pass
else:
    if _thaw.KNOWS_LAYOUT:
        thaw = _thaw.thaw
