from respkv.server.slowlog import SlowLog, shortened


def test_few_and_short_arguments_are_kept_as_they_are() -> None:
    argv = [b"x" * 128] * 32
    assert shortened(argv) == argv


def test_more_arguments_are_counted() -> None:
    shown = shortened([b"%d" % number for number in range(33)])
    assert len(shown) == 32
    assert shown[30:] == [b"30", b"... (2 more arguments)"]


def test_a_long_argument_is_cut() -> None:
    assert shortened([b"SET", b"x" * 130]) == [b"SET", b"x" * 128 + b"... (2 more bytes)"]


def test_numbers_go_on_after_a_reset() -> None:
    slowlog = SlowLog()
    slowlog.add(1, 10, [b"A"], b"", b"")
    slowlog.clear()
    slowlog.add(2, 20, [b"B"], b"", b"")
    (entry,) = slowlog.newest(-1)
    assert (entry.number, entry.at_s, entry.duration_us) == (1, 2, 20)


def test_a_shorter_log_takes_effect_with_the_next_entry() -> None:
    slowlog = SlowLog()
    for number in range(5):
        slowlog.add(number, 0, [b"A"], b"", b"")
    slowlog.resize(2)
    assert len(slowlog) == 5
    slowlog.add(5, 0, [b"A"], b"", b"")
    assert [entry.at_s for entry in slowlog.newest(10)] == [5, 4]


def test_a_log_of_length_0_keeps_nothing() -> None:
    slowlog = SlowLog(0)
    slowlog.add(1, 10, [b"A"], b"", b"")
    assert len(slowlog) == 0
