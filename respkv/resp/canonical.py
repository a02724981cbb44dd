r"""Requests in the one form in which client libraries send them, and in which the log keeps commands.

    *2\r\n$3\r\nGET\r\n$1\r\nk\r\n

An array header, then bulk strings; every number in its shortest form. Compiled this takes half the time that hiredis
takes, and what it accepts is known byte for byte; interpreted it takes ten times as long.

Rule 1: only whole requests are taken. What is cut, or anything else, is left to a caller who is more careful.
Rule 2: memory is taken for bytes that are there, not for what a header announces.
Rule 3: where a short first word is the same as in the request before, it is the same object, which spares whoever looks
  it up the computing of its hash. (Not in the first two of a call, to cost nothing where there is one.)
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_extensions import i64

# Why `read_canonical` stopped.
WHOLE: Final = 0
"""At the end, or after as many requests as were wanted."""
CUT: Final = 1
"""At a request whose end is not there yet, and of which little is missing."""
OTHER: Final = 2
"""At anything else."""

_MISSING_MAX: Final = 64 * 1024
_NAME_MAX: Final = 7  # bytes that fit into a machine integer, with their number
_COUNT_MAX: Final = 100_000
_LENGTH_MAX: Final = 100_000_000

_STAR: Final = 42  # "*"
_DOLLAR: Final = 36  # "$"
_ZERO: Final = 48  # "0"
_CR: Final = 13
_LF: Final = 10


def read_canonical(data: bytes, start: int, stop: int, most: int, requests: list[list[bytes]]) -> tuple[int, int]:
    """Append up to `most` requests that lie one after the other in `data`, from `start` on and before `stop`.

    Returns where the first begins that was not taken, and one of WHOLE, CUT, OTHER. O(arguments + bytes).
    """
    # Machine integers where compiled: this runs for each argument that arrives. The digits of a count and of a length
    # have the same loop twice, since a function that gives back a number and a place would make objects of both.
    size: i64 = stop
    at: i64 = start
    left: i64 = most
    # The word that the last request but the first began with, and its bytes as one number.
    name = b""
    name_code: i64 = -1
    while at < size and left > 0:
        if data[at] != _STAR:
            return at, OTHER
        if at + 1 >= size:
            return at, CUT
        count: i64 = data[at + 1]
        count -= _ZERO
        if count < 1 or count > 9:
            return at, OTHER
        if size - at < 4:
            return at, CUT
        byte: i64 = data[at + 2]
        place: i64 = at + 3
        while byte != _CR:
            byte -= _ZERO
            if byte < 0 or byte > 9 or count > _COUNT_MAX:
                return at, OTHER
            if place >= size:
                return at, CUT
            count = count * 10 + byte
            byte = data[place]
            place += 1
        if place >= size:
            return at, CUT
        if data[place] != _LF:
            return at, OTHER
        place += 1
        argv: list[bytes] = []
        may_repeat = at > start
        while count > 0:
            if place >= size:
                return at, CUT
            if data[place] != _DOLLAR:
                return at, OTHER
            if place + 1 >= size:
                return at, CUT
            length: i64 = data[place + 1]
            length -= _ZERO
            if length < 0 or length > 9:
                return at, OTHER
            if size - place < 4:
                return at, CUT
            byte = data[place + 2]
            place += 3
            while byte != _CR:
                byte -= _ZERO
                if byte < 0 or byte > 9 or length == 0 or length > _LENGTH_MAX:
                    return at, OTHER
                if place >= size:
                    return at, CUT
                length = length * 10 + byte
                byte = data[place]
                place += 1
            if place >= size:
                return at, CUT
            if data[place] != _LF:
                return at, OTHER
            begin: i64 = place + 1
            place = begin + length + 2
            if place > size:
                return at, CUT if place - size < _MISSING_MAX else OTHER
            if data[place - 2] != _CR or data[place - 1] != _LF:
                return at, OTHER
            count -= 1
            if may_repeat:
                may_repeat = False
                if length <= _NAME_MAX:
                    code: i64 = length
                    while begin < place - 2:
                        byte = data[begin]
                        code = code << 8 | byte
                        begin += 1
                    if code != name_code:
                        name = data[begin - length : begin]
                        name_code = code
                    argv.append(name)
                    continue
            argv.append(data[begin : place - 2])
        requests.append(argv)
        at = place
        left -= 1
    return at, WHOLE


def read_arguments(data: bytes, start: int, most: int, argv: list[bytes]) -> tuple[int, int]:
    """Append up to `most` arguments that lie one after the other in `data`, from `start` on, to `argv`.

    Returns where the first begins that is cut, or in any other form, and how many bytes those before it have together.
    For the rest of a long request, whose beginning was read before. O(arguments + bytes).
    """
    size: i64 = len(data)
    at: i64 = start
    left: i64 = most
    total: i64 = 0
    while left > 0 and at + 4 <= size and data[at] == _DOLLAR:
        length: i64 = data[at + 1]
        length -= _ZERO
        if length < 0 or length > 9:
            break
        byte: i64 = data[at + 2]
        place: i64 = at + 3
        while 48 <= byte <= 57 and 0 < length <= _LENGTH_MAX and place < size:
            length = length * 10 + byte - _ZERO
            byte = data[place]
            place += 1
        if byte != _CR or place >= size or data[place] != _LF:
            break
        begin: i64 = place + 1
        end: i64 = begin + length
        if end + 2 > size or data[end] != _CR or data[end + 1] != _LF:
            break
        argv.append(data[begin:end])
        total += length
        at = end + 2
        left -= 1
    return at, total
