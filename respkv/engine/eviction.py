"""What gives way when the data take more than `maxmemory`.

A policy says which keys may go (all, or those with an expiry) and in which order (least recently used, least frequently
used, first to expire, any). No order of all keys is kept: as in the reference, a few keys are sampled for each
eviction, and the best candidates stay in a small pool from one eviction to the next.

Rule 1: samples must not depend on age. A dict gives its keys in the order of their insertion, and none by position; so
  each shard's keys are copied (8 bytes a key, only while keys are being evicted) and drawn from the copy at random
  without being put back. Each key comes up once before any comes up again.
Rule 2: a candidate is looked at again before it goes: if it was used since it got into the pool, it stays.

Source: the reference's `evict.c`: the pool of 16, `maxmemory-samples`, the time limit by `maxmemory-eviction-tenacity`.
Rule 2, drawing without replacement, and idle times finer than its seconds bring the hit rate above its own, as
`python -m compat.hitrate` shows.
"""

from respkv.engine.access import IDLE, LFU, NOTHING, Frequencies, IdleTimes, set_access_record
from respkv.engine.clock import steady_ns
from respkv.engine.engine import AccessRecord, Engine
from respkv.engine.keyspace import Keyspace
from respkv.engine.memory import Meter
from respkv.engine.shards import SHARD_COUNT, Shard

POOL_SIZE = 16

IDLE_RELEASE_MS = 1000
"""How long after the last eviction the copies of the shards' keys are kept."""

BY_CHANCE, BY_USE, BY_FREQUENCY, BY_EXPIRY = 0, 1, 2, 3


class Policy:
    """One row of the table: which keys may go, in which order, and what must be recorded of their use."""

    def __init__(self, only_expiring: bool, order: int) -> None:
        self.only_expiring = only_expiring
        self.order = order
        self.records = IDLE if order == BY_USE else LFU if order == BY_FREQUENCY else NOTHING


POLICIES: dict[str, Policy | None] = {
    "noeviction": None,
    "allkeys-lru": Policy(False, BY_USE),
    "allkeys-lfu": Policy(False, BY_FREQUENCY),
    "allkeys-random": Policy(False, BY_CHANCE),
    "volatile-lru": Policy(True, BY_USE),
    "volatile-lfu": Policy(True, BY_FREQUENCY),
    "volatile-random": Policy(True, BY_CHANCE),
    "volatile-ttl": Policy(True, BY_EXPIRY),
}
"""The values of `maxmemory-policy`."""


class Candidate:
    """A key that may be evicted; the one with the lowest `rank` goes first."""

    def __init__(self, rank: int, db: Keyspace, shard: Shard, key: bytes) -> None:
        self.rank = rank
        self.db = db
        self.shard = shard
        self.key = key


class Draw:
    """What is left of a round over the keys of one database: copies of shards' keys, and the shards in random order."""

    def __init__(self) -> None:
        self.copies: list[list[bytes]] = [[] for _ in range(SHARD_COUNT)]
        self.order: list[int] = list(range(SHARD_COUNT))
        self.at = SHARD_COUNT


