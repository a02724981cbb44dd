"""Sets in RDB files.

    2   count | string ...
    11  intset
    20  listpack             7.2 on: small ones

Written are 2 and 11, so that Redis 7.0 loads them. Compiled.
"""

from respkv.persistence import rdb_format as rdb
from respkv.persistence.packed import checked_listpack
from respkv.persistence.rdb_reader import RdbReader
from respkv.persistence.rdb_writer import encode_length, encode_long, encode_texts
from respkv.values import intset, listpack
from respkv.values.sets import Set


def decode_plain(reader: RdbReader) -> Set | None:
    """Type 2."""
    members = reader.read_strings(reader.read_length())
    if not members:
        return None
    value = Set.of(members, reader.limits)
    if len(value) != len(members):
        raise ValueError("a member twice in a set")
    return value


def decode_intset(reader: RdbReader) -> Set | None:
    """Type 11."""
    packed = reader.read_string()
    return Set.of_intset(packed, reader.limits) if intset.unpack_untrusted(packed) else None


def decode_listpack(reader: RdbReader) -> Set | None:
    """Type 20."""
    packed = checked_listpack(reader.read_string(), 1)
    return Set.of_packed(packed, reader.limits) if listpack.count(packed) else None


def encode_set(value: Set, compressing: bool) -> tuple[int, bytes]:
    """Type 11 for what is an intset, else 2."""
    if value.is_intset:
        return rdb.TYPE_SET_INTSET, encode_long(value.packed, compressing)
    return rdb.TYPE_SET, encode_length(len(value)) + encode_texts(value.members(), compressing)
