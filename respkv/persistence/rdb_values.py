"""The value types of RDB files: how each is read and written. A type is a row here and a module of its own."""

from typing import Any, Final

from respkv.persistence import rdb_format as rdb
from respkv.persistence import rdb_hashes as hashes
from respkv.persistence import rdb_lists as lists
from respkv.persistence import rdb_sets as sets
from respkv.persistence import rdb_sorted_sets as sorted_sets
from respkv.persistence import rdb_streams as streams
from respkv.persistence.rdb_reader import Decoder
from respkv.persistence.rdb_writer import INTEGER_TEXT_MAX, Encoder, encode_integer, encode_long, encode_text
from respkv.values.hashes import Hash
from respkv.values.lists import List
from respkv.values.sets import Set
from respkv.values.sorted_sets import SortedSet
from respkv.values.streams import Stream

DECODERS: Final[dict[int, Decoder]] = {
    rdb.TYPE_LIST: lists.decode_plain,
    rdb.TYPE_LIST_ZIPLIST: lists.decode_ziplist,
    rdb.TYPE_LIST_QUICKLIST: lists.decode_quicklist,
    rdb.TYPE_LIST_QUICKLIST_2: lists.decode_quicklist_2,
    rdb.TYPE_SET: sets.decode_plain,
    rdb.TYPE_SET_INTSET: sets.decode_intset,
    rdb.TYPE_SET_LISTPACK: sets.decode_listpack,
    rdb.TYPE_ZSET_TEXT: sorted_sets.decode_text,
    rdb.TYPE_ZSET: sorted_sets.decode_plain,
    rdb.TYPE_ZSET_ZIPLIST: sorted_sets.decode_ziplist,
    rdb.TYPE_ZSET_LISTPACK: sorted_sets.decode_listpack,
    rdb.TYPE_HASH: hashes.decode_plain,
    rdb.TYPE_HASH_ZIPMAP: hashes.decode_zipmap,
    rdb.TYPE_HASH_ZIPLIST: hashes.decode_ziplist,
    rdb.TYPE_HASH_LISTPACK: hashes.decode_listpack,
    rdb.TYPE_HASH_EXPIRING_RC: hashes.decode_22,
    rdb.TYPE_HASH_EXPIRING_LISTPACK_RC: hashes.decode_expiring_listpack_rc,
    rdb.TYPE_HASH_EXPIRING: hashes.decode_expiring,
    rdb.TYPE_HASH_EXPIRING_LISTPACK: hashes.decode_expiring_listpack,
    **streams.STREAM_DECODERS,
}
"""The function that reads what stands behind the key, by type byte; strings are the reader's own business."""

ENCODERS: Final[dict[type, Encoder]] = {
    List: lists.encode_list,
    Set: sets.encode_set,
    SortedSet: sorted_sets.encode_sorted_set,
    Hash: hashes.encode_hash,
    Stream: streams.encode_stream,
}
"""The function that makes type byte and bytes of a value, by class; it is told whether long strings are compressed."""


def encode_value(value: Any, compressing: bool) -> tuple[int, bytes]:
    """Type byte and bytes of a value of any type, as DUMP has them. O(bytes). Raises TypeError."""
    if isinstance(value, int):
        return rdb.TYPE_STRING, encode_integer(value)
    if isinstance(value, bytearray) and len(value) > INTEGER_TEXT_MAX:
        return rdb.TYPE_STRING, encode_long(value, compressing)
    if isinstance(value, bytes | bytearray):
        return rdb.TYPE_STRING, encode_text(bytes(value), compressing)
    return ENCODERS[type(value)](value, compressing)


def pieces_of(value: Any, compressing: bool) -> tuple[int, list[bytes]]:
    """As `encode_value`, the bytes in pieces, so that what is large need not be copied to be put together. O(bytes)."""
    if isinstance(value, List):
        return rdb.TYPE_LIST_QUICKLIST_2, lists.pieces_of(value, compressing)
    if isinstance(value, Stream):
        return streams.TYPE_STREAM_2, streams.pieces_of(value, compressing)
    kind, encoded = encode_value(value, compressing)
    return kind, [encoded]
