"""The only place below the network that reads a clock or takes chance from the system.

The engine reads time once a batch and keeps it (`Engine.now_ms`), so that all commands of a batch, a
transaction or a script see one moment, and so that tests can set it. Chance is `Engine.random`, which a test seeds.
"""

import time
from random import Random
from typing import Final

# Bound once: each turn reads both clocks several times.
_time_ns: Final = time.time_ns
_perf_counter_ns: Final = time.perf_counter_ns


def unix_ms() -> int:
    """The time of day: milliseconds since 1970 (UTC)."""
    return _time_ns() // 1_000_000


def unix_us() -> int:
    """The time of day: microseconds since 1970 (UTC)."""
    return _time_ns() // 1_000


def unix_s() -> int:
    """The time of day in whole seconds since 1970 (UTC)."""
    return int(time.time())


def date_text() -> str:
    """The time of day for people: date and time to the second (UTC), as ISO 8601 has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())


def steady_ns() -> int:
    """Nanoseconds of a clock that never goes back; only differences mean something."""
    return _perf_counter_ns()


def steady_s() -> float:
    """Seconds of a clock that never goes back; only differences mean something."""
    return time.monotonic()


def stop_s(duration_s: float) -> None:
    """Do nothing at all for so long, and let nobody else do anything: DEBUG SLEEP."""
    time.sleep(duration_s)


__all__ = ["Random", "steady_ns", "steady_s", "stop_s", "unix_ms", "unix_s", "unix_us"]
