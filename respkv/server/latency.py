"""Latency spikes: when an event took as long as `latency-monitor-threshold` or longer.

A spike is noted once a second for each event, with the longest time of that second.
"""

from collections import deque

SAMPLES_MAX = 160
"""How many spikes of an event are kept."""


class Event:
    """The spikes of one event: (unix s, ms) in order of time, and the longest of all that were ever seen."""

    def __init__(self) -> None:
        self.samples: deque[tuple[int, int]] = deque(maxlen=SAMPLES_MAX)
        self.max_ms = 0


class LatencyMonitor:
    """Spikes by event. `threshold_ms` is `latency-monitor-threshold`: 0 notes nothing."""

    def __init__(self) -> None:
        self.threshold_ms = 0
        self.events: dict[bytes, Event] = {}

    def note(self, name: bytes, duration_ms: int, now_s: int) -> None:
        """Event `name` took `duration_ms` and ended at `now_s` (unix s): keep it if that is a spike."""
        if self.threshold_ms == 0 or duration_ms < self.threshold_ms:
            return
        event = self.events.get(name)
        if event is None:
            event = self.events[name] = Event()
        event.max_ms = max(event.max_ms, duration_ms)
        samples = event.samples
        if samples and samples[-1][0] == now_s:
            samples[-1] = (now_s, max(samples[-1][1], duration_ms))
        else:
            samples.append((now_s, duration_ms))

    def reset(self, names: list[bytes]) -> int:
        """Forget the events `names`, or all if it is empty; how many there were."""
        found = [name for name in names if name in self.events] if names else list(self.events)
        for name in found:
            self.events.pop(name, None)
        return len(found)
