"""Nodes of streams from listpacks of unknown origin, looked at element by element before anybody trusts them."""

from typing import TYPE_CHECKING, Final

from respkv.values import listpack
from respkv.values.stream_ids import SEQUENCE_BITS, SEQUENCE_MAX
from respkv.values.stream_nodes import DELETED, SAME_FIELDS, Node

if TYPE_CHECKING:
    from mypy_extensions import i64

_PLAIN_END: Final = 1 << 61
"""Halves of IDs below are compared as machine integers, their sums too."""


def load_node(first: int, data: bytes) -> Node:
    """The node that claims to be listpack `data`, with the master ID `first`; all of it is looked at. O(bytes).

    It may have no live entry. Raises ValueError, saying what is wrong.
    """
    size = len(data)
    if size < listpack.HEADER_BYTES + 1 or int.from_bytes(data[:4], "little") != size or data[size - 1] != 0xFF:
        raise ValueError("a listpack of another size than it says")
    end = size - 1
    walk = _Walk(data, end)
    count = walk.number()
    deleted = walk.number()
    field_count = walk.number()
    if count < 0 or deleted < 0 or not 0 < field_count <= size:
        raise ValueError("a stream node with impossible counts")
    node = Node(first, [walk.element() for _ in range(field_count)])
    if walk.number() != 0:
        raise ValueError("a stream node whose fields do not end")
    start = walk.at
    elements_before = walk.elements
    plain = _PlainEntries(data, start, end, node)
    walk.at = plain.at
    walk.elements += plain.elements
    live = plain.live
    flagged = plain.flagged
    previous = plain.last
    while walk.at < end:
        at = walk.at
        elements = walk.elements
        flags = walk.number()
        if not 0 <= flags <= DELETED | SAME_FIELDS:
            raise ValueError("a stream entry with unknown flags")
        walk.number()
        walk.number()
        if flags & SAME_FIELDS:
            walk.skip(field_count)
        else:
            pairs = walk.number()
            if not 0 <= pairs <= size:
                raise ValueError("a stream entry with an impossible number of fields")
            walk.skip(2 * pairs)
        if walk.number() != walk.elements - elements - 1:
            raise ValueError("a stream entry of another size than it says")
        number = node.id_at(data, at)
        if number <= previous or number < first:
            raise ValueError("stream entries out of order")
        previous = number
        if flags & DELETED:
            flagged += 1
        else:
            live += 1
    if live != count or flagged != deleted:
        raise ValueError("a stream node with another number of entries than it says")
    announced = data[4] | data[5] << 8
    if announced not in (65535, walk.elements):
        raise ValueError("a listpack with another number of elements than it says")
    node.body = data[start:end]
    if previous >= 0:
        node.last_ms = previous >> SEQUENCE_BITS
        node.last_sequence = previous & SEQUENCE_MAX
    node.count = live
    node.deleted = flagged
    node.elements = walk.elements - elements_before
    return node


