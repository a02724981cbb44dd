"""The estimate of used memory, against resident size and against a sum over all keys."""

import subprocess
import sys

import pytest

from respkv.engine.keyspace import open_engine
from respkv.engine.memory import RENEW_BYTES, RENEW_MS, Meter, memory_usage, usage_of, usage_of_all

GROWTH = """
import gc, sys
from pathlib import Path
from respkv.engine.keyspace import open_engine
from respkv.engine.memory import usage_of_all

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

make = eval("lambda number: " + sys.argv[1])
in_ms = int(sys.argv[2])
engine = open_engine()
db = engine.databases[0]
gc.disable()


def load(start, stop):
    for number in range(start, stop):
        db.load(b"key:%012d" % number, make(number), 1_700_000_000_000 + number if in_ms else None)


# The first keys fill what the interpreter's start left free, which never shows as growth.
load(0, 100_000)
resident_before, estimated_before = resident(), usage_of_all(engine).total_bytes
load(100_000, 400_000)
print(resident() - resident_before, usage_of_all(engine).total_bytes - estimated_before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("value", "in_ms"),
    [
        ("b'%064d' % number", 0),
        ("b'%064d' % number", 1000),
        ("b'%05d' % number", 0),
        ("b'%0500d' % number", 0),
        ("number + 10**9", 0),
        ("number + 10**9", 1000),
    ],
)
def test_the_estimate_is_near_the_growth_of_resident_size(value: str, in_ms: int) -> None:
    output = subprocess.run(
        [sys.executable, "-c", GROWTH, value, str(in_ms)], check=True, capture_output=True, text=True
    ).stdout
    grown, estimated = map(int, output.split())
    assert 0.85 < estimated / grown < 1.15


def test_an_empty_engine_takes_nothing() -> None:
    engine = open_engine()
    assert usage_of_all(engine).total_bytes == 0
    assert Meter(engine).used_bytes() == 0


def test_usage_counts_keys_and_expiries_by_database() -> None:
    engine = open_engine()
    for number in range(1000):
        engine.databases[0].load(b"key:%04d" % number, b"x" * 100, 10**13 if number < 300 else None)
        engine.database(1).load(b"k:%04d" % number, 7, None)
    first, second = usage_of(engine.database(0)), usage_of(engine.database(1))
    assert (first.keys, first.expiring, first.payload_bytes) == (1000, 300, 108_000)
    assert (second.keys, second.expiring, second.expiry_bytes) == (1000, 0, 0)
    assert first.expiry_bytes > 300 * 32
    both = usage_of_all(engine)
    assert both.total_bytes == first.total_bytes + second.total_bytes
    assert both.total_bytes == both.payload_bytes + both.overhead_bytes


def test_the_meter_follows_writes_without_looking_at_all_shards_each_time() -> None:
    engine = open_engine()
    db = engine.databases[0]
    for number in range(20_000):
        db.load(b"key:%06d" % number, b"x" * 64, None)
    meter = Meter(engine)
    meter.used_bytes()
    looks = 0
    renewed = meter._renewed_at_ms, meter._payload_bytes
    for number in range(20_000, 40_000):
        db.load(b"key:%06d" % number, b"x" * 64, None)
        used_bytes = meter.used_bytes()
        if (meter._renewed_at_ms, meter._payload_bytes) != renewed:
            renewed = meter._renewed_at_ms, meter._payload_bytes
            looks += 1
        if number % 1000 == 0:
            assert used_bytes == pytest.approx(usage_of_all(engine).total_bytes, rel=0.06)
    assert 2 <= looks <= 20_000 * 74 / RENEW_BYTES + 1


def test_the_meter_looks_again_after_some_time() -> None:
    engine = open_engine()
    db = engine.databases[0]
    for number in range(2000):
        db.load(b"key:%06d" % number, b"x", None)
    meter = Meter(engine)
    before = meter.used_bytes()
    for number in range(2000):
        db.expire(b"key:%06d" % number, 10**13)
    assert meter.used_bytes() == before
    engine.now_ms += RENEW_MS
    assert meter.used_bytes() > before + 2000 * 32


def test_what_goes_is_given_back_but_stays_in_the_peak() -> None:
    engine = open_engine()
    db = engine.databases[0]
    for number in range(5000):
        db.load(b"key:%06d" % number, b"x" * 100, None)
    meter = Meter(engine)
    full = meter.used_bytes()
    db.clear()
    assert meter.used_bytes() == 0
    assert meter.peak_bytes == full


def test_memory_usage_of_a_key() -> None:
    engine = open_engine()
    engine.now_ms = 1000
    db = engine.databases[0]
    assert memory_usage(db, b"k") is None
    db.load(b"k", b"x" * 1000, None)
    plain = memory_usage(db, b"k")
    assert plain is not None
    assert 1000 + 33 + 34 <= plain <= 1000 + 33 + 34 + 300
    db.expire(b"k", 5000)
    with_expiry = memory_usage(db, b"k")
    assert with_expiry is not None
    assert with_expiry > plain
    db.set(b"k", bytearray(b"x" * 1000))
    raw = memory_usage(db, b"k")
    assert raw is not None
    assert raw > plain
    db.set(b"k", 5)
    small = memory_usage(db, b"k")
    assert small is not None
    assert small < plain - 900
    assert engine.hits == engine.misses == 0


def test_memory_usages_add_up_to_the_total() -> None:
    engine = open_engine()
    db = engine.databases[0]
    names = [b"key:%012d" % number for number in range(20_000)]
    for name in names:
        db.load(name, b"x" * 64, None)
    total = sum(memory_usage(db, name) or 0 for name in names)
    assert total == pytest.approx(usage_of_all(engine).total_bytes, rel=0.15)
