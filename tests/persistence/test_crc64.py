"""CRC-64: the table's and the library's are one."""

import anycrc
from hypothesis import given
from hypothesis import strategies as st

from respkv.persistence.crc64 import advance, crc64

CHECKSUMS = st.integers(0, 2**64 - 1)


def test_the_check_value_of_the_polynomial() -> None:
    assert crc64(b"123456789", 0) == 0xE9C6D914C4B8D9CA


@given(st.binary(max_size=600), CHECKSUMS)
def test_it_is_that_of_the_library(data: bytes, previous: int) -> None:
    assert crc64(data, previous) == anycrc.Model("CRC64-REDIS").calc(data, previous)


@given(st.binary(max_size=600), st.binary(max_size=600), CHECKSUMS)
def test_it_goes_on_from_part_to_part(first: bytes, second: bytes, previous: int) -> None:
    assert crc64(second, crc64(first, previous)) == crc64(first + second, previous)


@given(CHECKSUMS, st.integers(0, 5000))
def test_zero_bytes_are_gone_over_at_once(checksum: int, size: int) -> None:
    assert advance(checksum, size) == crc64(bytes(size), checksum)


@given(st.binary(max_size=600), st.binary(max_size=600))
def test_that_of_two_parts_follows_from_theirs(first: bytes, second: bytes) -> None:
    assert advance(crc64(first, 0), len(second)) ^ crc64(second, 0) == crc64(first + second, 0)
