"""Reads a log file forwards: verified batches, and the plain commands that real Redis writes.

The reader takes what it can vouch for and stops at the first byte that it cannot take; what such a stop
means (a torn tail, or damage that must not be cut) is decided in `tail.py`. Compiled: with the replay
behind it, this is the time that a start takes.

Batches that lie whole in the window are verified many at a time: the checksum runs on, so the last one
vouches for all. (A call to compute it costs half as much as replaying a SET.) Where it does not fit, they
are taken one by one to find the one at fault. A stored checksum that is wrong while that of the next batch
fits is the only thing forgiven: the data are proved right.
"""

from collections.abc import Callable, Iterator
from typing import Final

from respkv.persistence.batch import (
    ANNOTATION_LIMIT,
    CHECKSUM_START,
    HEADER_LENGTH_START,
    INCOMPLETE,
    SYNCED_START,
    Header,
    parse_commands,
    parse_header,
)
from respkv.persistence.crc64 import crc64
from respkv.persistence.preallocation import LINE_END, ROOM_START, end_of_fill, is_line_end

READ_SIZE: Final = 1 << 20
# As much as stays in a core's own cache until it is read, copied and summed.
_WINDOW_SIZE: Final = 1 << 18
# Commands taken per call, so that the caller comes up for air; a larger batch is taken whole.
COMMANDS_PER_CALL: Final = 512

# Batches verified by one checksum.
_BATCHES_PER_GROUP: Final = 256
_LENGTH_AT: Final = len(HEADER_LENGTH_START)
_SYNCED_AT: Final = len(SYNCED_START)
_DIGITS_AT: Final = len(CHECKSUM_START)

# Why the reader stopped.
AT_END: Final = "end"
SHORT_PAYLOAD: Final = "short payload"
CHECKSUM_MISMATCH: Final = "checksum mismatch"
SHORT_ANNOTATION: Final = "short annotation"
BAD_ANNOTATION: Final = "bad annotation"
SHORT_COMMAND: Final = "short command"
BAD_COMMAND: Final = "bad command"
BAD_PAYLOAD: Final = "bad payload"
BAD_ROOM: Final = "room for the log that is not empty"

# What Redis writes first wherever it begins to append.
_REDIS_START: Final = b"*2\r\n$6\r\nSELECT\r\n"


