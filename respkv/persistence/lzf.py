"""LZF, the compression of long strings in RDB files. Only reading: respkv's own bases are not compressed.

The data are runs, each behind a control byte (Marc Lehmann's liblzf format):

    000LLLLL                       L + 1 literal bytes follow
    LLLooooo oooooooo              copy L + 2 bytes from offset o + 1 back, L = 1..6
    111ooooo LLLLLLLL oooooooo     copy L + 9 bytes from offset o + 1 back
"""

from typing import TYPE_CHECKING, Final

from librt.strings import BytesWriter

from respkv.build import BUILD

if TYPE_CHECKING:
    from mypy_extensions import i64

# Three bytes stand for at most 264.
MOST_EXPANSION: Final = 88

# What is longer has longer runs, which are copied as a whole.
_SHORT: Final = 512


def decompress(data: bytes, size: int) -> bytes:
    """The `size` bytes that `data` stands for.

    Raises: ValueError when they do not stand for exactly that many. O(size).
    """
    if size > len(data) * MOST_EXPANSION:
        raise ValueError("compressed data cannot become that long")
    if BUILD == "compiled" and size <= _SHORT:
        return _decompress_short(data, size)
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
            continue
        length = control >> 5
        if length == 7:
            if at >= end:
                raise ValueError("compressed data end inside a reference")
            length += data[at]
            at += 1
        if at >= end:
            raise ValueError("compressed data end inside a reference")
        length += 2
        distance = ((control & 31) << 8) + data[at] + 1
        at += 1
        start = len(output) - distance
        if start < 0:
            raise ValueError("compressed data refer before their start")
        if distance >= length:
            output += output[start : start + length]
        else:
            pattern = output[start:]
            output += (pattern * (length // distance + 1))[:length]
        if len(output) > size:
            raise ValueError("compressed data are longer than announced")
    if len(output) != size:
        raise ValueError("compressed data are shorter than announced")
    return bytes(output)


def _decompress_short(data: bytes, size: int) -> bytes:
    """As `decompress`, byte by byte and without an object for each run: small collections are hundreds of bytes."""
    buffer = BytesWriter()
    at: i64 = 0
    end: i64 = len(data)
    written: i64 = 0
    most: i64 = size
    while at < end:
        control: i64 = data[at]
        at += 1
        if control < 32:
            following: i64 = at + control + 1
            if following > end:
                raise ValueError("compressed data end inside a literal run")
            written += control + 1
            if written > most:
                raise ValueError("compressed data are longer than announced")
            while at < following:
                buffer.append(data[at])
                at += 1
            continue
        length: i64 = (control >> 5) + 2
        if length == 9:
            if at >= end:
                raise ValueError("compressed data end inside a reference")
            length += data[at]
            at += 1
        if at >= end:
            raise ValueError("compressed data end inside a reference")
        start: i64 = written - ((control & 31) << 8) - data[at] - 1
        at += 1
        if start < 0:
            raise ValueError("compressed data refer before their start")
        written += length
        if written > most:
            raise ValueError("compressed data are longer than announced")
        while length > 0:
            # What is copied may be what was just written.
            buffer.append(buffer[start])
            start += 1
            length -= 1
    if written != most:
        raise ValueError("compressed data are shorter than announced")
    return buffer.getvalue()
