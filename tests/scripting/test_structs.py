"""Values packed as C lays them out."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respkv.scripting import structs
from respkv.scripting.arguments import BadArgument

FIELDS = st.one_of(
    st.tuples(st.just(b"b"), st.integers(-128, 127)),
    st.tuples(st.just(b"B"), st.integers(0, 255)),
    st.tuples(st.just(b"h"), st.integers(-(2**15), 2**15 - 1)),
    st.tuples(st.just(b"I3"), st.integers(0, 2**24 - 1)),
    st.tuples(st.just(b"i"), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just(b"l"), st.integers(-(2**53), 2**53)),
    st.tuples(st.just(b"d"), st.floats(allow_nan=False)),
    st.tuples(st.just(b"s"), st.binary(max_size=10).filter(lambda text: b"\0" not in text)),
    st.tuples(st.just(b"c3"), st.binary(min_size=3, max_size=3)),
)


@given(st.lists(FIELDS, max_size=8), st.sampled_from([b"", b">", b"<", b"!4", b"!8>"]))
def test_what_is_packed_can_be_unpacked(fields: list[tuple[bytes, object]], options: bytes) -> None:
    form = options + b"".join(option for option, _ in fields)
    values = [value for _, value in fields]
    packed = structs.pack(form, *values)
    assert structs.unpack(form, packed) == (*values, len(packed) + 1)
    if not any(option == b"s" for option, _ in fields):
        assert structs.size(form) == len(packed)


@given(st.binary(max_size=12), st.binary(max_size=20))
def test_any_format_and_any_data_end_with_values_or_a_message(form: bytes, data: bytes) -> None:
    for call in (lambda: structs.unpack(form, data), lambda: structs.size(form), lambda: structs.pack(form, data, 1)):
        with suppress(BadArgument):
            call()


def test_padding_is_bounded() -> None:
    with pytest.raises(BadArgument):
        structs.pack(b"!1073741824" + b"i32" * 3, 1, 2, 3) and structs.pack(b"c2147483647", b"x")
