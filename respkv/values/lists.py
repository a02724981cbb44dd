"""Lists: packed into one bytes object while they are small, a `Quicklist` of nodes above that.

A list becomes a quicklist when what is added would make it larger than `list-max-listpack-size`, and is packed again
when it has shrunk to one node of at most half of that: as Redis does since 7.2.

Costs, n = elements: pushing and popping O(1), once it is large (O(bytes) of at most 64 KB while it is packed); index
and range O(log n + elements of a node + elements asked for); to look for an element O(n).
"""

from typing import Any, ClassVar, Final

from respkv.values import listpack, listpack_body
from respkv.values.collection import ELEMENT_BYTES, OBJECT_BYTES, Collection
from respkv.values.limits import Limits
from respkv.values.listpack import encode
from respkv.values.quicklist import Quicklist
from respkv.values.quicklist_nodes import Node, closed_node_of, exceeds, is_large, size_max_of

_OVERHEAD_BYTES = listpack_body.OVERHEAD_BYTES
_PUSHED_SINGLY_MAX = 8
"""To a large list, more are added to its nodes together."""
POPPED_SINGLY_MAX: Final = 64
"""From a large list, more are copied out of its nodes and cut off, which looks at all nodes."""


class List(Collection):
    """A sequence of byte strings.

    Invariants: `nodes` is None while the list is packed, and then `body` holds its `count` elements; else `body` is
    empty and the nodes hold them. Indexes are from 0 on.
    """

    type_name: ClassVar[bytes] = b"list"

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.body = b""
        self.nodes: Quicklist | None = None

    @classmethod
    def of(cls, items: list[bytes], limits: Limits) -> "List":
        """A list of `items`, packed if they are few enough. O(n)."""
        value = cls()
        fill = limits.list_max_listpack_size
        total = 0
        for item in items:
            total += len(item)
        if not exceeds(fill, total + _OVERHEAD_BYTES, len(items)):
            body = listpack_body.pack(items)
            if not exceeds(fill, len(body) + _OVERHEAD_BYTES, len(items)):
                value.body = body
                value.count = len(items)
                value._weigh()
                return value
        nodes = value.nodes = Quicklist(fill)
        for item in items:
            nodes.push_right(item)
        value.count = len(items)
        value._weigh()
        return value

    @classmethod
    def of_nodes(cls, stored: list[Node], limits: Limits) -> "List":
        """A list of these nodes, as `node_of_listpack` makes them. O(nodes), or O(bytes) if they are small."""
        value = cls()
        nodes = Quicklist(limits.list_max_listpack_size)
        for node in stored:
            nodes.append_node(node)
            value.count += node.count
        value.nodes = nodes
        value._pack_if_small(limits, 1)
        value._weigh()
        return value

    def __len__(self) -> int:
        """How many elements there are. O(1)."""
        return self.count

    @property
    def encoding(self) -> bytes:
        """`listpack` or `quicklist`."""
        return b"listpack" if self.nodes is None else b"quicklist"

    @property
    def is_packed(self) -> bool:
        """Whether it is one listpack."""
        return self.nodes is None

    @property
    def packed(self) -> bytes:
        """The listpack that it is. O(bytes)."""
        return b"%b%b\xff" % (listpack_head(self.body, self.count), self.body)

    def items(self) -> list[bytes]:
        """All elements. O(n)."""
        return self.range(0, self.count)

    def copy(self) -> "List":
        """A list that shares nothing with this one that can change. O(nodes)."""
        other = List()
        other.nbytes = self.nbytes
        other.count = self.count
        other.body = self.body
        if self.nodes is not None:
            other.nodes = self.nodes.copy()
        return other

    def digest(self) -> Any:
        """The elements in order. O(n)."""
        return ("list", tuple(self.items()))

    def parts(self) -> list[Any]:
        """The containers that hold the elements."""
        if self.nodes is None:
            return []
        return [self.nodes.nodes, *[node.elements for node in self.nodes.nodes if node.elements]]

    # Looking

    def get(self, index: int) -> bytes:
        """Element `index`, which there is."""
        if self.nodes is not None:
            return self.nodes.get(index)
        return listpack.elements_from(self.body, listpack_body.seek(self.body, self.count, index), 1)[0]

    def range(self, start: int, stop: int) -> list[bytes]:
        """The elements from `start` to before `stop`, which there are."""
        if self.nodes is not None:
            return self.nodes.slice(start, stop)
        if start >= stop:
            return []
        return listpack.elements_from(self.body, listpack_body.seek(self.body, self.count, start), stop - start)

    def to_wires(self, start: int, stop: int, *, backwards: bool = False) -> list[bytes]:
        """The elements from `start` to before `stop`, one or more, or last one first: an array in either protocol.

        It is in pieces. O(n).
        """
        wires = [b"*%d\r\n" % (stop - start)]
        if self.nodes is not None:
            wires += self.nodes.to_wires(start, stop, backwards=backwards)
        else:
            begin = listpack_body.seek(self.body, self.count, start)
            end = listpack_body.seek(self.body, self.count, stop)
            wires.append(listpack_body.to_wire(self.body[begin:end], stop - start, backwards=backwards))
        return wires

    def positions(self, element: bytes, skipped: int, most: int, length_max: int, *, from_end: bool) -> list[int]:
        """The indexes of up to `most` elements that equal `element` (0: all), after the first `skipped` of them.

        Looks at `length_max` elements at most (0: all), beginning at either end; so does what it returns. O(n).
        """
        encoded = encode(element)
        last = length_max if length_max and length_max < self.count else self.count
        found: list[int] = []
        wanted = skipped + most if most else 0
        if self.nodes is None:
            indexes = listpack_body.find_all(self.body, encoded, [])
            if from_end:
                indexes.reverse()
            found = indexes
        else:
            first = self.nodes.nodes[0].first
            for node in reversed(self.nodes.nodes) if from_end else self.nodes.nodes:
                start = node.first - first
                if (self.count - start - node.count if from_end else start) >= last:
                    break
                indexes = node.indexes_of(element, encoded)
                if from_end:
                    indexes.reverse()
                found += [start + index for index in indexes]
                if wanted and len(found) >= wanted:
                    break
        if last < self.count:
            found = [index for index in found if (self.count - 1 - index if from_end else index) < last]
        return found[skipped:wanted] if wanted else found[skipped:]

    # Changing

    def push_all(self, argv: list[bytes], at: int, limits: Limits, *, left: bool) -> None:
        """Push one after the other what is in `argv` from `at` on."""
        if self.nodes is None and self._becomes_too_large(argv, at, limits):
            self._unpack(limits, left=left)
        nodes = self.nodes
        self.count += len(argv) - at
        if nodes is not None:
            if len(argv) - at > _PUSHED_SINGLY_MAX:
                nodes.push_all(argv, at, left=left)
            else:
                while at < len(argv):
                    if left:
                        nodes.push_left(argv[at])
                    else:
                        nodes.push_right(argv[at])
                    at += 1
            self.nbytes = OBJECT_BYTES + nodes.nbytes
            return
        if len(argv) == at + 1:
            encoded = encode(argv[at])
        else:
            parts = [encode(element) for element in argv[at:]]
            if left:
                parts.reverse()
            encoded = b"".join(parts)
        self.body = encoded + self.body if left else self.body + encoded
        self._weigh()

    def pop(self, limits: Limits, *, left: bool) -> bytes:
        """Remove the first or last element, which there is."""
        element = self._pop(left)
        nodes = self.nodes
        if nodes is not None and len(nodes.nodes) == 1:
            self._pack_if_small(limits, 2)
        self._weigh()
        return element

    def rotate(self, limits: Limits, *, from_left: bool, to_left: bool) -> bytes:
        """Take an element from one end to one end; the element."""
        element = self._pop(from_left)
        self.push_all([element], 0, limits, left=to_left)
        self._shrink(limits)
        return element

    def _pop(self, left: bool) -> bytes:
        self.count -= 1
        nodes = self.nodes
        if nodes is not None:
            return nodes.pop_left() if left else nodes.pop_right()
        body = self.body
        if left:
            element = listpack.element_at(body, 0)
            self.body = body[listpack.after(body, 0) :]
        else:
            at = listpack.before(body, len(body))
            element = listpack.element_at(body, at)
            self.body = body[:at]
        return element

    def pop_many(self, most: int, limits: Limits, *, left: bool) -> list[bytes]:
        """Remove up to so many elements from one end, one after the other."""
        popped: list[bytes] = []
        if most >= self.count:
            popped = self.items()
            if not left:
                popped.reverse()
            self._clear()
        elif self.nodes is None:
            popped = self.range(0, most) if left else self.range(self.count - most, self.count)
            if not left:
                popped.reverse()
            self._cut_off(most, limits, left=left)
        else:
            nodes = self.nodes
            for _ in range(most):
                popped.append(nodes.pop_left() if left else nodes.pop_right())
            self.count -= most
            self._shrink(limits)
        return popped

    def pop_wires(self, most: int, limits: Limits, *, left: bool) -> list[bytes]:
        """As `pop_many`, of some of what there is: an array in the form of either protocol, in pieces."""
        if most >= self.count:
            wires = self.to_wires(0, self.count, backwards=not left)
            self._clear()
            return wires
        wires = self.to_wires(0, most) if left else self.to_wires(self.count - most, self.count, backwards=True)
        self._cut_off(most, limits, left=left)
        return wires

    def _cut_off(self, most: int, limits: Limits, *, left: bool) -> None:
        if left:
            self.trim(most, self.count, limits)
        else:
            self.trim(0, self.count - most, limits)

    def replace(self, index: int, element: bytes, limits: Limits) -> None:
        """Put `element` in place of element `index`, which there is."""
        if self.nodes is None and self._becomes_too_large([element], 0, limits):
            self._unpack(limits, left=False)
        if self.nodes is not None:
            self.nodes.replace(index, element)
        else:
            body = self.body
            at = listpack_body.seek(body, self.count, index)
            self.body = body[:at] + encode(element) + body[listpack_body.skip(body, at, 1) :]
        self._shrink(limits)

    def insert(self, pivot: bytes, element: bytes, limits: Limits, *, after: bool) -> bool:
        """Put `element` beside the first one that equals `pivot`; whether there is one."""
        at = 0
        index = 0
        if self.nodes is None:
            encoded_pivot = encode(pivot)
            offsets: list[int] = []
            indexes = listpack_body.find_all(self.body, encoded_pivot, offsets)
            if not indexes:
                return False
            index = indexes[0]
            at = offsets[0] + (len(encoded_pivot) if after else 0)
            if self._becomes_too_large([element], 0, limits):
                self._unpack(limits, left=False)
        else:
            found = self.positions(pivot, 0, 1, 0, from_end=False)
            if not found:
                return False
            index = found[0]
        if self.nodes is not None:
            self.nodes.insert(index, element, after=after)
        else:
            self.body = self.body[:at] + encode(element) + self.body[at:]
        self.count += 1
        self._weigh()
        return True

    def remove(self, element: bytes, most: int, limits: Limits, *, from_end: bool) -> int:
        """Remove up to `most` elements that equal `element` (0: all), beginning at either end; how many."""
        if most == 0 or most > self.count:
            most = self.count
        if self.nodes is not None:
            removed = self.nodes.remove(element, most, from_end=from_end)
        else:
            encoded = encode(element)
            offsets: list[int] = []
            listpack_body.find_all(self.body, encoded, offsets)
            removed = min(most, len(offsets))
            if removed:
                offsets = offsets[len(offsets) - removed :] if from_end else offsets[:removed]
                self.body = listpack_body.without(self.body, offsets, len(encoded))
        if removed:
            self.count -= removed
            self._shrink(limits)
        return removed

    def trim(self, start: int, stop: int, limits: Limits) -> list[Node]:
        """Keep the elements from `start` to before `stop` only; nodes that went, which may take long to free."""
        gone: list[Node] = []
        if start >= stop:
            if self.nodes is not None:
                gone = self.nodes.nodes
            self._clear()
            return gone
        if self.nodes is not None:
            gone = self.nodes.delete(stop, self.count)
            gone += self.nodes.delete(0, start)
        else:
            begin = listpack_body.seek(self.body, self.count, start)
            self.body = self.body[begin : listpack_body.seek(self.body, self.count, stop)]
        self.count = stop - start
        self._shrink(limits)
        return gone

    # Within

    def _becomes_too_large(self, added: list[bytes], at: int, limits: Limits) -> bool:
        """Whether what is packed, together with `added` from `at` on, goes beyond the limits."""
        size = len(self.body) + _OVERHEAD_BYTES
        count = self.count + len(added) - at
        while at < len(added):
            size += len(added[at])
            at += 1
        return exceeds(limits.list_max_listpack_size, size, count)

    def _unpack(self, limits: Limits, *, left: bool) -> None:
        """Become a quicklist, of one node if there is anything, to which most is added at one end."""
        nodes = Quicklist(limits.list_max_listpack_size)
        if self.count:
            node = closed_node_of(self.body, self.count)
            node.open()
            if left:
                node.elements.reverse()
                node.is_reversed = True
            nodes.append_node(node)
        self.nodes = nodes
        self.body = b""

    def _shrink(self, limits: Limits) -> None:
        """Pack what has become small."""
        if self.nodes is not None and len(self.nodes.nodes) == 1:
            self._pack_if_small(limits, 2)
        self._weigh()

    def _pack_if_small(self, limits: Limits, part: int) -> None:
        """Pack one node that takes at most one `part`-th of what is allowed."""
        nodes = self.nodes
        if nodes is None or len(nodes.nodes) != 1:
            return
        node = nodes.nodes[0]
        fill = limits.list_max_listpack_size
        if fill < 0:
            if node.size > size_max_of(fill) // part:
                return
        elif node.count > max(fill, 1) // part:
            return
        if node.count == 1 and is_large(nodes.fill, node.size):
            return
        if node.is_open:
            node.straighten()
            self.body = listpack_body.pack(node.elements)
        else:
            self.body = node.body
        self.nodes = None

    def _clear(self) -> None:
        self.count = 0
        self.body = b""
        self.nodes = None
        self._weigh()

    def _weigh(self) -> None:
        if self.nodes is not None:
            self.nbytes = OBJECT_BYTES + self.nodes.nbytes
        else:
            self.nbytes = OBJECT_BYTES + ELEMENT_BYTES + len(self.body)

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(n)."""
        if self.nodes is None:
            assert len(listpack.unpack_untrusted(self.packed)) == self.count
            assert self.nbytes == OBJECT_BYTES + ELEMENT_BYTES + len(self.body)
        else:
            assert not self.body
            if self.count:
                self.nodes.check()
            assert self.nbytes == OBJECT_BYTES + self.nodes.nbytes
            assert sum(node.count for node in self.nodes.nodes) == self.count


def listpack_head(body: bytes, count: int) -> bytes:
    """What a listpack of `count` elements has before that body; behind it is 0xFF."""
    return (len(body) + _OVERHEAD_BYTES).to_bytes(4, "little") + min(count, 65535).to_bytes(2, "little")
