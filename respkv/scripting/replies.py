"""Arguments of `redis.call` to argv, and replies to what Lua takes, by the protocol that the script chose.

A string, a number, a boolean or nil stays what it is; all else becomes lists and dicts, of which the interpreter makes
tables. Compiled: every `redis.call` passes here.
"""

from math import copysign
from typing import Any, Final

import hiredis

from respkv.doubles import format_float
from respkv.errors import ReplyError
from respkv.reply import (
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
    Scored,
    Status,
    Verbatim,
)

PLAIN_BYTES: Final = 64
"""About what a value takes in the interpreter beside its text."""


def argv_of(arguments: list[Any]) -> list[bytes]:
    """What a script gave to `redis.call`. Raises ReplyError if something is neither a string nor a number."""
    return [argument if type(argument) is bytes else _argument_of(argument) for argument in arguments]


def _argument_of(value: Any) -> bytes:
    if type(value) is int:
        return b"%d" % value
    if type(value) is float:
        if value != value:
            return b"-nan" if copysign(1.0, value) < 0 else b"nan"
        return format_float(value)
    raise ReplyError(b"ERR Lua redis lib command arguments must be strings or integers")


def to_lua(reply: Any, protocol: int) -> Any:
    """`reply` in values of which Lua can make its own. O(size of the reply)."""
    if type(reply) is bytes or type(reply) is int:
        return reply
    if reply is None:
        return False if protocol == 2 else None
    if type(reply) is list:
        return _list_to_lua(reply, protocol)
    if isinstance(reply, Status):
        return {b"ok": reply.text}
    if isinstance(reply, bool):
        return reply if protocol == 3 else int(reply)
    if isinstance(reply, float):
        return {b"double": reply} if protocol == 3 else format_float(reply)
    if isinstance(reply, NullArray):
        return False if protocol == 2 else None
    if isinstance(reply, ReplyError):
        return {b"err": reply.message}
    return _other_to_lua(reply, protocol)


def _list_to_lua(items: list[Any], protocol: int) -> list[Any]:
    for item in items:
        if type(item) is not bytes and type(item) is not int:
            return [to_lua(item, protocol) for item in items]
    return items


def _map_to_lua(keys: list[Any], values: list[Any], protocol: int) -> Any:
    if protocol == 2:
        flat: list[Any] = []
        for at in range(len(keys)):
            flat.append(to_lua(keys[at], protocol))
            flat.append(to_lua(values[at], protocol))
        return flat
    return {b"map": {to_lua(keys[at], protocol): to_lua(values[at], protocol) for at in range(len(keys))}}


def _set_to_lua(items: list[Any], protocol: int) -> Any:
    if protocol == 2:
        return _list_to_lua(items, protocol)
    return {b"set": {to_lua(item, protocol): True for item in items}}


def _other_to_lua(reply: Any, protocol: int) -> Any:
    if isinstance(reply, bytearray):
        return bytes(reply)
    if isinstance(reply, str):
        return reply.encode("utf-8", "surrogateescape")
    if isinstance(reply, dict):
        return _map_to_lua(list(reply.keys()), list(reply.values()), protocol)
    if isinstance(reply, FlatMap):
        return _map_to_lua(reply.items[::2], reply.items[1::2], protocol)
    if isinstance(reply, set):
        return _set_to_lua(list(reply), protocol)
    if isinstance(reply, Members):
        return _set_to_lua(reply.items, protocol)
    if isinstance(reply, Pairs):
        if protocol == 3:
            return [[to_lua(first, protocol), to_lua(second, protocol)] for first, second in reply.items]
        return [to_lua(item, protocol) for pair in reply.items for item in pair]
    if isinstance(reply, Scored):
        pairs = [[member, to_lua(score, protocol)] for member, score in zip(reply.members, reply.scores, strict=True)]
        return pairs if protocol == 3 or reply.is_nested else [item for pair in pairs for item in pair]
    if isinstance(reply, NamedReplies):
        if protocol == 3:
            return {b"map": {name: to_lua(value, protocol) for name, value in reply.items}}
        return [[name, to_lua(value, protocol)] for name, value in reply.items]
    if isinstance(reply, Push):
        return _list_to_lua(reply.items, protocol)
    if isinstance(reply, Encoded):
        return _wire_to_lua(b"".join(reply.pieces), protocol)
    if isinstance(reply, Verbatim):
        if protocol == 3:
            return {b"verbatim_string": {b"string": reply.text, b"format": reply.form}}
        return reply.text
    if isinstance(reply, BigNumber):
        return {b"big_number": reply.digits} if protocol == 3 else reply.digits
    if isinstance(reply, Attribute):
        return to_lua(reply.reply, protocol)
    if isinstance(reply, NoReply):
        return False
    raise TypeError(f"no Lua form for {type(reply).__name__}")


def _wire_to_lua(data: bytes, protocol: int) -> Any:
    """A reply that is encoded already; only of kinds that look the same in both protocols."""
    reader = hiredis.Reader()
    reader.feed(data)
    return to_lua(reader.gets(), protocol)


def size_of(value: Any) -> int:
    """About how many bytes `value`, from `to_lua`, takes in the interpreter. O(size)."""
    if type(value) is bytes:
        return len(value) + PLAIN_BYTES
    total = PLAIN_BYTES
    if type(value) is list:
        for item in value:
            total += len(item) + PLAIN_BYTES if type(item) is bytes else size_of(item)
    elif type(value) is dict:
        for key, item in value.items():
            total += size_of(key) + size_of(item)
    return total
