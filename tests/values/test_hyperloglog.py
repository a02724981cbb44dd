"""HyperLogLogs: hash, registers and bytes against the definitions, and against redis-server where there is one."""

import random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from real_redis import RealRedis

from respkv.values import hyperloglog
from respkv.values.hyperloglog import REGISTERS, Corrupted

SPARSE_MAX = 3000
ELEMENTS = st.one_of(st.binary(max_size=40), st.integers(0, 10**6).map(lambda number: b"element:%d" % number))


def made_of(elements: list[bytes], sparse_bytes_max: int = SPARSE_MAX) -> bytearray:
    value = hyperloglog.new()
    for element in elements:
        hyperloglog.add(value, element, sparse_bytes_max)
    return value


def model_of(elements: list[bytes]) -> bytes:
    """The registers by the definition."""
    found = bytearray(REGISTERS)
    for element in elements:
        digest = hyperloglog.hash_of(element)
        rest = digest >> 14
        zeros = next((bit for bit in range(50) if rest >> bit & 1), 50)
        index = digest % REGISTERS
        found[index] = max(found[index], zeros + 1)
    return bytes(found)


@pytest.mark.parametrize(
    ("element", "digest"),
    [
        (b"", 0xD8DFEA6585BC9732),
        (b"a", 0x53D2470A9B43B1A7),
        (b"12345678", 0x95EBB86389132953),
        (b"element:000000000001", 0xEA0C3E0CC4ECABE6),
    ],
)
def test_the_hash_has_these_values(element: bytes, digest: int) -> None:
    assert hyperloglog.hash_of(element) == digest


@settings(max_examples=50)
@given(st.lists(ELEMENTS, max_size=300), st.sampled_from([0, 40, 100, 300, SPARSE_MAX]))
def test_sparse_and_dense_have_the_registers_of_the_definition(elements: list[bytes], sparse_bytes_max: int) -> None:
    value = made_of(elements, sparse_bytes_max)
    assert hyperloglog.is_valid(value)
    assert hyperloglog.registers(value) == model_of(elements)
    assert hyperloglog.is_dense(value) or len(value) <= max(sparse_bytes_max, 18)
    assert hyperloglog.is_stale(value) == bool(elements)
    hyperloglog.make_dense(value)
    assert len(value) == hyperloglog.DENSE_BYTES
    assert hyperloglog.registers(value) == model_of(elements)
    # What it has seen changes nothing.
    for element in elements:
        assert not hyperloglog.add(value, element, sparse_bytes_max)


@given(st.binary(min_size=16, max_size=16))
def test_registers_are_packed_and_unpacked(seed: bytes) -> None:
    found = bytes(byte & 63 for byte in random.Random(seed).randbytes(REGISTERS))
    packed = hyperloglog.pack_dense(found)
    assert hyperloglog.registers(b"HYLL\0" + bytes(11) + packed) == found
    number = int.from_bytes(packed, "little")
    assert [number >> 6 * index & 63 for index in range(20)] == list(found[:20])


@given(st.binary(min_size=16, max_size=16))
def test_the_highest_of_two(seed: bytes) -> None:
    chance = random.Random(seed)
    one, two = (bytes(byte & 63 for byte in chance.randbytes(REGISTERS)) for _ in range(2))
    assert hyperloglog.highest(one, two) == bytes(map(max, one, two))


@settings(max_examples=30)
@given(st.lists(ELEMENTS, max_size=100), st.lists(ELEMENTS, max_size=100), st.booleans())
def test_a_merged_one_has_seen_both(one: list[bytes], two: list[bytes], is_dense: bool) -> None:
    value = made_of(one)
    if is_dense:
        hyperloglog.make_dense(value)
    hyperloglog.merge(value, model_of(two), SPARSE_MAX)
    assert hyperloglog.registers(value) == model_of(one + two)
    assert hyperloglog.is_stale(value)


@pytest.mark.parametrize("count", [0, 1, 2, 10, 100, 1000, 5000, 20_000])
def test_the_estimate_is_about_right(count: int) -> None:
    value = made_of([b"%d" % number for number in range(count)])
    estimate = hyperloglog.estimate_of(value)
    assert abs(estimate - count) <= max(1, 0.03 * count) if count > 2 else estimate == count
    hyperloglog.cache_estimate(value, estimate)
    assert not hyperloglog.is_stale(value)
    assert hyperloglog.estimate_of(value) == estimate


@pytest.mark.parametrize("value", [b"", b"HYLL", b"HYLK\1" + bytes(13), b"HYLL\2" + bytes(13), b"HYLL\0" + bytes(13)])
def test_other_strings_are_none(value: bytes) -> None:
    assert not hyperloglog.is_valid(value)