class LogReader:
    """One pass over a log of `size` bytes from `start`.

    `position` is the offset behind all that was returned, at the end perhaps before prepared room; `checksum` the
    running checksum there; `batch_count` counts the batches that are not empty; `stop` is empty while there is more.
    With SHORT_PAYLOAD and CHECKSUM_MISMATCH, `header` and `payload_start` tell of the batch.
    """

    def __init__(self, read_at: Callable[[int, int], bytes], size: int, start: int = 0) -> None:
        self.read_at = read_at
        self.size = size
        self.position = start
        self.call_start = start
        self.checksum = 0
        self.batch_count = 0
        self.unverified_bytes = 0
        self.last_was_batch = False
        self.stop = ""
        # By its first batch; -1 if it does not say.
        self.file_number = -1
        self.header: Header | None = None
        self.payload_start = 0
        self._window = b""
        self._window_start = start
        self._one_by_one = False

    def next_commands(self) -> list[list[bytes]]:
        """The next commands in order, or an empty list when the reader has stopped.

        `call_start` is then the offset where they begin.
        """
        commands: list[list[bytes]] = []
        self.call_start = self.position
        while len(commands) < COMMANDS_PER_CALL and not self.stop:
            at = self.position - self._window_start
            if at >= len(self._window):
                if self.position >= self.size:
                    self.stop = AT_END
                    break
                self._fill(_WINDOW_SIZE)
                at = 0
            if self._window[at] == 35:  # b"#"
                if self._one_by_one or not self._take_group(at, commands):
                    self._take_annotation(commands)
            else:
                self._take_plain(at, commands)
        return commands

    def _fill(self, least: int) -> None:
        """Let the window start at `position` and hold `least` bytes, or all up to the end."""
        want = max(least, _WINDOW_SIZE)
        self._window = self.read_at(self.position, min(want, self.size - self.position))
        self._window_start = self.position
        if not self._window:
            raise OSError(f"the file ended at offset {self.position} while it was read")

    def _holds(self, byte_count: int) -> bool:
        """True when the window has `byte_count` bytes from `position` on, after reading if need be."""
        if self._window_start + len(self._window) - self.position >= byte_count:
            return True
        if self.size - self.position < byte_count:
            return False
        self._fill(byte_count)
        return len(self._window) >= byte_count

    def _take_group(self, start: int, commands: list[list[bytes]]) -> bool:
        """Take the batches that lie whole in the window from `start` on; False if that did not succeed."""
        window = self._window
        size = len(window)
        pieces: list[bytes] = []
        payload_starts: list[int] = []
        payload_ends: list[int] = []
        uncovered_at = start
        filled = 0
        at = start
        while at < size and len(pieces) < _BATCHES_PER_GROUP and window[at] == 35:
            position = at + _LENGTH_AT
            if window[at:position] != HEADER_LENGTH_START:  # a slice is cheaper than startswith when compiled
                break
            payload_size = 0
            while position < size and 48 <= window[position] <= 57 and payload_size < READ_SIZE:
                payload_size = payload_size * 10 + window[position] - 48
                position += 1
            if position == at + _LENGTH_AT:
                break
            if window[position : position + _SYNCED_AT] == SYNCED_START:
                position += _SYNCED_AT
                while position < size and 48 <= window[position] <= 57:
                    position += 1
            payload_start = position + _DIGITS_AT + 19
            payload_end = payload_start + payload_size
            if payload_end > size:
                break
            digits_at = position + _DIGITS_AT
            if window[position:digits_at] != CHECKSUM_START or not _ends_header(window, digits_at):
                break
            # What one checksum covers: a payload, and the head of the line behind it.
            pieces.append(window[uncovered_at : position + 1])
            uncovered_at = payload_start
            if payload_size:
                filled += 1
            payload_starts.append(payload_start)
            payload_ends.append(payload_end)
            at = payload_end
        if not pieces:
            return False
        pieces.append(window[uncovered_at:at])
        checksum = crc64(b"".join(pieces), self.checksum)
        taken_before = len(commands)
        digits_at = uncovered_at - 19
        if b"%016x" % checksum != window[digits_at : digits_at + 16] or not self._parse_group(
            payload_starts, payload_ends, commands
        ):
            del commands[taken_before:]
            self._one_by_one = True
            return False
        self.checksum = checksum
        self.position = self._window_start + at
        self.batch_count += filled
        self.last_was_batch = True
        return True

    def _parse_group(self, starts: list[int], ends: list[int], commands: list[list[bytes]]) -> bool:
        window = self._window
        for index in range(len(starts)):
            end = ends[index]
            taken, _ = parse_commands(window, starts[index], commands, len(window) * 2, None, end)
            if taken != end:
                return False
        return True

    def _take_room(self) -> None:
        """End before the room at `position`, or skip it if Redis went on behind it."""
        end = end_of_fill(self.read_at, self.position, self.size)
        rest = self.read_at(end, min(len(LINE_END) + len(_REDIS_START), self.size - end))
        if not rest or (is_line_end(end, rest) and len(rest) == len(LINE_END)):
            self.stop = AT_END
        elif is_line_end(end, rest) and _REDIS_START.startswith(rest[len(LINE_END) :]):
            end += len(LINE_END)
            self.unverified_bytes += end - self.position
            self.position = end
        else:
            # A running server writes from the beginning of the room on: what it wrote meanwhile is no gap.
            self._fill(len(ROOM_START))
            if self._window.startswith(ROOM_START):
                self.stop = BAD_ROOM

    def _take_annotation(self, commands: list[list[bytes]]) -> None:
        self._holds(len(ROOM_START))
        at = self.position - self._window_start
        if self._window[at : at + len(ROOM_START)] == ROOM_START:
            self._take_room()
            return
        line_end = self._window.find(b"\n", at, at + ANNOTATION_LIMIT)
        if line_end < 0:
            self._holds(min(ANNOTATION_LIMIT, self.size - self.position))
            at = self.position - self._window_start
            line_end = self._window.find(b"\n", at, at + ANNOTATION_LIMIT)
            if line_end < 0:
                short = self.size - self.position < ANNOTATION_LIMIT
                self.stop = SHORT_ANNOTATION if short else BAD_ANNOTATION
                return
        line = self._window[at : line_end + 1]
        header = parse_header(line)
        if header is None:
            if line.startswith(b"#HDR:") or not line.endswith(b"\r\n") or not is_printable(line[:-2]):
                self.stop = BAD_ANNOTATION
                return
            self.position += len(line)
            self.unverified_bytes += len(line)
            return
        self._take_batch(header, len(line), commands)

    def _take_batch(self, header: Header, line_size: int, commands: list[list[bytes]]) -> None:
        whole = line_size + header.payload_size
        self.header = header
        self.payload_start = self.position + line_size
        if not self._holds(whole):
            self.stop = SHORT_PAYLOAD
            return
        start = self.position - self._window_start + line_size
        payload = self._window[start : start + header.payload_size]
        checksum = header.checksum_of(payload, self.checksum)
        if checksum != header.checksum and not self._is_confirmed(checksum, self.position + whole):
            self.stop = CHECKSUM_MISMATCH
            return
        taken_before = len(commands)
        taken, _ = parse_commands(payload, 0, commands, taken_before + len(payload))
        if taken != len(payload):
            del commands[taken_before:]
            self.stop = BAD_PAYLOAD
            return
        if header.file_number >= 0 and self.batch_count == 0:
            self.file_number = header.file_number
        self.checksum = checksum
        self.position += whole
        if header.payload_size:
            self.batch_count += 1
        self.last_was_batch = True
        self.header = None

    def _is_confirmed(self, checksum: int, position: int) -> bool:
        """True if a whole batch at `position` continues `checksum`."""
        block = self.read_at(position, ANNOTATION_LIMIT)
        line = block[: block.find(b"\n") + 1]
        header = parse_header(line)
        if header is None or position + len(line) + header.payload_size > self.size:
            return False
        payload = self.read_at(position + len(line), header.payload_size)
        return header.checksum_of(payload, checksum) == header.checksum

    def _take_plain(self, at: int, commands: list[list[bytes]]) -> None:
        taken, why = parse_commands(self._window, at, commands, COMMANDS_PER_CALL)
        if taken > at:
            self.position += taken - at
            self.unverified_bytes += taken - at
            self.last_was_batch = False
        elif why == INCOMPLETE:
            have = self._window_start + len(self._window) - self.position
            if self.position + have >= self.size:
                self.stop = SHORT_COMMAND
            else:
                self._fill(have * 2)
        elif len(commands) < COMMANDS_PER_CALL:
            self.stop = BAD_COMMAND


