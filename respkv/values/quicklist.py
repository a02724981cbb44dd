"""The large form of lists: nodes of consecutive elements, packed but for those at which the list grows and shrinks.

Where nodes begin and end is as in Redis's structure of this name, since whether a list that became small is packed
again goes by that: OBJECT ENCODING tells.

    head                                               tail
    [open] <-> [closed] <-> [closed] <-> ... <-> [open]

A closed node is the body of a listpack (`listpack_body`): no object an element. An open one is a Python list, for
pushing and popping at its end without copying. A node is opened when something is pushed or popped there, and closed
when another one takes its place as head or tail.

Each node knows the number of its first element in a count that runs on to both sides as the list grows (the head's may
be negative), so that pushing and popping change no other node's, and an index is found by bisection.

Costs, n = elements, m = nodes: push, pop O(1), and O(elements of a node) where a node is opened or closed; index
O(log m + elements of a node); changes in the middle that add or remove: O(m) more.
"""

from typing import TYPE_CHECKING

from respkv.values.listpack import encode, encoded_length
from respkv.values.listpack_body import OVERHEAD_BYTES
from respkv.values.quicklist_nodes import (
    ANY_COUNT,
    ESTIMATED_OVERHEAD_BYTES,
    NODE_BYTES,
    PLACE_BYTES,
    SAFE_BYTES,
    Node,
    exceeds,
    is_large,
    node_of,
    size_max_of,
)

if TYPE_CHECKING:
    from mypy_extensions import i64


