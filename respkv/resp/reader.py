r"""Requests from bytes: what clients send, cut anywhere, becomes argvs or one of Redis's protocol errors.

A request is a RESP array of bulk strings, `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`, or an inline line, `GET k\r\n`.

Two readers share the work:
- the fast one takes requests that are, byte for byte, what a client library sends for their arguments. Compiled that is
  `respkv.resp.canonical`; interpreted it is hiredis, and then `_end_of_request` sees whether it was right.
- the strict reader below takes everything else, an argument at a time and in Redis's order: inline commands, anything
  suspicious, anything wrong, what is large and not all there yet, and all that an unauthenticated client sends. Of a
  long request it leaves to `read_arguments` what nobody could read otherwise.

Rule 1: from the first place where it is not sure, the fast reader leaves all to the strict one. So the two can never
  disagree, and what the fast one took can be logged as it came.
Rule 2: hiredis parses *replies*: it also takes simple strings, big numbers, sets and nested arrays, skips what ends an
  argument unread, and reserves a list of whatever size a header announces. A chunk goes to it only if no header in it
  can announce much (`_announces_much`).
Rule 3: the fast reader looks at the beginning of a request twice at most; who sends it in smaller pieces gets the
  strict reader, which remembers how far it is.
"""

import re
from typing import TYPE_CHECKING, Any, Final

import hiredis

from respkv.build import BUILD
from respkv.resp.canonical import CUT, OTHER, read_arguments, read_canonical
from respkv.resp.inline import split_args

if TYPE_CHECKING:
    from mypy_extensions import i64

INLINE_MAX_BYTES: Final = 64 * 1024
"""The longest inline request, and the longest header line."""

MULTIBULK_MAX: Final = 2**31 - 1
UNAUTHENTICATED_MULTIBULK_MAX: Final = 10
UNAUTHENTICATED_BULK_MAX: Final = 16384

# Headers of arrays of a hundred and more, and of what else hiredis makes a list of.
_find_large_array = re.compile(rb"\*[0-9]{3}").search
_find_large_arrays = re.compile(rb"\*([0-9]{3,})").findall
_find_large_list = re.compile(rb"[~>|%][0-9]{2}").search

_LARGE: Final = 8 * 1024  # bytes of one argument from which on it is waited for in larger pieces

# The least that an argument takes on the wire.
_ARGUMENT_MIN: Final = 6

_TILDE: Final = 126  # "~"
_GREATER: Final = 62  # ">"
_BAR: Final = 124  # "|"
_PERCENT: Final = 37  # "%"
_STAR: Final = 42  # "*"
_DOLLAR: Final = 36  # "$"
_CR: Final = 13
_LF: Final = 10


_IS_COMPILED: Final = BUILD == "compiled"


class _Incomplete(Exception):
    """The buffer ends before the argument that is being read does."""