def walk(read_at: Callable[[int, int], bytes], start: int, end: int) -> Iterator[tuple[int, list[list[bytes]]]]:
    """The batches, plain commands and other lines from `start` on: offset and commands of each.

    Nothing is verified; it ends at the first that is not whole.
    """
    block = b""
    block_start = at = start
    while at < end:
        commands: list[list[bytes]] = []
        size = _take_one(block, at - block_start, commands)
        if size == 0:
            if block_start == at and len(block) >= end - at:
                return
            want = 2 * len(block) if block_start == at else READ_SIZE
            block = read_at(at, min(max(want, READ_SIZE), end - at))
            block_start = at
            continue
        yield at, commands
        at += size


def _take_one(block: bytes, at: int, commands: list[list[bytes]]) -> int:
    """The size of the batch, command or line at `at`; 0 if it is not whole."""
    if not block.startswith(b"#", at):
        return parse_commands(block, at, commands, 1)[0] - at
    line_end = block.find(b"\n", at) + 1
    if line_end == 0:
        return 0
    header = parse_header(block[at:line_end])
    if header is None:
        return line_end - at
    end = line_end + header.payload_size
    if end > len(block):
        return 0
    parse_commands(block, line_end, commands, len(block), None, end)
    return end - at


def _ends_header(window: bytes, at: int) -> bool:
    """True if the 16 digits of a checksum and the end of its line are at `at`."""
    for place in range(at, at + 16):
        digit = window[place]
        if digit < 48 or digit > 102 or 57 < digit < 97:
            return False
    return window[at + 16 : at + 19] == b";\r\n"


def is_printable(text: bytes) -> bool:
    """True when `text` is ASCII without control characters."""
    return text.isascii() and text.decode("ascii").isprintable()
