"""The sweeper: it deletes keys whose time has come though nobody asks for them, and gives memory back.

Rule 1: no step takes long. Whoever drives it gives each run a budget; the clock is read every `KEYS_A_CHECK` keys.
  The longest step that is not cut is a copy of one shard's references, some 10 ns a key.
Rule 2: nothing is kept for each expiry but the expiry. A shard's expiries are looked through as a whole, and then the
  sweeper knows from a histogram when so many of them will be due that another look pays: `Shard.sweep_at_ms`. Expiries
  set meanwhile for an earlier time are counted by the doors, and make it look sooner when they have become many.
  So shards with nothing due cost one comparison, about `stale_percent` of a shard's expiries at most are due and still
  in memory, and that for `LOOK_AGAIN_MS` at most; a key with an expiry is looked at some 100 / stale_percent times in
  its life, or once in `LOOK_AGAIN_MS`.

Elements of collections that expire (fields of hashes) are in a heap of plans of their shard, one plan a collection, and
each collection has them in the order of their times: so the sweeper comes to them in time, O(log n) each, and a shard
without such collections costs one test.

Beside that it frees what FLUSHALL left (`Engine.discarded`) in slices, exchanges dicts that have become sparse for
smaller ones, which no dict does by itself while keys only leave it, and drops what abandoned SCANs left.

Source of the effort and its percentages: the reference's `expire.c`, `active-expire-effort`. It samples keys at random
and goes on while a sample has many due; a histogram is exact where that guesses.
"""

import sys
from typing import Any

from respkv.engine.clock import steady_ns
from respkv.engine.engine import Engine
from respkv.engine.keyspace import Keyspace
from respkv.engine.scan import forget_idle_orders
from respkv.engine.shards import NEVER_MS, SHARD_COUNT, Shard
from respkv.values.collection import Collection

KEYS_A_CHECK = 32
"""How many keys are deleted between two readings of the clock."""

EXPIRIES_A_CHECK = 2048
"""How many expiries are looked at between two readings of the clock."""

SCAN_IDLE_MS = 30_000
"""How long the order of a shard is kept for a SCAN that does not go on."""

LOOK_AGAIN_MS = 60_000
"""How long the sweeper leaves a shard with expiries alone at most: some 25 ns for each expiry then."""

SHARDS_A_RUN = 32
"""How many shards a run looks at for sparse dicts."""

_SPARSE_BYTES = 4096
_SPARSE_BYTES_A_KEY = 128

# The histogram has a bin for each power of two of ms until an expiry is due.
_BINS = 64


