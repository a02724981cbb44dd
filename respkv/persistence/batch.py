r"""Batches: how the effects of one turn lie in an increment of the log, and how they are read back.

A batch is one annotation line and a payload of whole commands (docs/formats/log.md):

    #HDR:v1;len:<payload bytes>;synced:<bytes>;checksum:<16 hex digits>;\r\n
    *2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n *3\r\n$3\r\nSET\r\n ...

Rule 1: the checksum is a CRC-64 that runs on from batch to batch, from 0 at the file's start: over the
line up to and without `checksum:`, then the payload. So a lost, repeated or moved batch shows as surely as
a changed bit.
Rule 2: real Redis skips lines that start with `#` and are shorter than 1024 bytes. It also appends commands
without such lines, which stand between batches unverified and take no part in the checksum.
Rule 3: a payload never starts or ends inside a command, nor inside MULTI.
Rule 4: `synced` says how much of the file was known to be on stable storage when the batch was written. What lies
beyond it may be missing after a power failure although this batch is there; what lies before it may not.

This module is compiled, and `encode` runs once a turn on the busiest path.
"""

from binascii import hexlify
from typing import TYPE_CHECKING, Final

from librt.strings import BytesWriter

from respkv.persistence.crc64 import crc64
from respkv.resp.canonical import read_canonical

if TYPE_CHECKING:
    from mypy_extensions import i64

# A command's argv, or several whole commands already in RESP.
Effect = list[bytes] | bytes

HEADER_LENGTH_START: Final = b"#HDR:v1;len:"
SYNCED_START: Final = b";synced:"
CHECKSUM_START: Final = b";checksum:"
_FILE_START: Final = b";file:"
ANNOTATION_LIMIT: Final = 1023  # bytes with the line end; redis-server fails on longer ones
# Bounds of a command as Redis reads it back; anything beyond them in a log is damage.
ARGUMENTS_LIMIT: Final = 1024 * 1024
BULK_LIMIT: Final = 512 * 1024 * 1024

_COUNTS: Final[list[bytes]] = [b"*%d" % count for count in range(1024)]
_LENGTHS: Final[list[bytes]] = [b"\r\n$%d\r\n" % length for length in range(1024)]
_LINE_END: Final = b"\r\n"

_LARGE: Final = 8192

# Bound once: `make_header` runs as often.
_hexlify: Final = hexlify

# Results of `parse_commands` other than "stopped as asked".
WHOLE: Final = 0
INCOMPLETE: Final = 1
MALFORMED: Final = 2


def encode(effects: list[Effect]) -> bytes:
    """The effects as one RESP payload."""
    pieces = encode_pieces(effects)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def encode_pieces(effects: list[Effect]) -> list[bytes]:
    """The effects as a RESP payload: a single piece, unless there is something large in it, which is not copied then.

    Of short arguments it takes half the time of joining pieces.
    """
    pieces: list[bytes] = []
    buffer = BytesWriter()
    counts = _COUNTS
    lengths = _LENGTHS
    for effect in effects:
        if isinstance(effect, bytes):
            _put(effect, buffer, pieces)
            continue
        count = len(effect)
        buffer.write(counts[count] if count < 1024 else b"*%d" % count)
        for argument in effect:
            length: i64 = len(argument)
            if length < 1024:
                buffer.write(lengths[length])
                buffer.write(argument)
            else:
                buffer.write(b"\r\n$%d\r\n" % length)
                _put(argument, buffer, pieces)
        buffer.write(_LINE_END)
    pieces.append(buffer.getvalue())
    return pieces


def _put(data: bytes, buffer: BytesWriter, pieces: list[bytes]) -> None:
    """Let `data` follow on `pieces` and, behind them, `buffer`: in there, or as a piece of its own if it is large."""
    if len(data) < _LARGE:
        buffer.write(data)
        return
    if len(buffer):
        pieces.append(buffer.getvalue())
        buffer.truncate(0)
    pieces.append(data)


class Header:
    """What an annotation line says about the payload behind it; what it does not say is -1."""

    def __init__(self, payload_size: int, synced_size: int, file_number: int, checksum: int, covered: bytes) -> None:
        self.payload_size = payload_size
        self.synced_size = synced_size
        self.file_number = file_number
        self.checksum = checksum
        self.covered = covered

    def checksum_of(self, payload: bytes, previous: int) -> int:
        """The checksum that the batch has if `payload` and all before it are as written."""
        return _checksum(self.covered, [payload], previous)


def make_header(payload: list[bytes], previous: int, synced_size: int) -> tuple[bytes, int]:
    """The annotation line for `payload`, in pieces, and the running checksum after it; `previous` is the one before.

    `synced_size` is the size up to which the file is known to be on stable storage.
    """
    covered = b"#HDR:v1;len:%d;synced:%d;" % (size_of(payload), synced_size)
    checksum = _checksum(covered, payload, previous)
    return b"%bchecksum:%b;\r\n" % (covered, _hexlify(checksum.to_bytes(8, "big"))), checksum


