"""Bytes that become a bytearray on the same memory, in C."""

import gc
import os
import random
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respkv.values.thaw import portable_thaw, thaw

needs_c = pytest.mark.skipif(thaw is portable_thaw, reason="_thaw.c is not built, or knows nothing of this Python")

KEY = b"k"


def fresh(data: bytes) -> dict[bytes, object]:
    """Bytes that the dict alone has."""
    return {KEY: bytes(bytearray(data))}


def test_portable_bytes_stay_as_they_are() -> None:
    values = fresh(b"abc")
    assert portable_thaw(values, KEY, 0) is None
    assert values == {KEY: b"abc"}


@needs_c
@pytest.mark.parametrize("growth", [0, 1, 1000, 10_000_000])
@pytest.mark.parametrize("size", [2, 31, 32, 479, 480, 511, 512, 513, 5000, 1 << 18, (1 << 22) + 1])
def test_what_comes_of_bytes_is_a_bytearray_as_any_other(size: int, growth: int) -> None:
    chance = random.Random(size + growth)
    data = chance.randbytes(size)
    values = fresh(data)
    edited = thaw(values, KEY, growth)
    assert type(edited) is bytearray
    assert values[KEY] is edited
    assert edited == data
    edited += b"x" * growth
    model = bytearray(data) + b"x" * growth
    assert edited == model
    for _ in range(40):
        at, end = sorted(chance.randrange(len(model) + 1) for _ in range(2))
        end = min(end, at + 1000)
        new = chance.randbytes(chance.choice((0, end - at, chance.randrange(3000))))
        # What is cut off the front moves the start within the block.
        at = chance.choice((0, at, len(model)))
        edited[at:end] = new
        model[at:end] = new
        assert edited == model
    edited.clear()
    assert edited == b""
    edited += b"again"
    assert bytes(edited) == b"again"


@needs_c
@given(data=st.binary(min_size=2, max_size=3000), growth=st.integers(-5, 3000), suffix=st.binary(max_size=4000))
def test_any_bytes_any_growth(data: bytes, growth: int, suffix: bytes) -> None:
    values = fresh(data)
    edited = thaw(values, KEY, growth)
    assert edited is not None
    edited += suffix
    edited[0] ^= 1
    assert edited == bytes((data[0] ^ 1,)) + data[1:] + suffix
    assert edited.find(b"\0") == bytes(edited).find(b"\0")


@needs_c
@pytest.mark.parametrize("size", [100, 4000, 1 << 18, 1 << 24])
@pytest.mark.parametrize("step", [1, 100, 5000, 1 << 17])
def test_it_grows_without_being_copied_by_itself(size: int, step: int) -> None:
    values = fresh(b"x" * size)
    model = size
    edited = bytearray()
    for _ in range(100):
        thawed = thaw(values, KEY, step)
        assert thawed is not None
        edited = thawed
        assert edited is values[KEY]
        allocated = edited.__alloc__()
        assert allocated >= model + step + 1
        edited += b"y" * step
        model += step
        assert edited.__alloc__() == allocated, "it was moved once more"
    assert edited == b"x" * size + b"y" * (model - size)


@needs_c
def test_a_bytearray_that_is_looked_at_is_left_alone() -> None:
    values = fresh(b"x" * 1000)
    edited = thaw(values, KEY, 0)
    assert edited is not None
    with memoryview(edited) as view:
        assert thaw(values, KEY, 1 << 20) is edited
        assert view == b"x" * 1000
    other = bytearray(b"abc")
    assert thaw({KEY: other}, KEY, 100) is other
    assert other.__alloc__() == 4


@needs_c
def test_bytes_that_somebody_has_stay_as_they_are() -> None:
    values = fresh(b"abc")
    held = values[KEY]
    assert thaw(values, KEY, 0) is None
    assert values[KEY] is held
    del held
    view = memoryview(values[KEY])  # type: ignore[arg-type]
    assert thaw(values, KEY, 0) is None
    view.release()
    assert type(thaw(values, KEY, 0)) is bytearray


@needs_c
@pytest.mark.parametrize("values", [{}, {b"other": b"abc"}, {KEY: 5}, {KEY: b""}, {KEY: b"a"}])
def test_what_is_no_bytes_stays_as_it_is(values: dict[bytes, object]) -> None:
    before = dict(values)
    assert thaw(values, KEY, 0) is None
    assert values == before


@needs_c
@pytest.mark.parametrize(
    "arguments", [(), ({},), ({}, KEY), ({}, "k", 0), ([], KEY, 0), ({}, KEY, "0"), ({}, KEY, 1 << 70)]
)
def test_other_arguments_are_an_error(arguments: tuple[object, ...]) -> None:
    with pytest.raises((TypeError, OverflowError)):
        thaw(*arguments)  # type: ignore[arg-type]


@needs_c
def test_growth_that_no_memory_has_is_left_to_who_grows() -> None:
    for growth in (sys.maxsize, sys.maxsize - 10_000, 1 << 60):
        values = fresh(b"abc" * 1000)
        edited = thaw(values, KEY, growth)
        assert edited is not None
        assert edited == b"abc" * 1000


@needs_c
def test_nothing_is_kept_or_lost() -> None:
    def rounds(count: int) -> None:
        for _ in range(count):
            values = fresh(b"x" * 300_000)
            edited = thaw(values, KEY, 5)
            assert edited is not None
            edited += b"12345"

    rounds(100)
    gc.collect()
    before = resident_bytes()
    rounds(2000)
    assert resident_bytes() - before < 20 * 300_000


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@needs_c
def test_where_objects_and_buffers_have_allocators_of_their_own_bytes_stay() -> None:
    program = "from respkv.values.thaw import thaw; d = {b'k': bytes(bytearray(9999))}; print(thaw(d, b'k', 0))"
    environment = {**os.environ, "PYTHONMALLOC": "debug"}
    shown = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout == "None\n"
    values = fresh(b"abc" * 1000)
    tracemalloc.start()
    try:
        assert thaw(values, KEY, 0) is None
    finally:
        tracemalloc.stop()
    assert thaw(values, KEY, 0) is not None
    assert values == {KEY: b"abc" * 1000}