class Sweeper:
    """Sweeps the databases of `engine`, one shard after the other, as often as `run` is called.

    `effort` is `active-expire-effort`, 1 to 10.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.effort = 1
        # Where the round over all shards stands; its whole length is databases * SHARD_COUNT.
        self._database = 0
        self._number = 0
        # The shard that is being looked through: what is left of a copy of its keys and expiries, how many they were,
        # the keys found due that are still to be deleted, how many were due so far, and the histogram of the others, of
        # which each `_step`th is taken.
        self._db: Keyspace | None = None
        self._shard = Shard()
        self._shard_number = 0
        self._keys: list[bytes] = []
        self._times: list[int] = []
        self._total = 0
        self._due_keys: list[bytes] = []
        self._due = 0
        self._step = 1
        self._bins: list[int] = [0] * _BINS
        # The shard after which to look for sparse dicts, how many are still to be looked at, and since which change.
        self._compacted = 0
        self._unseen = 0
        self._seen_changes = -1

    @property
    def stale_percent(self) -> int:
        """How much of a shard's expiries may be due before it is swept: 10 % at effort 1, 1 % at effort 10."""
        return 11 - self.effort

    @property
    def share_percent(self) -> int:
        """How much of all time may go into sweeping while there is more to do."""
        return 25 + 2 * (self.effort - 1)

    def run(self, budget_us: int) -> bool:
        """Sweep for up to `budget_us`; whether there is more to do at once.

        The DELs of expired keys are in the engine's effects afterwards.
        """
        deadline_ns = steady_ns() + budget_us * 1000
        if self.engine.active_expire and not self._sweep_until(deadline_ns):
            self.engine.expired_time_cap_reached += 1
            return True
        if not self._free_until(deadline_ns):
            return True
        self._compact_some(deadline_ns)
        for db in self.engine.databases:
            if db.scan_orders:
                forget_idle_orders(db, SCAN_IDLE_MS)
        return False

    # Expiry

    def _sweep_until(self, deadline_ns: int) -> bool:
        """Go once around all shards, from where the last run stopped; whether that was done in time."""
        databases = self.engine.databases
        left = len(databases) * SHARD_COUNT
        now_ms = self.engine.now_ms
        percent = self.stale_percent
        if self._db is not None and not self._look_on(self._db, deadline_ns):
            return False
        while left > 0:
            if self._number >= SHARD_COUNT:
                self._number = 0
                self._database = (self._database + 1) % len(databases)
            db = databases[self._database]
            if db.payload_bytes == 0:
                # Empty, as most databases are (or with one key, without name and value).
                left -= SHARD_COUNT - self._number
                self._number = SHARD_COUNT
                continue
            shard = db.shards[self._number]
            self._number += 1
            left -= 1
            if shard.sweep_at_ms <= now_ms or (
                shard.early_at_ms < now_ms and shard.early_count * 100 >= len(shard.expires) * percent
            ):
                self._begin(db, self._number - 1)
                if not self._look_on(db, deadline_ns) or steady_ns() >= deadline_ns:
                    return False
            if (
                shard.member_plans
                and shard.member_plans[0][0] < now_ms
                and not self._sweep_members(db, shard, deadline_ns)
            ):
                # It is the first to be looked at next time.
                self._number -= 1
                return False
        return True

    def _sweep_members(self, db: Keyspace, shard: Shard, deadline_ns: int) -> bool:
        """Take the expired elements out of the shard's collections; whether that was done in time."""
        now_ms = self.engine.now_ms
        while (key := shard.take_plan(now_ms)) is not None:
            if key in db.lent:
                # It is planned again when the transactions that have it end.
                continue
            value: Collection = shard.values[key]
            # What is not done then is planned again, for a time that has passed.
            db.expire_members(key, value, KEYS_A_CHECK)
            if steady_ns() >= deadline_ns:
                return False
        return True

    def _begin(self, db: Keyspace, number: int) -> None:
        shard = db.shards[number]
        self._db = db
        self._shard = shard
        self._shard_number = number
        self._keys = list(shard.expires)
        self._times = list(shard.expires.values())
        self._total = len(self._keys)
        self._due_keys = []
        self._due = 0
        self._step = 8 if len(self._keys) >= EXPIRIES_A_CHECK else 1
        self._bins = [0] * _BINS
        # What is set from now on is counted until the plan is made.
        shard.sweep_at_ms = NEVER_MS
        shard.early_count = 0
        shard.early_at_ms = NEVER_MS

    def _look_on(self, db: Keyspace, deadline_ns: int) -> bool:
        """Look at the expiries that are left of the shard; whether there is time left then."""
        shard = self._shard
        if db.shards[self._shard_number] is not shard:
            # SWAPDB came between two runs.
            shard.sweep_at_ms = 0
            self._db = None
            self._shard = Shard()
            self._keys = []
            self._times = []
            return True
        expires = shard.expires
        due = self._due_keys
        now_ms = self.engine.now_ms
        while True:
            while due:
                # They may have changed since they were found.
                keys = [key for key in due[-KEYS_A_CHECK:] if expires.get(key, now_ms) < now_ms and key not in db.lent]
                del due[-KEYS_A_CHECK:]
                if keys:
                    db.expire_together(shard, keys)
                if steady_ns() >= deadline_ns:
                    return False
            if not self._keys:
                break
            self._find_due(now_ms)
            if not due and steady_ns() >= deadline_ns:
                return False
        self._plan()
        return True

    def _find_due(self, now_ms: int) -> None:
        """Add the due ones of the next expiries to `_due_keys`, and what is true of every eighth to the histogram."""
        # From the end, so that the copy gives up its keys, which it may be the last to hold, piece by piece.
        keys = self._keys[-EXPIRIES_A_CHECK:]
        times = self._times[-EXPIRIES_A_CHECK:]
        del self._keys[-EXPIRIES_A_CHECK:]
        del self._times[-EXPIRIES_A_CHECK:]
        found = [key for key, at_ms in zip(keys, times, strict=True) if at_ms < now_ms]
        self._due_keys.extend(found)
        self._due += len(found)
        bins = self._bins
        for at_ms in times[:: self._step]:
            if at_ms >= now_ms:
                # A key lives through the millisecond of its expiry.
                bins[(at_ms + 1 - now_ms).bit_length()] += 1

    def _plan(self) -> None:
        """The shard is done: decide from what was found when to look again."""
        shard = self._shard
        total = self._total
        threshold = max((total - self._due) * self.stale_percent // (100 * self._step), 1)
        pause_ms = LOOK_AGAIN_MS
        found = 0
        for exponent in range(_BINS):
            found += self._bins[exponent]
            if found >= threshold:
                # All in this bin have at least half of its power of two to go.
                pause_ms = min(1 << exponent >> 1, LOOK_AGAIN_MS)
                break
        shard.sweep_at_ms = self.engine.now_ms + pause_ms if found else NEVER_MS
        engine = self.engine
        engine.expired_stale_percent += (self._due * 100 / max(total, 1) - engine.expired_stale_percent) * 0.05
        self._db = None
        self._shard = Shard()

    # Memory

    def _free_until(self, deadline_ns: int) -> bool:
        """Empty the containers that were taken out of use; whether that was done in time."""
        discarded = self.engine.discarded
        while discarded:
            last = discarded[-1]
            take = last.popitem if isinstance(last, dict) else last.pop
            while last:
                for _ in range(min(KEYS_A_CHECK, len(last))):
                    take()
                if steady_ns() >= deadline_ns:
                    return False
            discarded.pop()
        return True

    def _compact_some(self, deadline_ns: int) -> None:
        """Exchange sparse dicts of the next shards for copies, which are as small as can be.

        Where nothing has changed since all were looked at, there are none.
        """
        databases = self.engine.databases
        if self._seen_changes != self.engine.changes:
            self._seen_changes = self.engine.changes
            self._unseen = len(databases) * SHARD_COUNT
        for _ in range(min(SHARDS_A_RUN, self._unseen)):
            self._unseen -= 1
            self._compacted = (self._compacted + 1) % (len(databases) * SHARD_COUNT)
            shard = databases[self._compacted // SHARD_COUNT].shards[self._compacted % SHARD_COUNT]
            if is_sparse(shard.values):
                shard.values = dict(shard.values)
            if is_sparse(shard.expires):
                shard.expires = dict(shard.expires)
            if is_sparse(shard.accessed):
                shard.accessed = dict(shard.accessed)
            if steady_ns() >= deadline_ns:
                return


def is_sparse(table: dict[bytes, Any]) -> bool:
    """Whether `table` takes several times the memory that its keys need."""
    size = sys.getsizeof(table)
    return size > _SPARSE_BYTES and size > len(table) * _SPARSE_BYTES_A_KEY
