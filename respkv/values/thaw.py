"""Bytes that are about to be edited become a bytearray on the same memory, where C was built.

A string of 100 MB that is copied keeps everyone waiting for 50 ms, and takes its memory twice meanwhile.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

Thaw: TypeAlias = Callable[[dict[bytes, Any], bytes, int], bytearray | None]
"""The bytes of a key as a bytearray, which takes their place in the dict: O(1); O(pages) if it has to grow.

None, and nothing changed, where there are no bytes or somebody else has them too, who would see them change. The third
argument says by how many bytes the array is about to grow, or 0.
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
    thaw = _thaw.thaw
