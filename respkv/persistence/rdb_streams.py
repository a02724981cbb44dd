"""Streams in RDB files and DUMP payloads.

    stream   = nodes | (ID, listpack) ... | length | last ID | [marks] | groups | group ...
    marks    = first ID | highest deleted ID | entries added                        from type 19 on
    group    = name | last ID | [entries read] | pending | (ID, time, count) ... | consumers | consumer ...
    consumer = name | seen time | [active time] | pending | ID ...

IDs of nodes and of pending entries are 16 bytes, the most significant first; others are two lengths; times are 8
bytes, unix ms, little endian. Type 15 is Redis 5's, 19 is 7.0's, 21 (active time) 7.2's. Type 19 is written, since
Redis 7.0 loads it: the seen time of a consumer then stands for its active time, as in Redis.
"""

from typing import Final

from respkv.persistence.rdb_reader import Decoder, RdbReader
from respkv.persistence.rdb_writer import encode_length, encode_long, encode_string
from respkv.values.stream_groups import Consumer, Group, Pending
from respkv.values.stream_ids import SEQUENCE_BITS, SEQUENCE_MAX, id_bytes
from respkv.values.stream_untrusted import load_node
from respkv.values.streams import Stream

TYPE_STREAM: Final = 15
TYPE_STREAM_2: Final = 19
TYPE_STREAM_3: Final = 21

_INT64_END: Final = 1 << 63


def decode_stream(reader: RdbReader) -> Stream:
    """A stream as Redis 5 and 6 write it."""
    return _decode(reader, TYPE_STREAM)


def decode_stream_2(reader: RdbReader) -> Stream:
    """A stream as Redis 7.0 writes it."""
    return _decode(reader, TYPE_STREAM_2)


def decode_stream_3(reader: RdbReader) -> Stream:
    """A stream as Redis 7.2 and later write it."""
    return _decode(reader, TYPE_STREAM_3)


STREAM_DECODERS: Final[dict[int, Decoder]] = {
    TYPE_STREAM: decode_stream,
    TYPE_STREAM_2: decode_stream_2,
    TYPE_STREAM_3: decode_stream_3,
}


def _decode(reader: RdbReader, kind: int) -> Stream:
    stream = Stream()
    live = _read_nodes(reader, stream)
    length = reader.read_length()
    if length != live:
        raise reader.damage(f"a stream of {live} entries that claims to have {length}")
    stream.length = length
    stream.set_last_id(_read_id(reader))
    if stream.nodes and stream.last_id < stream.last_entry_id():
        raise reader.damage("a stream whose last ID is below its last entry's")
    # The marks tell the first ID too, but the entries know it better.
    stream.first_id = stream.nodes[0].edge(last=False) if stream.nodes else 0
    if kind == TYPE_STREAM:
        stream.entries_added = length
    else:
        _read_id(reader)
        stream.max_deleted_id = _read_id(reader)
        stream.entries_added = reader.read_length()
    for _ in range(reader.read_length()):
        group = _read_group(reader, stream, kind)
        if group.name in stream.groups:
            raise reader.damage("a stream with two groups of one name")
        stream.groups[group.name] = group
        stream.nbytes += group.nbytes
    return stream


def _read_nodes(reader: RdbReader, stream: Stream) -> int:
    """Read the nodes into `stream`; how many live entries they have."""
    live = 0
    last = -1
    for _ in range(reader.read_length()):
        key = reader.read_string()
        if len(key) != 16:
            raise reader.damage("a stream node whose ID has not 16 bytes")
        try:
            node = load_node(int.from_bytes(key, "big"), reader.read_string())
        except ValueError as error:
            raise reader.damage(str(error)) from error
        if node.first <= last:
            raise reader.damage("stream nodes out of order")
        last = node.last
        # Old versions left nodes without live entries behind.
        if node.count:
            live += node.count
            stream.load_node(node)
    return live


def _read_id(reader: RdbReader) -> int:
    milliseconds = reader.read_length()
    return milliseconds << SEQUENCE_BITS | reader.read_length()


def _read_time(reader: RdbReader) -> int:
    return int.from_bytes(reader.read_bytes(8), "little", signed=True)


