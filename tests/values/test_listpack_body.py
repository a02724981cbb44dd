"""Headless listpacks, against a plain list."""

from hypothesis import given
from hypothesis import strategies as st

from respkv.values import listpack, listpack_body
from respkv.values.listpack import encode, encoded_length

ELEMENTS = st.one_of(
    st.binary(max_size=130),
    st.integers(-(1 << 65), 1 << 65).map(lambda number: b"%d" % number),
    st.sampled_from(
        [
            b"%d" % (sign * (1 << bits) + one)
            for bits in (7, 12, 15, 23, 31, 63)
            for sign in (1, -1)
            for one in (-1, 0, 1)
        ]
    ),
    st.sampled_from([b"", b"-", b"-0", b"00", b"-01", b"0", b"+1", b" 1", b"1_0", b"x" * 63, b"x" * 64, b"x" * 5000]),
)
LISTS = st.lists(ELEMENTS, max_size=30)


@given(ELEMENTS)
def test_the_length_of_an_element_is_known_beforehand(element: bytes) -> None:
    assert encoded_length(element) == len(encode(element))


@given(LISTS)
def test_elements_are_walked_in_both_directions(elements: list[bytes]) -> None:
    body = listpack_body.pack(elements)
    count = len(elements)
    offsets = [len(listpack_body.pack(elements[:index])) for index in range(count + 1)]
    for index in range(count + 1):
        assert listpack_body.skip(body, 0, index) == offsets[index]
        assert listpack_body.skip_back(body, len(body), count - index) == offsets[index]
        assert listpack_body.seek(body, count, index) == offsets[index]
        assert listpack.elements_from(body, offsets[index], count - index) == elements[index:]
    assert listpack.elements_from(body, 0, count // 2) == elements[: count // 2]


@given(LISTS, ELEMENTS)
def test_equal_elements_are_found_and_taken_out(elements: list[bytes], other: bytes) -> None:
    body = listpack_body.pack(elements)
    for wanted in [*elements[:5], other]:
        encoded = encode(wanted)
        offsets: list[int] = []
        indexes = listpack_body.find_all(body, encoded, offsets)
        assert indexes == [index for index, element in enumerate(elements) if element == wanted]
        assert offsets == [len(listpack_body.pack(elements[:index])) for index in indexes]
        left = [element for element in elements if element != wanted]
        assert listpack_body.without(body, offsets, len(encoded)) == listpack_body.pack(left)


def test_what_only_looks_like_an_element_is_none() -> None:
    looks = encode(b"a")
    elements = [b"--" + looks, looks, b"a", looks * 2, b"a"]
    assert listpack_body.find_all(listpack_body.pack(elements), looks, []) == [2, 4]


@given(
    st.one_of(
        LISTS, st.integers(0, 64).flatmap(lambda size: st.lists(st.binary(min_size=size, max_size=size), max_size=20))
    )
)
def test_elements_become_bulk_strings(elements: list[bytes]) -> None:
    wire = b"".join([b"$%d\r\n%b\r\n" % (len(element), element) for element in elements])
    body = b"".join([encode(element) for element in elements])
    assert listpack_body.to_wire(body, len(elements), backwards=False) == wire
    turned = b"".join([b"$%d\r\n%b\r\n" % (len(element), element) for element in reversed(elements)])
    assert listpack_body.to_wire(body, len(elements), backwards=True) == turned
    assert listpack_body.bulks_of(elements) == wire