class Evictor:
    """Evicts keys of `engine`. `is_behind` tells that the last `make_room` ran out of time: let it go on soon."""

    def __init__(self, engine: Engine, meter: Meter) -> None:
        self.engine = engine
        self.meter = meter
        self.policy: Policy | None = None
        self.samples = 5
        self.tenacity = 10
        self.is_behind = False
        # Lowest rank last.
        self._pool: list[Candidate] = []
        # By database.
        self._drawn: dict[int, Draw] = {}
        self._evicted_at_ms = 0

    def configure(
        self, policy: str, samples: int = 5, tenacity: int = 10, lfu_log_factor: int = 10, lfu_decay_minutes: int = 1
    ) -> None:
        """Take over the directives of these names. Marks of use are kept unless the policy needs others. O(shards)."""
        self.policy = POLICIES[policy]
        self.samples = samples
        self.tenacity = tenacity
        self.release()
        engine = self.engine
        kind = NOTHING if self.policy is None else self.policy.records
        if kind == LFU:
            record = engine.access
            if isinstance(record, Frequencies):
                record.log_factor = lfu_log_factor
                record.decay_minutes = lfu_decay_minutes
            else:
                set_access_record(engine, Frequencies(engine, lfu_log_factor, lfu_decay_minutes))
        elif kind == IDLE:
            if engine.access.kind != IDLE:
                set_access_record(engine, IdleTimes(engine))
        elif engine.access.kind == LFU:
            set_access_record(engine, AccessRecord())

    def time_limit_us(self) -> int:
        """How long one `make_room` may take; -1 for any time."""
        if self.tenacity >= 100:
            return -1
        if self.tenacity <= 10:
            return 50 * self.tenacity
        return int(500 * 1.15 ** (self.tenacity - 10))

    def make_room(self, maxmemory: int) -> bool:
        """Evict until used memory is at most `maxmemory` (0: no limit); False if that is impossible.

        True also if the time limit came first. The DELs are in the engine's effects afterwards. O(databases) where
        nothing has to go; O(samples) for each key, and O(n / shards) now and then.
        """
        self.is_behind = False
        if maxmemory == 0:
            return True
        if self.meter.used_bytes() <= maxmemory:
            if self._drawn and self.engine.now_ms - self._evicted_at_ms > IDLE_RELEASE_MS:
                self.release()
            return True
        if self.policy is None:
            return False
        limit_us = self.time_limit_us()
        deadline_ns = steady_ns() + limit_us * 1000
        while True:
            for _ in range(8):
                victim = self._next_victim(self.policy)
                if victim is None:
                    return False
                victim.db.evict(victim.shard, victim.key)
                if self.meter.used_bytes() <= maxmemory:
                    self._evicted_at_ms = self.engine.now_ms
                    return True
            if limit_us >= 0 and steady_ns() >= deadline_ns:
                self._evicted_at_ms = self.engine.now_ms
                self.is_behind = True
                return True

    def release(self) -> None:
        """Forget candidates and copies."""
        self._pool = []
        self._drawn = {}

    # Within

    def _next_victim(self, policy: Policy) -> Candidate | None:
        if policy.order == BY_CHANCE:
            return self._any_key(policy)
        while self._fill_pool(policy):
            while self._pool:
                candidate = self._pool.pop()
                if self._is_still_due(policy, candidate):
                    return candidate
        return None

    def _any_key(self, policy: Policy) -> Candidate | None:
        databases = self.engine.databases
        start = self.engine.random.randrange(len(databases))
        for offset in range(len(databases)):
            db = databases[(start + offset) % len(databases)]
            if db.payload_bytes:
                drawn = self._draw(policy, db)
                if drawn is not None:
                    return drawn
        return None

    def _fill_pool(self, policy: Policy) -> bool:
        """Draw samples from each database that has keys; whether there is any candidate then."""
        for db in self.engine.databases:
            if db.payload_bytes:
                for _ in range(self.samples):
                    candidate = self._draw(policy, db)
                    if candidate is None:
                        break
                    self._offer(candidate)
        return bool(self._pool)

    def _offer(self, candidate: Candidate) -> None:
        """Put `candidate` into the pool, in its place, if it is better than the worst there."""
        pool = self._pool
        rank = candidate.rank
        at = len(pool)
        while at > 0 and pool[at - 1].rank < rank:
            at -= 1
        if len(pool) < POOL_SIZE:
            pool.insert(at, candidate)
        elif at > 0:
            pool.insert(at, candidate)
            del pool[0]

    def _is_still_due(self, policy: Policy, candidate: Candidate) -> bool:
        """Whether the key is still there, in that database, and was not used since it was drawn."""
        shard = candidate.shard
        key = candidate.key
        if candidate.db.shard_of(key) is not shard or key in candidate.db.lent:
            return False
        if key not in (shard.expires if policy.only_expiring else shard.values):
            return False
        return self._rank(policy, shard, key) <= candidate.rank

    def _rank(self, policy: Policy, shard: Shard, key: bytes) -> int:
        if policy.order == BY_USE:
            return self.engine.now_ms - self.engine.access.idle_ms(shard, key)
        if policy.order == BY_FREQUENCY:
            # Among equals, who was not used for more minutes.
            return self.engine.access.frequency(shard, key) << 32 | shard.accessed.get(key, 0) >> 8
        if policy.order == BY_EXPIRY:
            return shard.expires.get(key, 0)
        return 0

    def _draw(self, policy: Policy, db: Keyspace) -> Candidate | None:
        """A key of `db` that may go, at random; None if there is none."""
        random = self.engine.random
        draw = self._drawn.get(db.index)
        if draw is None:
            draw = self._drawn[db.index] = Draw()
        # Twice, so that one round is whole. One key of each shard in turn: else keys that stand alone in their shard
        # would be drawn more often than others.
        for _ in range(2 * SHARD_COUNT):
            if draw.at >= SHARD_COUNT:
                random.shuffle(draw.order)
                draw.at = 0
            number = draw.order[draw.at]
            draw.at += 1
            shard = db.shards[number]
            source = shard.expires if policy.only_expiring else shard.values
            if not source:
                continue
            keys = draw.copies[number]
            while True:
                if not keys:
                    keys.extend(source)
                at = int(random.random() * len(keys))
                key = keys[at]
                keys[at] = keys[-1]
                keys.pop()
                # The copy may name keys that are gone; a fresh one names none.
                if key in db.lent:
                    break
                if key in source:
                    return Candidate(self._rank(policy, shard, key), db, shard, key)
        return None