class RequestReader:
    """Turns received bytes into requests. After `error` is set nothing more is read."""

    def __init__(self, bulk_max_bytes: int) -> None:
        self.bulk_max_bytes = bulk_max_bytes
        # The text of a protocol error, to be sent after the replies to the requests before it.
        self.error: bytes | None = None
        # What `feed` returned is exactly, byte for byte, the first `verbatim_end` bytes of `chunk`; or that is 0.
        self.chunk = b""
        self.verbatim_end = 0
        # Set while the client has not authenticated: one request a call, and tighter bounds.
        self.guarded = False
        self._hiredis = hiredis.Reader()
        self._feed = self._hiredis.feed
        self._gets = self._hiredis.gets
        # The beginning of a request at which the fast reader is to look again.
        self._rest = b""
        # The strict reader: bytes not yet consumed, and the request of which some arguments are there.
        self._buffer = bytearray()
        self._argv: list[bytes] = []
        self._argv_bytes = 0
        self._missing = 0
        self._bulk_length = -1
        # Where the strict reader has to go on once there is more.
        self._incomplete_at = 0

    def feed(self, data: bytes) -> list[list[bytes]]:
        """The requests that are complete now that `data`, which is not empty, has come. O(bytes).

        Each is a list of at least one argument. Requests before a protocol error are returned, then `error` is set.
        """
        requests: list[list[bytes]] = []
        self.verbatim_end = 0
        rest = self._rest
        if rest:
            data = rest + data
            self._rest = b""
        if self.guarded:
            self._buffer += data
            return self.more()
        if self._missing or self._buffer:
            self._buffer += data
            self._read_strictly(requests, 1)
            if self._missing or self.error is not None or not self._buffer:
                return requests
            data = bytes(self._buffer)
            self._buffer.clear()
            self._read_chunk(data, requests, looks_again=True)
            self.verbatim_end = 0
            return requests
        self._read_chunk(data, requests, looks_again=not rest)
        return requests

    def take_verbatim(self) -> bytes:
        """The bytes of all that `feed` returned, if nothing else was among them; and empty `chunk`."""
        chunk = self.chunk
        end = self.verbatim_end
        self.chunk = b""
        return chunk if end == len(chunk) else chunk[:end]

    def more(self) -> list[list[bytes]]:
        """In a guarded session, the next request that is complete, if any."""
        requests: list[list[bytes]] = []
        if not self.guarded:
            # The session authenticated by the request before: the rest is free to go.
            data = bytes(self._buffer)
            self._buffer.clear()
            return self.feed(data) if data else requests
        self._read_strictly(requests, 1)
        return requests

    def has_more(self) -> bool:
        """Whether `more` may find a request: a guarded session takes them one by one."""
        return len(self._buffer) > 0 and (self.guarded or not self._missing)

    def pending_bytes(self) -> int:
        """How many bytes wait for the rest of their request, its arguments so far included."""
        return len(self._rest) + len(self._buffer) + self._argv_bytes

    def awaits_large(self) -> bool:
        """Whether much of one argument is still to come, as far as can be told, and not many of a long request."""
        if self._bulk_length >= 0:
            return self._bulk_length - len(self._buffer) >= _LARGE
        # A large argument is what stands behind the last header. Its own bytes may look like one: then it is received
        # in smaller pieces.
        return len(self._rest) - self._rest.rfind(b"\r\n$") > _LARGE

    def pending_arguments(self) -> int:
        """How many arguments wait for the rest of their request."""
        return len(self._argv)

    def _read_chunk(self, data: bytes, requests: list[list[bytes]], *, looks_again: bool) -> None:
        """Read `data`, which begins a request, by the fast reader as far as that goes and strictly from there.

        `looks_again`: if it begins with less than a request, the fast reader may have another look later.
        """
        if _IS_COMPILED:
            at, why = read_canonical(data, 0, len(data), len(data), requests)
        else:
            at, why = self._read_by_hiredis(data, requests)
        if at == len(data):
            self.chunk = data
            self.verbatim_end = at
            return
        if at > 0:
            self.chunk = data
            self.verbatim_end = at
            looks_again = True
            data = data[at:]
        if why == CUT and looks_again:
            self._rest = data
            return
        count = len(requests)
        self._buffer += data
        self._read_strictly(requests, 0)
        if len(requests) > count:
            self.verbatim_end = 0

    def _read_by_hiredis(self, data: bytes, requests: list[list[bytes]]) -> tuple[int, int]:
        """As `read_canonical`, from the start of `data` to its end."""
        if _announces_much(data):
            return 0, OTHER
        at = 0
        gets = self._gets
        try:
            self._feed(data)
            while True:
                argv = gets()
                if type(argv) is not list:
                    break
                end = _end_of_request(data, at, argv)
                if end < 0:
                    break
                at = end
                requests.append(argv)
        except hiredis.HiredisError:
            pass
        if at < len(data):
            self._restart()
        return at, OTHER

    def _restart(self) -> None:
        self._hiredis = hiredis.Reader()
        self._feed = self._hiredis.feed
        self._gets = self._hiredis.gets

    def _read_strictly(self, requests: list[list[bytes]], limit: int) -> None:
        """Read requests from the buffer, `limit` at most if that is not zero."""
        buffer = self._buffer
        at = 0
        found = 0
        # Many in one loop, as far as they are what client libraries send: once, since it copies what there is.
        may_be_plain = not self.guarded
        try:
            while at < len(buffer) or self._missing:
                if self._missing:
                    if may_be_plain and self._bulk_length < 0:
                        may_be_plain = False
                        at = self._read_plainly(at)
                    if self._missing:
                        at = self._read_argument(at)
                    if self._missing:
                        continue
                    requests.append(self._argv)
                    self._argv = []
                    self._argv_bytes = 0
                elif buffer[at] == _STAR:
                    at = self._read_header(at)
                    continue
                else:
                    at = self._read_inline(at, requests)
                found += 1
                if found == limit:
                    break
        except _Incomplete:
            at = self._incomplete_at
        except ValueError as error:
            self.error = b"Protocol error: " + str(error).encode("latin-1")
            at = len(buffer)
        if at:
            del buffer[:at]

    def _line_end(self, at: int, too_long: str) -> int:
        r"""Where the `\r` of the header line from `at` is. Raises _Incomplete, ValueError(too_long)."""
        end = self._buffer.find(b"\r", at, at + INLINE_MAX_BYTES + 1)
        if end < 0:
            if len(self._buffer) - at > INLINE_MAX_BYTES:
                raise ValueError(too_long)
            self._incomplete_at = at
            raise _Incomplete
        if end + 1 >= len(self._buffer):
            self._incomplete_at = at
            raise _Incomplete
        return end

    def _read_header(self, at: int) -> int:
        end = self._line_end(at, "too big mbulk count string")
        count = _length(self._buffer, at + 1, end)
        if count is None or count > MULTIBULK_MAX:
            raise ValueError("invalid multibulk length")
        if self.guarded and count > UNAUTHENTICATED_MULTIBULK_MAX:
            raise ValueError("unauthenticated multibulk length")
        self._missing = max(0, count)
        return end + 2

    def _read_plainly(self, at: int) -> int:
        """Read those of the missing arguments that are in canonical form and all there; where the next one begins."""
        argv = self._argv
        count = len(argv)
        length, total = read_arguments(bytes(self._buffer[at:]), 0, self._missing, argv)
        count = len(argv) - count
        self._missing -= count
        # Even of an argument of no bytes the list keeps a reference.
        self._argv_bytes += total + 8 * count
        return at + length

    def _read_argument(self, at: int) -> int:
        buffer = self._buffer
        if self._bulk_length < 0:
            if at >= len(buffer):
                self._incomplete_at = at
                raise _Incomplete
            end = self._line_end(at, "too big bulk count string")
            if buffer[at] != _DOLLAR:
                got = chr(buffer[at]) if buffer[at] not in b"\r\n" else " "
                raise ValueError(f"expected '$', got '{got}'")
            length = _length(buffer, at + 1, end)
            if length is None or length < 0 or length > self.bulk_max_bytes:
                raise ValueError("invalid bulk length")
            if self.guarded and length > UNAUTHENTICATED_BULK_MAX:
                raise ValueError("unauthenticated bulk length")
            self._bulk_length = length
            at = end + 2
        if len(buffer) - at < self._bulk_length + 2:
            self._incomplete_at = at
            raise _Incomplete
        end = at + self._bulk_length
        if self._bulk_length < _LARGE:
            self._argv.append(bytes(buffer[at:end]))
        else:
            # A slice would be a copy of its own.
            with memoryview(buffer) as view:
                self._argv.append(bytes(view[at:end]))
        # Even of an argument of no bytes the list keeps a reference.
        self._argv_bytes += self._bulk_length + 8
        self._bulk_length = -1
        self._missing -= 1
        return end + 2

    def _read_inline(self, at: int, requests: list[list[bytes]]) -> int:
        buffer = self._buffer
        end = buffer.find(b"\n", at)
        if end < 0:
            if len(buffer) - at > INLINE_MAX_BYTES:
                raise ValueError("too big inline request")
            self._incomplete_at = at
            raise _Incomplete
        line = bytes(buffer[at : end - 1 if end > at and buffer[end - 1] == 13 else end])
        argv = split_args(line)
        if argv is None:
            raise ValueError("unbalanced quotes in request")
        if argv:
            requests.append(argv)
        return end + 1


