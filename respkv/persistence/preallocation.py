"""Room that is prepared behind the log's end, so that a sync has data to write and nothing else.

A file that grows has another size after each append, and a sync has to put that size through the file system's
journal as well: on ext4 it takes half as long again as the data (docs/adr/0029-room-prepared-for-the-log.md). So
under `appendfsync always` batches are written over room that was filled before.

Rule 1: the room is full of `#` and ends with a line end, at a multiple of BLOCK_SIZE. For Redis, and for whatever is
appended behind it, that is an annotation.
Rule 2: what is written over it leaves at least SHORTEST_ROOM of it, so that the file is well-formed at every moment.
Rule 3: nothing else in a log begins with two `#`. Where sectors of a batch never reached the disk the room shows in
them, as zeros do in a file that grows. They begin and end where sectors do, and the room's line end is the last of a
block: so the one is never taken for the other.
"""

from collections.abc import Callable
from typing import Final

BLOCK_SIZE: Final = 4096
FILL: Final = b"#"
ROOM_START: Final = 2 * FILL
LINE_END: Final = b"\r\n"
SHORTEST_ROOM: Final = len(ROOM_START + LINE_END)

# It grows with the file, so that a small store stays small. To fill the most takes a tenth of a millisecond, once in
# a thousand batches or so.
_LEAST: Final = 16 * 1024
ROOM_MAX: Final = 256 * 1024
_READ_SIZE: Final = 1 << 16


def room_end(end: int, most: int = ROOM_MAX) -> int:
    """Where room ends that has space for `most` bytes behind `end` (and some of a block), or less while that is much.

    In bytes from the start of the file.
    """
    size = min(max(end, _LEAST), most)
    return -(-(end + size) // BLOCK_SIZE) * BLOCK_SIZE


def filler(start: int, end: int) -> bytes:
    """What fills the room from `start` to `end`; `end` as `room_end` gives it."""
    return FILL * (end - start - len(LINE_END)) + LINE_END


def is_line_end(at: int, data: bytes) -> bool:
    """True if `data`, which is at offset `at`, begins with the end of a room."""
    return data.startswith(LINE_END) and (at + len(LINE_END)) % BLOCK_SIZE == 0


def end_of_fill(read_at: Callable[[int, int], bytes], start: int, size: int) -> int:
    """The offset from `start` on of the first byte that is not `#`, or `size`. O(bytes between)."""
    at = start
    while at < size:
        data = read_at(at, min(_READ_SIZE, size - at))
        left = len(data.lstrip(FILL))
        at += len(data) - left
        if left or not data:
            break
    return at
