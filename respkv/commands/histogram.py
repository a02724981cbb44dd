"""The distribution of a command's times: a dict of bucket to number of calls.

Filled where a call is timed by itself, so pipelined everyday commands, which share one clock reading, are not in it.

Buckets are those of an HDR histogram with two significant digits: times of equal length in bits whose first eight bits
agree fall into one, which is thus never wider than 1 % of what it holds.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_extensions import i64

_BITS: Final = 8
_LONGEST_NS: Final = 2**62 - 1


def bucket_of(duration_ns: int) -> int:
    """The number of the bucket that `duration_ns` falls into; greater times have greater numbers."""
    # Machine integers where compiled: a request that comes alone is timed.
    rest: i64 = min(duration_ns, _LONGEST_NS)
    shift: i64 = 0
    while rest > 0xFF:
        rest >>= 1
        shift += 1
    return (shift << _BITS) | rest


def bucket_end_ns(bucket: int) -> int:
    """The longest time that falls into `bucket`."""
    shift = bucket >> _BITS
    return (((bucket & 0xFF) + 1) << shift) - 1


def percentiles_us(histogram: dict[int, int], percents: tuple[float, ...]) -> list[float]:
    """For each of `percents`, the time in µs that so many per cent of the calls did not exceed."""
    total = sum(histogram.values())
    buckets = sorted(histogram)
    found = []
    for percent in percents:
        wanted = max(1, int(percent / 100 * total + 0.5))
        reached = 0
        for bucket in buckets:
            reached += histogram[bucket]
            if reached >= wanted:
                found.append(bucket_end_ns(bucket) / 1000)
                break
    return found


def cumulative_us(histogram: dict[int, int]) -> dict[int, int]:
    """How many calls took at most so many µs, for limits that double; only where the number grows."""
    counts: dict[int, int] = {}
    limit = bucket_of(1024)
    limit_ns = 1024
    reached = 0
    for bucket in sorted(histogram):
        while bucket > limit:
            limit_ns *= 2
            limit = bucket_of(limit_ns)
        reached += histogram[bucket]
        counts[bucket_end_ns(limit) // 1000] = reached
    return counts
