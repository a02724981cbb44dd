"""The distribution of a command's times.

Filled where a call is timed by itself, so pipelined everyday commands, which share one clock reading, are not in it.

Buckets are those of an HDR histogram with two significant digits: times of equal length in bits whose first eight bits
agree fall into one, which is thus never wider than 1 % of what it holds.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_extensions import i64

_BITS: Final = 8
_LONGEST_NS: Final = 2**62 - 1


class Histogram:
    """How many calls took how long. 2 KB for each power of two among the times that were seen."""

    def __init__(self) -> None:
        # By what the bits beyond the first eight are for: a row of counts for the times of one length in bits. Adding
        # to a list takes a sixth of the time of a dict's, and each request that comes alone is added.
        self._rows: list[list[int]] = []

    def add(self, duration_ns: int) -> None:
        """Count a call. O(1)."""
        rest: i64 = min(duration_ns, _LONGEST_NS)
        shift: i64 = 0
        while rest > 0xFF:
            rest >>= 1
            shift += 1
        rows = self._rows
        if shift >= len(rows) or not rows[shift]:
            self._open_row(shift)
        rows[shift][rest] += 1

    def clear(self) -> None:
        """Forget all calls."""
        self._rows = []

    def count(self) -> int:
        """How many calls there were. O(buckets)."""
        return sum(sum(row) for row in self._rows)

    def percentiles_us(self, percents: tuple[float, ...]) -> list[float]:
        """For each of `percents`, the time in µs that so many per cent of the calls did not exceed; empty without any.

        O(buckets + buckets with calls * percents).
        """
        buckets = list(self._buckets())
        total = sum(count for _, count in buckets)
        found = []
        for percent in percents:
            wanted = max(1, int(percent / 100 * total + 0.5))
            reached = 0
            for end_ns, count in buckets:
                reached += count
                if reached >= wanted:
                    found.append(end_ns / 1000)
                    break
        return found

    def cumulative_us(self) -> dict[int, int]:
        """How many calls took at most so many µs, for limits that double; only where the number grows. O(buckets)."""
        counts: dict[int, int] = {}
        limit_ns = 1024
        reached = 0
        for end_ns, count in self._buckets():
            while end_ns > _end_of_bucket_ns(limit_ns):
                limit_ns *= 2
            reached += count
            counts[_end_of_bucket_ns(limit_ns) // 1000] = reached
        return counts

    def _open_row(self, shift: int) -> None:
        rows = self._rows
        while len(rows) <= shift:
            rows.append([])
        rows[shift] = [0] * (1 << _BITS)

    def _buckets(self) -> Iterator[tuple[int, int]]:
        """The longest time in ns and the count of each bucket that has calls, shortest first."""
        for shift, row in enumerate(self._rows):
            for first_bits, count in enumerate(row):
                if count:
                    yield ((first_bits + 1) << shift) - 1, count


def _end_of_bucket_ns(duration_ns: int) -> int:
    """The longest time that falls into the bucket of `duration_ns`."""
    shift = max(0, duration_ns.bit_length() - _BITS)
    return (((duration_ns >> shift) + 1) << shift) - 1
