"""When and how often keys are used: the access records behind LRU and LFU policies, OBJECT IDLETIME and OBJECT FREQ.

A mark is an int in `Shard.accessed`; a key without one counts as if it had been used, or made, when tracking began.
Marks are shared objects, one for all keys that get the same, so that a mark costs its place in a dict and no more.

Source of the counter, its constants and its decay: the reference's LFU (`evict.c`), after Morris (1978): a counter of
8 bits grows with probability 1 / ((counter - 5) * lfu-log-factor + 1), and loses 1 for each lfu-decay-time minutes
without use. The reference keeps times of seconds or minutes beside it; here an idle time is exact to `TICK_MS`.
"""

from typing import Any

from respkv.engine.engine import ACCESS, AccessRecord, Engine
from respkv.engine.shards import Shard

NOTHING, IDLE, LFU = 0, 1, 2
"""What an `AccessRecord` records: its `kind`."""

TICK_MS = 64
"""Uses within so many ms share a mark."""

LFU_INIT = 5
"""The counter of a new key, so that it is not evicted before it could be used."""

COUNTER_MAX = 255

_MINUTE_MS = 60_000

JUMP_MS = _MINUTE_MS
"""A mark further in the future than this was made before the clock went back: what it says is not known, and the key
counts as unused since ever, as in the reference. What is less is the clock's being put right."""


class IdleTimes(AccessRecord):
    """Marks are times: ms since 1970, in whole ticks."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.kind = IDLE
        self.engine = engine
        self.began_at_ms = engine.now_ms
        self._tick = -1
        # Any: the mark stays one and the same object, also in compiled code.
        self._mark: Any = None

    def touch(self, shard: Shard, key: bytes) -> None:
        """Note that `key` was used just now."""
        tick = self.engine.now_ms // TICK_MS
        if tick != self._tick:
            self._tick = tick
            self._mark = tick * TICK_MS
        shard.accessed[key] = self._mark

    def begin(self, shard: Shard, key: bytes) -> None:
        """Note that `key` is new."""
        self.touch(shard, key)

    def idle_ms(self, shard: Shard, key: bytes) -> int:
        """How long ago `key` was used, at most since tracking began."""
        now_ms = self.engine.now_ms
        idle_ms = now_ms - shard.accessed.get(key, self.began_at_ms)
        if idle_ms < 0:
            return now_ms if idle_ms < -JUMP_MS else 0
        return idle_ms


class Frequencies(AccessRecord):
    """Marks are `minutes since 1970 << 8 | counter`."""

    def __init__(self, engine: Engine, log_factor: int = 10, decay_minutes: int = 1) -> None:
        super().__init__()
        self.kind = LFU
        self.engine = engine
        self.log_factor = log_factor
        self.decay_minutes = decay_minutes
        self.began_minute = engine.now_ms // _MINUTE_MS
        self._minute = -1
        # The marks of this minute, by counter.
        self._marks: list[Any] = []

    def touch(self, shard: Shard, key: bytes) -> None:
        """Note that `key` was used just now: decay its counter, then perhaps count it up."""
        counter = self.frequency(shard, key)
        if counter < COUNTER_MAX:
            above = counter - LFU_INIT
            if above <= 0 or self.engine.random.random() * (above * self.log_factor + 1) < 1.0:
                counter += 1
        self._note(shard, key, counter)

    def begin(self, shard: Shard, key: bytes) -> None:
        """Note that `key` is new, unless it is only older than the tracking."""
        if key not in shard.values:
            self._note(shard, key, LFU_INIT)

    def frequency(self, shard: Shard, key: bytes) -> int:
        """The counter of `key`, 0 to 255, decayed to now."""
        mark = shard.accessed.get(key)
        if mark is None:
            counter = LFU_INIT
            minute = self.began_minute
        else:
            counter = mark & 255
            minute = mark >> 8
        if self.decay_minutes == 0:
            return counter
        now_minute = self.engine.now_ms // _MINUTE_MS
        periods = (now_minute - minute) // self.decay_minutes
        if periods > 0:
            counter -= periods
        elif mark is not None and minute > now_minute + JUMP_MS // _MINUTE_MS:
            counter = 0
        return max(0, counter)

    def _note(self, shard: Shard, key: bytes, counter: int) -> None:
        minute = self.engine.now_ms // _MINUTE_MS
        if minute != self._minute:
            self._minute = minute
            self._marks = [minute << 8 | each for each in range(COUNTER_MAX + 1)]
        shard.accessed[key] = self._marks[counter]


def set_access_record(engine: Engine, record: AccessRecord) -> None:
    """Record uses by `record` from now on. Marks of another kind are forgotten, in O(shards)."""
    if record.kind != engine.access.kind:
        for db in engine.databases:
            for shard in db.shards:
                if shard.accessed:
                    engine.discarded.append(shard.accessed)
                    shard.accessed = {}
    engine.access = record
    engine.set_alert(ACCESS, record.kind != NOTHING)


def track_idle_time(engine: Engine) -> None:
    """Record when keys are used, from now on."""
    set_access_record(engine, IdleTimes(engine))


def set_idle_time(engine: Engine, shard: Shard, key: bytes, idle_ms: int) -> None:
    """Let `key` count as last used `idle_ms` ago, from now on, unless what is recorded are frequencies."""
    if engine.access.kind == LFU:
        return
    if engine.access.kind != IDLE:
        track_idle_time(engine)
    shard.accessed[key] = engine.now_ms - idle_ms


def set_frequency(engine: Engine, shard: Shard, key: bytes, counter: int) -> None:
    """Let the counter of `key` stand at `counter`, 0 to 255, if frequencies are recorded."""
    if engine.access.kind == LFU:
        shard.accessed[key] = engine.now_ms // _MINUTE_MS << 8 | counter