def size_of(payload: list[bytes]) -> int:
    """How many bytes the pieces of a payload have."""
    size = 0
    for piece in payload:
        size += len(piece)
    return size


def _checksum(covered: bytes, payload: list[bytes], previous: int) -> int:
    # A second call takes longer than to copy a small payload.
    if len(payload) == 1 and len(payload[0]) < _LARGE:
        return crc64(covered + payload[0], previous)
    checksum = crc64(covered, previous)
    for piece in payload:
        checksum = crc64(piece, checksum)
    return checksum


FIRST_BATCH_START: Final = b"#HDR:v1;len:0;synced:0;file:"


def first_batch(number: int) -> tuple[bytes, int]:
    """What file `number` (`FileSystem.number`) begins with as an increment, and the running checksum behind it.

    A batch without commands, of FIRST_BATCH_BYTES, which is on disk before the file's name is. It tells that the file
    is ours, whatever a power failure does to the first commands in it, and whether it is still the same file or a copy.
    """
    covered = b"%b%020d;" % (FIRST_BATCH_START, number)
    checksum = crc64(covered, 0)
    return b"%bchecksum:%016x;\r\n" % (covered, checksum), checksum


FIRST_BATCH_BYTES: Final = len(first_batch(0)[0])


def parse_header(line: bytes) -> Header | None:
    """The header in an annotation line (with its line end), or None when it is not exactly one.

    Unknown fields before `checksum` are skipped: the form leaves room for them.
    """
    if not line.startswith(b"#HDR:v1;len:") or not line.endswith(b";\r\n"):
        return None
    mark = line.find(b";checksum:")
    if mark < 0 or len(line) != mark + 29:
        return None
    end = line.find(b";", 12)
    digits = line[12:end]
    checksum_digits = line[mark + 10 : mark + 26]
    if not digits.isdigit() or len(digits) > 15 or not _is_hex(checksum_digits):
        return None
    synced_size = _number_of(line, SYNCED_START, end, 15)
    file_number = _number_of(line, _FILE_START, end, 20)
    return Header(int(digits), synced_size, file_number, int(checksum_digits, 16), line[: mark + 1])


def _number_of(line: bytes, name: bytes, start: int, digits_max: int) -> int:
    """The number in the field that begins with `name`, at `start` or behind it; -1 if there is none."""
    at = line.find(name, start)
    if at < 0:
        return -1
    at += len(name)
    digits = line[at : line.find(b";", at)]
    return int(digits) if digits.isdigit() and len(digits) <= digits_max else -1


def _is_hex(digits: bytes) -> bool:
    return not digits.strip(b"0123456789abcdef")


def parse_commands(
    data: bytes,
    start: int,
    commands: list[list[bytes]],
    most: int,
    starts: list[int] | None = None,
    end: int = -1,
) -> tuple[int, int]:
    """Append up to `most` commands that lie in `data` from `start` on (and before `end`) to `commands`.

    Returns where it stopped (the start of the first item not taken) and why: WHOLE at the end of the data,
    at an annotation or zero byte, or after `most`; INCOMPLETE when the data end inside a command;
    MALFORMED when the bytes cannot become one. `starts`, if given, receives the offset of each command.
    Nothing is reserved ahead of the bytes that are there.
    """
    size = len(data) if end < 0 else end
    at = start
    if starts is None:
        at, _ = read_canonical(data, start, size, max(0, most - len(commands)), commands)
    # What Redis takes as well, and the reason to stop.
    while at < size:
        byte = data[at]
        if byte != 42:  # b"*"
            return at, WHOLE if byte == 35 or byte == 0 else MALFORMED
        if len(commands) >= most:
            return at, WHOLE
        count, position = _parse_length(data, at + 1, size)
        if position <= 0 or count < 1 or count > ARGUMENTS_LIMIT:
            return at, INCOMPLETE if position == 0 else MALFORMED
        argv: list[bytes] = []
        while count > 0:
            if position >= size:
                return at, INCOMPLETE
            if data[position] != 36:  # b"$"
                return at, MALFORMED
            length, position = _parse_length(data, position + 1, size)
            if position <= 0 or length > BULK_LIMIT:
                return at, INCOMPLETE if position == 0 else MALFORMED
            stop = position + length
            if stop + 2 > size:
                return at, INCOMPLETE
            if data[stop] != 13 or data[stop + 1] != 10:
                return at, MALFORMED
            argv.append(data[position:stop])
            position = stop + 2
            count -= 1
        commands.append(argv)
        if starts is not None:
            starts.append(at)
        at = position
    return at, WHOLE


def _parse_length(data: bytes, at: int, size: int) -> tuple[int, int]:
    """The number at `at` and the position behind its line end: 0 if the data end first, -1 if malformed."""
    number = 0
    least = at
    limit = at + 10
    while at < size:
        byte = data[at]
        if byte == 13:
            if at == least:
                return 0, -1
            if at + 1 >= size:
                return 0, 0
            return (number, at + 2) if data[at + 1] == 10 else (0, -1)
        if byte < 48 or byte > 57 or at >= limit:
            return 0, -1
        number = number * 10 + byte - 48
        at += 1
    return 0, 0
