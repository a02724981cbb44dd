"""Packed forms from outside: what fits is taken over, what could be written otherwise is made anew, damage is named."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed_forms import loose_listpack, ziplist, zipmap
from real_redis import RealRedis

from respkv.persistence.crc64 import crc64
from respkv.persistence.packed import checked_listpack, listpack_elements, ziplist_elements, zipmap_elements
from respkv.persistence.rdb_writer import encode_string
from respkv.values import listpack

LENGTHS = (
    0,
    1,
    62,
    63,
    64,
    65,
    124,
    125,
    126,
    127,
    128,
    252,
    253,
    254,
    255,
    256,
    4094,
    4095,
    4096,
    16383,
    16384,
    20_000,
)
NUMBERS = [
    number + delta
    for bits in (0, 7, 12, 13, 15, 16, 23, 24, 31, 32, 63, 64)
    for number in (1 << bits, -(1 << bits))
    for delta in (-1, 0, 1)
]
ELEMENTS = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([b"x" * length for length in LENGTHS]),
    st.sampled_from([b"%d" % number for number in NUMBERS]),
    st.sampled_from([b"-", b"-0", b"00", b"+1", b" 1", b"1_0", b"12", b"13", b"-1"]),
)
LISTS = st.lists(ELEMENTS, max_size=20)

# An element, and how many bytes its form is wider than it has to be.
LOOSE = st.lists(st.tuples(ELEMENTS, st.integers(0, 5)), max_size=20)


@given(LISTS)
def test_a_listpack_in_its_one_form_stays_the_same_object(elements: list[bytes]) -> None:
    packed = listpack.pack(elements)
    assert checked_listpack(packed, 0) is packed


@pytest.mark.parametrize("length", LENGTHS)
def test_every_length_of_an_element_is_known(length: int) -> None:
    packed = listpack.pack([b"a", b"x" * length, b"b"])
    assert checked_listpack(packed, 0) is packed


@given(LOOSE)
def test_elements_in_wider_forms_become_what_we_would_write(elements: list[tuple[bytes, int]]) -> None:
    assert checked_listpack(loose_listpack(elements), 0) == listpack.pack([element for element, _ in elements])


@pytest.mark.parametrize("count", [0, 1, 65_534, 65_535, 65_536, 70_000])
def test_many_elements_are_counted(count: int) -> None:
    packed = listpack.pack([b"%d" % (number % 100) for number in range(count)])
    assert checked_listpack(packed, 0) is packed


def test_a_listpack_that_does_not_know_its_count_gets_to_know_it() -> None:
    packed = listpack.pack([b"a", b"b"])
    assert checked_listpack(packed[:4] + b"\xff\xff" + packed[6:], 0) == packed


@pytest.mark.parametrize(
    ("elements", "stride"),
    [
        ([b"a", b"a"], 1),
        ([b"a", b"1", b"a", b"2"], 2),
        ([b"a", b"1", b"2", b"a", b"1", b"2"], 3),
        ([b"a"], 2),
        ([b"a", b"b", b"c", b"d"], 3),
    ],
)
def test_groups_are_whole_and_their_first_is_unique(elements: list[bytes], stride: int) -> None:
    with pytest.raises(ValueError, match=r"twice|odd"):
        checked_listpack(listpack.pack(elements), stride)


def test_an_element_in_two_forms_is_there_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        checked_listpack(loose_listpack([(b"5", 0), (b"5", 1)]), 1)


def test_values_may_repeat() -> None:
    packed = listpack.pack([b"a", b"1", b"b", b"1"])
    assert checked_listpack(packed, 2) is packed


@given(LOOSE, st.data())
def test_a_damaged_listpack_is_refused_or_well_formed(elements: list[tuple[bytes, int]], data: st.DataObject) -> None:
    damaged = damage(loose_listpack(elements), data)
    try:
        found = checked_listpack(damaged, 0)
    except ValueError:
        with pytest.raises(ValueError, match="listpack"):
            listpack.unpack_untrusted(damaged)
        return
    assert found == listpack.pack(listpack.unpack_untrusted(damaged))
    assert listpack_elements(damaged, 0) == listpack.unpack(found)


def damage(data: bytes, choice: st.DataObject) -> bytes:
    """With some bytes changed, or cut, or continued."""
    damaged = bytearray(data)
    for _ in range(choice.draw(st.integers(1, 3))):
        damaged[choice.draw(st.integers(0, len(damaged) - 1))] = choice.draw(st.integers(0, 255))
    match choice.draw(st.integers(0, 3)):
        case 0:
            del damaged[choice.draw(st.integers(0, len(damaged) - 1)) :]
        case 1:
            damaged += choice.draw(st.binary(max_size=3))
    return bytes(damaged)


@given(LISTS)
def test_ziplists(elements: list[bytes]) -> None:
    assert ziplist_elements(ziplist(elements)) == elements


def test_ziplists_of_more_elements_than_the_header_counts() -> None:
    elements = [b"%d" % (number % 100) for number in range(70_000)]
    assert ziplist_elements(ziplist(elements)) == elements


@given(st.dictionaries(ELEMENTS, ELEMENTS, max_size=10), st.integers(0, 4))
def test_zipmaps(pairs: dict[bytes, bytes], unused: int) -> None:
    elements = zipmap_elements(zipmap(pairs, unused))
    assert dict(zip(elements[::2], elements[1::2], strict=True)) == pairs
    assert len(elements) == 2 * len(pairs)


@pytest.mark.parametrize("count", [253, 254, 300])
def test_zipmaps_of_more_pairs_than_their_first_byte_counts(count: int) -> None:
    pairs = {b"%d" % number: b"" for number in range(count)}
    assert len(zipmap_elements(zipmap(pairs))) == 2 * count


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (ziplist_elements, b""),
        (ziplist_elements, ziplist([])[:-1]),
        (ziplist_elements, ziplist([])[:-1] + b"\0"),
        (ziplist_elements, b"\x0c\0\0\0\x0a\0\0\0\x01\0\x00\xff"),
        (ziplist_elements, ziplist([b"a", b"b"]).replace(b"\x02\0", b"\x03\0", 1)),
        (ziplist_elements, ziplist([b"a", b"b"]).replace(b"\x0d\0\0\0", b"\x0a\0\0\0", 1)),
        (ziplist_elements, ziplist([b"a", b"b"]).replace(b"\x03\x01b", b"\x04\x01b", 1)),
        (ziplist_elements, ziplist([b"a" * 10]).replace(b"\x0aaa", b"\x0baa", 1)),
        (ziplist_elements, ziplist([b"5"]).replace(b"\xf6", b"\x90", 1)),
        (ziplist_elements, ziplist([b"5"]).replace(b"\xf6", b"\xe0", 1)),
        (zipmap_elements, b""),
        (zipmap_elements, b"\x00"),
        (zipmap_elements, zipmap({b"a": b"b"})[:-1]),
        (zipmap_elements, zipmap({b"a": b"b"}).replace(b"\x01", b"\x02", 1)),
        (zipmap_elements, b"\x01\x01a\xff"),
        (zipmap_elements, b"\x01\x01a\x09\x00b\xff"),
        (zipmap_elements, b"\x01\xfe\xff\xff\xff\xffa\xff"),
        (zipmap_elements, b"\x01\x01a\x01\x05b\xff"),
    ],
)
def test_what_is_no_ziplist_or_zipmap(read: Callable[[bytes], list[bytes]], data: bytes) -> None:
    with pytest.raises(ValueError, match="zip"):
        read(data)


@given(LISTS, st.data())
def test_damaged_old_forms_are_refused_or_harmless(elements: list[bytes], data: st.DataObject) -> None:
    for read, whole in (
        (ziplist_elements, ziplist(elements)),
        (zipmap_elements, zipmap({element: element for element in elements})),
    ):
        damaged = damage(whole, data)
        with contextlib.suppress(ValueError):
            assert sum(map(len, read(damaged))) <= 21 * len(damaged)


def test_redis_reads_the_old_forms_that_these_tests_write(reference: RealRedis) -> None:
    elements = [b"%d" % number for number in NUMBERS] + [b"x" * length for length in LENGTHS]
    assert restore(reference, 10, ziplist(elements)) == b"OK"
    assert reference.call("LRANGE", "k", "0", "-1") == elements
    assert restore(reference, 9, zipmap({b"a": b"b" * 300, b"c" * 300: b"d"}, 3)) == b"OK"
    found = reference.call("HGETALL", "k")
    assert dict(zip(found[::2], found[1::2], strict=True)) == {b"a": b"b" * 300, b"c" * 300: b"d"}


def restore(reference: RealRedis, kind: int, packed: bytes) -> object:
    body = bytes((kind,)) + encode_string(packed) + b"\x09\x00"
    return reference.call("RESTORE", "k", "0", body + crc64(body, 0).to_bytes(8, "little"), "REPLACE")
