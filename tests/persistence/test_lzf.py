"""LZF, in C and in Python."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from respkv.persistence.lzf import MOST_EXPANSION, Decompress, decompress, portable_decompress

WAYS = [decompress, portable_decompress]

Run = bytes | tuple[int, int]
"""Literal bytes, or how far back from the last byte written a copy begins, and its length."""

RUNS = st.lists(
    st.one_of(st.binary(min_size=1, max_size=32), st.tuples(st.integers(0, 8191), st.integers(3, 264))), max_size=40
)


def packed(runs: list[Run]) -> tuple[bytes, bytes]:
    """Compressed data of these runs, and what they stand for by the definition, byte by byte."""
    data = b"\x00x"
    plain = bytearray(b"x")
    for run in runs:
        if isinstance(run, bytes):
            data += bytes((len(run) - 1,)) + run
            plain += run
            continue
        back, length = min(run[0], len(plain) - 1), run[1]
        far, near = divmod(back, 256)
        data += bytes((length - 2 << 5 | far, near)) if length < 9 else bytes((7 << 5 | far, length - 9, near))
        for _ in range(length):
            plain.append(plain[-1 - back])
    return data, bytes(plain)


def outcome(way: Decompress, data: bytes, size: int) -> bytes | str:
    try:
        return way(data, size)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("data", "size", "expected"),
    [
        (b"\x02abc", 3, b"abc"),
        (b"\x00a\xe0\x00\x00", 10, b"a" * 10),
        (b"\x01ab\x20\x01", 5, b"ababa"),
        (b"\x02abc\x20\x02\x00d", 7, b"abcabcd"),
        (b"", 0, b""),
    ],
)
def test_each_kind_of_run(way: Decompress, data: bytes, size: int, expected: bytes) -> None:
    assert way(data, size) == expected


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("data", "size", "reason"),
    [
        (b"\x02ab", 3, "end inside a literal run"),
        (b"\x1f", 32, "end inside a literal run"),
        (b"\x00a\x20", 4, "end inside a reference"),
        (b"\x00a\xe0", 10, "end inside a reference"),
        (b"\x00a\xe0\x00", 10, "end inside a reference"),
        (b"\x20\x00", 3, "refer before their start"),
        (b"\x00a\x20\x01", 4, "refer before their start"),
        (b"\x02abc", 2, "are longer than announced"),
        (b"\x00a\x20\x00", 3, "are longer than announced"),
        (b"\x02abc", 4, "are shorter than announced"),
        (b"", 1, "cannot become that long"),
        (b"\x00a", 1 << 40, "cannot become that long"),
        (b"\x00a", 1 << 80, "cannot become that long"),
    ],
)
def test_data_that_lie(way: Decompress, data: bytes, size: int, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^compressed data {reason}$"):
        way(data, size)


@pytest.mark.parametrize("way", WAYS)
@given(runs=RUNS)
def test_any_runs(way: Decompress, runs: list[Run]) -> None:
    data, plain = packed(runs)
    assert way(data, len(plain)) == plain


@given(runs=RUNS, cut=st.integers(0, 2000), off=st.integers(-300, 300))
def test_both_ways_say_the_same_of_cut_data_and_wrong_sizes(runs: list[Run], cut: int, off: int) -> None:
    data, plain = packed(runs)
    size = max(0, len(plain) + off)
    assert outcome(decompress, data, size) == outcome(portable_decompress, data, size)
    assert outcome(decompress, data[:cut], size) == outcome(portable_decompress, data[:cut], size)


@given(data=st.binary(max_size=400), size=st.integers(0, 1000))
@example(data=b"\x00a" + b"\xff" * 10, size=11)
def test_both_ways_say_the_same_of_any_bytes(data: bytes, size: int) -> None:
    assert outcome(decompress, data, size) == outcome(portable_decompress, data, size)


@pytest.mark.parametrize("way", WAYS)
def test_the_most_that_data_can_stand_for(way: Decompress) -> None:
    data = b"\x00x" + b"\xe0\xff\x00" * 1000
    size = 1 + 264 * 1000
    assert way(data, size) == b"x" * size
    assert size < len(data) * MOST_EXPANSION


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("arguments", [(), (b"\x00a",), ("a", 1), (b"\x00a", "1"), (b"\x00a", 1, 1)])
def test_other_arguments_are_an_error(way: Decompress, arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        way(*arguments)  # type: ignore[arg-type]
