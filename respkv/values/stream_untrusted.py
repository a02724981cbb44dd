"""Nodes of streams from listpacks of unknown origin, looked at element by element before anybody trusts them."""

from respkv.values import listpack
from respkv.values.stream_ids import SEQUENCE_BITS, SEQUENCE_MAX
from respkv.values.stream_nodes import DELETED, SAME_FIELDS, Node


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
    live = flagged = 0
    previous = -1
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
    return node


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
