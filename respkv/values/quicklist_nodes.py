"""The nodes of a quicklist: elements packed or as a list, and how many of them belong into one.

The limits and estimates are the reference's, since where nodes end decides what OBJECT ENCODING says.
"""

from typing import Final

from respkv.values import listpack, listpack_body
from respkv.values.collection import ELEMENT_BYTES
from respkv.values.listpack import HEADER_BYTES, encode, encoded_length
from respkv.values.listpack_body import OVERHEAD_BYTES

_SIZES_MAX: Final[list[int]] = [4096, 8192, 16384, 32768, 65536]

SAFE_BYTES: Final = 8192
"""The most that a node takes whose elements are counted instead."""

ANY_COUNT: Final = 1 << 32

ESTIMATED_OVERHEAD_BYTES: Final = 8
"""By how much at most a string grows as an element, by the reference's estimate."""

NODE_BYTES: Final = 240
"""A node without elements: object, list, and its place in the list of nodes."""

PLACE_BYTES: Final = ELEMENT_BYTES + 9
"""An element of an open node without its bytes: the object and its place in the list."""

_CLOSED_ELEMENT_BYTES_MAX: Final = 512
"""Nodes with larger elements on average stay open: to pack them would save next to nothing."""


def size_max_of(fill: int) -> int:
    """The bytes of a listpack that `list-max-listpack-size` allows, which is negative."""
    return _SIZES_MAX[min(-fill, 5) - 1]


def exceeds(fill: int, size: int, count: int) -> bool:
    """Whether a listpack of that many bytes and elements is too large by `list-max-listpack-size`."""
    if fill < 0:
        return size > size_max_of(fill)
    return size > SAFE_BYTES or count > max(fill, 1)


def is_large(fill: int, length: int) -> bool:
    """Whether an element of that many bytes has a node of its own."""
    return length > (SAFE_BYTES if fill >= 0 else size_max_of(fill))


