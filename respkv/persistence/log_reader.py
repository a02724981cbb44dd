"""Reads a log file forwards: verified batches, and the plain commands that real Redis writes.

The reader takes what it can vouch for and stops at the first byte that it cannot take; what such a stop
means (a torn tail, or damage that must not be cut) is decided in `tail.py`. Compiled: with the replay
behind it, this is the time that a start takes.
"""

from collections.abc import Callable
from typing import Final

from respkv.persistence.batch import ANNOTATION_LIMIT, INCOMPLETE, Header, parse_commands, parse_header

READ_SIZE: Final = 1 << 20
# Commands taken per call, so that the caller comes up for air; a larger batch is taken whole.
COMMANDS_PER_CALL: Final = 512

# Why the reader stopped.
AT_END: Final = "end"
SHORT_PAYLOAD: Final = "short payload"
CHECKSUM_MISMATCH: Final = "checksum mismatch"
SHORT_ANNOTATION: Final = "short annotation"
BAD_ANNOTATION: Final = "bad annotation"
SHORT_COMMAND: Final = "short command"
BAD_COMMAND: Final = "bad command"
BAD_PAYLOAD: Final = "bad payload"


class LogReader:
    """One pass over a log of `size` bytes from `start`.

    `position` is the offset behind all that was returned; `checksum` the running checksum there; `stop` is
    empty while there is more. With SHORT_PAYLOAD and CHECKSUM_MISMATCH, `header` and `payload_start` tell
    of the batch.
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
        self.header: Header | None = None
        self.payload_start = 0
        self._window = b""
        self._window_start = start

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
                self._fill(READ_SIZE)
                at = 0
            if self._window[at] == 35:  # b"#"
                self._take_annotation(commands)
            else:
                self._take_plain(at, commands)
        return commands

    def _fill(self, least: int) -> None:
        """Let the window start at `position` and hold `least` bytes, or all up to the end."""
        want = max(least, READ_SIZE)
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

    def _take_annotation(self, commands: list[list[bytes]]) -> None:
        at = self.position - self._window_start
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
        if checksum != header.checksum:
            self.stop = CHECKSUM_MISMATCH
            return
        taken, _ = parse_commands(payload, 0, commands, len(commands) + len(payload))
        if taken != len(payload):
            self.stop = BAD_PAYLOAD
            return
        self.checksum = checksum
        self.position += whole
        self.batch_count += 1
        self.last_was_batch = True
        self.header = None

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


def is_printable(text: bytes) -> bool:
    """True when `text` is ASCII without control characters."""
    return text.isascii() and text.decode("ascii").isprintable()
