"""CRC-64 as Redis computes it (Jones polynomial, reflected, no initial and no final value).

A call of the library takes 0.5 us however little there is, more than the checksum of a small batch: compiled, those go
through a table here. One of single bytes, for its 2 KB: a server that waited for the disk finds its caches cold.
"""

from typing import Final

import anycrc
from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from respkv.build import BUILD

_calc = anycrc.Model("CRC64-REDIS").calc

_SMALL: Final = 256
_SIGN: Final = 1 << 63
_WORD: Final = 1 << 64
_POLYNOMIAL: Final = 0x95AC9329AC4BC9B5
"""Reflected: the lowest bit stands for the highest power."""


def crc64(data: bytes, previous: int) -> int:
    """The checksum of all that gave `previous` (0 for nothing) followed by `data`. O(bytes)."""
    if BUILD == "compiled" and len(data) < _SMALL:
        few = _crc64_of_few(data, previous - _WORD if previous >= _SIGN else previous)
        return few + _WORD if few < 0 else few
    result: int = _calc(data, previous)
    return result


def advance(checksum: int, size: int) -> int:
    """What `checksum` becomes by `size` zero bytes. O(log(size)).

    As the checksum is linear, `crc64(a + b, 0) == advance(crc64(a, 0), len(b)) ^ crc64(b, 0)`: the checksum of any part
    of a file follows from those of what lies before its two ends (as in zlib's crc32_combine).
    """
    power = 0
    while size >> power:
        if size >> power & 1:
            checksum = _multiply(_zeros(power), checksum)
        power += 1
    return checksum


def _zeros(power: int) -> list[int]:
    """What each bit of a checksum becomes by 2 ** `power` zero bytes."""
    while len(_ZEROS) <= power:
        last = _ZEROS[-1]
        _ZEROS.append([_multiply(last, column) for column in last])
    return _ZEROS[power]


def _multiply(columns: list[int], checksum: int) -> int:
    total = 0
    for column in columns:
        if checksum & 1:
            total ^= column
        checksum >>= 1
    return total


def _crc64_of_few(data: bytes, previous: i64) -> int:
    """As `crc64`, in arithmetic modulo 2 ** 64 with a sign, which interpreted code has not."""
    table = _TABLE
    crc = previous
    size: i64 = len(data)
    at: i64 = 0
    while at + 8 <= size:
        word: i64 = read_i64_le(data, at)
        at += 8
        end: i64 = 8
        while end > 0:
            crc = table[(crc ^ word) & 0xFF] ^ (crc >> 8 & 0x00FFFFFFFFFFFFFF)
            word = word >> 8
            end -= 1
    while at < size:
        crc = table[(crc ^ data[at]) & 0xFF] ^ (crc >> 8 & 0x00FFFFFFFFFFFFFF)
        at += 1
    return crc


def _make_table() -> vec[i64]:
    """What each byte becomes: its remainder by the polynomial, after eight shifts."""
    remainders: list[i64] = []
    for byte in range(256):
        crc: int = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        remainders.append(crc - _WORD if crc >= _SIGN else crc)
    return vec[i64](remainders)


_TABLE: Final = _make_table()
_ZEROS: Final[list[list[int]]] = [[crc64(b"\0", 1 << bit) for bit in range(64)]]
