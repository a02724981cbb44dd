from respkv.server.latency import SAMPLES_MAX, LatencyMonitor


def test_only_spikes_are_kept() -> None:
    monitor = LatencyMonitor()
    monitor.note(b"command", 1000, 1)
    assert monitor.events == {}, "a threshold of 0 keeps nothing"
    monitor.threshold_ms = 10
    monitor.note(b"command", 9, 1)
    monitor.note(b"command", 10, 2)
    assert list(monitor.events[b"command"].samples) == [(2, 10)]


def test_one_spike_a_second_the_longest() -> None:
    monitor = LatencyMonitor()
    monitor.threshold_ms = 1
    for ms in (5, 9, 7):
        monitor.note(b"command", ms, 100)
    assert list(monitor.events[b"command"].samples) == [(100, 9)]


def test_the_oldest_spikes_give_way_but_the_worst_is_known() -> None:
    monitor = LatencyMonitor()
    monitor.threshold_ms = 1
    monitor.note(b"command", 500, 0)
    for second in range(1, SAMPLES_MAX + 1):
        monitor.note(b"command", 2, second)
    event = monitor.events[b"command"]
    assert len(event.samples) == SAMPLES_MAX
    assert event.samples[0] == (1, 2)
    assert event.max_ms == 500
