"""LZF, the compression of long strings in RDB files and in what DUMP says: in C where that was built.

The data are runs, each behind a control byte (Marc Lehmann's liblzf format):

    000LLLLL                       L + 1 literal bytes follow
    LLLooooo oooooooo              copy L + 2 bytes from offset o + 1 back, L = 1..6
    111ooooo LLLLLLLL oooooooo     copy L + 9 bytes from offset o + 1 back
"""

from collections.abc import Callable
from typing import Final, TypeAlias

# Three bytes stand for at most 264.
MOST_EXPANSION: Final = 88

Decompress: TypeAlias = Callable[[bytes, int], bytes]
"""The bytes, as many as the second argument says, that the first stands for. O(size), and no more memory than that.

Raises ValueError when the data do not stand for exactly that many.
"""

Compress: TypeAlias = Callable[[bytes | bytearray], bytes | None]
"""Data that stand for the argument and are at least four bytes shorter, or None. O(bytes)."""


def portable_compress(data: bytes | bytearray) -> bytes | None:
    """Nothing, as `Compress` may say: Python would keep everyone waiting for longer than the bytes are worth."""
    return None


def portable_decompress(data: bytes, size: int) -> bytes:
    """As `Decompress` says: some 0.3 µs a run, of which there may be one for every three bytes."""
    if size > len(data) * MOST_EXPANSION:
        raise ValueError("compressed data cannot become that long")
    output = bytearray()
    at = 0
    end = len(data)
    while at < end:
        control = data[at]
        at += 1
        if control < 32:
            following = at + control + 1
            if following > end:
                raise ValueError("compressed data end inside a literal run")
            output += data[at:following]
            at = following
        else:
            length = (control >> 5) + 2
            if end - at < (2 if length == 9 else 1):
                raise ValueError("compressed data end inside a reference")
            if length == 9:
                length += data[at]
                at += 1
            distance = ((control & 31) << 8) + data[at] + 1
            at += 1
            start = len(output) - distance
            if start < 0:
                raise ValueError("compressed data refer before their start")
            if distance >= length:
                output += output[start : start + length]
            else:
                output += (output[start:] * (length // distance + 1))[:length]
        if len(output) > size:
            raise ValueError("compressed data are longer than announced")
    if len(output) != size:
        raise ValueError("compressed data are shorter than announced")
    return bytes(output)


compress: Compress = portable_compress
decompress: Decompress = portable_decompress
try:
    from respkv.persistence import _lzf
except ImportError:
    pass
else:
    compress = _lzf.compress
    decompress = _lzf.decompress