def _length(buffer: bytearray, start: int, end: int) -> int | None:
    """The canonical decimal integer in `buffer[start:end]`, or None."""
    if end - start > 20:
        return None
    text = bytes(buffer[start:end])
    try:
        number = int(text)
    except ValueError:
        return None
    return number if b"%d" % number == text else None


def _announces_much(data: bytes) -> bool:
    """Whether `data` does not begin with the header of a short array, or its headers announce more than it can hold.

    What looks like a header may be part of an argument: then a chunk is read more slowly than it could be.
    """
    if data[0] != _STAR or data.find(b"\r", 0, 6) < 0:
        return True
    if data.count(b"*") > 1 and _find_large_array(data) is not None:
        room = len(data) // _ARGUMENT_MIN + 10_000
        for digits in _find_large_arrays(data):
            room -= int(digits) if len(digits) < 6 else room + 1
        if room < 0:
            return True
    # As numbers: Python looks whether a bytes object on the left is a number first, which takes longer than the search.
    if _TILDE in data or _GREATER in data or _BAR in data or _PERCENT in data:
        return _find_large_list(data) is not None
    return False


def _end_of_request(data: bytes, at: int, argv: list[Any]) -> int:
    """Where the request in `data` from `at` on ends, if it is `argv` as an array of bulk strings; else -1.

    hiredis has read it already, up to 9999 arguments: what is left to see is that each header is of the right kind and
    where it should be, and that each argument ends with a line end.
    """
    # Machine integers where compiled: this runs for each argument that arrives.
    size: i64 = len(data)
    end: i64 = at
    count: i64 = len(argv)
    if count == 0 or data[end] != _STAR:
        return -1
    end += 4 if count < 10 else 5 if count < 100 else 6 if count < 1000 else 7
    for argument in argv:
        if type(argument) is not bytes or end >= size or data[end] != _DOLLAR:
            return -1
        text: bytes = argument
        length: i64 = len(text)
        end += length + (6 if length < 10 else 7 if length < 100 else 8 if length < 1000 else 5 + _digits(length))
        if end > size or data[end - 2] != _CR or data[end - 1] != _LF:
            return -1
    return end


def _digits(number: int) -> int:
    return len(str(number))
