"""How keys and values of a program become the bytes that the store holds, and back.

Values of every codec are Redis strings, so that a server on the same files gives them to any client.

Rule: no codec can run code that the data bring along. That is why there is none for pickle.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from respkv.embedded.errors import CodecError


class Codec(NamedTuple):
    """A pair of functions between values and bytes; either raises ValueError or TypeError for what it cannot take.

    >>> import respkv, zlib
    >>> packed = respkv.Codec("zlib", zlib.compress, zlib.decompress)
    >>> with respkv.Store(codec=packed) as store:
    ...     store.put("k", b"a" * 1000)
    ...     len(store["k"]), store.stats().data_bytes < 100
    (1000, True)
    """

    name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _to_bytes(value: Any) -> bytes:
    if type(value) is bytes:
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise TypeError(f"a bytes-like object is required, not {type(value).__name__!r}; choose another codec for others")


def _from_str(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"a str is required, not {type(value).__name__!r}; choose another codec for others")
    return value.encode()


def _from_object(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


BYTES = Codec("bytes", _to_bytes, _to_bytes)
STR = Codec("str", _from_str, bytes.decode)
JSON = Codec("json", _from_object, json.loads)

_BY_NAME = {codec.name: codec for codec in (BYTES, STR, JSON)}


def find_codec(codec: "str | Codec") -> Codec:
    """The codec called so, or the codec itself. Raises ValueError, for pickle with the reason."""
    if isinstance(codec, Codec):
        return codec
    found = _BY_NAME.get(codec) if isinstance(codec, str) else None
    if found is not None:
        return found
    if codec == "pickle" or getattr(codec, "__name__", "") == "pickle":
        raise ValueError(
            "pickle is refused: whoever can write to the store could run code in every program that reads it;"
            " if nobody else can, say so by respkv.Codec('pickle', pickle.dumps, pickle.loads)"
        )
    raise ValueError(f"no codec {codec!r}: choose one of {', '.join(_BY_NAME)} or give a respkv.Codec")


def encode_key(key: "str | bytes") -> bytes:
    """The bytes of a key: a str by UTF-8, where lone surrogates stand for the bytes that are none. Raises TypeError."""
    if type(key) is str:
        return key.encode("utf-8", "surrogateescape")
    if isinstance(key, bytes | bytearray | memoryview):
        return bytes(key)
    if isinstance(key, str):
        return key.encode("utf-8", "surrogateescape")
    raise TypeError(f"a key is a str or bytes, not {type(key).__name__!r}")


def decode_key(key: bytes) -> str:
    """The str of a key; never fails, and `encode_key` gives the same bytes again."""
    return key.decode("utf-8", "surrogateescape")


def encode_value(codec: Codec, value: Any) -> bytes:
    """The bytes of `value`. Raises CodecError."""
    try:
        return codec.encode(value)
    except CodecError:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise CodecError(str(error)) from error


def decode_value(codec: Codec, data: bytes) -> Any:
    """The value of `data`. Raises CodecError."""
    try:
        return codec.decode(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise CodecError(f"the value is not {codec.name}: {error}") from error
