"""Hashes in RDB files.

    4   count | (field | value) ...
    9   zipmap                                              Redis 2.4: small ones
    13  ziplist of fields and values                        until 6.2: small ones
    16  listpack of fields and values                       7.0 on: small ones
    24  earliest (8 bytes) | count | (ttl | field | value) ...          7.4 on: fields that expire; ttl: length, 0 for
                                                            none, else 1 + ms from the earliest on
    25  earliest (8 bytes) | listpack of fields, values and unix ms     7.4 on: small ones, the next to expire first,
                                                            0 for never and at the end
    22  count | (ttl | field | value) ...                   a release candidate of 7.4; unix ms, 0 for none
    23  listpack as of 25                                   likewise
    22  count | (field | value | 8 bytes) ...               Valkey 9, by the version of its file; unix ms, -1 for never

Written are 4 and 16, and for hashes with fields that expire 24 and 25, which nothing before Redis 7.4 and no Valkey
loads. Compiled.
"""

from typing import Final

from respkv.persistence import rdb_format as rdb
from respkv.persistence.packed import (
    checked_listpack,
    listpack_elements,
    require_unique,
    ziplist_elements,
    zipmap_elements,
)
from respkv.persistence.rdb_reader import RdbReader
from respkv.persistence.rdb_writer import encode_length, encode_long, encode_text, encode_texts
from respkv.values import listpack
from respkv.values.hashes import Hash

_EXPIRY_MAX_MS: Final = (1 << 48) - 1


def _of(reader: RdbReader, elements: list[bytes], expires: list[int]) -> Hash | None:
    """A hash of fields and values in turn, and of the unix ms of each field, 0 for never (none at all: no list)."""
    require_unique(elements, 2)
    if not elements:
        return None
    by_field: dict[bytes, int] = {}
    for index in range(len(expires)):
        at_ms = expires[index]
        if at_ms > _EXPIRY_MAX_MS or at_ms < 0:
            raise ValueError("a field of a hash expires too late")
        if at_ms:
            by_field[elements[2 * index]] = at_ms
    pairs = [(elements[at], elements[at + 1]) for at in range(0, len(elements), 2)]
    return Hash.of(pairs, reader.limits, by_field)


def decode_plain(reader: RdbReader) -> Hash | None:
    """Type 4."""
    elements = reader.read_strings(2 * reader.read_length())
    if not elements:
        return None
    value = Hash.of_flat(elements, reader.limits)
    # Cheaper than to see to that before.
    if 2 * len(value) != len(elements):
        raise ValueError("an element twice")
    return value


def decode_zipmap(reader: RdbReader) -> Hash | None:
    """Type 9."""
    return _of(reader, zipmap_elements(reader.read_string()), [])


def decode_ziplist(reader: RdbReader) -> Hash | None:
    """Type 13."""
    return _of(reader, ziplist_elements(reader.read_string()), [])


def decode_listpack(reader: RdbReader) -> Hash | None:
    """Type 16."""
    packed = checked_listpack(reader.read_string(), 2)
    return Hash.of_packed(packed, reader.limits) if listpack.count(packed) else None


def decode_expiring(reader: RdbReader) -> Hash | None:
    """Type 24."""
    return _decode_expiring(reader, int.from_bytes(reader.read_bytes(8), "little", signed=True))


def decode_22(reader: RdbReader) -> Hash | None:
    """Type 22, of whichever family."""
    if not reader.is_valkey:
        # Times count from 1970, here from 1 ms on since 0 stands for none.
        return _decode_expiring(reader, 1)
    elements: list[bytes] = []
    expires: list[int] = []
    for _ in range(reader.read_length()):
        elements.append(reader.read_string())
        elements.append(reader.read_string())
        at_ms = int.from_bytes(reader.read_bytes(8), "little", signed=True)
        expires.append(0 if at_ms == -1 else at_ms)
    return _of(reader, elements, expires)


def _decode_expiring(reader: RdbReader, earliest_ms: int) -> Hash | None:
    elements: list[bytes] = []
    expires: list[int] = []
    for _ in range(reader.read_length()):
        ttl_ms = reader.read_length()
        expires.append(earliest_ms + ttl_ms - 1 if ttl_ms else 0)
        elements.append(reader.read_string())
        elements.append(reader.read_string())
    return _of(reader, elements, expires)


def decode_expiring_listpack(reader: RdbReader) -> Hash | None:
    """Type 25."""
    reader.read_bytes(8)
    return decode_expiring_listpack_rc(reader)


def decode_expiring_listpack_rc(reader: RdbReader) -> Hash | None:
    """Type 23."""
    triples = listpack_elements(reader.read_string(), 3)
    elements: list[bytes] = []
    expires: list[int] = []
    for at in range(0, len(triples), 3):
        elements.append(triples[at])
        elements.append(triples[at + 1])
        text = triples[at + 2]
        if len(text) > 20:
            raise ValueError("a field of a hash expires too late")
        expires.append(int(text))
    return _of(reader, elements, expires)


def encode_hash(value: Hash, compressing: bool) -> tuple[int, bytes]:
    """Type 16 for small ones, else 4; 25 and 24 if fields expire."""
    if value.expires:
        return _encode_expiring(value, compressing)
    if value.is_packed:
        return rdb.TYPE_HASH_LISTPACK, encode_long(value.packed, compressing)
    return rdb.TYPE_HASH, encode_length(len(value)) + encode_texts(value.flat(), compressing)


def _encode_expiring(value: Hash, compressing: bool) -> tuple[int, bytes]:
    expires = value.expires
    earliest_ms = min(expires.values())
    header = earliest_ms.to_bytes(8, "little", signed=True)
    pairs = value.pairs()
    if value.is_packed:
        # In the order that type 25 wants.
        triples: list[bytes] = []
        for field, content in pairs:
            triples += (field, content, b"%d" % expires.get(field, 0))
        return rdb.TYPE_HASH_EXPIRING_LISTPACK, header + encode_long(listpack.pack(triples), compressing)
    pieces = [header, encode_length(len(pairs))]
    for field, content in pairs:
        at_ms = expires.get(field, -1)
        pieces.append(encode_length(at_ms - earliest_ms + 1 if at_ms >= 0 else 0))
        pieces.append(encode_text(field, compressing))
        pieces.append(encode_text(content, compressing))
    return rdb.TYPE_HASH_EXPIRING, b"".join(pieces)