def _read_group(reader: RdbReader, stream: Stream, kind: int) -> Group:
    name = reader.read_string()
    last_id = _read_id(reader)
    if kind == TYPE_STREAM:
        entries_read = stream.rank_of(last_id)
    else:
        entries_read = reader.read_length()
        if entries_read >= _INT64_END:
            entries_read = -1
    group = Group(name, last_id, entries_read)
    pending: dict[int, tuple[int, int]] = {}
    for _ in range(reader.read_length()):
        number = int.from_bytes(reader.read_bytes(16), "big")
        at_ms = _read_time(reader)
        pending[number] = (at_ms, reader.read_length())
    for _ in range(reader.read_length()):
        _read_consumer(reader, group, pending, kind)
    if pending:
        raise reader.damage("a pending stream entry without a consumer")
    return group


def _read_consumer(reader: RdbReader, group: Group, pending: dict[int, tuple[int, int]], kind: int) -> None:
    """Read a consumer; what is pending for it is taken out of `pending`."""
    name = reader.read_string()
    if name in group.consumers:
        raise reader.damage("a group with two consumers of one name")
    consumer = group.consumer(name, _read_time(reader))
    consumer.active_ms = _read_time(reader) if kind == TYPE_STREAM_3 else consumer.seen_ms
    for _ in range(reader.read_length()):
        number = int.from_bytes(reader.read_bytes(16), "big")
        delivery = pending.pop(number, None)
        if delivery is None:
            raise reader.damage("an entry pending for a consumer but not for its group, or for two")
        group.deliver(number, consumer, delivery[0], delivery[1])


def encode_stream(value: Stream, compressing: bool) -> tuple[int, bytes]:
    """The type of the form that is written, and the stream in it. O(bytes)."""
    return TYPE_STREAM_2, b"".join(pieces_of(value, compressing))


def pieces_of(value: Stream, compressing: bool) -> list[bytes]:
    """A stream in the form that is written, in pieces, the entries of nodes as they are. O(nodes + pending)."""
    pieces = [encode_length(len(value.nodes))]
    for node in value.nodes:
        packed = node.to_listpack()
        if compressing:
            pieces.append(encode_string(node.key()) + encode_long(b"".join(packed), True))
            continue
        size = len(packed[0]) + len(packed[1]) + len(packed[2])
        pieces.append(b"%b%b%b" % (encode_string(node.key()), encode_length(size), packed[0]))
        pieces.append(packed[1])
        pieces.append(packed[2])
    pieces.append(encode_length(value.length))
    for number in (value.last_id, value.first_id, value.max_deleted_id):
        _write_id(pieces, number)
    pieces.append(encode_length(value.entries_added))
    pieces.append(encode_length(len(value.groups)))
    for name in sorted(value.groups):
        _write_group(pieces, value.groups[name])
    return pieces


def _write_id(pieces: list[bytes], number: int) -> None:
    pieces.append(encode_length(number >> SEQUENCE_BITS))
    pieces.append(encode_length(number & SEQUENCE_MAX))


def _write_time(pieces: list[bytes], at_ms: int) -> None:
    pieces.append(at_ms.to_bytes(8, "little", signed=True))


def _write_group(pieces: list[bytes], group: Group) -> None:
    pieces.append(encode_string(group.name))
    _write_id(pieces, group.last_id)
    pieces.append(encode_length(group.entries_read & SEQUENCE_MAX))
    pieces.append(encode_length(len(group.pending)))
    for number in group.ids.from_(0, len(group.pending)):
        pending: Pending = group.pending[number]
        pieces.append(id_bytes(number))
        _write_time(pieces, pending.at_ms)
        pieces.append(encode_length(pending.count))
    pieces.append(encode_length(len(group.consumers)))
    for name in sorted(group.consumers):
        consumer: Consumer = group.consumers[name]
        pieces.append(encode_string(name))
        _write_time(pieces, consumer.seen_ms)
        pieces.append(encode_length(consumer.ids.size))
        pieces.extend([id_bytes(number) for number in consumer.ids.from_(0, consumer.ids.size)])
