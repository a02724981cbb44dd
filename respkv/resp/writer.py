r"""Replies to bytes: one function for RESP2, one for RESP3, each by the Python type of the reply.

`write2` and `write3` append pieces to a list, which the session joins once a chunk; they are recursive for
collections. A type that is not in their tables is an error of ours, not of the client's.

The same reply in both protocols:

    None          $-1 / _          NULL_ARRAY  *-1 / _           bytes, str   $3\r\nfoo\r\n
    int           :5               float       bulk / ,1.5       bool         :1 / #t
    Status        +OK              ReplyError  -ERR ...          list         *2 ...
    dict          flat *4 / %2     set         *2 / ~2           Pairs        flat / array of arrays
    FlatMap       as dict          Scored      as Pairs
    Verbatim      bulk / =7 txt:   BigNumber   bulk / (123       Push         *2 / >2
"""

from collections.abc import Callable
from math import copysign
from typing import Any, Final

from librt.strings import BytesWriter
from librt.vecs import vec
from mypy_extensions import i64

from respkv.doubles import format_float
from respkv.errors import ReplyError
from respkv.reply import (
    OK,
    PONG,
    QUEUED,
    Attribute,
    BigNumber,
    Encoded,
    FlatMap,
    Members,
    NamedReplies,
    NoReply,
    NullArray,
    Pairs,
    Push,
    Reply,
    Scored,
    Status,
    Verbatim,
)

CRLF: Final = b"\r\n"
BULK_HEADERS: Final[list[bytes]] = [b"$%d\r\n" % length for length in range(1024)]
"""Headers of bulk strings of common lengths: appending one is three times as fast as formatting it."""

_PART_BYTES: Final = 2048
"""Small elements are put together to parts of the output of about this size: by the number of parts it is known when
there is too much."""

_MANY: Final = 64
"""Of so many elements or more it is worth while to find out whether they are alike."""

SMALL_INTS: Final[list[bytes]] = [b":%d\r\n" % number for number in range(1024)]

_ARRAY_HEADERS: Final[list[bytes]] = [b"*%d\r\n" % count for count in range(64)]

_NUMERALS: Final[list[bytes]] = [b"%d" % number for number in range(1000)]
_THOUSANDTHS: Final[list[bytes]] = [b"%03d" % number for number in range(1000)]
_WHOLE_END: Final = 1e15
"""Whole numbers below are the same as text whether they are a float or an integer."""

Writer = Callable[[list[bytes], Any], None]

_statuses: dict[int, bytes] = {id(status): b"+%b\r\n" % status.text for status in (OK, PONG, QUEUED)}


def array_header(count: int) -> bytes:
    """The beginning of an array whose `count` elements are appended one by one, in either protocol."""
    return _ARRAY_HEADERS[count] if count < 64 else b"*%d\r\n" % count


def write_bulk(out: list[bytes], text: bytes) -> None:
    """Append `text` as a bulk string."""
    length = len(text)
    out.append(BULK_HEADERS[length] if length < 1024 else b"$%d\r\n" % length)
    out.append(text)
    out.append(CRLF)


def _write_items(out: list[bytes], header: bytes, items: list[Any], protocol: int) -> None:
    """Append `header`, and elements one after the other.

    To copy the short ones into one buffer takes a third of the time of making each some parts of the output.
    """
    if len(items) >= _MANY and _write_alike(out, header, items):
        return
    buffer = BytesWriter()
    buffer.write(header)
    _fill(buffer, out, items, protocol)
    _move(buffer, out)


