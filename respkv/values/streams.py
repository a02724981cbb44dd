"""Streams: a log of entries by ascending ID, and the groups that read it.

Entries are in nodes (`stream_nodes.py`), cut where Redis cuts them, since approximate trimming drops whole nodes. A
node is found by bisection of the nodes' first IDs, an entry by walking through its node.

IDs are ints (`stream_ids.py`); so are `last_id`, `first_id` and `max_deleted_id`, 0 standing for `0-0`.
"""

from bisect import bisect_right
from typing import Any, ClassVar, Final

from respkv.values.collection import Collection
from respkv.values.limits import Limits
from respkv.values.stream_groups import Group
from respkv.values.stream_ids import ID_MAX, SEQUENCE_BITS, SEQUENCE_MAX
from respkv.values.stream_nodes import NODE_BYTES, Node, body_bytes_of

ENTRY_MAX_BYTES: Final = 1 << 30
"""What the fields and values of an entry may have together; and a node, whatever the limits say."""

STREAM_BYTES: Final = 250

NO_LIMIT: Final = 1 << 62

Entry = tuple[int, list[bytes]]


class Stream(Collection):
    """Entries and groups. Unlike other collections it may be empty.

    Appending is O(fields); reading from any ID O(log nodes + entries of a node + entries read). `entries_added` counts
    all entries that there ever were; `max_deleted_id` is the highest ID that was deleted one by one.
    """

    type_name: ClassVar[bytes] = b"stream"

    def __init__(self) -> None:
        self.nbytes = STREAM_BYTES
        self.nodes: list[Node] = []
        # The first ID of each node, to bisect.
        self.heads: list[int] = []
        self.length = 0
        # Both halves of the last ID: XADD has no use for the whole, and to make it costs 0.1 µs.
        self.last_ms = 0
        self.last_sequence = 0
        self.first_id = 0
        self.max_deleted_id = 0
        self.entries_added = 0
        self.groups: dict[bytes, Group] = {}

    def __len__(self) -> int:
        """How many entries there are."""
        return self.length

    @property
    def encoding(self) -> bytes:
        """What OBJECT ENCODING says."""
        return b"stream"

    @property
    def last_id(self) -> int:
        """The highest ID that an entry ever had, or that XSETID gave. O(1)."""
        return self.last_ms << SEQUENCE_BITS | self.last_sequence

    def set_last_id(self, number: int) -> None:
        """Let `last_id` be `number`."""
        self.last_ms = number >> SEQUENCE_BITS
        self.last_sequence = number & SEQUENCE_MAX

    def copy(self) -> "Stream":
        """A stream that shares nothing with this one that can change. O(nodes + pending entries)."""
        copy = Stream()
        copy.nbytes = self.nbytes
        copy.nodes = [node.copy() for node in self.nodes]
        copy.heads = self.heads.copy()
        copy.length = self.length
        copy.last_ms = self.last_ms
        copy.last_sequence = self.last_sequence
        copy.first_id = self.first_id
        copy.max_deleted_id = self.max_deleted_id
        copy.entries_added = self.entries_added
        copy.groups = {name: group.copy() for name, group in self.groups.items()}
        return copy

    def digest(self) -> Any:
        """The contents, groups included. O(n)."""
        marks = (self.last_id, self.first_id, self.max_deleted_id, self.entries_added)
        groups = {name: group.digest() for name, group in self.groups.items()}
        return (marks, [(number, tuple(pairs)) for number, pairs in self.entries()], groups)

    def parts(self) -> list[Any]:
        """The containers that hold the elements."""
        parts: list[Any] = [self.nodes, self.heads]
        for group in self.groups.values():
            parts.extend(group.parts())
        return parts

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(n)."""
        assert self.heads == [node.first for node in self.nodes]
        assert self.length == sum(node.count for node in self.nodes)
        numbers = [number for number, _ in self.entries()]
        assert numbers == sorted(set(numbers))
        assert len(numbers) == self.length
        assert not numbers or numbers[-1] <= self.last_id
        assert self.first_id == (numbers[0] if numbers else 0)
        for node in self.nodes:
            node.check()
        nbytes = STREAM_BYTES
        for node in self.nodes:
            nbytes += NODE_BYTES + body_bytes_of(node.body_bytes())
        for group in self.groups.values():
            group.check()
            nbytes += group.nbytes
        assert nbytes == self.nbytes, (nbytes, self.nbytes)

    # Adding

    def next_sequence(self, ms: int) -> int:
        """The lowest sequence number that is free at `ms`; -1 if there is none. O(1)."""
        if ms != self.last_ms:
            return 0 if ms > self.last_ms else -1
        # In a stream that never had an entry 0-0 is taken too.
        return self.last_sequence + 1 if self.last_sequence < SEQUENCE_MAX else -1

    def append(self, ms: int, sequence: int, argv: list[bytes], at: int, size: int, limits: Limits) -> None:
        """Add an entry, with an ID above `last_id`, whose fields and values in turn are `argv` from `at` on.

        These have `size` bytes. O(fields).
        """
        nodes = self.nodes
        node: Node | None = nodes[-1] if nodes else None
        if node is not None and self._is_full(node, size, limits):
            node.seal()
            node = None
        if node is None:
            node = self._open_node(ms << SEQUENCE_BITS | sequence, argv[at::2])
        self.nbytes += node.append(ms, sequence, argv, at)
        self.length += 1
        self.last_ms = ms
        self.last_sequence = sequence
        self.entries_added += 1
        if self.length == 1:
            self.first_id = self.last_id

    def _open_node(self, first: int, fields: list[bytes]) -> Node:
        if self.nodes and self.nodes[-1].fields == fields:
            # Nodes of the same fields share them.
            fields = self.nodes[-1].fields
        node = Node(first, fields)
        self.nodes.append(node)
        self.heads.append(first)
        self.nbytes += NODE_BYTES + body_bytes_of(0)
        return node

    @staticmethod
    def _is_full(node: Node, size: int, limits: Limits) -> bool:
        most_bytes = limits.stream_node_max_bytes
        if most_bytes == 0 or most_bytes > ENTRY_MAX_BYTES:
            most_bytes = ENTRY_MAX_BYTES
        if node.listpack_bytes() + size >= most_bytes:
            return True
        most = limits.stream_node_max_entries
        return most != 0 and node.count + node.deleted >= most

    def load_node(self, node: Node) -> None:
        """Add a node behind all others, as a base file has it; `length` and the marks are the caller's to set."""
        if self.nodes:
            self.nodes[-1].seal()
            if self.nodes[-1].fields == node.fields:
                node.fields = self.nodes[-1].fields
        self.nodes.append(node)
        self.heads.append(node.first)
        self.nbytes += NODE_BYTES + body_bytes_of(node.body_bytes())

    # Reading

    def read(self, low: int, high: int, most: int, ids: list[int] | None = None) -> list[bytes]:
        """The entries from ID `low` to `high`, at most `most`: an array in the form of either protocol, in pieces.

        Their IDs go into `ids`.
        """
        wires: list[bytes] = [b""]
        taken = 0
        nodes = self.nodes
        at = bisect_right(self.heads, low) - 1 if low else 0
        if at < 0:
            at = 0
        while at < len(nodes) and taken < most:
            node = nodes[at]
            if node.first > high:
                break
            if node.last >= low:
                taken += node.read(low, high, most - taken, wires, ids)
            at += 1
        wires[0] = b"*%d\r\n" % taken
        return wires

    def read_back(self, low: int, high: int, most: int) -> list[bytes]:
        """As `read`, from the last entry to the first."""
        wires: list[bytes] = [b""]
        taken = 0
        at = bisect_right(self.heads, high) - 1
        while at >= 0 and taken < most:
            node = self.nodes[at]
            if node.last < low:
                break
            taken += node.read_back(low, high, most - taken, wires)
            at -= 1
        wires[0] = b"*%d\r\n" % taken
        return wires

    def wire_of(self, number: int) -> bytes | None:
        """The entry of that ID as a reply in either protocol, or None."""
        at = bisect_right(self.heads, number) - 1
        if at < 0:
            return None
        node = self.nodes[at]
        offset = node.find(number)
        return node.wire_at(node.body, offset) if offset >= 0 else None

    def holds(self, number: int) -> bool:
        """Whether there is an entry of that ID."""
        at = bisect_right(self.heads, number) - 1
        if at < 0:
            return False
        return self.nodes[at].find(number) >= 0

    def entries(self) -> list[Entry]:
        """All entries: ID, and fields and values in turn. O(n)."""
        found: list[Entry] = []
        for node in self.nodes:
            found.extend(node.entries())
        return found

    def last_entry_id(self) -> int:
        """The highest ID of an entry that is there, 0 if there is none. O(fields), more if the last were deleted."""
        return self.nodes[-1].edge(last=True) if self.nodes else 0

    # Deleting

    def delete(self, number: int) -> bool:
        """Delete an entry; whether it was there. O(log nodes + bytes of a node)."""
        at = bisect_right(self.heads, number) - 1
        if at < 0:
            return False
        node = self.nodes[at]
        offset = node.find(number)
        if offset < 0:
            return False
        if node.count == 1:
            self._drop_nodes(at, at + 1)
        else:
            node.delete_at(offset)
        self.length -= 1
        self.max_deleted_id = max(self.max_deleted_id, number)
        if number == self.first_id:
            self._find_first()
        return True

    def trim_to(self, length: int, limit: int, *, whole_nodes: bool) -> int:
        """Delete the oldest entries until `length` are left, whole nodes only or not; how many were deleted.

        Nodes that would bring the deleted ones above `limit` stay; a limit of 0 is none. O(nodes + bytes of one node).
        """
        excess = self.length - length
        if excess <= 0:
            return 0
        gone = at = 0
        while at < len(self.nodes) and gone < excess:
            count = self.nodes[at].count
            if gone + count > excess or 0 < limit < gone + count:
                break
            gone += count
            at += 1
        self._drop_nodes(0, at)
        if gone < excess and not whole_nodes and self.nodes:
            gone += self.nodes[0].delete_first(excess - gone, ID_MAX)
        self._trimmed(gone)
        return gone

    def trim_below(self, number: int, limit: int, *, whole_nodes: bool) -> int:
        """As `trim_to`, for entries whose IDs are less than `number`."""
        gone = at = 0
        while at < len(self.nodes) and self.nodes[at].last < number:
            count = self.nodes[at].count
            if 0 < limit < gone + count:
                break
            gone += count
            at += 1
        self._drop_nodes(0, at)
        if not whole_nodes and self.nodes:
            gone += self.nodes[0].delete_first(NO_LIMIT, number)
            if self.nodes[0].count == 0:
                self._drop_nodes(0, 1)
        self._trimmed(gone)
        return gone

    def _trimmed(self, gone: int) -> None:
        if gone:
            self.length -= gone
            self._find_first()

    def _drop_nodes(self, start: int, stop: int) -> None:
        for at in range(start, stop):
            self.nbytes -= NODE_BYTES + body_bytes_of(self.nodes[at].body_bytes())
        del self.nodes[start:stop]
        del self.heads[start:stop]

    def _find_first(self) -> None:
        self.first_id = self.nodes[0].edge(last=False) if self.nodes else 0

    # Groups: how much of the stream somebody has read

    def rank_of(self, number: int) -> int:
        """How many entries there ever were up to ID `number`, as far as that can be told without counting; else -1.

        Source: the reference's estimate of a group's `entries-read`.
        """
        if self.entries_added == 0:
            return 0
        if self.length == 0 and number <= self.last_id:
            return self.entries_added
        if number == self.last_id:
            return self.entries_added
        if number > self.last_id:
            return -1
        if self.max_deleted_id == 0 or self.max_deleted_id < self.first_id:
            if number < self.first_id:
                return self.entries_added - self.length
            if number == self.first_id:
                return self.entries_added - self.length + 1
        return -1

    def has_gap_from(self, number: int) -> bool:
        """Whether an entry with ID `number` or above may have been deleted from amidst others."""
        if self.length == 0 or self.max_deleted_id == 0 or self.first_id > self.max_deleted_id:
            return False
        return number <= self.max_deleted_id

    def lag_of(self, group: Group) -> int:
        """How many entries `group` has yet to read; -1 if that cannot be told."""
        if self.entries_added == 0 or self.length == 0:
            return 0
        if group.last_id < self.first_id and self.max_deleted_id < self.first_id:
            return self.length
        if group.entries_read != -1 and not self.has_gap_from(group.last_id):
            return self.entries_added - group.entries_read
        rank = self.rank_of(group.last_id)
        return -1 if rank == -1 else self.entries_added - rank

    def radix_node_count(self) -> int:
        """How many nodes Redis's compressed radix tree of these nodes' keys has: XINFO tells it. O(nodes)."""
        keys = [node.key() for node in self.nodes]
        if not keys:
            return 1
        # Each key ends in a leaf; where two neighbours part there is a branching node, one for each depth between
        # shallower ones; every stretch without branching, from the byte behind a branch on, is one node.
        total = len(keys)
        open_depths: list[int] = []
        previous = 0
        for at in range(1, len(keys) + 1):
            depth = _common_length(keys[at - 1], keys[at]) if at < len(keys) else -1
            # The stretch to the leaf of the key before, from the deeper of the branches beside it.
            total += _has_stretch(max(previous, depth) if at > 1 else depth, 16)
            while open_depths and open_depths[-1] > depth:
                inner = open_depths.pop()
                outer = max(open_depths[-1] if open_depths else -1, depth)
                total += 1 + _has_stretch(outer, inner)
            if depth >= 0 and (not open_depths or open_depths[-1] < depth):
                open_depths.append(depth)
            previous = depth
        return total


def _common_length(one: bytes, two: bytes) -> int:
    for at in range(len(one)):
        if one[at] != two[at]:
            return at
    return len(one)


def _has_stretch(branch: int, end: int) -> int:
    """1 if there are bytes between the byte that leaves the branch at depth `branch` (-1: none) and depth `end`."""
    return 1 if end > branch + 1 else 0
