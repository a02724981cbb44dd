"""SCAN: an iteration over all keys of a database that survives any change meanwhile.

Each key has a fixed position, (shard, hash bits): the keys of a shard are taken in the order of their hash, the
shards one after the other, and a cursor is the least position not yet taken. So the guarantee needs no state: a key
that is there from the first call to the last is returned, once; one that comes or goes may be or not. Keys with the
same position, which hash alike in 53 bits, are returned together.

    cursor = shard << 45 | middle bits of the hash       0: start or end; always below 2 ** 53

A cursor fits in a double, since some clients keep it in one.

To find the next keys in order, those of a shard are dealt once into buckets by the first bits of their position, and
a bucket is sorted if a call ends within it: O(n / shards) when a shard is entered, and then O(count) a call. These
buckets (an `Order`) are kept until the shard is done. They may be stale, and then:

Rule 1: a scan may use an order only if it was made after the scan began, for then each key that was there all the
  time is in it. Hence who enters a shard makes a new order, and the newest one is the one that all scans use that are
  in the middle of the shard: each of them made one when it entered, and none that replaced it can be older.
Rule 2: whoever returns a key from an order looks whether it is still there.
"""

from typing import TYPE_CHECKING

from respkv.engine.shards import SHARD_COUNT, Shard

if TYPE_CHECKING:
    from respkv.engine.keyspace import Keyspace

POSITION_BITS = 45
POSITION_MASK = (1 << POSITION_BITS) - 1
_LOW_BITS = 8

ORDERS_MAX = 8
"""How many shards of a database may have their order kept; more scans than that side by side make more orders."""

_BUCKET_KEYS = 16


def position_of(key: bytes) -> int:
    """The place of `key` in its shard's order."""
    return (hash(key) >> _LOW_BITS) & POSITION_MASK


class Order:
    """The keys that `shard` had when this was made, in buckets by position; `is_sorted` tells which are sorted.

    Takes 8 bytes a key, and keeps the names of keys that are deleted meanwhile until it goes.
    """

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.used_at_ms = 0
        bits = max(len(shard.values) // _BUCKET_KEYS, 1).bit_length() - 1
        self.shift = POSITION_BITS - bits
        buckets: list[list[bytes]] = [[] for _ in range(1 << bits)]
        shift = _LOW_BITS + self.shift
        mask = (1 << bits) - 1
        for key in shard.values:
            buckets[(hash(key) >> shift) & mask].append(key)
        self.buckets = buckets
        self.is_sorted = bytearray(len(buckets))

    def take(self, position: int, count: int, found: list[bytes]) -> int:
        """Append to `found` the living keys from `position` on, until `count` were looked at.

        The position to go on from, or -1 if there is nothing left.
        """
        number = position >> self.shift
        living = self.shard.values
        while number < len(self.buckets):
            bucket = self.buckets[number]
            if count >= len(bucket) and position <= number << self.shift:
                # All of it: the order within does not matter.
                found += [key for key in bucket if key in living]
                count -= len(bucket)
                number += 1
                continue
            if not self.is_sorted[number]:
                bucket.sort(key=position_of)
                self.is_sorted[number] = 1
            last = -1
            for key in bucket:
                place = position_of(key)
                if place < position:
                    continue
                if count <= 0 and place != last:
                    return place
                if key in living:
                    found.append(key)
                count -= 1
                last = place
            number += 1
        return -1


def scan_keys(db: "Keyspace", cursor: int, count: int) -> tuple[int, list[bytes]]:
    """The cursor to go on with, 0 at the end, and about `count` keys from `cursor` on, expired ones not left out.

    O(count + shards), and O(n / shards) where a shard is entered; n = keys.
    """
    found: list[bytes] = []
    number = cursor >> POSITION_BITS
    position = cursor & POSITION_MASK
    while number < SHARD_COUNT:
        shard = db.shards[number]
        if position == 0 and len(shard.values) <= count - len(found):
            found.extend(shard.values)
        elif shard.values:
            order = _order(db, number, position)
            position = order.take(position, count - len(found), found)
            if position >= 0:
                return number << POSITION_BITS | position, found
            del db.scan_orders[number]
        number += 1
        position = 0
        if len(found) >= count and number < SHARD_COUNT:
            return number << POSITION_BITS, found
    return 0, found


def _order(db: "Keyspace", number: int, position: int) -> Order:
    """An order of shard `number` that a scan which has come to `position` may use."""
    order = db.scan_orders.get(number)
    if order is None or position == 0:
        if order is None and len(db.scan_orders) >= ORDERS_MAX:
            del db.scan_orders[next(iter(db.scan_orders))]
        order = Order(db.shards[number])
        db.scan_orders[number] = order
    order.used_at_ms = db.engine.now_ms
    return order


def forget_idle_orders(db: "Keyspace", idle_ms: int) -> None:
    """Let go of the orders of scans that nobody went on with for that long."""
    used_since_ms = db.engine.now_ms - idle_ms
    for number, order in list(db.scan_orders.items()):
        if order.used_at_ms < used_since_ms:
            del db.scan_orders[number]
