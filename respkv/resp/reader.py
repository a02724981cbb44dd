r"""Requests from bytes: what clients send, cut anywhere, becomes argvs or one of Redis's protocol errors.

A request is a RESP array of bulk strings, `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`, or an inline line, `GET k\r\n`.

Two readers share the work:
- hiredis, which is fast, takes whole chunks. It parses *replies*, though: it also takes simple strings, verbatim
  strings, integers, maps and nested arrays, and reserves a list of whatever size a header announces. So a chunk goes
  to it only if it can hold none of these unseen.
- the strict reader below takes everything else, an argument at a time and in Redis's order: a command that is not
  all there yet, inline commands, anything suspicious, anything wrong, and all that an unauthenticated client sends.

Why a chunk that passes is exactly what it seems: hiredis refuses lengths that are not canonical; its other types turn
into other classes than `bytes`, save for simple and verbatim strings, which need a `+` or `=` after a line end; and a
header of five or more digits is looked for. What a chunk holds after its last whole command goes to the strict
reader, whose position in the chunk follows from the canonical length of the commands before it.
"""

import re

import hiredis

from respkv.resp.inline import split_args

INLINE_MAX_BYTES = 64 * 1024
"""The longest inline request, and the longest header line."""

MULTIBULK_MAX = 2**31 - 1
UNAUTHENTICATED_MULTIBULK_MAX = 10
UNAUTHENTICATED_BULK_MAX = 16384

_find_large_header = re.compile(rb"\*[0-9]{5}").search

_STAR = 42  # "*"
_DOLLAR = 36  # "$"

# What is fed after each chunk: it comes out by itself if the chunk ended with a whole command.
_SENTINEL = b":0\r\n"


class _Incomplete(Exception):
    """The buffer ends before the argument that is being read does."""


class RequestReader:
    """Turns received bytes into requests. After `error` is set nothing more is read."""

    def __init__(self, bulk_max_bytes: int) -> None:
        self.bulk_max_bytes = bulk_max_bytes
        # The text of a protocol error, to be sent after the replies to the requests before it.
        self.error: bytes | None = None
        # Whether what `feed` returned is exactly, byte for byte, what it was given.
        self.verbatim = False
        # Set while the client has not authenticated: one request a call, and tighter bounds.
        self.guarded = False
        self._hiredis = hiredis.Reader()
        self._feed = self._hiredis.feed
        self._gets = self._hiredis.gets
        # The strict reader: bytes not yet consumed, and the request of which some arguments are there.
        self._buffer = bytearray()
        self._argv: list[bytes] = []
        self._missing = 0
        self._bulk_length = -1
        # Where the strict reader has to go on once there is more.
        self._incomplete_at = 0

    def feed(self, data: bytes) -> list[list[bytes]]:
        """The requests that are complete now. O(bytes).

        Each is a list of at least one argument. Requests before a protocol error are returned, then `error` is set.
        """
        self.verbatim = False
        if self.guarded:
            self._buffer += data
            return self.more()
        requests: list[list[bytes]] = []
        if self._missing or self._buffer:
            self._buffer += data
            self._read_strictly(requests, 1)
            if self._missing or self.error is not None or not self._buffer:
                return requests
            data = bytes(self._buffer)
            self._buffer.clear()
            self._read_chunk(data, requests)
            self.verbatim = False
            return requests
        self._read_chunk(data, requests)
        return requests

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
        """How many bytes wait for the rest of their request."""
        return len(self._buffer)

    def pending_arguments(self) -> int:
        """How many arguments wait for the rest of their request."""
        return len(self._argv)

    def _read_chunk(self, data: bytes, requests: list[list[bytes]]) -> None:
        """Read `data`, which begins a request, by hiredis if that is safe and strictly if not."""
        if (
            data[0] != _STAR
            or data.find(b"\r", 0, 6) < 0
            or (b"+" in data and b"\r\n+" in data)
            or (b"=" in data and b"\r\n=" in data)
            or (data.count(b"*") > 1 and _find_large_header(data) is not None)
        ):
            self._buffer += data
            self._read_strictly(requests, 0)
            return
        first = len(requests)
        gets = self._gets
        argv: object = False
        try:
            self._feed(data)
            self._feed(_SENTINEL)
            while True:
                argv = gets()
                if type(argv) is not list:
                    break
                if not argv:
                    raise hiredis.ProtocolError
                for argument in argv:
                    if type(argument) is not bytes:
                        raise hiredis.ProtocolError
                requests.append(argv)
            # The sentinel comes out by itself if the chunk was whole; were it another integer that the client sent, the
            # sentinel would follow.
            self.verbatim = argv is not False and gets() is False
        except hiredis.HiredisError:
            self.verbatim = False
            self._restart()
            del requests[first:]
            self._buffer += data
            self._read_strictly(requests, 0)
            return
        if self.verbatim:
            return
        self._restart()
        consumed = 0
        for argv in requests[first:]:
            consumed += _canonical_length(argv)
        if consumed > len(data):
            # The sentinel completed an argument that lacked just its number of bytes.
            consumed -= _canonical_length(requests.pop())
        self._buffer += data[consumed:]
        self._read_strictly(requests, 0)

    def _restart(self) -> None:
        self._hiredis = hiredis.Reader()
        self._feed = self._hiredis.feed
        self._gets = self._hiredis.gets

    def _read_strictly(self, requests: list[list[bytes]], limit: int) -> None:
        """Read requests from the buffer, `limit` at most if that is not zero."""
        buffer = self._buffer
        at = 0
        found = 0
        try:
            while at < len(buffer) or self._missing:
                if self._missing:
                    at = self._read_argument(at)
                    if self._missing:
                        continue
                    requests.append(self._argv)
                    self._argv = []
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
        self._argv.append(bytes(buffer[at:end]))
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


def _canonical_length(argv: list[bytes]) -> int:
    """How many bytes `argv` takes as a RESP array of bulk strings."""
    total = 3 + len(str(len(argv)))
    for argument in argv:
        length = len(argument)
        total += length + 5 + len(str(length))
    return total
