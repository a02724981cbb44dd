"""Decides whether a log that cannot be read to its end has a torn tail or is damaged.

A torn tail is what a crash leaves: the last appends, which nobody was promised, are missing in part. It
may be cut. Damage is anything else: cutting there would destroy acknowledged writes, so only a person may
order it.

Rule 1: whatever is followed by data that can be proved whole is damage, but for sectors that a power failure left out
of order: they are blank, and every later batch says that it was written before they were known to be on disk.
Rule 2: a crash leaves prefixes, and blanks where data did not arrive: zeros where the file grew before them (whole
sectors, or all up to the end), `#` where room had been prepared for them (whole sectors; `preallocation.py`). What is
complete, has no such blanks, and still fails its checksum was changed later: damage. (etcd tells the two apart in the
same way.)
Rule 3: in doubt it is damage. A refused start loses nothing.
Rule 4: in a copy of a file, made while a server wrote over its room, blocks can be older than those behind them. Then
the copy is as old as the first of them; nobody was promised that it has more. (How copies are known: `first_batch`.)

The proof in rule 1 is the running checksum: a later batch that continues it from the value which the broken
batch's own header announces. Behind plain Redis commands, which have no checksums, a run of well-formed
commands that begins inside the broken one counts as proof.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from respkv.persistence.batch import (
    ANNOTATION_LIMIT,
    BULK_LIMIT,
    INCOMPLETE,
    MALFORMED,
    Header,
    parse_commands,
    parse_header,
)
from respkv.persistence.crc64 import advance, crc64
from respkv.persistence.log_reader import (
    AT_END,
    BAD_COMMAND,
    BAD_ROOM,
    CHECKSUM_MISMATCH,
    READ_SIZE,
    SHORT_ANNOTATION,
    SHORT_COMMAND,
    SHORT_PAYLOAD,
    LogReader,
    is_printable,
)
from respkv.persistence.preallocation import FILL, LINE_END, end_of_fill, is_line_end

SECTOR_SIZE = 512
_HEADER_START = re.compile(rb"(?:\r\n|[#\0])(?=#HDR:v1;len:)")
_ZERO = b"\0"
_BLANKS = (_ZERO, FILL)
_SECTOR_OF_ROOM = re.compile(b"%b{%d,}" % (FILL, SECTOR_SIZE))
_COMMAND_START = re.compile(rb"\r\n(?=\*[1-9][0-9]{0,6}\r\n\$[1-9][0-9]{0,2}\r\n[A-Za-z])")
_RESYNC_ATTEMPTS = 1000
_HEADERS_AT_ONCE = 65_536
"""How many headers are in memory when a proof is looked for."""


@dataclass(frozen=True)
class Ending:
    """How a log ends: whole, or with a tail to cut at `offset`, or damaged there."""

    offset: int
    dropped_bytes: int = 0
    reason: str = ""
    is_damage: bool = False


@dataclass(frozen=True)
class _Promises:
    """How much of the file, at `least` and at the `greatest`, was on disk by what the batches from `start` on say."""

    start: int
    least: int
    greatest: int

    def with_another(self, said: int) -> "_Promises":
        return _Promises(self.start, min(self.least, said), max(self.greatest, said))


def judge(reader: LogReader, is_copy: bool = False) -> Ending:
    """What it means that `reader` stopped where it did; in a copy, blocks may be older than those behind them."""
    if reader.stop == AT_END:
        return Ending(reader.position)
    return _Judge(reader, is_copy).judge()


class _Judge:
    def __init__(self, reader: LogReader, is_copy: bool) -> None:
        self.reader = reader
        self.is_copy = is_copy
        self.offset = reader.position
        # Without the room at its end.
        self.size = self._find_end()
        self.data_end = self._end_without(_ZERO, self.size)

    def judge(self) -> Ending:
        stop = self.reader.stop
        header = self.reader.header
        if self.data_end == self.offset:
            return self._torn(f"{self.size - self.offset} zero bytes at the end")
        if stop == BAD_ROOM and self._is_blank():
            return self._torn("room for the log that never reached the disk as a whole")
        promises = self._find_promises()
        if self.is_copy and self._is_gap(promises):
            return self._torn("gap, as in a copy that was made while a server wrote")
        if promises is not None and promises.greatest > self.offset:
            return self._damage(f"{stop}, and a later batch was written when this was known to be on disk")
        if promises is not None and promises.least >= 0 and self._has_blank_sector(self.offset, promises.start):
            return self._torn("sectors that nobody had been promised are missing before later ones")
        if stop == SHORT_PAYLOAD and header is not None:
            return self._judge_short_payload(header)
        if stop == CHECKSUM_MISMATCH and header is not None:
            return self._judge_mismatch(header)
        if stop == BAD_ROOM:
            return self._judge_room(promises)
        first = self.reader.read_at(self.offset, 1)
        if first == b"\0":
            return self._judge_zeros()
        if first == b"#" and (stop == SHORT_ANNOTATION or self._is_cut_annotation()):
            return self._judge_short_annotation()
        if first == b"#" and promises is None and self._has_lost_line():
            return self._torn("line of which the rest never reached the disk")
        if stop == SHORT_COMMAND or (stop == BAD_COMMAND and self._is_cut_command()):
            return self._judge_short_command()
        return self._damage(f"{stop}: {bytes(self.reader.read_at(self.offset, 40))!r}")

    def _torn(self, reason: str) -> Ending:
        return Ending(self.offset, self.reader.size - self.offset, reason)

    def _damage(self, reason: str) -> Ending:
        return Ending(self.offset, self.reader.size - self.offset, reason, is_damage=True)

    def _judge_short_payload(self, header: Header) -> Ending:
        start = self.reader.payload_start
        present = self.size - start
        what = f"batch of {header.payload_size} bytes of which {present} are there"
        payload = self.reader.read_at(start, present)
        if self._length_was_changed(header, payload):
            return self._damage(what + ", and its checksum fits another length")
        following = self._find_proof(header.checksum, self.size)
        if following is not None:
            return self._damage(f"{what}, followed by a whole batch at offset {following}")
        taken, why = parse_commands(payload[: max(0, self.data_end - start)], 0, [], present)
        if payload[taken:].startswith(b"#HDR:v1;"):
            return self._damage(f"{what}, followed by a batch at offset {start + taken}")
        if why == MALFORMED and not self._has_blank_sector(self.offset, self.size):
            return self._damage(what + ", which are not commands")
        return self._torn(f"torn {what}")

    def _judge_mismatch(self, header: Header) -> Ending:
        what = f"checksum mismatch in a batch of {header.payload_size} bytes"
        end = self.reader.payload_start + header.payload_size
        following = self._find_proof(header.checksum, end)
        if following is not None:
            return self._damage(f"{what}, followed by a whole batch at offset {following}")
        # Before zeros are looked for: where too small a length ends, a sector may begin with zeros by chance.
        start = self.reader.payload_start
        if self._length_was_changed(header, self.reader.read_at(start, self.size - start)):
            return self._damage(what + ", and its checksum fits another length")
        if self.data_end < end or self._has_blank_sector(self.offset, end):
            return self._torn("last batch in which data never reached the disk")
        return self._damage(what)

    def _judge_zeros(self) -> Ending:
        if next(self._headers(), None) is not None:
            return self._damage("zero bytes, followed by a batch")
        if not self.reader.last_was_batch and self._resyncs():
            return self._damage("zero bytes, followed by commands")
        return self._torn("zero bytes where the last append should be")

    def _is_gap(self, promises: _Promises | None) -> bool:
        """True if room is left in the place of data that were written later than it, and before what follows.

        Within a batch it fills a sector and ends with one, which a value full of `#` does by chance only.
        """
        if self.reader.stop == BAD_ROOM:
            return True
        if promises is None:
            return False
        batch = self.reader.read_at(self.offset, promises.start - self.offset)
        # One more, if what follows begins with a `#` itself.
        return any((self.offset + run.end()) % SECTOR_SIZE <= 1 for run in _SECTOR_OF_ROOM.finditer(batch))

    def _judge_room(self, promises: _Promises | None) -> Ending:
        """Behind room there is something: the rest of a batch whose first sectors are missing, or a change."""
        end = end_of_fill(self.reader.read_at, self.offset, self.size)
        if promises is None and end % SECTOR_SIZE == 0:
            return self._torn("batch of which the beginning never reached the disk")
        return self._damage(f"bytes in the room for the log, at offset {end}")

    def _judge_short_annotation(self) -> Ending:
        text = self.reader.read_at(self.offset, self.data_end - self.offset)
        if is_printable(text.rstrip(b"\r")):
            return self._torn("torn annotation")
        return self._damage("annotation with unprintable bytes")

    def _judge_short_command(self) -> Ending:
        following = self._find_proof(self.reader.checksum, self.size)
        if following is not None:
            return self._damage(f"command runs over the end, yet a whole batch follows at offset {following}")
        if self._resyncs():
            return self._damage("command runs over the end, yet whole commands follow inside it")
        return self._torn("torn command")

    def _is_cut_annotation(self) -> bool:
        """True if the annotation has no line end up to the zeros or the room that end the file."""
        length = self.data_end - self.offset
        return (
            self.data_end < self.reader.size
            and length < ANNOTATION_LIMIT
            and b"\n" not in self.reader.read_at(self.offset, length)
        )

    def _has_lost_line(self) -> bool:
        """True if the annotation is printable up to zeros that fill its sector, or up to one that is only room."""
        text = self.reader.read_at(self.offset, ANNOTATION_LIMIT + SECTOR_SIZE)
        for blank in _BLANKS:
            length = text.find(blank, 1)
            if 0 < length < ANNOTATION_LIMIT and is_printable(text[:length].rstrip(b"\r")):
                start = (self.offset + length) % SECTOR_SIZE
                rest = text[length : length + SECTOR_SIZE - start]
                return not rest.strip(blank) and (blank == _ZERO or start == 0)
        return False

    def _is_cut_command(self) -> bool:
        """True if the command is well-formed up to the zeros that end the file."""
        length = self.data_end - self.offset
        if self.data_end == self.size or length > 2 * BULK_LIMIT:
            return False
        _, why = parse_commands(self.reader.read_at(self.offset, length), 0, [], length)
        return why == INCOMPLETE

    def _find_promises(self) -> _Promises | None:
        """What the batches behind the broken one say of the disk; None if there are none.

        O(bytes behind), up to the first that says enough: payloads are not looked at.
        """
        header = self.reader.header
        end = -1 if header is None else self.reader.payload_start + header.payload_size
        found: _Promises | None = None
        for offset, later, _ in self._headers():
            if end < 0:
                end = offset
            if offset < end:
                continue
            said = later.synced_size
            found = _Promises(end, said, said) if found is None else found.with_another(said)
            if said > self.offset:
                break
        return found

    def _find_end(self) -> int:
        """The offset behind the last byte that is not of the room at the end of the file."""
        end = self.reader.size
        line_end = max(self.offset, end - len(LINE_END))
        if is_line_end(line_end, self.reader.read_at(line_end, end - line_end)):
            end = line_end
        return self._end_without(FILL, end)

    def _is_blank(self) -> bool:
        """True if there are but zeros and pieces of rooms."""
        at = self.offset
        while at < self.size:
            block = self.reader.read_at(at, min(READ_SIZE, self.size - at))
            if block.strip(FILL + _ZERO + LINE_END):
                return False
            at += len(block)
        return True

    def _end_without(self, blank: bytes, end: int) -> int:
        """The offset behind the last byte before `end` that is not `blank`; `offset` when there is none."""
        while end > self.offset:
            start = max(self.offset, end - READ_SIZE)
            kept = self.reader.read_at(start, end - start).rstrip(blank)
            if kept:
                return start + len(kept)
            end = start
        return self.offset

    def _has_blank_sector(self, start: int, end: int) -> bool:
        """True if a sector of the file, as far as it lies in the range, is all zeros or all `#`."""
        data = self.reader.read_at(start, end - start)
        at = 0
        while at < len(data):
            step = SECTOR_SIZE - (start + at) % SECTOR_SIZE
            sector = data[at : at + step]
            if any(not sector.strip(blank) for blank in _BLANKS):
                return True
            at += step
        return False

    def _length_was_changed(self, header: Header, payload: bytes) -> bool:
        """True if the batch verifies with another length: the present one, or one digit put right."""
        lengths = {len(payload)}
        digits = str(header.payload_size)
        for place in range(len(digits)):
            for digit in "0123456789":
                lengths.add(int(digits[:place] + digit + digits[place + 1 :]))
        for length in lengths:
            if 0 < length <= len(payload):
                covered = header.covered.replace(b"len:%d;" % header.payload_size, b"len:%d;" % length)
                if crc64(payload[:length], crc64(covered, self.reader.checksum)) == header.checksum:
                    return True
        return False

    def _headers(self) -> Iterator[tuple[int, Header, int]]:
        """Whatever looks like a batch behind `offset`: where, its header, where its payload begins."""
        at = self.offset
        while at < self.size:
            block = self.reader.read_at(at, READ_SIZE + ANNOTATION_LIMIT)
            for match in _HEADER_START.finditer(block):
                if match.start() >= READ_SIZE:
                    break
                start = match.end()
                line_end = block.find(b"\n", start, start + ANNOTATION_LIMIT)
                header = parse_header(block[start : line_end + 1]) if line_end > 0 else None
                if header is not None:
                    yield at + start, header, at + line_end + 1
            at += READ_SIZE

    def _find_proof(self, announced: int, behind: int) -> int | None:
        """The offset of a later batch that continues `announced`, or that of a batch from `behind` on.

        Before `behind`, where values of the broken batch may lie, a pair of batches proves nothing: a
        value may be a copy of a log.

        A value may also be full of lines that claim everything behind them. So no payload is read by itself: O(bytes +
        headers), with a pass over the file for each _HEADERS_AT_ONCE of them.
        """
        previous = announced
        headers = self._headers()
        while group := list(islice(headers, _HEADERS_AT_ONCE)):
            complete = [(start, start + header.payload_size) for _, header, start in group]
            sums = self._checksums_up_to({place for part in complete if part[1] <= self.size for place in part})
            for offset, header, start in group:
                end = start + header.payload_size
                if end <= self.size:
                    for seed in {announced, previous}:
                        at_start = crc64(header.covered, seed) ^ sums[start]
                        if advance(at_start, header.payload_size) ^ sums[end] == header.checksum:
                            return offset
                previous = header.checksum if offset >= behind else announced
        return None

    def _checksums_up_to(self, places: set[int]) -> dict[int, int]:
        """The checksum of what lies between the first of `places` and each of them."""
        checksums: dict[int, int] = {}
        checksum = 0
        at = min(places, default=0)
        for place in sorted(places):
            while at < place:
                data = self.reader.read_at(at, min(READ_SIZE, place - at))
                checksum = crc64(data, checksum)
                at += len(data)
            checksums[place] = checksum
        return checksums

    def _resyncs(self) -> bool:
        """True if well-formed commands begin again somewhere behind `offset`."""
        at = self.offset
        attempts = 0
        while at < self.size:
            block = self.reader.read_at(at, READ_SIZE + 64)
            for match in _COMMAND_START.finditer(block):
                if match.start() >= READ_SIZE or (attempts := attempts + 1) > _RESYNC_ATTEMPTS:
                    break
                start = at + match.end()
                commands: list[list[bytes]] = []
                parse_commands(self.reader.read_at(start, READ_SIZE), 0, commands, 1)
                if commands:
                    return True
            at += READ_SIZE
        return False
