from respkv.server.stats import ERROR_CODES_MAX, ERRORS_DISABLED, SAMPLES, Rate, Stats

SECOND_NS = 1_000_000_000


def test_a_rate_is_the_growth_in_a_second() -> None:
    rate = Rate()
    for tick in range(SAMPLES + 1):
        rate.sample(tick * 50, 1 + tick * SECOND_NS // 10)
    assert rate.per_s() == 500


def test_a_rate_forgets_what_is_long_ago() -> None:
    rate = Rate()
    rate.sample(0, 1)
    rate.sample(1_000_000, SECOND_NS)
    assert rate.per_s() > 0
    for tick in range(SAMPLES):
        rate.sample(1_000_000, (2 + tick) * SECOND_NS)
    assert rate.per_s() == 0


def test_a_counter_that_starts_again_is_no_negative_rate() -> None:
    rate = Rate()
    rate.sample(1000, 1)
    rate.sample(16, 1 + SECOND_NS)
    assert rate.per_s() == 1


def test_error_codes_are_counted_until_there_are_too_many() -> None:
    stats = Stats()
    for number in range(ERROR_CODES_MAX):
        stats.count_error(b"E%d text" % number)
    stats.count_error(b"E0 text")
    assert stats.errors[b"E0"] == 2
    assert len(stats.errors) == ERROR_CODES_MAX
    stats.count_error(b"ONE-TOO-MANY text")
    assert stats.errors == {ERRORS_DISABLED: 1}
    stats.count_error(b"ERR")
    assert stats.errors == {ERRORS_DISABLED: 1}
    assert stats.error_replies == ERROR_CODES_MAX + 3
