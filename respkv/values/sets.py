"""Sets: members in no order, each once.

    encoding    kept as
    intset      an intset, while all members are integers (`respkv.values.intset`)
    listpack    a listpack, while they are few and short (`respkv.values.listpack`)
    hashtable   a `HashSet`

A set goes down this list, never up, when a member comes that its form has no room for by the limits. The order of
members, and which random ones are chosen, are independent of that.

Source of the rules of conversion: redis-server 8.2, whose OBJECT ENCODING is the same after the same commands.
"""

from itertools import islice
from typing import Any, ClassVar, Final

from respkv.values import intset, listpack, listpack_join
from respkv.values.collection import ELEMENT_BYTES, OBJECT_BYTES, Collection
from respkv.values.directory import Chance
from respkv.values.hash_set import HashSet
from respkv.values.limits import Limits

INTSET: Final = 0
LISTPACK: Final = 1
HASHTABLE: Final = 2

_ENCODINGS: Final = (b"intset", b"listpack", b"hashtable")

MEMBER_BYTES: Final = ELEMENT_BYTES + 44
"""What a member of a hash table takes beside its bytes: its object, and its part of the tables, 31 to 60 bytes,
and perhaps of an order, 8."""

_LISTPACK_BYTES_MAX: Final = 1 << 30
_DENSE_SAMPLE: Final = 3
"""Of a set's members, a third or more at random are chosen from a list of all."""


def _packed_max(limits: Limits) -> int:
    """The most members that a set in some packed form may have."""
    return max(limits.set_max_intset_entries, limits.set_max_listpack_entries)


