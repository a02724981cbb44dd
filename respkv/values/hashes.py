"""Hashes: strings by field, each of which may expire.

Small ones are a listpack of field, value, field, value; beyond the limits a `HashMap`, for good. Times of expiry lie
beside either in a `FieldExpiries`, which a hash has from its first one on. In a listpack, fields that expire stand
first, in the order of their times, as Redis has them (it calls that encoding `listpackex`, and stores it so).

A hash does not look at the clock: a field stays until someone calls `remove_due`.
"""

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Final

from respkv.values import listpack
from respkv.values.collection import ELEMENT_BYTES, NEVER_MS, OBJECT_BYTES, Collection
from respkv.values.directory import Chance
from respkv.values.hash_map import HashMap
from respkv.values.limits import Limits

if TYPE_CHECKING:
    from mypy_extensions import i64

PACKED_BYTES: Final = OBJECT_BYTES + ELEMENT_BYTES
"""A packed hash beside the bytes of its listpack."""

ENTRY_BYTES: Final = 2 * ELEMENT_BYTES + 44
"""A field and its value in a table, beside their bytes: two objects, and its part of the table."""

EXPIRY_BYTES: Final = 32 + 64 + 72
"""A time of expiry: the number, its part of a dict, and its place in the queue."""

_NO_EXPIRIES: Final[dict[bytes, int]] = {}
_QUEUE_MIN: Final = 32
# Up to so many elements are changed one by one. Otherwise the listpack is taken apart and packed again.
_FEW: Final = 4
# A sample of less than one in so many is drawn again where it repeats itself, otherwise all are shuffled.
_DENSE_SAMPLE: Final = 3


class FieldExpiries:
    """When fields expire: unix ms by field, and a queue of them.

    A change leaves what it replaces in the queue, to be passed over when its time comes. The queue is made anew when
    less than half of it is true, so that each change is O(log n) on average.
    """

    def __init__(self) -> None:
        self.at_ms: dict[bytes, int] = {}
        self.queue: list[tuple[int, bytes]] = []
        # When the engine means to look, so that it is told only of what comes before that.
        self.planned_at_ms = NEVER_MS

    def set(self, field: bytes, at_ms: int) -> None:
        """Let `field` expire at `at_ms`."""
        self.at_ms[field] = at_ms
        heappush(self.queue, (at_ms, field))
        if len(self.queue) > 2 * len(self.at_ms) + _QUEUE_MIN:
            self.queue = [(at, name) for name, at in self.at_ms.items()]
            heapify(self.queue)

    def next_at_ms(self) -> int:
        """The earliest time, NEVER_MS if there is none. O(1) on average."""
        queue = self.queue
        at_ms = self.at_ms
        while queue:
            at, field = queue[0]
            if at_ms.get(field) == at:
                return at
            heappop(queue)
        return NEVER_MS

    def copy(self) -> "FieldExpiries":
        """The same times, nothing planned. O(n)."""
        other = FieldExpiries()
        other.at_ms = self.at_ms.copy()
        other.queue = self.queue.copy()
        return other


