"""Writes RDB files that everything from Redis 7.0 on and Valkey load: only old types, an old version number.

A value type is one row in `encoders`, from class to a function that takes the value, and whether long strings are
to be compressed, and returns the type byte and the encoded value. Files have strings as they are; what DUMP says has
them compressed, as in Redis: see docs/adr/0030-lzf-in-c.md.

Compiled: a compaction is this loop.
"""

from collections.abc import Callable
from typing import Any, Final

from librt.strings import BytesWriter

from respkv.persistence import rdb_format as rdb
from respkv.persistence.crc64 import crc64
from respkv.persistence.lzf import compress

VERSION: Final = 10
_FLUSH_SIZE: Final = 1 << 20

INTEGER_TEXT_MAX: Final = 11
"""A longer string is none of the numbers that collections and DUMP have as such."""

# Shorter strings gain little, and a value may have millions of them: loops write those whose length is one byte, which
# are the shorter ones, without a look at this.
_COMPRESS_MIN: Final = 64

Encoder = Callable[[Any, bool], tuple[int, bytes]]


def encode_length(length: int) -> bytes:
    """A length in as few bytes as the format allows."""
    if length < 1 << 6:
        return bytes((length,))
    if length < 1 << 14:
        return (length | 1 << 14).to_bytes(2, "big")
    if length < 1 << 32:
        return b"\x80" + length.to_bytes(4, "big")
    return b"\x81" + length.to_bytes(8, "big")


def encode_string(value: bytes) -> bytes:
    """A string behind its length."""
    return encode_length(len(value)) + value


def encode_integer(value: int) -> bytes:
    """A string that is a decimal integer, in the shortest form."""
    if -128 <= value < 128:
        return b"\xc0" + value.to_bytes(1, "little", signed=True)
    if -(1 << 15) <= value < 1 << 15:
        return b"\xc1" + value.to_bytes(2, "little", signed=True)
    if -(1 << 31) <= value < 1 << 31:
        return b"\xc2" + value.to_bytes(4, "little", signed=True)
    return encode_string(b"%d" % value)


def encode_long(value: bytes | bytearray, compressing: bool) -> bytes:
    """A string behind its length; or behind two, compressed, if that is wanted and makes it shorter."""
    size = len(value)
    if compressing and size >= _COMPRESS_MIN:
        packed = compress(value)
        if packed is not None:
            return b"\xc3%b%b%b" % (encode_length(len(packed)), encode_length(size), packed)
    return encode_length(size) + value


def encode_text(value: bytes, compressing: bool) -> bytes:
    """A string that is part of a collection or of DUMP: as a number if it is a short one, as redis-server does."""
    size = len(value)
    if 0 < size <= INTEGER_TEXT_MAX and value[0] < 58:
        try:
            number = int(value)
        except ValueError:
            number = 1 << 32
        if -(1 << 31) <= number < 1 << 31 and b"%d" % number == value:
            return encode_integer(number)
    return encode_long(value, compressing)


def encode_texts(values: list[bytes], compressing: bool) -> bytes:
    """As `encode_text`, one behind the other."""
    buffer = BytesWriter()
    for value in values:
        size = len(value)
        if 0 < size < 64 and value[0] >= 58:
            buffer.append(size)
            buffer.write(value)
        else:
            buffer.write(encode_text(value, compressing))
    return buffer.getvalue()


_LENGTHS: Final[list[bytes]] = [encode_length(length) for length in range(1024)]
_KEYS: Final[list[bytes]] = [b"\0" + length for length in _LENGTHS]


class RdbWriter:
    """Writes one file through `write`: `start`, functions, databases with their keys, `finish`."""

    def __init__(self, write: Callable[[bytes], object], encoders: dict[type, Encoder]) -> None:
        self.key_count = 0
        self.byte_count = 0
        self._write = write
        self._encoders = encoders
        self._pieces: list[bytes] = []
        self._pending_bytes = 0
        self._crc = 0

    def start(self, aux: dict[bytes, bytes | int], version: int = VERSION) -> None:
        """The magic, and what is said about the file."""
        self._pieces.append(b"REDIS%04d" % version)
        for name, value in aux.items():
            self._pieces.append(b"\xfa" + encode_string(name))
            self._pieces.append(encode_integer(value) if isinstance(value, int) else encode_string(value))

    def write_function(self, library: bytes) -> None:
        """A function library, as the reader gave it."""
        self._pieces.append(b"\xf5" + encode_string(library))

    def select_database(self, index: int, key_count: int, expire_count: int) -> None:
        """The keys that follow belong to this database, which has about so many of them."""
        self._pieces.append(b"\xfe" + encode_length(index))
        self._pieces.append(b"\xfb" + encode_length(key_count) + encode_length(expire_count))

    def write_keys(self, values: dict[bytes, Any], expires: dict[bytes, int]) -> None:
        """All keys of `values`; those in `expires` with the unix time in ms at which they end.

        Raises: TypeError for a value without an encoder.
        """
        append = self._pieces.append
        lengths = _LENGTHS
        keys = _KEYS
        pending = self._pending_bytes
        has_expires = len(expires) > 0
        for key, value in values.items():
            if has_expires:
                at_ms = expires.get(key)
                if at_ms is not None:
                    append(b"\xfc" + at_ms.to_bytes(8, "little", signed=True))
            key_size = len(key)
            if isinstance(value, bytes):
                append(keys[key_size] if key_size < 1024 else b"\0" + encode_length(key_size))
                append(key)
                size = len(value)
                append(lengths[size] if size < 1024 else encode_length(size))
                append(value)
                pending += size + key_size + 4
            else:
                kind, encoded = self._encode(value)
                append(bytes((kind,)) + encode_length(key_size))
                append(key)
                append(encoded)
                pending += len(encoded) + key_size + 4
            if pending >= _FLUSH_SIZE:
                self._flush()
                append = self._pieces.append
                pending = 0
        self._pending_bytes = pending
        self.key_count += len(values)

    def finish(self) -> None:
        """The end mark and the checksum."""
        self._pieces.append(b"\xff")
        self._flush()
        footer = self._crc.to_bytes(8, "little")
        self.byte_count += 8
        self._write(footer)

    def _encode(self, value: object) -> tuple[int, bytes]:
        if isinstance(value, int):
            return rdb.TYPE_STRING, encode_integer(value)
        if isinstance(value, bytearray):
            return rdb.TYPE_STRING, encode_string(bytes(value))
        encoder = self._encoders.get(type(value))
        if encoder is None:
            raise TypeError(f"no RDB encoding for {type(value).__name__}")
        return encoder(value, False)

    def _flush(self) -> None:
        block = b"".join(self._pieces)
        self._pieces = []
        self._pending_bytes = 0
        self._crc = crc64(block, self._crc)
        self.byte_count += len(block)
        self._write(block)