class Set(Collection):
    """A set of bytes. `kind` says which of the forms above `packed` holds, or that it is in `table`."""

    type_name: ClassVar[bytes] = b"set"

    def __init__(self) -> None:
        """An empty intset."""
        super().__init__()
        self.kind = INTSET
        self.packed = intset.EMPTY
        self.table: HashSet | None = None
        self._measure()

    @staticmethod
    def of(members: list[bytes], limits: Limits) -> "Set":
        """A set of these members, repetitions left out, as adding one after the other makes it. O(n)."""
        value = Set()
        least = _packed_max(limits)
        if len(members) > least:
            value._to_table(len(members))
            value.add_all(members, limits)
            if len(value) > least:
                return value
            # They were not so many after all.
            value = Set()
        value.add_all(members, limits)
        return value

    @staticmethod
    def of_union(sets: list["Set"], limits: Limits) -> "Set":
        """A set of what at least one of `sets` has, as adding one member after the other makes it. O(n)."""
        largest = Set()
        for one in sets:
            if len(one) > len(largest):
                largest = one
        if largest.table is None or len(largest) <= _packed_max(limits):
            members: set[bytes] = set()
            for one in sets:
                members.update(one.members())
            return Set.of(list(members), limits)
        # Many are copied as a whole, which is far faster than to add them.
        value = largest.copy()
        for one in sets:
            if one is not largest:
                value.add_all(one.members(), limits)
        return value

    @staticmethod
    def of_intersection(members: list[bytes], limits: Limits) -> "Set":
        """A set of these members, each given once, as SINTERSTORE makes it. O(n)."""
        if len(members) <= limits.set_max_intset_entries and None not in [intset.parse(member) for member in members]:
            return Set.of(members, limits)
        return Set.of_rest(members, LISTPACK, limits)

    @staticmethod
    def of_rest(members: list[bytes], kind: int, limits: Limits) -> "Set":
        """A set of these members as SPOP makes it of the little that it leaves of one of `kind`. O(n)."""
        value = Set()
        if kind != INTSET:
            value.kind = LISTPACK
            value.packed = listpack.EMPTY
            if len(members) > limits.set_max_listpack_entries:
                value._to_table(len(members))
        value.add_all(members, limits)
        return value

    @staticmethod
    def of_packed(packed: bytes, limits: Limits) -> "Set":
        """A set that is in a well-formed listpack without repetitions. O(1), or O(n) if that is above the limits."""
        value = Set()
        value.kind = LISTPACK
        value.packed = packed
        value._measure()
        if listpack.count(packed) > limits.set_max_listpack_entries:
            value._to_table(listpack.count(packed))
        return value

    @staticmethod
    def of_intset(packed: bytes, limits: Limits) -> "Set":
        """A set that is in a well-formed intset. O(1), or O(n) if that is above the limits."""
        value = Set()
        value.packed = packed
        value._measure()
        if intset.count(packed) > limits.set_max_intset_entries:
            value._to_table(intset.count(packed))
        return value

    @staticmethod
    def begun(member: bytes, expected: int, limits: Limits) -> "Set":
        """An empty set in the form that suits `expected` members, the first of which is `member`. O(1)."""
        value = Set()
        if expected > limits.set_max_intset_entries or intset.parse(member) is None:
            value.kind = LISTPACK
            value.packed = listpack.EMPTY
            if expected > limits.set_max_listpack_entries:
                value._to_table(expected)
        return value

    def __len__(self) -> int:
        """How many members there are. O(1)."""
        if self.table is not None:
            return self.table.count
        return intset.count(self.packed) if self.kind == INTSET else listpack.count(self.packed)

    @property
    def encoding(self) -> bytes:
        """What OBJECT ENCODING says."""
        return _ENCODINGS[self.kind]

    @property
    def is_packed(self) -> bool:
        """Whether `packed` is a listpack of the members."""
        return self.kind == LISTPACK

    @property
    def is_intset(self) -> bool:
        """Whether `packed` is an intset of the members."""
        return self.kind == INTSET

    # Single members

    def has(self, member: bytes) -> bool:
        """Whether `member` is in it. O(1); O(log n) in an intset, O(n) in a listpack."""
        if self.table is not None:
            return self.table.has(member)
        if self.kind == LISTPACK:
            return listpack.find(self.packed, listpack.encode(member), listpack.HEADER_BYTES, 1) >= 0
        number = intset.parse(member)
        return number is not None and intset.find(self.packed, number) >= 0

    def add(self, member: bytes, limits: Limits) -> bool:
        """Put `member` in; whether it is new. O(1); O(n) in a packed form."""
        table = self.table
        if table is not None:
            if not table.add(member):
                return False
            self.nbytes += MEMBER_BYTES + len(member)
            return True
        if self.kind == LISTPACK:
            return self._add_to_listpack(member, limits)
        return self._add_to_intset(member, limits)

    def remove(self, member: bytes) -> bool:
        """Take `member` out; whether it was there. O(1); O(n) in a packed form."""
        table = self.table
        if table is not None:
            if not table.discard(member):
                return False
            self.nbytes -= MEMBER_BYTES + len(member)
            return True
        if self.kind == LISTPACK:
            encoded = listpack.encode(member)
            at = listpack.find(self.packed, encoded, listpack.HEADER_BYTES, 1)
            if at < 0:
                return False
            self.packed = listpack.splice(self.packed, at, at + len(encoded), b"", -1)
        else:
            number = intset.parse(member)
            at = -1 if number is None else intset.find(self.packed, number)
            if at < 0:
                return False
            self.packed = intset.delete(self.packed, at)
        self._measure()
        return True

    def pick(self, chance: Chance) -> bytes:
        """Some member of a set that has any, each as likely as any other. O(1); O(n) in a listpack."""
        if self.table is not None:
            return self.table.pick(chance)
        index = int(chance() * len(self))
        if self.kind == INTSET:
            return b"%d" % intset.number_at(self.packed, index)
        return listpack.element_at(self.packed, listpack.seek(self.packed, index))

    def take(self, chance: Chance) -> bytes:
        """As `pick`, and the member is taken out. O(1); O(n) in a packed form."""
        if self.kind == LISTPACK:
            packed = self.packed
            at = listpack.seek(packed, int(chance() * listpack.count(packed)))
            member = listpack.element_at(packed, at)
            self.packed = listpack.splice(packed, at, listpack.after(packed, at), b"", -1)
            self._measure()
            return member
        if self.table is not None:
            member = self.table.take(chance)
            self.nbytes -= MEMBER_BYTES + len(member)
            return member
        index = int(chance() * intset.count(self.packed))
        member = b"%d" % intset.number_at(self.packed, index)
        self.packed = intset.delete(self.packed, index)
        self._measure()
        return member

    # Many members

    def take_some(self, size: int, chance: Chance) -> list[bytes]:
        """As `take`, so many times, of a set that has more. O(size); O(n) each in a packed form."""
        table = self.table
        if table is None or size > len(table.parts):
            return [self.take(chance) for _ in range(size)]
        # Few come from the same part: no order of one is worth its while.
        members = table.sample(size, chance)
        self.nbytes -= table.discard_all(members, 0) + MEMBER_BYTES * size
        return members

    def prepare(self, expected: int, limits: Limits) -> None:
        """So many members are about to be added: a packed form that is too small for them alone is given up at once."""
        if self.kind == LISTPACK:
            if expected > limits.set_max_listpack_entries:
                self._to_table(expected)
        elif self.kind == INTSET and expected > limits.set_max_intset_entries:
            self._to_table(expected)

    def add_all(self, members: list[bytes], limits: Limits, start: int = 0) -> int:
        """Put `members` from `start` on in, one after the other; how many are new. O(members)."""
        before = len(self)
        if self.table is None and len(members) - start > 8:
            self._add_all_integers(members, start, limits)
        while start < len(members) and self.table is None:
            self.add(members[start], limits)
            start += 1
        if self.table is not None:
            self._add_to_table(self.table, members, start)
        return len(self) - before

    def _add_to_table(self, table: HashSet, members: list[bytes], start: int) -> None:
        count = table.count
        nbytes = table.add_all(members, start)
        self.nbytes += nbytes + MEMBER_BYTES * (table.count - count)

    def remove_all(self, members: list[bytes], start: int) -> int:
        """Take `members` from `start` on out, one after the other; how many were there. O(members) if hashed."""
        before = len(self)
        table = self.table
        if table is not None:
            nbytes = table.discard_all(members, start)
            self.nbytes -= nbytes + MEMBER_BYTES * (before - table.count)
        else:
            for at in range(start, len(members)):
                self.remove(members[at])
        return before - len(self)

    def flags(self, members: list[bytes], start: int) -> list[int]:
        """For each of `members` from `start` on 1 if it is in it, else 0. O(members + n), if hashed O(members)."""
        if self.table is not None:
            return self.table.flags(members, start)
        if len(members) - start <= 2:
            return [1 if self.has(members[at]) else 0 for at in range(start, len(members))]
        own = set(self.members())
        return [1 if members[at] in own else 0 for at in range(start, len(members))]

    def members(self) -> list[bytes]:
        """All members. O(n)."""
        if self.table is not None:
            return self.table.members()
        if self.kind == LISTPACK:
            return listpack.unpack(self.packed)
        return [b"%d" % number for number in intset.unpack(self.packed)]

    def among(self, members: list[bytes], wanted: bool = True) -> list[bytes]:
        """Those of `members` that are in it, or (not `wanted`) are not. O(members + n), if hashed O(members)."""
        if self.table is not None:
            return self.table.among(members, wanted)
        if len(members) <= 2:
            return [member for member in members if self.has(member) == wanted]
        own = set(self.members())
        if wanted:
            return [member for member in members if member in own]
        return [member for member in members if member not in own]

    def members_in(self, other: "Set", wanted: bool = True) -> list[bytes]:
        """Its members that are in `other` too, or (not `wanted`) are not. O(n), and of `other` if that is packed."""
        if self.kind == LISTPACK and other.kind == LISTPACK:
            return listpack_join.among(self.packed, other.packed, wanted)
        return other.among(self.members(), wanted)

    def sample(self, size: int, chance: Chance) -> list[bytes]:
        """So many different members at random, all if there are not more. O(size); O(n) if packed or many."""
        total = len(self)
        if size >= total:
            return self.members()
        if self.table is None or size * _DENSE_SAMPLE >= total:
            members = self.members()
            for at in range(size):
                other = at + int(chance() * (total - at))
                members[at], members[other] = members[other], members[at]
            return members[:size]
        return self.table.sample(size, chance)

    def draw(self, size: int, chance: Chance) -> list[bytes]:
        """So many members at random, each drawn from all. O(size); O(n + size) if packed."""
        table = self.table
        if table is not None and size < table.count:
            return table.pick_all(size, chance)
        members = self.members()
        total = len(members)
        return [members[int(chance() * total)] for _ in range(size)]

    def scan(self, place: int, count: int) -> tuple[int, list[bytes]]:
        """As `HashSet.scan`; a packed one is met as a whole. O(count)."""
        if self.table is not None:
            return self.table.scan(place, count)
        return 0, self.members()

    # As the engine asks

    def copy(self) -> "Set":
        """A set of the same members in the same form. O(n)."""
        other = Set()
        other.kind = self.kind
        other.packed = self.packed
        if self.table is not None:
            other.table = self.table.copy()
        other.nbytes = self.nbytes
        return other

    def digest(self) -> Any:
        """The members as a frozenset. O(n)."""
        return frozenset(self.members())

    def parts(self) -> list[Any]:
        """The sets within a hash table, which are many small ones."""
        return [] if self.table is None else list(self.table.sets())

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(n)."""
        members = self.members()
        assert len(members) == len(set(members)) == len(self)
        assert (self.table is not None) == (self.kind == HASHTABLE)
        if self.table is not None:
            self.table.check()
            assert self.nbytes == OBJECT_BYTES + sum([MEMBER_BYTES + len(member) for member in members])
        else:
            assert self.nbytes == OBJECT_BYTES + ELEMENT_BYTES + len(self.packed)

    # Within

    def _measure(self) -> None:
        self.nbytes = OBJECT_BYTES + ELEMENT_BYTES + len(self.packed)

    def _add_to_listpack(self, member: bytes, limits: Limits) -> bool:
        packed = self.packed
        encoded = listpack.encode(member)
        if listpack.find(packed, encoded, listpack.HEADER_BYTES, 1) >= 0:
            return False
        if (
            listpack.count(packed) < limits.set_max_listpack_entries
            and len(member) <= limits.set_max_listpack_value
            and len(packed) + len(member) < _LISTPACK_BYTES_MAX
        ):
            end = len(packed) - 1
            self.packed = listpack.splice(packed, end, end, encoded, 1)
            self._measure()
            return True
        self._to_table(0)
        return self.add(member, limits)

    def _add_to_intset(self, member: bytes, limits: Limits) -> bool:
        number = intset.parse(member)
        if number is not None:
            index = intset.find(self.packed, number)
            if index >= 0:
                return False
            self.packed = intset.insert(self.packed, -1 - index, number)
            self._measure()
            if intset.count(self.packed) > limits.set_max_intset_entries:
                self._to_table(0)
            return True
        numbers = intset.unpack(self.packed)
        longest = max(len(b"%d" % numbers[0]), len(b"%d" % numbers[-1])) if numbers else 0
        if (
            len(numbers) < limits.set_max_listpack_entries
            and max(longest, len(member)) <= limits.set_max_listpack_value
            and longest * len(numbers) + len(member) < _LISTPACK_BYTES_MAX
        ):
            self.kind = LISTPACK
            self.packed = listpack.pack([b"%d" % one for one in numbers] + [member])
            self._measure()
            return True
        self._to_table(0)
        return self.add(member, limits)

    def _add_all_integers(self, members: list[bytes], start: int, limits: Limits) -> None:
        """Add the integers with which `members` begins from `start` on at once, if they fit into an intset."""
        if self.kind != INTSET:
            return
        numbers = set(intset.unpack(self.packed))
        for member in islice(members, start, start + limits.set_max_intset_entries):
            number = intset.parse(member)
            if number is None:
                break
            numbers.add(number)
        if len(numbers) > limits.set_max_intset_entries:
            return
        width = self.packed[0]
        packed = intset.pack(list(numbers))
        if packed[0] >= width:
            self.packed = packed
            self._measure()

    def _to_table(self, expected: int) -> None:
        members = self.members()
        table = HashSet(max(expected, len(members)))
        self.table = table
        self.kind = HASHTABLE
        self.packed = b""
        self.nbytes = OBJECT_BYTES
        self._add_to_table(table, members, 0)
