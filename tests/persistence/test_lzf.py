"""LZF, in C and in Python."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from respkv.persistence.lzf import (
    MOST_EXPANSION,
    Compress,
    Decompress,
    compress,
    decompress,
    portable_compress,
    portable_decompress,
)

DISTANCE_MAX = 8192

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


# Repeats nearby and far away, of some bytes and of many.
REPETITIVE = st.lists(st.sampled_from([b"a", b"abc", b"0123456789abcdef" * 4, bytes(range(256)) * 8]), max_size=60).map(
    b"".join
)


@pytest.mark.parametrize("way", [compress, portable_compress])
@given(data=st.one_of(REPETITIVE, st.binary(max_size=300), RUNS.map(lambda runs: packed(runs)[1])))
@example(data=b"a" * 5)
@example(data=b"a" * 10_000)
def test_what_is_compressed_comes_back(way: Compress, data: bytes) -> None:
    smaller = way(data)
    if smaller is not None:
        assert len(smaller) + 4 <= len(data)
        assert portable_decompress(smaller, len(data)) == data
        assert decompress(smaller, len(data)) == data


needs_c = pytest.mark.skipif(compress is portable_compress, reason="_lzf.c is not built")


@needs_c
@pytest.mark.parametrize(
    ("data", "most"),
    [
        (b"a" * 10, 5),
        (b"a" * 100_000, 1200),
        (bytes(range(256)) * 100, 610),
        (b"".join(b"element:%012d" % number for number in range(400)), 2400),
        # What was seen last is the farthest that a reference reaches, and its end is the end of the data.
        (b"xyz" + bytes(range(3, 256)) * 32 + bytes(93) + b"xyz!!!!!!", 800),
    ],
)
def test_what_repeats_becomes_shorter(data: bytes, most: int) -> None:
    smaller = compress(data)
    assert smaller is not None
    assert len(smaller) <= most
    assert decompress(smaller, len(data)) == data


@needs_c
@pytest.mark.parametrize("distance", [8191, 8192, 8193])
def test_a_reference_reaches_so_far_and_no_farther(distance: int) -> None:
    once = random.Random(distance).randbytes(30) + bytes(distance - 30)
    smaller, again = compress(once), compress(once + once[:30])
    assert smaller is not None
    assert again is not None
    assert (len(again) < len(smaller) + 10) == (distance <= DISTANCE_MAX)
    assert decompress(again, distance + 30) == once + once[:30]


@pytest.mark.parametrize("data", [b"", b"a", b"aaaa", b"abcdefghijk", random.Random(1).randbytes(100_000)])
def test_what_does_not_repeat_is_left_as_it_is(data: bytes) -> None:
    assert compress(data) is None


@needs_c
def test_other_things_than_bytes_are_not_compressed() -> None:
    with pytest.raises(TypeError):
        compress("a" * 100)  # type: ignore[arg-type]


@needs_c
def test_an_array_is_compressed_as_bytes_are() -> None:
    array = bytearray(b"xx" + b"abc" * 100)
    del array[:2]
    assert compress(array) == compress(b"abc" * 100)
    assert compress(bytearray()) is None