class Node:
    """Consecutive elements: `elements` if it is open (last one first if `is_reversed`), else `body`.

    `size` is the length of the listpack that they make, `payload_bytes` that of the elements of an open node.
    """

    def __init__(self, first: int, elements: list[bytes], size: int, payload_bytes: int) -> None:
        self.first = first
        self.count = len(elements)
        self.size = size
        self.elements = elements
        self.body = b""
        self.is_open = True
        self.is_reversed = False
        self.payload_bytes = payload_bytes

    def copy(self) -> "Node":
        """A node that shares nothing with this one that can change. O(n) if open."""
        node = Node(self.first, self.elements.copy(), self.size, self.payload_bytes)
        node.count = self.count
        node.body = self.body
        node.is_open = self.is_open
        node.is_reversed = self.is_reversed
        return node

    def nbytes(self) -> int:
        """Estimated resident bytes. O(1)."""
        if self.is_open:
            return NODE_BYTES + self.payload_bytes + self.count * PLACE_BYTES
        return NODE_BYTES + self.size

    def open(self) -> None:
        """Be a list of elements. O(n)."""
        if not self.is_open:
            elements = listpack.elements_from(self.body, 0, self.count)
            payload_bytes = 0
            for element in elements:
                payload_bytes += len(element)
            self.payload_bytes = payload_bytes
            self.elements = elements
            self.body = b""
            self.is_open = True
            self.is_reversed = False

    def close(self) -> None:
        """Be packed, if that saves memory. O(n)."""
        if self.is_open and self.size < self.count * _CLOSED_ELEMENT_BYTES_MAX:
            self.straighten()
            self.body = listpack_body.pack(self.elements)
            self.elements = []
            self.is_open = False

    def straighten(self) -> None:
        """Be no longer reversed. O(n) if it was."""
        if self.is_reversed:
            self.elements.reverse()
            self.is_reversed = False

    def get(self, at: int) -> bytes:
        """Element `at`. O(1) if open, else O(n)."""
        if self.is_open:
            return self.elements[self.count - 1 - at] if self.is_reversed else self.elements[at]
        return listpack.elements_from(self.body, listpack_body.seek(self.body, self.count, at), 1)[0]

    def slice(self, start: int, stop: int) -> list[bytes]:
        """The elements from `start` to before `stop`, in a list of their own."""
        if not self.is_open:
            return listpack.elements_from(self.body, listpack_body.seek(self.body, self.count, start), stop - start)
        if not self.is_reversed:
            return self.elements[start:stop]
        part = self.elements[self.count - stop : self.count - start]
        part.reverse()
        return part

    def to_wire(self, start: int, stop: int, *, backwards: bool) -> bytes:
        """The elements from `start` to before `stop` as bulk strings of the protocol, or the last one first. O(n)."""
        if self.is_open:
            elements = self.slice(start, stop)
            if backwards:
                elements.reverse()
            return listpack_body.bulks_of(elements)
        body = self.body
        if stop - start < self.count:
            body = body[listpack_body.seek(body, self.count, start) : listpack_body.seek(body, self.count, stop)]
        return listpack_body.to_wire(body, stop - start, backwards=backwards)

    def add_all(self, added: list[bytes], size: int, payload_bytes: int, *, left: bool) -> None:
        """Put `added` at one end, one after the other, which take `size` bytes of a listpack. O(n)."""
        self.open()
        self.count += len(added)
        self.size += size
        self.payload_bytes += payload_bytes
        if left:
            self.first -= len(added)
        if left != self.is_reversed:
            if self.is_reversed:
                self.straighten()
            else:
                self.elements.reverse()
                self.is_reversed = True
        self.elements += added

    def indexes_of(self, element: bytes, encoded: bytes) -> list[int]:
        """Where `element`, in a listpack `encoded`, is. O(n)."""
        if not self.is_open:
            return listpack_body.find_all(self.body, encoded, [])
        self.straighten()
        return indexes_in(self.elements, element)

    def delete(self, start: int, stop: int) -> None:
        """Remove the elements from `start` to before `stop`. O(n)."""
        if self.is_open:
            self.straighten()
            for element in self.elements[start:stop]:
                self.payload_bytes -= len(element)
                self.size -= encoded_length(element)
            del self.elements[start:stop]
        else:
            body = self.body
            begin = listpack_body.seek(body, self.count, start)
            end = listpack_body.seek(body, self.count, stop)
            self.body = body[:begin] + body[end:]
            self.size -= end - begin
        self.count -= stop - start

    def delete_all(self, element: bytes, encoded: bytes, indexes: list[int]) -> None:
        """Remove `element` from `indexes`, which are some from one end of those of `indexes_of`. O(n)."""
        self.count -= len(indexes)
        self.size -= len(indexes) * len(encoded)
        if not self.is_open:
            offsets: list[int] = []
            found = listpack_body.find_all(self.body, encoded, offsets)
            first = found.index(indexes[0])
            self.body = listpack_body.without(self.body, offsets[first : first + len(indexes)], len(encoded))
            return
        self.straighten()
        self.payload_bytes -= len(indexes) * len(element)
        kept: list[bytes] = []
        at = 0
        for index in indexes:
            kept += self.elements[at:index]
            at = index + 1
        kept += self.elements[at:]
        self.elements = kept

    def insert(self, at: int, element: bytes) -> None:
        """Put `element` before element `at`, or to the end. O(n)."""
        encoded = encode(element)
        self.size += len(encoded)
        if self.is_open:
            self.straighten()
            self.elements.insert(at, element)
            self.payload_bytes += len(element)
        else:
            begin = listpack_body.seek(self.body, self.count, at)
            self.body = self.body[:begin] + encoded + self.body[begin:]
        self.count += 1

    def replace(self, at: int, element: bytes) -> None:
        """Put `element` in place of element `at`. O(1) if open, else O(n)."""
        if self.is_open:
            if self.is_reversed:
                at = self.count - 1 - at
            old = self.elements[at]
            self.elements[at] = element
            self.size += encoded_length(element) - encoded_length(old)
            self.payload_bytes += len(element) - len(old)
            return
        begin = listpack_body.seek(self.body, self.count, at)
        end = listpack_body.skip(self.body, begin, 1)
        encoded = encode(element)
        self.body = self.body[:begin] + encoded + self.body[end:]
        self.size += len(encoded) - (end - begin)

    def split(self, at: int) -> "Node":
        """Keep the elements before `at`; a node with the others. O(n)."""
        if self.is_open:
            self.straighten()
            rest = node_of(self.elements[at:])
        else:
            begin = listpack_body.seek(self.body, self.count, at)
            rest = closed_node_of(self.body[begin:], self.count - at)
        self.delete(at, self.count)
        return rest

    def absorb(self, other: "Node") -> None:
        """Append the elements of `other`. O(n)."""
        if self.is_open or other.is_open:
            self.open()
            self.straighten()
            other.open()
            other.straighten()
            self.elements += other.elements
            self.payload_bytes += other.payload_bytes
        else:
            self.body += other.body
        self.count += other.count
        self.size += other.size - OVERHEAD_BYTES


def indexes_in(elements: list[bytes], element: bytes) -> list[int]:
    """Where `element` is among `elements`. O(n)."""
    # To count is several times as fast as to look at each, and mostly there is none.
    left = elements.count(element)
    found: list[int] = []
    at = 0
    while left:
        at = elements.index(element, at)
        found.append(at)
        at += 1
        left -= 1
    return found


def node_of(elements: list[bytes]) -> Node:
    """An open node, not yet numbered. O(n)."""
    size = OVERHEAD_BYTES
    payload_bytes = 0
    for element in elements:
        size += encoded_length(element)
        payload_bytes += len(element)
    return Node(0, elements, size, payload_bytes)


def node_of_listpack(packed: bytes) -> Node:
    """A node of the elements of a well-formed listpack of at least one, not yet numbered. O(bytes)."""
    node = closed_node_of(packed[HEADER_BYTES:-1], listpack.count(packed))
    if node.count == 1:  # it may be there for a large element, and those are open
        node.open()
    return node


def closed_node_of(body: bytes, count: int) -> Node:
    """A node of so many elements that are packed already, not yet numbered. O(1)."""
    node = Node(0, [], len(body) + OVERHEAD_BYTES, 0)
    node.count = count
    node.body = body
    node.is_open = False
    return node
