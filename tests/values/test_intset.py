"""The packed form of small sets of integers, against a sorted list and against what redis-server dumps."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_redis import RealRedis

from respkv.values import intset

EDGES = [sign * (1 << bits) + delta for bits in (0, 7, 15, 31, 63) for sign in (1, -1) for delta in (-1, 0, 1)]
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
NUMBERS = st.one_of(st.integers(-50, 50), INT64, st.sampled_from([one for one in EDGES if -(1 << 63) <= one < 1 << 63]))


@given(st.sets(NUMBERS, max_size=40))
def test_what_is_packed_comes_out_in_order(numbers: set[int]) -> None:
    packed = intset.pack(list(numbers))
    assert intset.unpack(packed) == intset.unpack_untrusted(packed) == sorted(numbers)
    assert intset.count(packed) == len(numbers)
    assert [intset.number_at(packed, index) for index in range(len(numbers))] == sorted(numbers)


@given(st.lists(st.tuples(st.booleans(), NUMBERS), max_size=60))
def test_it_is_a_sorted_set_that_only_becomes_wider(changes: list[tuple[bool, int]]) -> None:
    packed = intset.EMPTY
    model: set[int] = set()
    width = 2
    for is_added, number in changes:
        index = intset.find(packed, number)
        assert (index >= 0) == (number in model)
        if is_added and index < 0:
            packed = intset.insert(packed, -1 - index, number)
            model.add(number)
            width = max(width, intset.width_of(number))
        elif not is_added and index >= 0:
            packed = intset.delete(packed, index)
            model.discard(number)
        assert intset.unpack_untrusted(packed) == sorted(model)
        assert packed[0] == width


@given(st.one_of(st.binary(max_size=22), st.integers().map(lambda number: b"%d" % number)))
def test_only_canonical_integers_of_64_bits_are_integers(text: bytes) -> None:
    number = intset.parse(text)
    try:
        expected = int(text)
    except ValueError:
        expected = 1 << 64
    assert number == (expected if b"%d" % expected == text and -(1 << 63) <= expected < 1 << 63 else None)


@pytest.mark.parametrize("text", [b"", b"-", b"-0", b"01", b"+1", b" 1", b"1_0", b"9223372036854775808", b"1" * 5000])
def test_other_forms_are_no_integers(text: bytes) -> None:
    assert intset.parse(text) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02\x00\x00\x00\x00\x00\x00",
        b"\x03\x00\x00\x00\x00\x00\x00\x00",
        b"\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00",
        b"\x02\x00\x00\x00\xff\xff\xff\xff\x01\x00",
        b"\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x01\x00",
        b"\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x01\x00",
    ],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="an intset"):
        intset.unpack_untrusted(data)


def test_it_is_what_redis_writes(reference: RealRedis) -> None:
    reference.call("CONFIG", "SET", "rdbcompression", "no")
    for numbers in ([1], [1, 2, 300, -5], [70_000, 1], [1 << 40, 1, -(1 << 63)]):
        reference.call("SADD", "ints", *[str(number) for number in numbers])
        dump = reference.call("DUMP", "ints")
        reference.call("DEL", "ints")
        packed = intset.pack(numbers)
        # Type 11, a length of six bits, and at the end a version and a checksum.
        assert dump[:2] == bytes((11, len(packed)))
        assert dump[2:-10] == packed
        assert all(one < two for one, two in pairwise(intset.unpack(packed)))
    reference.call("CONFIG", "SET", "rdbcompression", "yes")
