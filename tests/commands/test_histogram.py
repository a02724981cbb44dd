from hypothesis import given
from hypothesis import strategies as st

from respkv.commands.histogram import Histogram


def histogram_of(durations_ns: list[int]) -> Histogram:
    histogram = Histogram()
    for duration_ns in durations_ns:
        histogram.add(duration_ns)
    return histogram


@given(st.integers(0, 2**40))
def test_a_bucket_holds_its_times_to_one_per_cent(duration_ns: int) -> None:
    (end_us,) = histogram_of([duration_ns]).percentiles_us((100.0,))
    assert duration_ns <= round(end_us * 1000) <= duration_ns * 1.01 + 1


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_greater_times_are_not_in_lesser_buckets(one_ns: int, other_ns: int) -> None:
    histogram = histogram_of([one_ns, other_ns])
    least, greatest = (histogram_of([time_ns]).percentiles_us((100.0,)) for time_ns in sorted((one_ns, other_ns)))
    assert histogram.percentiles_us((50.0, 100.0)) == least + greatest


def test_percentiles_are_written_as_redis_writes_them() -> None:
    histogram = histogram_of([2000] * 98 + [12000, 60000])
    assert histogram.percentiles_us((50.0, 99.0, 100.0)) == [2.007, 12.031, 60.159]


def test_cumulative_counts_double_their_limits() -> None:
    assert histogram_of([500, 500, 3000, *[50_000] * 4]).cumulative_us() == {1: 2, 4: 3, 66: 7}


def test_without_calls_there_is_nothing_to_tell() -> None:
    histogram = histogram_of([1, 2**70])
    assert histogram.count() == 2
    histogram.clear()
    assert (histogram.count(), histogram.percentiles_us((50.0,)), histogram.cumulative_us()) == (0, [], {})


@given(st.lists(st.integers(0, 10**9), min_size=1))
def test_the_last_cumulative_count_is_all(durations_ns: list[int]) -> None:
    counts = list(histogram_of(durations_ns).cumulative_us().values())
    assert counts[-1] == len(durations_ns)
    assert counts == sorted(counts)