class Hash(Collection):
    """Strings by field, in `table`, or if there is none in the listpack `packed`."""

    type_name = b"hash"

    def __init__(self) -> None:
        self.nbytes = PACKED_BYTES + listpack.HEADER_BYTES + 1
        self.packed = listpack.EMPTY
        self.table: HashMap | None = None
        self.ttls: FieldExpiries | None = None

    @staticmethod
    def of(pairs: list[tuple[bytes, bytes]], limits: Limits, expires: dict[bytes, int] | None = None) -> "Hash":
        """A hash of these fields and values, of which those in `expires` expire (unix ms). O(bytes)."""
        new = Hash()
        if expires:
            new.ttls = FieldExpiries()
            for field, at_ms in expires.items():
                new.ttls.set(field, at_ms)
                new.nbytes += EXPIRY_BYTES + len(field)
            ordered = [(expires.get(field, NEVER_MS), at) for at, (field, _) in enumerate(pairs)]
            ordered.sort()
            pairs = [pairs[at] for _, at in ordered]
        flat: list[bytes] = []
        for field, value in pairs:
            flat.append(field)
            flat.append(value)
        new.update(flat, 0, limits)
        return new

    @staticmethod
    def of_flat(flat: list[bytes], limits: Limits) -> "Hash":
        """A hash of these fields and values in turn. O(bytes)."""
        new = Hash()
        new.update(flat, 0, limits)
        return new

    @staticmethod
    def of_packed(packed: bytes, limits: Limits) -> "Hash":
        """A hash that is in a well-formed listpack, each field once. O(1), or O(n) if that is above the limits."""
        new = Hash()
        new.nbytes += len(packed) - len(new.packed)
        new.packed = packed
        if listpack.count(packed) >> 1 > limits.hash_max_listpack_entries:
            new._unpack()
        return new

    def __len__(self) -> int:
        """How many fields there are. O(1)."""
        table = self.table
        if table is not None:
            return table.count
        return listpack.count(self.packed) >> 1

    @property
    def is_packed(self) -> bool:
        """Whether it is a listpack."""
        return self.table is None

    @property
    def encoding(self) -> bytes:
        """What OBJECT ENCODING says."""
        if self.table is not None:
            return b"hashtable"
        return b"listpack" if self.ttls is None else b"listpackex"

    @property
    def expires(self) -> dict[bytes, int]:
        """When fields expire, those that do: unix ms by field. Not to be changed."""
        return _NO_EXPIRIES if self.ttls is None else self.ttls.at_ms

    # One field

    def get(self, field: bytes) -> bytes | None:
        """The value of `field`, or None. O(1); O(n) if packed."""
        table = self.table
        if table is not None:
            text: bytes | None = table.get(field)
            return text
        packed = self.packed
        encoded = listpack.encode(field)
        at = listpack.find(packed, encoded, listpack.HEADER_BYTES, 2)
        if at < 0:
            return None
        return listpack.element_at(packed, at + len(encoded))

    def __contains__(self, field: bytes) -> bool:
        """Whether `field` is there. O(1); O(n) if packed."""
        if self.table is not None:
            return self.table.has(field)
        return listpack.find(self.packed, listpack.encode(field), listpack.HEADER_BYTES, 2) >= 0

    def set(self, field: bytes, value: bytes, limits: Limits) -> bool:
        """Give `field` a value, its expiry stays; whether it is new. O(1) on average; O(bytes) if packed."""
        table = self.table
        if table is None:
            longest = limits.hash_max_listpack_value
            if len(field) <= longest and len(value) <= longest:
                return self._set_packed(field, value, limits)
            table = self._unpack()
        return self._set_in_table(table, field, value)

    def _set_in_table(self, table: HashMap, field: bytes, value: bytes) -> bool:
        old = table.put(field, value)
        if old is not None:
            self.nbytes += len(value) - len(old)
            return False
        self.nbytes += ENTRY_BYTES + len(field) + len(value)
        return True

    def _set_packed(self, field: bytes, value: bytes, limits: Limits) -> bool:
        packed = self.packed
        encoded = listpack.encode(field)
        at = listpack.find(packed, encoded, listpack.HEADER_BYTES, 2)
        if at < 0:
            end = len(packed) - 1
            changed = listpack.splice(packed, end, end, encoded + listpack.encode(value), 2)
        else:
            start = at + len(encoded)
            changed = listpack.splice(packed, start, listpack.after(packed, start), listpack.encode(value), 0)
        self.packed = changed
        self.nbytes += len(changed) - len(packed)
        if listpack.count(changed) >> 1 > limits.hash_max_listpack_entries:
            self._unpack()
        return at < 0

    def remove(self, field: bytes) -> bool:
        """Take `field` out; whether it was there. O(1) on average; O(bytes) if packed."""
        table = self.table
        if table is not None:
            old = table.pop(field)
            if old is None:
                return False
            self.nbytes -= ENTRY_BYTES + len(field) + len(old)
        else:
            packed = self.packed
            encoded = listpack.encode(field)
            at = listpack.find(packed, encoded, listpack.HEADER_BYTES, 2)
            if at < 0:
                return False
            self.packed = listpack.splice(packed, at, listpack.after(packed, at + len(encoded)), b"", -2)
            self.nbytes += len(self.packed) - len(packed)
        if self.ttls is not None and self.ttls.at_ms.pop(field, None) is not None:
            self.nbytes -= EXPIRY_BYTES + len(field)
        return True

    # Many fields

    def get_all(self, names: list[bytes], start: int) -> list[bytes | None]:
        """The value of each of the fields `names` from `start` on, or None. O(names); O(n) each if packed."""
        if self.table is not None:
            return self.table.get_all(names, start)
        return [self.get(names[at]) for at in range(start, len(names))]

    def remove_all(self, names: list[bytes], start: int) -> int:
        """Take those fields out; how many were there. O(names); O(bytes) each if packed."""
        before = len(self)
        if self.table is None or self.ttls is not None:
            for at in range(start, len(names)):
                self.remove(names[at])
            return before - len(self)
        values: list[bytes | None] = self.table.pop_all(names, start)
        nbytes: i64 = 0
        at = start
        for value in values:
            if value is not None:
                nbytes += len(names[at]) + len(value)
            at += 1
        removed = before - len(self)
        self.nbytes -= nbytes + ENTRY_BYTES * removed
        return removed

    def update(self, flat: list[bytes], start: int, limits: Limits) -> int:
        """Give fields their values, alternating in `flat` from `start` on; how many are new. Expiries stay.

        O(their number) on average; O(bytes) of all, if packed.
        """
        table = self.table
        added = 0
        if table is None:
            if self._fits(flat, start, limits):
                if len(flat) - start <= _FEW:
                    for at in range(start, len(flat), 2):
                        if self.set(flat[at], flat[at + 1], limits):
                            added += 1
                    return added
                return self._update_packed(flat, start, limits)
            table = self._unpack((len(flat) - start) >> 1)
        before = table.count
        nbytes = table.put_all(flat, start)
        added = table.count - before
        self.nbytes += nbytes + ENTRY_BYTES * added
        return added

    def _fits(self, flat: list[bytes], start: int, limits: Limits) -> bool:
        """Whether a listpack may take these, as far as they alone can tell."""
        if (len(flat) - start) >> 1 > limits.hash_max_listpack_entries:
            return False
        longest = limits.hash_max_listpack_value
        # By range, since a slice would copy them all.
        return all(len(flat[at]) <= longest for at in range(start, len(flat)))

    def _update_packed(self, flat: list[bytes], start: int, limits: Limits) -> int:
        packed = self.packed
        merged: dict[bytes, bytes] = {}
        before = 0
        if len(packed) > listpack.HEADER_BYTES + 1:
            old = listpack.unpack(packed)
            for at in range(0, len(old), 2):
                merged[old[at]] = old[at + 1]
            before = len(merged)
        for at in range(start, len(flat), 2):
            merged[flat[at]] = flat[at + 1]
        encoded: list[bytes] = []
        for field, value in merged.items():
            encoded.append(listpack.encode(field))
            encoded.append(listpack.encode(value))
        self.packed = listpack.join(encoded)
        self.nbytes += len(self.packed) - len(packed)
        if len(merged) > limits.hash_max_listpack_entries:
            self._unpack()
        return len(merged) - before

    def _unpack(self, expected: int = 0) -> HashMap:
        """Give the packed form up, as there will be so many fields; the table."""
        packed = self.packed
        flat = listpack.unpack(packed)
        table = HashMap(expected)
        nbytes = table.put_all(flat, 0)
        self.nbytes += nbytes + ENTRY_BYTES * table.count - (PACKED_BYTES - OBJECT_BYTES + len(packed))
        self.table = table
        self.packed = b""
        return table

    def flat(self) -> list[bytes]:
        """Field, value, field, value. O(n)."""
        table = self.table
        if table is None:
            return listpack.unpack(self.packed)
        flat: list[bytes] = []
        for part in table.dicts():
            for field, value in part.items():
                flat.append(field)
                flat.append(value)
        return flat

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Fields with their values. O(n)."""
        table = self.table
        if table is not None:
            return [pair for part in table.dicts() for pair in part.items()]
        flat = listpack.unpack(self.packed)
        return [(flat[at], flat[at + 1]) for at in range(0, len(flat), 2)]

    def fields(self) -> list[bytes]:
        """All fields. O(n)."""
        if self.table is None:
            return self._every_second(listpack.HEADER_BYTES)
        fields: list[bytes] = []
        for part in self.table.dicts():
            fields += part
        return fields

    def values(self) -> list[bytes]:
        """All values, as the fields are ordered. O(n)."""
        if self.table is None:
            return self._every_second(listpack.after(self.packed, listpack.HEADER_BYTES))
        values: list[bytes] = []
        for part in self.table.dicts():
            values += part.values()
        return values

    def _every_second(self, at: int) -> list[bytes]:
        packed = self.packed
        end = len(packed) - 1
        found: list[bytes] = []
        while at < end:
            found.append(listpack.element_at(packed, at))
            at = listpack.after(packed, at)
            if at < end:
                at = listpack.after(packed, at)
        return found

    # Chance and iteration

    def pick(self, chance: Chance) -> bytes:
        """Some field, each as likely as any other. O(1), O(n) if packed."""
        if self.table is not None:
            return self.table.pick(chance)
        packed = self.packed
        return listpack.element_at(packed, listpack.seek(packed, 2 * int(chance() * len(self))))

    def sample(self, size: int, chance: Chance) -> list[bytes]:
        """So many different fields at random, fewer than there are. O(size) on average; O(n) if packed or many."""
        if self.table is not None and size * _DENSE_SAMPLE < len(self):
            return self.table.sample(size, chance)
        fields = self.fields()
        total = len(fields)
        for at in range(size):
            other = at + int(chance() * (total - at))
            fields[at], fields[other] = fields[other], fields[at]
        return fields[:size]

    def draw(self, size: int, chance: Chance) -> list[bytes]:
        """So many fields at random, each drawn from all. O(size); O(n + size) if packed or many."""
        if self.table is not None and size < self.table.count:
            return self.table.pick_all(size, chance)
        fields = self.fields()
        total = len(fields)
        return [fields[int(chance() * total)] for _ in range(size)]

    def scan(self, place: int, count: int) -> tuple[int, list[bytes]]:
        """As `HashMap.scan`; a packed one is met as a whole. O(count)."""
        return (0, self.fields()) if self.table is None else self.table.scan(place, count)

    # Expiry

    def expiry_of(self, field: bytes) -> int:
        """When `field`, which is there, expires: unix ms, or -1 for never."""
        return -1 if self.ttls is None else self.ttls.at_ms.get(field, -1)

    def prepare_expiries(self) -> None:
        """From now on it is one whose fields may expire. O(1)."""
        if self.ttls is None:
            self.ttls = FieldExpiries()

    def expire_at(self, field: bytes, at_ms: int) -> None:
        """Let `field`, which is there, expire at `at_ms` (unix ms). O(log n); O(bytes) if packed."""
        if self.ttls is None:
            self.ttls = FieldExpiries()
        if field not in self.ttls.at_ms:
            self.nbytes += EXPIRY_BYTES + len(field)
        self.ttls.set(field, at_ms)
        if self.table is None:
            self._move(field, at_ms)

    def persist(self, field: bytes) -> bool:
        """Take the expiry of `field` away; whether it had one. O(1) on average; O(bytes) if packed."""
        if self.ttls is None or self.ttls.at_ms.pop(field, None) is None:
            return False
        self.nbytes -= EXPIRY_BYTES + len(field)
        if self.table is None:
            self._move(field, NEVER_MS)
        return True

    def _move(self, field: bytes, at_ms: int) -> None:
        """Put `field` of a listpack to where one that expires at `at_ms` stands: before all that do not do so sooner.

        One without expiry stands last.
        """
        packed = self.packed
        encoded = listpack.encode(field)
        at = listpack.find(packed, encoded, listpack.HEADER_BYTES, 2)
        stop = listpack.after(packed, at + len(encoded))
        pair = packed[at:stop]
        packed = listpack.splice(packed, at, stop, b"", -2)
        place = len(packed) - 1
        if at_ms < NEVER_MS:
            place = listpack.HEADER_BYTES
            end = len(packed) - 1
            while place < end:
                other_at_ms = self.expiry_of(listpack.element_at(packed, place))
                if other_at_ms < 0 or other_at_ms >= at_ms:
                    break
                place = listpack.after(packed, listpack.after(packed, place))
        self.packed = listpack.splice(packed, place, place, pair, 2)

    def is_due(self, field: bytes, now_ms: int) -> bool:
        """Whether the time of `field` has come. Its last millisecond counts as life."""
        if self.ttls is None:
            return False
        at_ms = self.ttls.at_ms.get(field)
        return at_ms is not None and at_ms < now_ms

    # As the engine asks

    def next_expiry_ms(self) -> int:
        """When the first of its fields expires, NEVER_MS if none does."""
        return NEVER_MS if self.ttls is None else self.ttls.next_at_ms()

    def planned_expiry_ms(self) -> int:
        """When the engine means to look for expired fields."""
        return NEVER_MS if self.ttls is None else self.ttls.planned_at_ms

    def plan_expiry(self, at_ms: int) -> None:
        """The engine means to look for expired fields at `at_ms`."""
        if self.ttls is not None:
            self.ttls.planned_at_ms = at_ms

    def remove_due(self, now_ms: int, count: int) -> list[bytes]:
        """Take fields out that expired before `now_ms`, up to `count`, the oldest first; which. O(count log n)."""
        removed: list[bytes] = []
        if self.ttls is not None:
            while len(removed) < count and self.ttls.next_at_ms() < now_ms:
                field = self.ttls.queue[0][1]
                self.remove(field)
                removed.append(field)
        return removed

    def remove_due_among(self, now_ms: int, names: list[bytes]) -> list[bytes]:
        """Take those of the fields `names` out that expired before `now_ms`; which. O(names)."""
        removed: list[bytes] = []
        for field in names:
            if self.is_due(field, now_ms):
                self.remove(field)
                removed.append(field)
        return removed

    def copy(self) -> "Hash":
        """A hash of the same fields in the same form. O(n)."""
        other = Hash()
        other.packed = self.packed
        if self.table is not None:
            other.table = self.table.copy()
        if self.ttls is not None:
            other.ttls = self.ttls.copy()
        other.nbytes = self.nbytes
        return other

    def digest(self) -> Any:
        """Fields, values and expiries. O(n)."""
        return frozenset([(field, value, self.expiry_of(field)) for field, value in self.pairs()])

    def parts(self) -> list[Any]:
        """The dicts and the queue."""
        found: list[Any] = []
        if self.table is not None:
            found.extend(self.table.dicts())
        if self.ttls is not None:
            found.append(self.ttls.at_ms)
            found.append(self.ttls.queue)
        return found
