"""A set of any size with members at random in O(1), none of whose operations takes longer for the size of the set.

Python's own set does neither: it has no way to its n-th slot, and at a million members growing takes 40 ms. So this one
is many small ones (`Directory`). A part has at most `PART_MAX` members, for which CPython keeps a table of 128 slots,
27 to 54 bytes a member; one large set takes as much. Parts are no larger, since to get to a member at random is to
walk over others, each of which is somewhere else in memory.

Since a set has no n-th member, a part's members are put into a list, its order, when the first is taken at random; the
order is kept up while members are added or taken so, and dropped when others go.
"""

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from respkv.values.directory import Chance, Directory

if TYPE_CHECKING:
    from mypy_extensions import i64

PART_MAX: Final = 76
"""CPython gives a set of 128 slots more of them when it is to have 77 members."""

MERGED_MAX: Final = PART_MAX // 2
"""Far enough from what a split leaves."""

_SMALL: Final = MERGED_MAX // 2
_FILLED: Final = 67


class HashSet(Directory):
    """A set of bytes. `orders` has the lists that there are, by the first entry of their part."""

    def __init__(self, expected: int = 0) -> None:
        """An empty one, which will soon have about so many members."""
        super().__init__(expected, _FILLED, PART_MAX, MERGED_MAX)
        self.orders: dict[int, list[bytes]] = {}

    def has(self, member: bytes) -> bool:
        """Whether `member` is in it. O(1)."""
        part: set[bytes] = self.parts[(hash(member) >> self.shift) & self.mask]
        return member in part

    def add(self, member: bytes) -> bool:
        """Put `member` in; whether it is new. O(1)."""
        at = (hash(member) >> self.shift) & self.mask
        part: set[bytes] = self.parts[at]
        before = len(part)
        part.add(member)
        if len(part) == before:
            return False
        self.count += 1
        if self.orders:
            order = self.orders.get(self._first(at))
            if order is not None:
                order.append(member)
        if before >= PART_MAX:
            self._split(at)
        return True

    def discard(self, member: bytes) -> bool:
        """Take `member` out; whether it was there. O(1)."""
        at = (hash(member) >> self.shift) & self.mask
        part: set[bytes] = self.parts[at]
        before = len(part)
        part.discard(member)
        if len(part) == before:
            return False
        self.count -= 1
        if self.orders:
            self.orders.pop(self._first(at), None)
        if before <= _SMALL and self.depth:
            self._merge(at)
        return True

    # Many at once: the same in one loop, with all that it needs at hand.

    def add_all(self, members: list[bytes], start: int) -> int:
        """Put those of `members` in that stand from `start` on; how many bytes those have that are new. O(members)."""
        parts: list[set[bytes]] = self.parts
        shift: i64 = self.shift
        mask: i64 = self.mask
        added: i64 = 0
        nbytes: i64 = 0
        for index in range(start, len(members)):
            member = members[index]
            number: i64 = hash(member)
            at: i64 = number >> shift & mask
            part = parts[at]
            before = len(part)
            part.add(member)
            if len(part) != before:
                added += 1
                nbytes += len(member)
                if self.orders:
                    order = self.orders.get(self._first(at))
                    if order is not None:
                        order.append(member)
                if before >= PART_MAX:
                    self._split(at)
                    parts = self.parts
                    shift = self.shift
                    mask = self.mask
        self.count += added
        return nbytes

    def discard_all(self, members: list[bytes], start: int) -> int:
        """Take those of `members` out that stand from `start` on; how many bytes those have that were there.

        O(members).
        """
        parts: list[set[bytes]] = self.parts
        shift: i64 = self.shift
        mask: i64 = self.mask
        removed: i64 = 0
        nbytes: i64 = 0
        for index in range(start, len(members)):
            member = members[index]
            number: i64 = hash(member)
            at: i64 = number >> shift & mask
            part = parts[at]
            before = len(part)
            part.discard(member)
            if len(part) != before:
                removed += 1
                nbytes += len(member)
                if self.orders:
                    self.orders.pop(self._first(at), None)
                if before <= _SMALL and self.depth:
                    self._merge(at)
                    parts = self.parts
                    shift = self.shift
                    mask = self.mask
        self.count -= removed
        return nbytes

    def flags(self, members: list[bytes], start: int) -> list[int]:
        """For each of `members` from `start` on 1 if it is in it, else 0. O(members)."""
        parts: list[set[bytes]] = self.parts
        shift: i64 = self.shift
        mask: i64 = self.mask
        found: list[int] = []
        for index in range(start, len(members)):
            member = members[index]
            number: i64 = hash(member)
            found.append(1 if member in parts[number >> shift & mask] else 0)
        return found

    def pick(self, chance: Chance) -> bytes:
        """Some member, each as likely as any other. O(1): about three tries, and half the table of a part."""
        slot, place = self._choose(chance)
        order = self.orders.get(slot) if self.orders else None
        if order is not None:
            return order[place]
        member: bytes = next(islice(self.parts[slot], place, None))
        return member

    def take(self, chance: Chance) -> bytes:
        """As `pick`, and the member is taken out: the fastest way for many. O(part) where a part has no order."""
        slot, place = self._choose(chance)
        order = self._order_of(slot)
        member = order[place]
        last = order.pop()
        if place < len(order):
            order[place] = last
        part: set[bytes] = self.parts[slot]
        part.discard(member)
        self.count -= 1
        if len(part) < _SMALL and self.depth:
            self._merge(slot)
        return member

    def members(self) -> list[bytes]:
        """All members. O(n)."""
        members: list[bytes] = []
        for part in self.sets():
            members += part
        return members

    def sets(self) -> list[set[bytes]]:
        """All parts. O(parts)."""
        return self.distinct()

    def among(self, members: list[bytes], wanted: bool) -> list[bytes]:
        """Those of `members` that are in it, or (not `wanted`) are not. O(members)."""
        parts: list[set[bytes]] = self.parts
        if len(parts) == 1:
            part = parts[0]
            if wanted:
                return [member for member in members if member in part]
            return [member for member in members if member not in part]
        shift: i64 = self.shift
        mask: i64 = self.mask
        found: list[bytes] = []
        for member in members:
            number: i64 = hash(member)
            if (member in parts[number >> shift & mask]) == wanted:
                found.append(member)
        return found

    def copy(self) -> "HashSet":
        """Another one with the same members. O(n)."""
        other = HashSet()
        self._copy_to(other)
        return other

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(n)."""
        super().check()
        for first, order in self.orders.items():
            assert first == self._first(first), "an order at another entry than its part's first"
            assert sorted(order) == sorted(self.parts[first]), "an order of other members"

    def _order_of(self, slot: int) -> list[bytes]:
        """The members of the part whose first entry is `slot`, by place."""
        order = self.orders.get(slot)
        if order is None:
            order = self.orders[slot] = list(self.parts[slot])
        return order

    def _new_part(self) -> Any:
        empty: set[bytes] = set()
        return empty

    def _halves(self, part: Any, bit: int) -> tuple[Any, Any]:
        members: set[bytes] = part
        upper = {member for member in members if hash(member) >> bit & 1}
        return members - upper, upper

    def _union(self, one: Any, other: Any) -> Any:
        return one | other

    def _forget(self, first: int) -> None:
        if self.orders:
            self.orders.pop(first, None)

    def _renumber(self, shift: int) -> None:
        if self.orders:
            self.orders = {first << 1 if shift > 0 else first >> 1: order for first, order in self.orders.items()}