def _fill(buffer: BytesWriter, out: list[bytes], items: list[Any], protocol: int) -> None:
    """As `_write_items`; the end of it is left in `buffer`, which precedes what is appended to `out`."""
    for item in items:
        if type(item) is bytes:
            text: bytes = item
            length: i64 = len(text)
            if length < 1024:
                buffer.write(BULK_HEADERS[length])
                buffer.write(text)
                buffer.write(CRLF)
                if len(buffer) >= _PART_BYTES:
                    _move(buffer, out)
                continue
        elif type(item) is int:
            number: int = item
            if 0 <= number < 1024:
                buffer.write(SMALL_INTS[number])
                continue
        elif item is None:
            buffer.write(b"$-1\r\n" if protocol == 2 else b"_\r\n")
            continue
        elif type(item) is float:
            _write_score(buffer, item, protocol)
            if len(buffer) >= _PART_BYTES:
                _move(buffer, out)
            continue
        elif type(item) is list:
            inner: list[Any] = item
            buffer.write(array_header(len(inner)))
            _fill(buffer, out, inner, protocol)
            continue
        _move(buffer, out)
        if protocol == 2:
            write2(out, item)
        else:
            write3(out, item)


def _move(buffer: BytesWriter, out: list[bytes]) -> None:
    """Append what is in `buffer`, which is empty then."""
    if len(buffer):
        out.append(buffer.getvalue())
        buffer.truncate(0)


def _write_score(buffer: BytesWriter, score: float, protocol: int) -> None:
    """A double, of which most are whole: these are written digit by digit, without an object."""
    if -_WHOLE_END < score < _WHOLE_END:
        number: i64 = int(score)
        if float(number) == score and (number or copysign(1.0, score) > 0.0):
            sign: i64 = 0
            if number < 0:
                number = -number
                sign = 1
            if protocol == 2:
                size: i64 = 1
                left: i64 = number
                while left >= 10:
                    left //= 10
                    size += 1
                buffer.write(BULK_HEADERS[size + sign])
            else:
                buffer.append(44)
            if sign:
                buffer.append(45)
            _write_digits(buffer, number)
            buffer.write(CRLF)
            return
    text = format_float(score)
    if protocol == 2:
        buffer.write(BULK_HEADERS[len(text)])
    else:
        buffer.append(44)
    buffer.write(text)
    buffer.write(CRLF)


