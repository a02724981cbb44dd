"""A node of a stream: up to some hundred entries behind one another, in the form in which Redis keeps them.

    listpack = master entry | entry ...
    master   = live entries | deleted entries | fields | field ... | 0
    entry    = flags | ms | sequence | fields | field value ... | size       or, with the master's fields,
               flags | ms | sequence | value ... | size

The master entry has the fields of the first entry, and its ID is what the IDs of all count from. Deleting an entry
sets a flag; the node goes with its last live entry. `size` is the number of elements of the entry before it, for the
way back.

The node keeps the entries, `body`, apart from the master entry, so that counts change without moving anything. The
youngest node of a stream grows; the others are plain bytes.

Source: the reference's DUMP of streams; tests compare them.
"""

from typing import TYPE_CHECKING, Final

from respkv.values import listpack
from respkv.values.collection import ELEMENT_BYTES
from respkv.values.stream_ids import SEQUENCE_BITS, SEQUENCE_MAX, format_id, id_bytes

if TYPE_CHECKING:
    from mypy_extensions import i64

DELETED: Final = 1
SAME_FIELDS: Final = 2

NODE_BYTES: Final = 360
"""A node without its body: the object, its numbers, its place in the lists of nodes."""

_INT64_END: Final = 1 << 63
_PLAIN_END: Final = 1 << 61
"""Below, compiled code computes with machine integers: three times as fast as with Python's."""

_FEW: Final = 8
"""So many entries are passed through faster than by bisecting."""

_PIECES_MAX: Final = 128
"""More pieces are joined, though nobody has read them yet, once they are a good part of the node."""

_SMALL: Final[list[bytes]] = [bytes((number, 1)) for number in range(128)]
_HEADS: Final[list[bytes]] = [bytes((0x80 | length,)) for length in range(64)]
_BACKS: Final[list[bytes]] = [bytes((length + 1,)) for length in range(64)]
_FLAGS: Final[list[bytes]] = _SMALL[:4]
_BULKS: Final[list[bytes]] = [b"$%d\r\n" % length for length in range(256)]
_DIGITS: Final[list[bytes]] = [b"-%d" % number for number in range(1024)]
_ENTRY_HEADS: Final[list[bytes]] = [b"*2\r\n$%d\r\n" % length for length in range(48)]


def encode_number(number: int) -> bytes:
    """An integer of 64 bits as an element of a listpack."""
    if 0 <= number <= 127:
        return _SMALL[number]
    if 0 <= number <= 4095:
        return bytes((0xC0 | number >> 8, number & 0xFF, 2))
    return listpack.encode(b"%d" % number)


def encode_text(pieces: list[bytes], element: bytes) -> None:
    """Append the bytes of `element` in a listpack to `pieces`."""
    length = len(element)
    if 0 < length < 64:
        first = element[0]
        # No digit and no minus in front: not to be stored as a number.
        if first > 57 or first < 45:
            pieces.append(_HEADS[length])
            pieces.append(element)
            pieces.append(_BACKS[length])
            return
    pieces.append(listpack.encode(element))


def bulk(text: bytes) -> bytes:
    """`text` as a bulk string of the protocol."""
    return b"$%d\r\n%b\r\n" % (len(text), text)


def _wrap(half: int) -> int:
    """A sum within the 64 bits of half an ID."""
    return half if 0 <= half < _PLAIN_END else half & SEQUENCE_MAX


def _signed(difference: int) -> int:
    difference &= SEQUENCE_MAX
    return difference - (1 << SEQUENCE_BITS) if difference >= _INT64_END else difference


def _number_at(data: bytes, at: int) -> int:
    first = data[at]
    if first < 128:
        return first
    return int(listpack.element_at(data, at))


