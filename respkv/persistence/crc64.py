"""CRC-64 as Redis computes it (Jones polynomial, reflected, no initial and no final value)."""

import anycrc

_calc = anycrc.Model("CRC64-REDIS").calc


def crc64(data: bytes, previous: int) -> int:
    """The checksum of all that gave `previous` (0 for nothing) followed by `data`."""
    result: int = _calc(data, previous)
    return result
