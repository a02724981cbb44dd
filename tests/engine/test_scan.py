"""SCAN's guarantee, its cursors, and what a call costs."""

import random

from hypothesis import given
from hypothesis import strategies as st

from respkv.engine import scan
from respkv.engine.keyspace import Keyspace, open_engine
from respkv.engine.scan import ORDERS_MAX, forget_idle_orders, scan_keys
from respkv.engine.shards import SHARD_MASK, SHARD_SHIFT


def database(names: list[bytes]) -> Keyspace:
    db = open_engine().databases[0]
    for name in names:
        db.set(name, b"v")
    return db


def numbered(count: int) -> list[bytes]:
    return [b"key:%d" % number for number in range(count)]


# Many keys in few shards: 200 in each of the first three.
NAMES = [
    name
    for shard in range(3)
    for name in [n for n in numbered(80_000) if hash(n) >> SHARD_SHIFT & SHARD_MASK == shard][:200]
]


def scan_all(db: Keyspace, count: int) -> list[bytes]:
    found: list[bytes] = []
    cursor = 0
    while True:
        cursor, names = scan_keys(db, cursor, count)
        assert 0 <= cursor < 2**53
        found += names
        if cursor == 0:
            return found


def test_each_key_is_returned_once() -> None:
    names = numbered(3000)
    for count in (1, 7, 10, 1000, 5000):
        assert sorted(scan_all(database(names), count)) == sorted(names)


def test_an_empty_database_is_scanned_in_one_call() -> None:
    assert scan_keys(database([]), 0, 1) == (0, [])


def test_a_call_returns_about_count_keys() -> None:
    db = database(numbered(20_000))
    cursor = 0
    while True:
        cursor, names = scan_keys(db, cursor, 10)
        assert len(names) <= 10
        if cursor == 0:
            break
        assert len(names) == 10


def test_a_cursor_behind_the_last_shard_ends_the_scan() -> None:
    db = database(numbered(100))
    assert scan_keys(db, 2**53, 10) == (0, [])
    assert scan_keys(db, 2**64 - 1, 10) == (0, [])


def test_any_cursor_can_be_used_at_any_time_and_twice() -> None:
    """Cursors need no state: the rest of the scan is the same once the orders that are kept are gone."""
    db = database(numbered(5000))
    cursors = [0]
    while (cursor := scan_keys(db, cursors[-1], 10)[0]) != 0:
        cursors.append(cursor)
    expected = {cursor: scan_keys(db, cursor, 10) for cursor in cursors}
    random.Random(1).shuffle(cursors)
    for cursor in cursors:
        assert scan_keys(db, cursor, 10) == expected[cursor]
        db.scan_orders.clear()
        assert scan_keys(db, cursor, 10) == expected[cursor]


def test_keys_of_equal_position_are_returned_together() -> None:
    """Else a scan would lose some of them, or come back to the first for ever."""
    db = database(NAMES[:2])
    order = scan.Order(db.shards[0])
    first, second = sorted(NAMES[:2], key=scan.position_of)
    order.buckets = [[second, first, first, first]]
    found: list[bytes] = []
    assert order.take(0, 1, found) == scan.position_of(second)
    assert found == [first] * 3


def test_few_orders_are_kept_and_none_after_the_end() -> None:
    db = database(numbered(20_000))
    for number in range(20):
        scan_keys(db, number << scan.POSITION_BITS | 1, 5)
        assert len(db.scan_orders) == min(number + 1, ORDERS_MAX)
    forget_idle_orders(db, 0)
    assert len(db.scan_orders) == ORDERS_MAX
    db.engine.now_ms += 1
    forget_idle_orders(db, 0)
    assert len(db.scan_orders) == 0
    scan_all(db, 10)
    assert db.scan_orders == {}


def test_a_scan_does_not_use_an_order_older_than_itself() -> None:
    """Two scans get the same cursors; a key that is added between their beginnings is in the second."""
    names = numbered(20_000)
    absent = set(names[::50])
    db = database([name for name in names if name not in absent])
    first: list[int] = [0]
    while (cursor := scan_keys(db, first[-1], 1)[0]) >> scan.POSITION_BITS == 0:
        first.append(cursor)
    # The first scan stands in the middle of shard 0, whose order is kept.
    scan_keys(db, first[len(first) // 2 - 1], 1)
    for name in absent:
        db.set(name, b"v")
    assert absent <= set(scan_all(db, 1))


changes = st.lists(st.tuples(st.booleans(), st.integers(0, len(NAMES) - 1)), max_size=30)


class Walker:
    """A scan that begins again when it ends; `constant` are the keys that were there since it began."""

    def __init__(self, db: Keyspace, count: int) -> None:
        self.db = db
        self.count = count
        self.begin()

    def begin(self) -> None:
        self.cursor = 0
        self.found: set[bytes] = set()
        self.constant = {name for shard in self.db.shards for name in shard.values}

    def step(self) -> bool:
        """One call; whether it was the last."""
        self.cursor, names = scan_keys(self.db, self.cursor, self.count)
        assert not self.found.intersection(names), "a key was returned twice"
        self.found.update(names)
        if self.cursor != 0:
            return False
        assert self.constant <= self.found
        self.begin()
        return True


@given(
    initial=st.sets(st.integers(0, len(NAMES) - 1), min_size=100),
    counts=st.tuples(st.integers(1, 3), st.integers(1, 10), st.integers(1, 40)),
    steps=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5), changes), max_size=40),
)
def test_a_key_that_is_there_all_the_time_is_returned_once(
    initial: set[int], counts: tuple[int, int, int], steps: list[tuple[int, int, list[tuple[bool, int]]]]
) -> None:
    """Three scans run side by side, so that they meet in the same shards, while keys come and go."""
    db = database([NAMES[number] for number in initial])
    walkers = [Walker(db, count) for count in counts]
    for which, times, batch in steps:
        for _ in range(times):
            walkers[which].step()
        for is_set, number in batch:
            if is_set:
                db.set(NAMES[number], b"v")
            elif db.remove(NAMES[number]):
                for walker in walkers:
                    walker.constant.discard(NAMES[number])
    for walker in walkers:
        while not walker.step():
            pass
