"""Consumer groups of a stream: what was delivered to whom and is not acknowledged yet.

A group keeps its pending entries by ID in a dict, and their IDs in order; a consumer the IDs of its own in order.
"""

from bisect import bisect_left, bisect_right, insort
from typing import Any, Final

from respkv.values.stream_ids import ID_MAX, format_id

GROUP_BYTES: Final = 700
CONSUMER_BYTES: Final = 450
PENDING_BYTES: Final = 250
"""A group, a consumer and a pending entry: objects, IDs, and their places in dicts and lists."""

_BLOCK_SIZE: Final = 512

_PIECES_MAX: Final = 1024
"""So many pieces of a reply become one."""

NEVER_MS: Final = -1


class SortedIds:
    """A set of IDs in order, in blocks of a few hundred: adding and removing are O(log n + block)."""

    def __init__(self) -> None:
        self.size = 0
        self.blocks: list[list[int]] = []
        # The first ID of each block.
        self.heads: list[int] = []

    def add(self, number: int) -> None:
        """Add an ID that is not there."""
        blocks = self.blocks
        self.size += 1
        if not blocks or (number > blocks[-1][-1] and len(blocks[-1]) >= _BLOCK_SIZE):
            blocks.append([number])
            self.heads.append(number)
            return
        last = blocks[-1]
        if number > last[-1]:
            last.append(number)
            return
        at = max(bisect_right(self.heads, number) - 1, 0)
        block = blocks[at]
        insort(block, number)
        self.heads[at] = block[0]
        if len(block) > 2 * _BLOCK_SIZE:
            blocks.insert(at + 1, block[_BLOCK_SIZE:])
            self.heads.insert(at + 1, block[_BLOCK_SIZE])
            del block[_BLOCK_SIZE:]

    def remove(self, number: int) -> None:
        """Remove an ID that is there."""
        at = bisect_right(self.heads, number) - 1
        block = self.blocks[at]
        place = bisect_left(block, number)
        assert block[place] == number
        del block[place]
        self.size -= 1
        if not block:
            del self.blocks[at]
            del self.heads[at]
        elif place == 0:
            self.heads[at] = block[0]

    def remove_all(self, numbers: list[int]) -> None:
        """Remove IDs that are there, which `numbers` has in order. O(numbers * log n + blocks that they are in)."""
        blocks = self.blocks
        is_emptied = False
        at = 0
        while at < len(numbers):
            place = bisect_right(self.heads, numbers[at]) - 1
            block = blocks[place]
            stop = bisect_right(numbers, block[-1], at)
            if stop - at == len(block):
                # The heads are to stay in order until all is done.
                block.clear()
                is_emptied = True
            elif stop - at == 1:
                del block[bisect_left(block, numbers[at])]
                self.heads[place] = block[0]
            else:
                gone = set(numbers[at:stop])
                block[:] = [number for number in block if number not in gone]
                self.heads[place] = block[0]
            at = stop
        self.size -= len(numbers)
        if is_emptied:
            self.blocks = [block for block in blocks if block]
            self.heads = [block[0] for block in self.blocks]

    def from_(self, low: int, most: int) -> list[int]:
        """The IDs from `low` on, at most `most`. O(log n + block + result)."""
        found: list[int] = []
        at = max(bisect_right(self.heads, low) - 1, 0)
        place = bisect_left(self.blocks[at], low) if self.blocks else 0
        while at < len(self.blocks) and len(found) < most:
            found.extend(self.blocks[at][place : place + most - len(found)])
            place = 0
            at += 1
        return found

    def first(self) -> int:
        """The lowest ID; 0 if there is none."""
        return self.blocks[0][0] if self.blocks else 0

    def last(self) -> int:
        """The highest ID; 0 if there is none."""
        return self.blocks[-1][-1] if self.blocks else 0

    def copy(self) -> "SortedIds":
        """The same IDs. O(n)."""
        copy = SortedIds()
        copy.size = self.size
        copy.blocks = [block.copy() for block in self.blocks]
        copy.heads = self.heads.copy()
        return copy

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(n)."""
        everything = [number for block in self.blocks for number in block]
        assert everything == sorted(set(everything))
        assert len(everything) == self.size
        assert self.heads == [block[0] for block in self.blocks]


class Consumer:
    """One reader of a group: when it last asked (`seen_ms`), when it last got something (`active_ms`, unix ms)."""

    def __init__(self, name: bytes, seen_ms: int) -> None:
        self.name = name
        self.seen_ms = seen_ms
        self.active_ms = NEVER_MS
        self.ids = SortedIds()


class Pending:
    """An entry that `consumer` got, `count` times, last at `at_ms` (unix ms), and has not acknowledged."""

    def __init__(self, consumer: Consumer, at_ms: int, count: int) -> None:
        self.consumer = consumer
        self.at_ms = at_ms
        self.count = count


class Group:
    """A group that has read up to `last_id`, which were `entries_read` entries (-1: nobody knows).

    `nbytes` counts as those of a collection do. Who changes a group adds the difference to its stream.
    """

    def __init__(self, name: bytes, last_id: int, entries_read: int) -> None:
        self.name = name
        self.last_id = last_id
        self.entries_read = entries_read
        self.pending: dict[int, Pending] = {}
        self.ids = SortedIds()
        self.consumers: dict[bytes, Consumer] = {}
        self.nbytes = GROUP_BYTES + len(name)

    def consumer(self, name: bytes, now_ms: int) -> Consumer:
        """The consumer of that name, which is made if there is none. O(1)."""
        consumer = self.consumers.get(name)
        if consumer is None:
            consumer = self.consumers[name] = Consumer(name, now_ms)
            self.nbytes += CONSUMER_BYTES + len(name)
        return consumer

    def remove_consumer(self, name: bytes) -> int:
        """Forget a consumer and what is pending for it; how much that was. O(pending)."""
        consumer = self.consumers.pop(name)
        numbers = consumer.ids.from_(0, consumer.ids.size)
        for number in numbers:
            del self.pending[number]
        self.ids.remove_all(numbers)
        self.nbytes -= CONSUMER_BYTES + len(name) + PENDING_BYTES * consumer.ids.size
        return consumer.ids.size

    def deliver(self, number: int, consumer: Consumer, at_ms: int, count: int) -> None:
        """Entry `number` is pending for `consumer` now, whether or not it was for somebody. O(log n)."""
        pending = self.pending.get(number)
        if pending is None:
            self.pending[number] = Pending(consumer, at_ms, count)
            self.ids.add(number)
            consumer.ids.add(number)
            self.nbytes += PENDING_BYTES
            return
        if pending.consumer is not consumer:
            pending.consumer.ids.remove(number)
            consumer.ids.add(number)
            pending.consumer = consumer
        pending.at_ms = at_ms
        pending.count = count

    def acknowledge(self, number: int) -> bool:
        """Entry `number` is pending no more; whether it was. O(log n)."""
        pending = self.pending.pop(number, None)
        if pending is None:
            return False
        self.ids.remove(number)
        pending.consumer.ids.remove(number)
        self.nbytes -= PENDING_BYTES
        return True

    def acknowledge_all(self, numbers: list[int]) -> int:
        """As `acknowledge`, of each of `numbers`; how many were pending. O(numbers * log n)."""
        gone: list[int] = []
        by_consumer: dict[bytes, list[int]] = {}
        for number in numbers:
            pending = self.pending.pop(number, None)
            if pending is not None:
                gone.append(number)
                own = by_consumer.get(pending.consumer.name)
                if own is None:
                    own = by_consumer[pending.consumer.name] = []
                own.append(number)
        gone.sort()
        self.ids.remove_all(gone)
        for name, own in by_consumer.items():
            own.sort()
            self.consumers[name].ids.remove_all(own)
        self.nbytes -= PENDING_BYTES * len(gone)
        return len(gone)

    def wires_of(self, numbers: list[int], now_ms: int | None, *, names_consumer: bool) -> list[bytes]:
        """The pending entries of IDs `numbers`: an array in the form of either protocol, in pieces. O(numbers).

        Each is an array of its ID, its consumer's name if `names_consumer`, how long before `now_ms` it was delivered
        (None: when that was, unix ms), and how often.
        """
        pieces: list[bytes] = []
        wires = [b"*%d\r\n" % len(numbers)]
        head = b"*4\r\n$" if names_consumer else b"*3\r\n$"
        # Mostly all but the ID is as it was for the entry before.
        consumer: Consumer | None = None
        at_ms = count = -1
        rest = b""
        for number in numbers:
            pending = self.pending[number]
            if pending.at_ms != at_ms or pending.count != count or pending.consumer is not consumer:
                consumer = pending.consumer
                at_ms = pending.at_ms
                count = pending.count
                name = b"$%d\r\n%b\r\n" % (len(consumer.name), consumer.name) if names_consumer else b""
                time_ms = at_ms if now_ms is None else max(now_ms - at_ms, 0)
                rest = b"\r\n%b:%d\r\n:%d\r\n" % (name, time_ms, count)
            text = format_id(number)
            pieces.append(b"%b%d\r\n%b%b" % (head, len(text), text, rest))
            if len(pieces) >= _PIECES_MAX:
                wires.append(b"".join(pieces))
                pieces.clear()
        wires.append(b"".join(pieces))
        return wires

    def copy(self) -> "Group":
        """A group that shares nothing with this one that can change. O(pending)."""
        copy = Group(self.name, self.last_id, self.entries_read)
        for name, consumer in self.consumers.items():
            twin = copy.consumer(name, consumer.seen_ms)
            twin.active_ms = consumer.active_ms
            twin.ids = consumer.ids.copy()
        for number, pending in self.pending.items():
            twin = copy.consumers[pending.consumer.name]
            copy.pending[number] = Pending(twin, pending.at_ms, pending.count)
        copy.ids = self.ids.copy()
        copy.nbytes = self.nbytes
        return copy

    def digest(self) -> Any:
        """The contents without the times at which consumers were seen, which no log has."""
        entries = {
            number: (pending.consumer.name, pending.at_ms, pending.count) for number, pending in self.pending.items()
        }
        return (self.last_id, self.entries_read, entries, sorted(self.consumers))

    def parts(self) -> list[Any]:
        """The containers that hold what is pending."""
        return [self.pending, self.ids.blocks, *[consumer.ids.blocks for consumer in self.consumers.values()]]

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(n)."""
        self.ids.check()
        assert self.ids.from_(0, ID_MAX) == sorted(self.pending)
        size = GROUP_BYTES + len(self.name) + PENDING_BYTES * len(self.pending)
        for name, consumer in self.consumers.items():
            consumer.ids.check()
            own = sorted(number for number, pending in self.pending.items() if pending.consumer is consumer)
            assert consumer.ids.from_(0, ID_MAX) == own
            size += CONSUMER_BYTES + len(name)
        assert size == self.nbytes


__all__ = ["NEVER_MS", "Consumer", "Group", "Pending", "SortedIds"]
