"""What two listpacks have in common, against Python's sets."""

import random

from hypothesis import given
from hypothesis import strategies as st

from respkv.values import listpack, listpack_join

ELEMENTS = st.sampled_from(
    [b"", b"0", b"-1", b"127", b"128", b"70000", b"a", b"b" * 63, b"c" * 64, b"c" * 5000]
) | st.binary(max_size=20)
SETS = st.lists(ELEMENTS, unique=True, max_size=40)


def expected(elements: list[bytes], others: list[bytes], wanted: bool) -> list[bytes]:
    return [element for element in elements if (element in others) == wanted]


@given(SETS, SETS, st.booleans())
def test_elements_that_another_has_or_has_not(elements: list[bytes], others: list[bytes], wanted: bool) -> None:
    found = listpack_join.among(listpack.pack(elements), listpack.pack(others), wanted)
    assert found == expected(elements, others, wanted)


def test_any_number_of_elements() -> None:
    chance = random.Random(5)
    for size in (1, 4, 5, 100, listpack_join.ELEMENTS_MAX, listpack_join.ELEMENTS_MAX + 1):
        elements = [b"member:%d" % number for number in range(size)]
        others = [b"member:%d" % (number * 2) for number in range(size)]
        chance.shuffle(others)
        for wanted in (True, False):
            found = listpack_join.among(listpack.pack(elements), listpack.pack(others), wanted)
            assert found == expected(elements, others, wanted)


def test_a_beginning_is_not_the_element() -> None:
    long = listpack.pack([b"x" * 100])
    short = listpack.pack([b"x" * 99])
    assert listpack_join.among(long, short, True) == listpack_join.among(short, long, True) == []