def _write_digits(buffer: BytesWriter, number: i64) -> None:
    if number < 1000:
        buffer.write(_NUMERALS[number])
        return
    _write_digits(buffer, number // 1000)
    buffer.write(_THOUSANDTHS[number % 1000])


def _write_alike(out: list[bytes], header: bytes, items: list[Any]) -> bool:
    """As `_write_items` in half the time, if all elements are short strings of one length; whether they are."""
    if type(items[0]) is not bytes:
        return False
    length: i64 = len(items[0])
    if length > _PART_BYTES // 4:
        return False
    for item in items:
        if type(item) is not bytes:
            return False
        text: bytes = item
        if len(text) != length:
            return False
    out.append(header)
    bulk = BULK_HEADERS[length]
    between = CRLF + bulk
    step = _PART_BYTES // (length + len(between))
    for start in range(0, len(items), step):
        out.append(bulk)
        out.append(between.join(items[start : start + step]))
        out.append(CRLF)
    return True


def _write_int(out: list[bytes], number: int) -> None:
    out.append(SMALL_INTS[number] if 0 <= number < 1024 else b":%d\r\n" % number)


def _write_status(out: list[bytes], status: Status) -> None:
    known = _statuses.get(id(status))
    out.append(known if known is not None else b"+%b\r\n" % status.text)


def _write_error(out: list[bytes], error: ReplyError) -> None:
    out.append(error_line(error.message))


def error_line(message: bytes) -> bytes:
    """The wire form of an error: one line, whatever bytes `message` quotes from a request."""
    return b"-%b\r\n" % message.replace(b"\r", b" ").replace(b"\n", b" ")


def _write_str(out: list[bytes], text: str) -> None:
    write_bulk(out, text.encode("utf-8", "surrogateescape"))


def _write_bytearray(out: list[bytes], text: bytearray) -> None:
    write_bulk(out, bytes(text))


def _write_encoded(out: list[bytes], reply: Encoded) -> None:
    out.extend(reply.pieces)


def _write_nothing(out: list[bytes], reply: NoReply) -> None:
    pass


# RESP2


def _write_null2(out: list[bytes], reply: None) -> None:
    out.append(b"$-1\r\n")


def _write_null_array2(out: list[bytes], reply: NullArray) -> None:
    out.append(b"*-1\r\n")


def _write_bool2(out: list[bytes], value: bool) -> None:
    out.append(b":1\r\n" if value else b":0\r\n")


def _write_float2(out: list[bytes], number: float) -> None:
    write_bulk(out, format_float(number))


def _write_list2(out: list[bytes], items: list[Any]) -> None:
    _write_items(out, array_header(len(items)), items, 2)


def _write_dict2(out: list[bytes], items: dict[Any, Any]) -> None:
    out.append(b"*%d\r\n" % (2 * len(items)))
    for key, value in items.items():
        write2(out, key)
        write2(out, value)


def _write_set2(out: list[bytes], items: set[Any]) -> None:
    out.append(b"*%d\r\n" % len(items))
    for item in items:
        write2(out, item)


def _write_members2(out: list[bytes], members: Members) -> None:
    _write_list2(out, members.items)


def _write_pairs2(out: list[bytes], pairs: Pairs) -> None:
    flat: list[Any] = []
    for first, second in pairs.items:
        flat.append(first)
        flat.append(second)
    _write_items(out, array_header(len(flat)), flat, 2)


def _write_scored2(out: list[bytes], scored: Scored) -> None:
    _write_scored(out, scored.members, scored.scores, 2, scored.is_nested)


def _write_scored3(out: list[bytes], scored: Scored) -> None:
    _write_scored(out, scored.members, scored.scores, 3, True)


def _write_scored(out: list[bytes], members: list[bytes], scores: vec[float], protocol: int, is_nested: bool) -> None:
    count: i64 = len(members)
    out.append(array_header(count if is_nested else 2 * count))
    buffer = BytesWriter()
    at: i64 = 0
    while at < count:
        if is_nested:
            buffer.write(b"*2\r\n")
        member = members[at]
        length: i64 = len(member)
        if length < 1024:
            buffer.write(BULK_HEADERS[length])
            buffer.write(member)
            buffer.write(CRLF)
        else:
            _move(buffer, out)
            write_bulk(out, member)
        _write_score(buffer, scores[at], protocol)
        if len(buffer) >= _PART_BYTES:
            _move(buffer, out)
        at += 1
    _move(buffer, out)


def _write_named2(out: list[bytes], replies: NamedReplies) -> None:
    out.append(b"*%d\r\n" % len(replies.items))
    for name, reply in replies.items:
        out.append(b"*2\r\n")
        write_bulk(out, name)
        write2(out, reply)


def _write_flat_map2(out: list[bytes], flat: FlatMap) -> None:
    _write_list2(out, flat.items)


def _write_push2(out: list[bytes], push: Push) -> None:
    _write_list2(out, push.items)


def _write_verbatim2(out: list[bytes], text: Verbatim) -> None:
    write_bulk(out, text.text)


def _write_big_number2(out: list[bytes], number: BigNumber) -> None:
    write_bulk(out, number.digits)


def _write_attribute2(out: list[bytes], attribute: Attribute) -> None:
    write2(out, attribute.reply)


# RESP3


def _write_null3(out: list[bytes], reply: NullArray | None) -> None:
    out.append(b"_\r\n")


def _write_bool3(out: list[bytes], value: bool) -> None:
    out.append(b"#t\r\n" if value else b"#f\r\n")


def _write_float3(out: list[bytes], number: float) -> None:
    out.append(b",%b\r\n" % format_float(number))


def _write_list3(out: list[bytes], items: list[Any]) -> None:
    _write_items(out, array_header(len(items)), items, 3)


def _write_map3(out: list[bytes], header: bytes, items: dict[Any, Any]) -> None:
    out.append(header + b"%d\r\n" % len(items))
    for key, value in items.items():
        write3(out, key)
        write3(out, value)


def _write_dict3(out: list[bytes], items: dict[Any, Any]) -> None:
    _write_map3(out, b"%", items)


def _write_set3(out: list[bytes], items: set[Any]) -> None:
    out.append(b"~%d\r\n" % len(items))
    for item in items:
        write3(out, item)


def _write_members3(out: list[bytes], members: Members) -> None:
    _write_items(out, b"~%d\r\n" % len(members.items), members.items, 3)


def _write_pairs3(out: list[bytes], pairs: Pairs) -> None:
    out.append(b"*%d\r\n" % len(pairs.items))
    for first, second in pairs.items:
        out.append(b"*2\r\n")
        write3(out, first)
        write3(out, second)


def _write_named3(out: list[bytes], replies: NamedReplies) -> None:
    out.append(b"%%%d\r\n" % len(replies.items))
    for name, reply in replies.items:
        write_bulk(out, name)
        write3(out, reply)


def _write_flat_map3(out: list[bytes], flat: FlatMap) -> None:
    _write_items(out, b"%%%d\r\n" % (len(flat.items) >> 1), flat.items, 3)


def _write_push3(out: list[bytes], push: Push) -> None:
    out.append(b">%d\r\n" % len(push.items))
    for item in push.items:
        write3(out, item)


def _write_verbatim3(out: list[bytes], text: Verbatim) -> None:
    out.append(b"=%d\r\n%b:%b\r\n" % (len(text.text) + 4, text.form, text.text))


def _write_big_number3(out: list[bytes], number: BigNumber) -> None:
    out.append(b"(%b\r\n" % number.digits)


def _write_attribute3(out: list[bytes], attribute: Attribute) -> None:
    _write_map3(out, b"|", attribute.attributes)
    write3(out, attribute.reply)


_shared: dict[type, Writer] = {
    bytes: write_bulk,
    str: _write_str,
    bytearray: _write_bytearray,
    int: _write_int,
    Status: _write_status,
    NoReply: _write_nothing,
    Encoded: _write_encoded,
}

_writers2: dict[type, Writer] = {
    **_shared,
    type(None): _write_null2,
    NullArray: _write_null_array2,
    bool: _write_bool2,
    float: _write_float2,
    list: _write_list2,
    dict: _write_dict2,
    set: _write_set2,
    Members: _write_members2,
    Pairs: _write_pairs2,
    Scored: _write_scored2,
    NamedReplies: _write_named2,
    FlatMap: _write_flat_map2,
    Push: _write_push2,
    Verbatim: _write_verbatim2,
    BigNumber: _write_big_number2,
    Attribute: _write_attribute2,
}

_writers3: dict[type, Writer] = {
    **_shared,
    type(None): _write_null3,
    NullArray: _write_null3,
    bool: _write_bool3,
    float: _write_float3,
    list: _write_list3,
    dict: _write_dict3,
    set: _write_set3,
    Members: _write_members3,
    Pairs: _write_pairs3,
    Scored: _write_scored3,
    NamedReplies: _write_named3,
    FlatMap: _write_flat_map3,
    Push: _write_push3,
    Verbatim: _write_verbatim3,
    BigNumber: _write_big_number3,
    Attribute: _write_attribute3,
}


def write2(out: list[bytes], reply: Reply) -> None:
    """Append the RESP2 form of `reply`. O(size of the reply)."""
    writer = _writers2.get(type(reply))
    if writer is not None:
        writer(out, reply)
    elif isinstance(reply, ReplyError):
        _write_error(out, reply)
    else:
        raise TypeError(f"no RESP form for {type(reply).__name__}")


def write3(out: list[bytes], reply: Reply) -> None:
    """Append the RESP3 form of `reply`. O(size of the reply)."""
    writer = _writers3.get(type(reply))
    if writer is not None:
        writer(out, reply)
    elif isinstance(reply, ReplyError):
        _write_error(out, reply)
    else:
        raise TypeError(f"no RESP form for {type(reply).__name__}")