@pytest.mark.parametrize(
    "runs",
    [b"", b"\x7f", b"\x7f\xfe", b"\x7f\xff\x00", b"\xff", b"\x80\x7f\xff", b"\x7f\xff" * 1000, b"\x3f" * 257],
)
def test_runs_that_do_not_add_up_are_refused(runs: bytes) -> None:
    value = bytearray(b"HYLL\1" + bytes(10) + b"\x80" + runs)
    before = bytes(value)
    assert hyperloglog.is_valid(value)
    with pytest.raises(Corrupted):
        hyperloglog.registers(value)
    with pytest.raises(Corrupted):
        hyperloglog.estimate_of(value)
    with pytest.raises(Corrupted):
        hyperloglog.make_dense(value)
    with pytest.raises(Corrupted):
        hyperloglog.raise_register(value, 5, 40, SPARSE_MAX)
    assert value == before


def test_registers_that_no_element_makes_have_an_estimate_too() -> None:
    value = bytearray(b"HYLL\0" + bytes(10) + b"\x80" + b"\xff" * 12288)
    assert hyperloglog.estimate_of(value) == -(2**63)
    hyperloglog.cache_estimate(value, -(2**63))
    assert hyperloglog.is_stale(value)


def test_runs_are_told() -> None:
    value = hyperloglog.new()
    assert hyperloglog.describe(value) == b"Z:16384"
    hyperloglog.raise_register(value, 70, 3, SPARSE_MAX)
    hyperloglog.raise_register(value, 71, 3, SPARSE_MAX)
    hyperloglog.raise_register(value, 75, 32, SPARSE_MAX)
    assert hyperloglog.describe(value) == b"Z:70 v:3,2 z:3 v:32,1 Z:16308"


# Beside redis-server


def test_hashes_are_those_of_redis(reference: RealRedis) -> None:
    """By the register that each element of some length goes to."""
    chance = random.Random(3)
    for length in range(40):
        element = chance.randbytes(length)
        reference.call("DEL", "h")
        reference.call("PFADD", "h", element)
        assert reference.call("GET", "h") == made_of([element])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(ELEMENTS, max_size=200), min_size=1, max_size=8), st.sampled_from([20, 60, 200, 1000, 3000]))
@example([[b"%d" % number for number in range(2000)]], 3000)
def test_the_bytes_are_those_of_redis(reference: RealRedis, lists: list[list[bytes]], sparse_bytes_max: int) -> None:
    reference.call("CONFIG", "SET", "hll-sparse-max-bytes", str(sparse_bytes_max))
    reference.call("DEL", "h")
    reference.call("PFADD", "h")
    value = hyperloglog.new()
    hyperloglog.forget_estimate(value)
    for elements in lists:
        changed = [hyperloglog.add(value, element, sparse_bytes_max) for element in elements]
        assert reference.call("PFADD", "h", *elements) == any(changed)
        assert reference.call("GET", "h") == value
        assert reference.call("PFCOUNT", "h") == hyperloglog.estimate_of(value)
        hyperloglog.cache_estimate(value, hyperloglog.estimate_of(value))
        assert reference.call("GET", "h") == value
    reference.call("CONFIG", "SET", "hll-sparse-max-bytes", "3000")


@pytest.mark.parametrize("count", [0, 10, 700, 20_000])
@pytest.mark.parametrize("sparse_bytes_max", [0, SPARSE_MAX, 15_000])
@pytest.mark.parametrize("share", [3, 30])
def test_many_are_counted_as_one_after_the_other(count: int, sparse_bytes_max: int, share: int) -> None:
    elements = [b"element:%012d" % number for number in range(count)]
    value = made_of(elements[: count // share], sparse_bytes_max)
    hyperloglog.cache_estimate(value, 7)
    other = bytearray(value)
    is_changed = [hyperloglog.add(other, element, sparse_bytes_max) for element in elements[5:]]
    assert hyperloglog.add_all(value, elements, 5, sparse_bytes_max) == any(is_changed)
    assert value == other
    assert not hyperloglog.add_all(value, elements, 5, sparse_bytes_max)
    assert value == other


def test_a_union_has_the_highest_of_each_register() -> None:
    chance = random.Random(5)
    sketches: list[bytes | bytearray] = []
    highest = bytes(REGISTERS)
    assert hyperloglog.union([]) == highest
    for count in (20_000, 100, 50_000, 0, 3000):
        value = made_of([b"%d" % chance.randrange(10**9) for _ in range(count)])
        sketches.append(bytes(value) if count == 100 else value)
        highest = bytes(map(max, highest, hyperloglog.registers(value)))
        assert hyperloglog.union(sketches) == highest
    full = hyperloglog.new()
    hyperloglog.make_dense(full)
    full[16:] = b"\xff" * (len(full) - 16)
    assert hyperloglog.union([*sketches, full]) == b"\x3f" * REGISTERS
    assert hyperloglog.union([full, *sketches]) == b"\x3f" * REGISTERS
