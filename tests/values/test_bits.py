"""Rows of bits against a text of zeros and ones."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respkv.values import bits

TEXTS = st.binary(max_size=40)


def row(text: bytes | bytearray) -> str:
    return "".join(f"{byte:08b}" for byte in text)


@given(st.binary(min_size=1, max_size=40), st.data())
def test_counting_and_finding_in_any_range(text: bytes, data: st.DataObject) -> None:
    last = data.draw(st.integers(0, len(text) * 8 - 1))
    first = data.draw(st.integers(0, last))
    part = row(text)[first : last + 1]
    assert bits.count_bits(text, first, last) == part.count("1")
    assert bits.count_bits(bytearray(text), first, last) == part.count("1")
    for bit in (0, 1):
        place = part.find(str(bit))
        assert bits.find_bit(text, bit, first, last) == (place if place < 0 else place + first)


def test_counting_in_large_strings() -> None:
    chance = random.Random(7)
    for length in (1, bits.PIECE - 1, bits.PIECE, 8 * bits.PIECE, 8 * bits.PIECE + 1, 25 * bits.PIECE + 77):
        text = chance.randbytes(length)
        number = int.from_bytes(text, "big")
        assert bits.count_ones(text, 0, length) == number.bit_count()
        assert bits.count_ones(text, length // 3, length) == int.from_bytes(text[length // 3 :], "big").bit_count()
    sparse = bytearray(40 * bits.PIECE)
    sparse[8 * bits.PIECE] = sparse[17 * bits.PIECE] = sparse[-1] = 3
    assert bits.count_ones(sparse, 0, len(sparse)) == 6


@pytest.mark.parametrize("bit", [0, 1])
def test_finding_in_large_strings(bit: int) -> None:
    other = b"\xff" if bit == 0 else b"\0"
    for place in (0, 1, 8 * 1024, 8 * 8 * bits.PIECE, 8 * 8 * bits.PIECE - 1, 8 * 20 * bits.PIECE + 3):
        text = bytearray(other * (21 * bits.PIECE))
        text[place >> 3] ^= 0x80 >> (place & 7)
        last = len(text) * 8 - 1
        assert bits.find_bit(text, bit, 0, last) == place
        assert bits.find_bit(text, bit, place, place) == place
        assert bits.find_bit(text, bit, place + 1, last) == -1
        if place:
            assert bits.find_bit(text, bit, 0, place - 1) == -1


RULES: dict[int, Callable[[bool, list[bool]], bool]] = {
    bits.AND: lambda first, rest: first and all(rest),
    bits.OR: lambda first, rest: first or any(rest),
    bits.XOR: lambda first, rest: (first + sum(rest)) % 2 == 1,
    bits.NOT: lambda first, rest: not first,
    bits.DIFF: lambda first, rest: first and not any(rest),
    bits.DIFF1: lambda first, rest: any(rest) and not first,
    bits.ANDOR: lambda first, rest: first and any(rest),
    bits.ONE: lambda first, rest: first + sum(rest) == 1,
}


def combined(operation: int, texts: list[bytes]) -> bytes:
    length = max(map(len, texts))
    rows = [[digit == "1" for digit in row(text.ljust(length, b"\0"))] for text in texts]
    digits = "".join("01"[bool(RULES[operation](first, rest))] for first, *rest in zip(*rows, strict=True))
    return bytes(int(digits[at : at + 8], 2) for at in range(0, len(digits), 8))


@given(st.sampled_from(sorted(RULES)), st.lists(TEXTS, min_size=2, max_size=4))
def test_combining(operation: int, texts: list[bytes]) -> None:
    if operation == bits.NOT:
        texts = texts[:1]
    assert bits.combine(operation, list(texts)) == combined(operation, texts)
    if operation != bits.DIFF1 and operation != bits.ANDOR:
        assert bits.combine(operation, list(texts[:1])) == combined(operation, texts[:1])


def test_combining_beyond_a_piece() -> None:
    chance = random.Random(8)
    texts = [chance.randbytes(length) for length in (bits.PIECE + 5, 3 * bits.PIECE, 2 * bits.PIECE + 1)]
    for operation in RULES:
        several = texts[:1] if operation == bits.NOT else texts
        assert bits.combine(operation, list(several)) == combined(operation, several)


def test_combining_long_strings_of_either_form() -> None:
    chance = random.Random(9)
    sizes = (12 * bits.PIECE + 21, 9 * bits.PIECE + 3, 9 * bits.PIECE)
    texts = [chance.randbytes(size) for size in sizes]
    one, two, three = [int.from_bytes(text, "little") for text in texts]
    ones = (1 << 8 * sizes[0]) - 1
    wanted = {
        bits.AND: one & two & three,
        bits.OR: one | two | three,
        bits.XOR: one ^ two ^ three,
        bits.NOT: one ^ ones,
    }
    for operation, number in wanted.items():
        for form in (bytes, bytearray):
            several = [form(text) for text in texts[: 1 if operation == bits.NOT else 3]]
            assert bits.combine(operation, several) == number.to_bytes(sizes[0], "little")
            assert several == texts[: len(several)]


@given(st.binary(max_size=20), st.integers(0, 200), st.integers(1, 64))
def test_reading_integers(text: bytes, offset: int, width: int) -> None:
    digits = row(text.ljust(40, b"\0"))[offset : offset + width]
    assert bits.read_unsigned(text, offset, width) == int(digits, 2)
    assert bits.read_signed(text, offset, width) == int(digits, 2) - (int(digits[0]) << width)


@given(st.binary(min_size=40, max_size=40), st.integers(0, 250), st.integers(1, 64), st.integers(-(2**64), 2**64))
def test_writing_integers(text: bytes, offset: int, width: int, number: int) -> None:
    edited = bytearray(text)
    bits.write(edited, offset, width, number)
    assert bits.read_unsigned(edited, offset, width) == number % (1 << width)
    assert row(edited)[:offset] == row(text)[:offset]
    assert row(edited)[offset + width :] == row(text)[offset + width :]
