"""The packed form of small collections, against a plain list and against what redis-server dumps."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from real_redis import RealRedis

from respkv.values import listpack

NUMBERS = [
    number + delta
    for bits in (0, 7, 12, 13, 15, 16, 23, 24, 31, 32, 63, 64)
    for number in (1 << bits, -(1 << bits))
    for delta in (-1, 0, 1)
]
ELEMENTS = st.one_of(
    st.binary(max_size=70),
    st.integers(-(1 << 65), 1 << 65).map(lambda number: b"%d" % number),
    st.sampled_from([b"%d" % number for number in NUMBERS]),
    st.sampled_from(
        [b"", b"-", b"-0", b"00", b"+1", b" 1", b"1 ", b"1_0", b"x" * 63, b"x" * 64, b"x" * 125, b"x" * 126]
    ),
    st.sampled_from([b"y" * 4095, b"y" * 4096, b"y" * 20_000]),
)
LISTS = st.lists(ELEMENTS, max_size=30)


def offsets(packed: bytes) -> list[int]:
    """Those of all elements, and of the end."""
    at = [listpack.HEADER_BYTES]
    while packed[at[-1]] != 0xFF:
        at.append(listpack.after(packed, at[-1]))
    return at


@given(LISTS)
def test_what_is_packed_comes_out_again(elements: list[bytes]) -> None:
    packed = listpack.pack(elements)
    assert listpack.unpack(packed) == elements
    assert listpack.unpack_untrusted(packed) == elements
    assert listpack.count(packed) == len(elements)
    at = offsets(packed)
    assert [listpack.before(packed, end) for end in at[1:]] == at[:-1]
    assert [listpack.seek(packed, index) for index in range(len(elements))] == at[:-1]
    assert [packed[start:end] for start, end in pairwise(at)] == [listpack.encode(element) for element in elements]


def test_an_empty_one() -> None:
    assert listpack.pack([]) == listpack.EMPTY
    assert listpack.unpack(listpack.EMPTY) == []


@given(LISTS, ELEMENTS, st.integers(1, 2))
def test_elements_are_found(elements: list[bytes], other: bytes, stride: int) -> None:
    packed = listpack.pack(elements)
    at = offsets(packed)
    for wanted in [*elements, other]:
        found = listpack.find(packed, listpack.encode(wanted), listpack.HEADER_BYTES, stride)
        places = [at[index] for index in range(0, len(elements), stride) if elements[index] == wanted]
        assert found == (places[0] if places else -1)


@given(st.lists(ELEMENTS, min_size=1, max_size=10), st.data(), st.lists(ELEMENTS, max_size=3))
def test_a_part_is_replaced(elements: list[bytes], data: st.DataObject, new: list[bytes]) -> None:
    start = data.draw(st.integers(0, len(elements)))
    stop = data.draw(st.integers(start, len(elements)))
    packed = listpack.pack(elements)
    at = offsets(packed)
    encoded = b"".join(map(listpack.encode, new))
    changed = listpack.splice(packed, at[start], at[stop], encoded, len(new) - (stop - start))
    assert changed == listpack.pack(elements[:start] + new + elements[stop:])


def test_more_elements_than_the_header_can_count() -> None:
    elements = [b"%d" % (number % 10) for number in range(70_000)]
    packed = listpack.pack(elements)
    assert listpack.count(packed) == 70_000
    assert listpack.unpack_untrusted(packed) == elements


@given(st.binary(max_size=60), LISTS, st.data())
@example(b"\x0a\x00\x00\x00\x01\x00\xf0\xff\xff\xff", [], None)
def test_damage_is_noticed_or_harmless(noise: bytes, elements: list[bytes], data: st.DataObject | None) -> None:
    packed = bytearray(listpack.pack(elements))
    if data is not None:
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    for damaged in (bytes(packed), noise):
        try:
            found = listpack.unpack_untrusted(damaged)
        except ValueError:
            continue
        assert listpack.unpack(damaged) == found


@pytest.mark.parametrize(
    "elements", [[b"%d" % number for number in NUMBERS], [b"x" * length for length in (0, 1, 63, 64, 65)]]
)
def test_it_is_what_redis_writes(reference: RealRedis, elements: list[bytes]) -> None:
    fields = [element for index, element in enumerate(elements) for element in (b"f%d" % index, element)]
    reference.call(b"CONFIG", b"SET", b"hash-max-listpack-value", b"100000", b"rdbcompression", b"no")
    reference.call(b"HSET", b"h", *fields)
    dumped = reference.call(b"DUMP", b"h")
    reference.call(b"CONFIG", b"SET", b"hash-max-listpack-value", b"64", b"rdbcompression", b"yes")
    assert listpack.pack(fields) in dumped
