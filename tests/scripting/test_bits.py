"""Operations on 32 bits, beside Python's own."""

from hypothesis import given
from hypothesis import strategies as st

from respkv.scripting import bits

words = st.integers(-(2**31), 2**32 - 1)


def unsigned(number: int) -> int:
    return number & 0xFFFFFFFF


@given(words, words, st.integers(-100, 100))
def test_they_are_those_of_python_modulo_two_to_the_32(one: int, two: int, count: int) -> None:
    assert unsigned(bits.band(one, two)) == unsigned(one & two)
    assert unsigned(bits.bor(one, two)) == unsigned(one | two)
    assert unsigned(bits.bxor(one, two)) == unsigned(one ^ two)
    assert unsigned(bits.bnot(one)) == unsigned(~one)
    assert unsigned(bits.lshift(one, count)) == unsigned(one << (count & 31))
    assert unsigned(bits.rshift(one, count)) == unsigned(one) >> (count & 31)
    assert bits.ror(bits.rol(one, count), count) == bits.tobit(one)
    assert bits.bswap(bits.bswap(one)) == bits.tobit(one)
    assert int(bits.tohex(one), 16) == unsigned(one)
    assert -(2**31) <= bits.tobit(one) < 2**31