class _PlainEntries:
    """The entries from `start` on that are in the form that nearly all have, and nothing is wrong with them.

    `at` is where the first other one begins, or the end; `last` the ID of the last entry before that, -1 if there is
    none. What is there else is left to those who look more closely, and say what is wrong.
    """

    def __init__(self, data: bytes, start: int, end: int, node: Node) -> None:
        self.at = start
        self.elements = 0
        self.live = 0
        self.flagged = 0
        self.last = -1
        if node.ms < _PLAIN_END and node.sequence < _PLAIN_END:
            self._walk(data, end, node.ms, node.sequence, len(node.fields))

    def _walk(self, data: bytes, stop: int, first_ms: int, first_sequence: int, fields: int) -> None:
        # Machine integers where compiled: this is most of loading a stream.
        end: i64 = stop
        at: i64 = self.at
        done: i64 = at
        base_ms: i64 = first_ms
        base_sequence: i64 = first_sequence
        field_count: i64 = fields
        last_ms: i64 = -1
        last_sequence: i64 = 0
        elements: i64 = 0
        live: i64 = 0
        flagged: i64 = 0
        while at + 6 < end:
            flags: i64 = data[at]
            if flags > DELETED | SAME_FIELDS or data[at + 1] != 1:
                break
            at += 2
            # Both halves of the ID, counted from the node's.
            first: i64 = data[at]
            width: i64 = 0
            ms: i64 = base_ms
            if first < 128:
                if data[at + 1] != 1:
                    break
                ms += first
                at += 2
            elif 0xC0 <= first < 0xD0:
                if data[at + 2] != 2:
                    break
                ms += (first & 15) << 8 | data[at + 1]
                at += 3
            else:
                width = 2 if first == 0xF1 else 3 if first == 0xF2 else 4 if first == 0xF3 else 0
                if width == 0 or at + width + 4 > end or data[at + width] >= 128 or data[at + width + 1] != width + 1:
                    break
                shift: i64 = 0
                place: i64 = at + 1
                while place <= at + width:
                    byte: i64 = data[place]
                    ms += byte << shift
                    shift += 8
                    place += 1
                at += width + 2
            first = data[at]
            sequence: i64 = base_sequence
            if first < 128:
                if data[at + 1] != 1:
                    break
                sequence += first
                at += 2
            elif 0xC0 <= first < 0xE0 and at + 3 < end and data[at + 2] == 2:
                difference: i64 = (first & 31) << 8 | data[at + 1]
                sequence += difference - 0x2000 if difference >= 0x1000 else difference
                at += 3
            else:
                break
            if sequence < 0 or ms < last_ms or (ms == last_ms and sequence <= last_sequence):
                break
            if ms == base_ms and sequence < base_sequence:
                break
            # Fields and values, or values alone.
            count: i64 = field_count
            total: i64 = 3 + count
            if not flags & SAME_FIELDS:
                if at + 2 > end or data[at] >= 128 or data[at + 1] != 1:
                    break
                count = data[at]
                count += count
                total = 4 + count
                at += 2
            while count > 0 and at < end:
                first = data[at]
                if first < 128:
                    if data[at + 1] != 1:
                        break
                    at += 2
                elif first < 0xC0:
                    length: i64 = (first & 63) + 1
                    if at + length >= end or data[at + length] != length:
                        break
                    at += length + 1
                elif first < 0xE0:
                    if at + 2 >= end or data[at + 2] != 2:
                        break
                    at += 3
                else:
                    break
                count -= 1
            if count > 0 or at + 2 > end or total >= 128 or data[at] != total or data[at + 1] != 1:
                break
            at += 2
            elements += total + 1
            if flags & DELETED:
                flagged += 1
            else:
                live += 1
            last_ms = ms
            last_sequence = sequence
            done = at
        self.at = done
        self.elements = elements
        self.live = live
        self.flagged = flagged
        if last_ms >= 0:
            upper: int = last_ms
            lower: int = last_sequence
            self.last = upper << SEQUENCE_BITS | lower


class _Walk:
    """Goes through a listpack of unknown origin, element by element. Its methods raise ValueError."""

    def __init__(self, data: bytes, end: int) -> None:
        self.data = data
        self.end = end
        self.at = listpack.HEADER_BYTES
        self.elements = 0

    def skip(self, count: int) -> None:
        """Go on behind `count` elements."""
        data = self.data
        at = self.at
        for _ in range(count):
            if at >= self.end:
                raise ValueError("a stream node that ends too early")
            first = data[at]
            # The two forms that nearly all elements have.
            if first < 128 and data[at + 1] == 1:
                at += 2
            elif 0x80 <= first < 0xC0 and at + first - 126 <= self.end and data[at + first - 127] == first - 127:
                at += first - 126
            else:
                at = listpack.checked_after(data, at, self.end)
        self.at = at
        self.elements += count

    def number(self) -> int:
        """The next element, which must be an integer."""
        at = self.at
        self.skip(1)
        first = self.data[at]
        if first < 128:
            return first
        if 0xC0 <= first < 0xE0 or 0xF1 <= first <= 0xF4:
            return int(listpack.element_at(self.data, at))
        raise ValueError("no number where a stream node has one")

    def element(self) -> bytes:
        """The next element."""
        at = self.at
        self.skip(1)
        return listpack.element_at(self.data, at)