class Node:
    """Entries from ID `first`, the master's, to `last`, deleted ones included; `count` of them are live.

    Offsets are positions in `data()`. Entries come in ascending order of their IDs.
    """

    def __init__(self, first: int, fields: list[bytes]) -> None:
        self.first = first
        self.ms = first >> SEQUENCE_BITS
        self.sequence = first & SEQUENCE_MAX
        self.last_ms = self.ms
        self.last_sequence = self.sequence
        self.count = 0
        self.deleted = 0
        # How many elements of a listpack the entries are.
        self.elements = 0
        self.fields = fields
        # The entries are `body` and behind it, in the youngest node, what was added since somebody read it.
        self.body = b""
        self.pieces: list[bytes] = []
        self.pieces_bytes = 0
        # Where the entries of `body` begin, once somebody looked for one in the youngest node.
        self.starts: list[int] = []
        self.is_youngest = True
        # The listpack without the body and the two counts.
        self.frame_bytes = len(self._master_rest()) + listpack.HEADER_BYTES + 1

    @property
    def last(self) -> int:
        """The ID of the last entry, whether or not it is deleted. O(1)."""
        return self.last_ms << SEQUENCE_BITS | self.last_sequence

    def _master_rest(self) -> bytes:
        pieces = [encode_number(len(self.fields))]
        for field in self.fields:
            encode_text(pieces, field)
        pieces.append(_SMALL[0])
        return b"".join(pieces)

    def data(self) -> bytes:
        """The entries' bytes. O(1); O(bytes) of the youngest node after it has grown."""
        if self.pieces:
            self.pieces.insert(0, self.body)
            self.body = b"".join(self.pieces)
            self.pieces.clear()
            self.pieces_bytes = 0
        return self.body

    def body_bytes(self) -> int:
        """The length of `data`. O(1)."""
        return len(self.body) + self.pieces_bytes

    def listpack_bytes(self) -> int:
        """The length of the node as a listpack. O(1)."""
        counts = 4 if self.count < 128 and self.deleted < 128 else self._count_bytes()
        return self.frame_bytes + counts + self.body_bytes()

    def _count_bytes(self) -> int:
        return len(encode_number(self.count)) + len(encode_number(self.deleted))

    def to_listpack(self) -> list[bytes]:
        """The node as Redis has it, in pieces: what is before the entries, they, and the end. O(1)."""
        body = self.data()
        rest = b"%b%b%b" % (encode_number(self.count), encode_number(self.deleted), self._master_rest())
        head = b"%b%b%b" % (
            (listpack.HEADER_BYTES + len(rest) + len(body) + 1).to_bytes(4, "little"),
            min(65535, self.elements + 4 + len(self.fields)).to_bytes(2, "little"),
            rest,
        )
        return [head, body, listpack.END]

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(entries)."""
        assert self.count > 0
        data = self.data()
        elements = 0
        at = 0
        while at < len(data):
            elements += self._elements_of(data, at) + 1
            at = self.after(data, at)
        assert elements == self.elements

    def _elements_of(self, data: bytes, at: int) -> int:
        if data[at] & SAME_FIELDS:
            return 3 + len(self.fields)
        return 4 + 2 * _number_at(data, self._behind_id(data, at))

    @staticmethod
    def _behind_id(data: bytes, at: int) -> int:
        return listpack.after(data, listpack.after(data, at + 2))

    def copy(self) -> "Node":
        """A node that shares nothing with this one that can change. O(bytes) of the youngest, else O(1)."""
        copy = Node(self.first, self.fields)
        copy.last_ms = self.last_ms
        copy.last_sequence = self.last_sequence
        copy.count = self.count
        copy.deleted = self.deleted
        copy.elements = self.elements
        copy.body = self.data()
        copy.is_youngest = self.is_youngest
        return copy

    # Adding

    def append(self, ms: int, sequence: int, argv: list[bytes], at: int) -> int:
        """Add an entry, whose fields and values are `argv` from `at` on; the bytes that it took."""
        fields = self.fields
        size = len(fields)
        same = len(argv) - at == size * 2
        if same:
            place = at
            for field in fields:
                if argv[place] != field:
                    same = False
                    break
                place += 2
        pieces = self.pieces
        count_before = len(pieces)
        pieces.append(_FLAGS[SAME_FIELDS if same else 0])
        elapsed = ms - self.ms
        pieces.append(encode_number(elapsed if elapsed < _INT64_END else _signed(elapsed)))
        difference = sequence - self.sequence
        pieces.append(_SMALL[difference] if 0 <= difference <= 127 else encode_number(_signed(difference)))
        if same:
            for place in range(at + 1, len(argv), 2):
                encode_text(pieces, argv[place])
            pieces.append(encode_number(size + 3))
            self.elements += size + 4
        else:
            size = (len(argv) - at) // 2
            pieces.append(encode_number(size))
            for place in range(at, len(argv)):
                encode_text(pieces, argv[place])
            pieces.append(encode_number(2 * size + 4))
            self.elements += 2 * size + 5
        length = 0
        for place in range(count_before, len(pieces)):
            length += len(pieces[place])
        self.pieces_bytes += length
        if len(pieces) > _PIECES_MAX and 4 * self.pieces_bytes > len(self.body):
            self.data()
        self.last_ms = ms
        self.last_sequence = sequence
        self.count += 1
        return length

    def seal(self) -> None:
        """No more entries will come."""
        self.data()
        self.starts = []
        self.is_youngest = False

    # Walking

    def after(self, data: bytes, at: int) -> int:
        """The offset behind the entry at `at`. O(fields)."""
        start: i64 = at
        following: int = self._after(data, start)
        return following

    def _after(self, data: bytes, at: "i64") -> "i64":
        position = _next(data, _next(data, at + 2))
        elements: i64 = len(self.fields) + 1
        if not data[at] & SAME_FIELDS:
            elements = 2 * _number_at(data, position) + 2
        for _ in range(elements):
            position = _next(data, position)
        return position

    @staticmethod
    def before(data: bytes, at: int) -> int:
        """The offset of the entry that ends at `at`. O(fields)."""
        at = _element_before(data, at)
        for _ in range(_number_at(data, at)):
            at = _element_before(data, at)
        return at

    def id_at(self, data: bytes, at: int) -> int:
        """The ID of the entry at `at`."""
        position = at + 2
        elapsed = _number_at(data, position)
        difference = _number_at(data, listpack.after(data, position))
        return _wrap(self.ms + elapsed) << SEQUENCE_BITS | _wrap(self.sequence + difference)

    def seek(self, number: int) -> int:
        """The offset of the first entry with ID `number` or above, or the end of `data()`. O(entries).

        In the youngest node, where readers look for what is new, O(log entries).
        """
        data = self.data()
        ms = number >> SEQUENCE_BITS
        sequence = number & SEQUENCE_MAX
        if self.starts or (self.is_youngest and self.count + self.deleted > _FEW):
            return self._bisect(data, ms, sequence)
        at: i64 = 0
        end: i64 = len(data)
        while at < end:
            if not self._is_below(data, at, ms, sequence):
                break
            at = self._after(data, at)
        found: int = at
        return found

    def _bisect(self, data: bytes, ms: int, sequence: int) -> int:
        starts = self.starts
        at = self.after(data, starts[-1]) if starts else 0
        while at < len(data):
            starts.append(at)
            at = self.after(data, at)
        low = 0
        high = len(starts)
        while low < high:
            middle = (low + high) >> 1
            place: i64 = starts[middle]
            if self._is_below(data, place, ms, sequence):
                low = middle + 1
            else:
                high = middle
        return starts[low] if low < len(starts) else len(data)

    def _is_below(self, data: bytes, at: "i64", ms: int, sequence: int) -> bool:
        """Whether the ID of the entry at `at` is less than that of these halves."""
        position: i64 = at + 2
        here: int = data[position]
        if here < 128:
            here += self.ms
        else:
            here = _wrap(self.ms + _number_at(data, position))
        if here != ms:
            return here < ms
        position = _next(data, position)
        here = data[position]
        return _wrap(self.sequence + (here if here < 128 else _number_at(data, position))) < sequence

    def find(self, number: int) -> int:
        """The offset of the live entry `number`, or -1. As `seek`."""
        if number > self.last:
            return -1
        at = self.seek(number)
        data = self.body
        if at == len(data) or data[at] & DELETED or self.id_at(data, at) != number:
            return -1
        return at

    def edge(self, *, last: bool) -> int:
        """The ID of the first or last live entry. O(deleted entries before it)."""
        data = self.data()
        if last:
            at = self.before(data, len(data))
            while data[at] & DELETED:
                at = self.before(data, at)
        else:
            at = 0
            while data[at] & DELETED:
                at = self.after(data, at)
        return self.id_at(data, at)

    # Reading

    def read(
        self,
        low: int,
        high: int,
        most: int,
        wires: list[bytes],
        ids: list[int] | None,
        ends: list[int] | None = None,
    ) -> int:
        """Append the live entries from ID `low` to `high`, at most `most` of them, to `wires`; how many they were.

        They come in one piece, as elements of an array in either protocol. Their IDs go into `ids`. With `ends`, an
        empty list, they come last one first. O(entries).
        """
        data = self.data()
        end: i64 = len(data)
        ends_within = self.last > high
        high_ms = high >> SEQUENCE_BITS
        high_sequence = high & SEQUENCE_MAX
        # What goes before the header of each value: the end of what is before it, and its field.
        leads: list[bytes] = []
        for field in self.fields:
            leads.append(b"\r\n" + bulk(field))  # noqa: PERF401  - compiled, a loop is as fast
        if leads:
            leads[0] = b"\r\n*%d\r\n%b" % (2 * len(leads), bulk(self.fields[0]))
        pieces: list[bytes] = []
        taken = 0
        last_ms = -1
        ms_text = b""
        at: i64 = self.seek(low) if low > self.first else 0
        while at < end and taken < most:
            flags: i64 = data[at]
            position: i64 = at + 2
            # Both halves of an ID have 64 bits without a sign: too many for i64.
            ms: int = data[position]
            if ms < 128:
                ms += self.ms
                position += 2
            else:
                ms = _wrap(self.ms + _number_at(data, position))
                position = _next(data, position)
            sequence: int = data[position]
            if sequence < 128:
                sequence = _wrap(self.sequence + sequence)
                position += 2
            else:
                sequence = _wrap(self.sequence + _number_at(data, position))
                position = _next(data, position)
            if ends_within and (ms > high_ms or (ms == high_ms and sequence > high_sequence)):
                break
            if flags & DELETED:
                at = self._after(data, at)
                continue
            if ids is not None:
                ids.append(ms << SEQUENCE_BITS | sequence)
            taken += 1
            if ms != last_ms:
                ms_text = b"%d" % ms
                last_ms = ms
            text = ms_text + (_DIGITS[sequence] if sequence < 1024 else b"-%d" % sequence)
            pieces.append(_ENTRY_HEADS[len(text)])
            pieces.append(text)
            if flags & SAME_FIELDS:
                for lead in leads:
                    pieces.append(lead)
                    position = _append_bulk(data, position, pieces)
            else:
                count = 2 * _number_at(data, position)
                position = listpack.after(data, position)
                pieces.append(b"\r\n*%d" % count)
                for _ in range(count):
                    pieces.append(b"\r\n")
                    position = _append_bulk(data, position, pieces)
            pieces.append(b"\r\n")
            if ends is not None:
                ends.append(len(pieces))
            at = _next(data, position)
        if ends is not None:
            turned: list[bytes] = []
            for number in range(taken - 1, -1, -1):
                turned += pieces[ends[number - 1] if number else 0 : ends[number]]
            pieces = turned
        if taken:
            wires.append(b"".join(pieces))
        return taken

    def read_back(self, low: int, high: int, most: int, wires: list[bytes]) -> int:
        """As `read`, from the last entry to the first. O(entries from `low` on)."""
        if most >= self.count:
            return self.read(low, high, most, wires, None, [])
        data = self.data()
        at = len(data)
        taken = 0
        while at > 0 and taken < most:
            end = at
            at = self.before(data, end)
            number = self.id_at(data, at)
            if number < low:
                break
            if number <= high and not data[at] & DELETED:
                wires.append(self.wire_at(data, at))
                taken += 1
        return taken

    def wire_at(self, data: bytes, at: int) -> bytes:
        """The entry at `at` as a reply, in either protocol."""
        pairs = self.pairs_at(data, at)
        number = bulk(format_id(self.id_at(data, at)))
        return b"*2\r\n%b*%d\r\n%b" % (number, len(pairs), b"".join([bulk(element) for element in pairs]))

    def pairs_at(self, data: bytes, at: int) -> list[bytes]:
        """The fields and values, in turn, of the entry at `at`."""
        position = self._behind_id(data, at)
        pairs: list[bytes] = []
        if data[at] & SAME_FIELDS:
            for field in self.fields:
                pairs.append(field)
                pairs.append(listpack.element_at(data, position))
                position = listpack.after(data, position)
        else:
            count = 2 * _number_at(data, position)
            position = listpack.after(data, position)
            for _ in range(count):
                pairs.append(listpack.element_at(data, position))
                position = listpack.after(data, position)
        return pairs

    def entries(self) -> list[tuple[int, list[bytes]]]:
        """All live entries: ID, and fields and values in turn. O(bytes)."""
        data = self.data()
        found: list[tuple[int, list[bytes]]] = []
        at = 0
        while at < len(data):
            if not data[at] & DELETED:
                found.append((self.id_at(data, at), self.pairs_at(data, at)))
            at = self.after(data, at)
        return found

    # Deleting

    def delete_at(self, at: int) -> None:
        """Flag the live entry at `at`. O(bytes)."""
        body = self.data()
        self.body = b"%b%b%b" % (body[:at], _SMALL[body[at] | DELETED][:1], body[at + 1 :])
        self.count -= 1
        self.deleted += 1

    def delete_first(self, most: int, below: int) -> int:
        """Flag the first `most` live entries whose IDs are less than `below`; how many they were. O(bytes)."""
        data = bytearray(self.data())
        fixed = bytes(data)
        gone = 0
        at = 0
        while at < len(fixed) and gone < most and self.id_at(fixed, at) < below:
            if not fixed[at] & DELETED:
                data[at] |= DELETED
                gone += 1
            at = self.after(fixed, at)
        self.body = bytes(data)
        self.count -= gone
        self.deleted += gone
        return gone

    def key(self) -> bytes:
        """The node's key in Redis's tree of nodes."""
        return id_bytes(self.first)


def body_bytes_of(size: int) -> int:
    """Resident bytes of a body of `size` bytes."""
    return size + ELEMENT_BYTES


def _element_before(data: bytes, at: int) -> int:
    """The offset of the element that ends at `at`."""
    return listpack.before(data, at)


def _next(data: bytes, at: "i64") -> "i64":
    """The offset behind the element at `at`, as `listpack.after`; here, since nothing is called more often."""
    first: i64 = data[at]
    if first < 128:
        return at + 2
    if first < 0xC0:
        return at + (first & 63) + 2
    if first < 0xE0:
        return at + 3
    following: i64 = listpack.after(data, at)
    return following


def _append_bulk(data: bytes, at: "i64", pieces: list[bytes]) -> "i64":
    """Append the element at `at` as a bulk string without its last line end; the offset behind it."""
    first: i64 = data[at]
    if 0x80 <= first < 0xC0:
        size: i64 = first & 63
        end: i64 = at + 1 + size
        pieces.append(_BULKS[size])
        pieces.append(data[at + 1 : end])
        return end + 1
    element = listpack.element_at(data, at)
    length = len(element)
    pieces.append(_BULKS[length] if length < 256 else b"$%d\r\n" % length)
    pieces.append(element)
    following: i64 = listpack.after(data, at)
    return following
