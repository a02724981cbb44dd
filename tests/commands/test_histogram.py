from hypothesis import given
from hypothesis import strategies as st

from respkv.commands.histogram import bucket_end_ns, bucket_of, cumulative_us, percentiles_us


@given(st.integers(0, 2**40))
def test_a_bucket_holds_its_times_to_one_per_cent(duration_ns: int) -> None:
    end_ns = bucket_end_ns(bucket_of(duration_ns))
    assert duration_ns <= end_ns <= duration_ns * 1.01 + 1
    assert bucket_of(end_ns) == bucket_of(duration_ns)
    assert bucket_of(end_ns + 1) > bucket_of(duration_ns)


def test_percentiles_are_written_as_redis_writes_them() -> None:
    histogram = {bucket_of(2000): 98, bucket_of(12000): 1, bucket_of(60000): 1}
    assert percentiles_us(histogram, (50.0, 99.0, 100.0)) == [2.007, 12.031, 60.159]


def test_cumulative_counts_double_their_limits() -> None:
    histogram = {bucket_of(500): 2, bucket_of(3000): 1, bucket_of(50_000): 4}
    assert cumulative_us(histogram) == {1: 2, 4: 3, 66: 7}


@given(st.lists(st.integers(0, 10**9), min_size=1))
def test_the_last_cumulative_count_is_all(durations_ns: list[int]) -> None:
    histogram: dict[int, int] = {}
    for duration_ns in durations_ns:
        bucket = bucket_of(duration_ns)
        histogram[bucket] = histogram.get(bucket, 0) + 1
    counts = list(cumulative_us(histogram).values())
    assert counts[-1] == len(durations_ns)
    assert counts == sorted(counts)