class Quicklist:
    """A list of any length. `fill` is `list-max-listpack-size` as it was when it became a quicklist.

    `nbytes` is the estimated resident size, of all that is in here.
    """

    def __init__(self, fill: int) -> None:
        self.fill = fill
        # The most that a node may have for one more element to go in, that one's length included.
        self._fitting_max = (size_max_of(fill) if fill < 0 else SAFE_BYTES) - ESTIMATED_OVERHEAD_BYTES
        self._count_max = ANY_COUNT if fill < 0 else max(fill, 1)
        self.nodes: list[Node] = []
        self.nbytes = 0

    def copy(self) -> "Quicklist":
        """A quicklist that shares nothing with this one that can change. O(m)."""
        other = Quicklist(self.fill)
        other.nodes = [node.copy() for node in self.nodes]
        other.nbytes = self.nbytes
        return other

    def append_node(self, node: Node) -> None:
        """Put `node` at the end, to load what was stored. O(1)."""
        if self.nodes:
            tail = self.nodes[-1]
            node.first = tail.first + tail.count
        self.nodes.append(node)
        self.nbytes += node.nbytes()

    # The ends

    def push_left(self, element: bytes) -> None:
        """Put `element` first."""
        length = len(element)
        first = 0
        if self.nodes:
            head = self.nodes[0]
            if head.size + length <= self._fitting_max and head.count < self._count_max:
                if not head.is_open:
                    self._open(head)
                if head.is_reversed:
                    head.elements.append(element)
                else:
                    head.elements.insert(0, element)
                head.first -= 1
                self._note_push(head, element, length)
                return
            first = head.first - 1
            # With one node it is the tail as well, where the next change is as likely.
            if len(self.nodes) > 1:
                self._close(head)
        node = Node(first, [element], OVERHEAD_BYTES + encoded_length(element), length)
        node.is_reversed = True
        self.nodes.insert(0, node)
        self.nbytes += node.nbytes()

    def push_right(self, element: bytes) -> None:
        """Put `element` last."""
        length = len(element)
        first = 0
        if self.nodes:
            tail = self.nodes[-1]
            if tail.size + length <= self._fitting_max and tail.count < self._count_max:
                if not tail.is_open:
                    self._open(tail)
                if tail.is_reversed:
                    tail.elements.insert(0, element)
                else:
                    tail.elements.append(element)
                self._note_push(tail, element, length)
                return
            first = tail.first + tail.count
            if len(self.nodes) > 1:
                self._close(tail)
        node = Node(first, [element], OVERHEAD_BYTES + encoded_length(element), length)
        self.nodes.append(node)
        self.nbytes += node.nbytes()

    def push_all(self, elements: list[bytes], start: int, *, left: bool) -> None:
        """As `push_left` or `push_right`, of each of `elements` from `start` on. O(elements)."""
        nodes = self.nodes
        at = start
        while at < len(elements):
            if nodes:
                end = nodes[0] if left else nodes[-1]
                at = self._fill(end, elements, at, left=left)
                if at == len(elements):
                    break
            if left:
                self.push_left(elements[at])
            else:
                self.push_right(elements[at])
            at += 1

    def _fill(self, node: Node, elements: list[bytes], start: int, *, left: bool) -> int:
        """Push `elements` from `start` on as far as `node`, which is at that end, has room; the next one to push."""
        size: i64 = node.size
        room: i64 = self._count_max - node.count
        size_max: i64 = self._fitting_max
        payload_bytes: i64 = 0
        at: i64 = start
        stop: i64 = len(elements)
        if stop - at > room:
            stop = at + room
        while at < stop:
            element = elements[at]
            length: i64 = len(element)
            if size + length > size_max:
                break
            if 0 < length < 64 and element[0] > 57:
                size += length + 2
            else:
                size += encoded_length(element)
            payload_bytes += length
            at += 1
        if at > start:
            self.nbytes -= node.nbytes()
            node.add_all(elements[start:at], size - node.size, payload_bytes, left=left)
            self.nbytes += node.nbytes()
        return at

    def _note_push(self, node: Node, element: bytes, length: int) -> None:
        node.count += 1
        node.size += encoded_length(element)
        node.payload_bytes += length
        self.nbytes += length + PLACE_BYTES

    def pop_left(self) -> bytes:
        """Remove the first element, which there is."""
        head = self.nodes[0]
        if not head.is_open:
            self._open(head)
        element = head.elements.pop() if head.is_reversed else head.elements.pop(0)
        head.first += 1
        self._note_pop(head, element)
        return element

    def pop_right(self) -> bytes:
        """Remove the last element, which there is."""
        tail = self.nodes[-1]
        if not tail.is_open:
            self._open(tail)
        element = tail.elements.pop(0) if tail.is_reversed else tail.elements.pop()
        self._note_pop(tail, element)
        return element

    def _note_pop(self, node: Node, element: bytes) -> None:
        length = len(element)
        node.count -= 1
        node.size -= encoded_length(element)
        node.payload_bytes -= length
        self.nbytes -= length + PLACE_BYTES
        if node.count == 0:
            self.nbytes -= NODE_BYTES
            if node is self.nodes[0]:
                del self.nodes[0]
            else:
                self.nodes.pop()

    def _open(self, node: Node) -> None:
        self.nbytes -= node.nbytes()
        node.open()
        self.nbytes += node.nbytes()

    def _close(self, node: Node) -> None:
        self.nbytes -= node.nbytes()
        node.close()
        self.nbytes += node.nbytes()

    # The middle

    def locate(self, index: int) -> int:
        """The number of the node that holds element `index`, which there is. O(log m)."""
        nodes = self.nodes
        target: i64 = nodes[0].first + index
        low: i64 = 0
        high: i64 = len(nodes) - 1
        while low < high:
            middle: i64 = (low + high + 1) >> 1
            if nodes[middle].first <= target:
                low = middle
            else:
                high = middle - 1
        return low

    def get(self, index: int) -> bytes:
        """Element `index`, which there is."""
        node = self.nodes[self.locate(index)]
        return node.get(self.nodes[0].first + index - node.first)

    def slice(self, start: int, stop: int) -> list[bytes]:
        """The elements from `start` to before `stop`, which there are."""
        if start >= stop:
            return []
        number = self.locate(start)
        node = self.nodes[number]
        at = self.nodes[0].first + start - node.first
        left = stop - start
        if at + left <= node.count:
            return node.slice(at, at + left)
        found = node.slice(at, node.count)
        left = stop - start - len(found)
        while left:
            number += 1
            node = self.nodes[number]
            part = node.slice(0, min(left, node.count))
            left -= len(part)
            found += part
        return found

    def to_wires(self, start: int, stop: int, *, backwards: bool) -> list[bytes]:
        """The elements from `start` to before `stop`, one or more, as bulk strings of the protocol. O(n)."""
        number = self.locate(start)
        at = self.nodes[0].first + start - self.nodes[number].first
        left = stop - start
        wires: list[bytes] = []
        while left:
            node = self.nodes[number]
            taken = min(left, node.count - at)
            wires.append(node.to_wire(at, at + taken, backwards=backwards))
            left -= taken
            number += 1
            at = 0
        if backwards:
            wires.reverse()
        return wires

    def replace(self, index: int, element: bytes) -> None:
        """Put `element` in place of element `index`, which there is."""
        number = self.locate(index)
        node = self.nodes[number]
        at = self.nodes[0].first + index - node.first
        if not is_large(self.fill, len(element)) and not self.is_plain(node):
            self.nbytes -= node.nbytes()
            node.replace(at, element)
            self.nbytes += node.nbytes()
            return
        if self.is_plain(node):
            if is_large(self.fill, len(element)):
                self.nbytes -= node.nbytes()
                node.replace(0, element)
                self.nbytes += node.nbytes()
                return
            self._insert(number, 0, element, after=True)
            self._drop(number)
        else:
            # It gets a node of its own, between the halves of the other.
            self.nbytes -= node.nbytes()
            added = [node_of([element])]
            if at < node.count - 1:
                added.append(node.split(at + 1))
            node.delete(node.count - 1, node.count)
            self.nbytes += node.nbytes()
            self._add(number + 1, added)
            if node.count == 0:
                self._drop(number)
            else:
                self._merge_around(number + 1)
        self._renumber()

    def insert(self, index: int, element: bytes, *, after: bool) -> None:
        """Put `element` beside element `index`, which there is."""
        number = self.locate(index)
        self._insert(number, self.nodes[0].first + index - self.nodes[number].first, element, after=after)
        self._renumber()

    def _insert(self, number: int, at: int, element: bytes, *, after: bool) -> None:
        nodes = self.nodes
        node = nodes[number]
        is_at_end = at == node.count - 1 if after else at == 0
        position = at + 1 if after else at
        beside = number + 1 if after else number - 1
        if is_large(self.fill, len(element)):
            added = [node_of([element])]
            if not is_at_end:
                # The part that is on the other side of the new element is the new node.
                added.append(self._split(number, position))
            self._add(number + 1 if after or not is_at_end else number, added)
        elif self._has_room(node, len(element)):
            self._insert_into(node, position, element)
        elif not is_at_end:
            rest = self._split(number, position)
            self._add(number + 1, [rest])
            if after:
                self._insert_into(rest, 0, element)
                self._merge_around(number)
            else:
                self._insert_into(node, node.count, element)
                self._merge_around(number + 1)
        elif 0 <= beside < len(nodes) and self._has_room(nodes[beside], len(element)):
            self._insert_into(nodes[beside], 0 if after else nodes[beside].count, element)
        else:
            self._add(number + 1 if after else number, [node_of([element])])

    def delete(self, start: int, stop: int) -> list[Node]:
        """Remove the elements from `start` to before `stop`; the nodes that went, which may take long to free."""
        if start >= stop:
            return []
        number = self.locate(start)
        at = self.nodes[0].first + start - self.nodes[number].first
        left = stop - start
        gone: list[Node] = []
        gone_from = 0
        while left:
            node = self.nodes[number]
            taken = min(left, node.count - at)
            left -= taken
            self.nbytes -= node.nbytes()
            if taken == node.count:
                if not gone:
                    gone_from = number
                gone.append(node)
            else:
                node.delete(at, at + taken)
                self.nbytes += node.nbytes()
            at = 0
            number += 1
        del self.nodes[gone_from : gone_from + len(gone)]
        self._renumber()
        return gone

    def remove(self, element: bytes, most: int, *, from_end: bool) -> int:
        """Remove up to `most` elements that equal `element`; how many there were. O(n)."""
        encoded = encode(element)
        removed = 0
        for node in reversed(self.nodes) if from_end else self.nodes:
            indexes = node.indexes_of(element, encoded)
            if not indexes:
                continue
            wanted = most - removed
            if len(indexes) > wanted:
                indexes = indexes[len(indexes) - wanted :] if from_end else indexes[:wanted]
            self.nbytes -= node.nbytes()
            node.delete_all(element, encoded, indexes)
            self.nbytes += node.nbytes()
            removed += len(indexes)
            if removed == most:
                break
        if removed:
            kept: list[Node] = []
            for node in self.nodes:
                if node.count:
                    kept.append(node)
                else:
                    self.nbytes -= node.nbytes()
            self.nodes = kept
            self._renumber()
        return removed

    def is_plain(self, node: Node) -> bool:
        """Whether `node` is there for one large element."""
        return node.is_open and node.count == 1 and is_large(self.fill, len(node.elements[0]))

    def _has_room(self, node: Node, length: int) -> bool:
        return node.size + length <= self._fitting_max and node.count < self._count_max

    def _insert_into(self, node: Node, at: int, element: bytes) -> None:
        self.nbytes -= node.nbytes()
        node.insert(at, element)
        self.nbytes += node.nbytes()

    def _split(self, number: int, at: int) -> Node:
        node = self.nodes[number]
        self.nbytes -= node.nbytes()
        rest = node.split(at)
        self.nbytes += node.nbytes()
        return rest

    def _add(self, number: int, added: list[Node]) -> None:
        self.nodes[number:number] = added
        for node in added:
            self.nbytes += node.nbytes()

    def _drop(self, number: int) -> None:
        self.nbytes -= self.nodes[number].nbytes()
        del self.nodes[number]

    def _merge_around(self, center: int) -> None:
        """Let the neighbours of node `center` become one node each, and with it, where they fit."""
        node = self.nodes[center]
        if center >= 2:
            self._merge(center - 2)
        at = self.nodes.index(node)
        if at + 2 < len(self.nodes):
            self._merge(at + 1)
        if at >= 1 and self._merge(at - 1):
            at -= 1
        if at + 1 < len(self.nodes):
            self._merge(at)

    def _merge(self, number: int) -> bool:
        one = self.nodes[number]
        two = self.nodes[number + 1]
        if exceeds(self.fill, one.size + two.size - OVERHEAD_BYTES, one.count + two.count):
            return False
        self.nbytes -= one.nbytes() + two.nbytes()
        one.absorb(two)
        self.nbytes += one.nbytes()
        del self.nodes[number + 1]
        return True

    def _renumber(self) -> None:
        first = 0
        for node in self.nodes:
            node.first = first
            first += node.count

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(n)."""
        nbytes = 0
        first = self.nodes[0].first
        for node in self.nodes:
            assert node.count, "an empty node"
            assert node.first == first, "a node with a wrong number"
            first += node.count
            elements = node.slice(0, node.count)
            size = OVERHEAD_BYTES
            payload_bytes = 0
            for element in elements:
                size += encoded_length(element)
                payload_bytes += len(element)
            assert node.size == size, "a node with a wrong size"
            if node.is_open:
                assert node.payload_bytes == payload_bytes, "a node with wrong bytes"
                assert len(node.elements) == node.count, "a node with a wrong count"
            nbytes += node.nbytes()
        assert nbytes == self.nbytes, "a wrong estimate"
