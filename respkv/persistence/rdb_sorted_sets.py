"""Sorted sets in RDB files.

    3   count | (string | score as text) ...      until 3.2; the text behind its length, 1 byte; 253-255: nan inf -inf
    5   count | (string | score as double) ...    4.0 on
    12  ziplist of members and scores             until 6.2: small ones
    17  listpack of members and scores            7.0 on: small ones

Written are 5 and 17. Compiled.
"""

from typing import TYPE_CHECKING, Any

from librt.strings import BytesWriter, read_f64_le, read_i16_le, read_i32_le, read_i64_le, write_f64_le

from respkv.persistence import rdb_format as rdb
from respkv.persistence.packed import checked_listpack, require_unique, ziplist_elements
from respkv.persistence.rdb_reader import RdbReader
from respkv.persistence.rdb_writer import encode_length, encode_long, encode_text
from respkv.values import listpack
from respkv.values.sorted_sets import SortedSet

if TYPE_CHECKING:
    from mypy_extensions import i64


def _of(reader: RdbReader, pairs: list[tuple[bytes, float]]) -> SortedSet | None:
    return SortedSet.of(pairs, reader.limits) if pairs else None


def _score(text: bytes) -> float:
    """A score that is written as text. Raises ValueError."""
    # What Python takes beyond C's strtod; `in` would be slow when compiled.
    if not text or text[0] <= 32 or text[-1] <= 32 or text.find(b"_") >= 0:
        raise ValueError("a score that is no number")
    score = float(text)
    if score != score:
        raise ValueError("a score that is no number")
    return score


def _pairs_of(elements: list[bytes]) -> list[tuple[bytes, float]]:
    """Members and scores of a small sorted set. Raises ValueError."""
    return [(elements[at], _score(elements[at + 1])) for at in range(0, len(elements), 2)]


def decode_text(reader: RdbReader) -> SortedSet | None:
    """Type 3."""
    pairs: list[tuple[bytes, float]] = []
    for _ in range(reader.read_length()):
        member = reader.read_string()
        size = reader.read_bytes(1)[0]
        if size == 255:
            score = float("-inf")
        elif size == 254:
            score = float("inf")
        elif size == 253:
            raise ValueError("a score that is no number")
        else:
            score = _score(reader.read_bytes(size))
        pairs.append((member, score))
    return _unique(reader, pairs)


def decode_plain(reader: RdbReader) -> SortedSet | None:
    """Type 5."""
    members: list[bytes] = []
    scores: list[Any] = []
    for _ in range(reader.read_length()):
        members.append(reader.read_string())
        score = read_f64_le(reader.read_bytes(8), 0)
        if score != score:
            raise ValueError("a score that is no number")
        scores.append(score)
    if len(members) <= reader.limits.zset_max_listpack_entries:
        return _unique(reader, list(zip(members, scores, strict=True)))
    value = SortedSet.of_many(members, scores)
    if value is None:
        raise ValueError("a member twice in a sorted set")
    return value


def _unique(reader: RdbReader, pairs: list[tuple[bytes, float]]) -> SortedSet | None:
    if len({member for member, _ in pairs}) != len(pairs):
        raise ValueError("a member twice in a sorted set")
    return _of(reader, pairs)


def decode_ziplist(reader: RdbReader) -> SortedSet | None:
    """Type 12."""
    elements = ziplist_elements(reader.read_string())
    require_unique(elements, 2)
    return _of(reader, _pairs_of(elements))


def decode_listpack(reader: RdbReader) -> SortedSet | None:
    """Type 17."""
    packed = checked_listpack(reader.read_string(), 2)
    if listpack.count(packed) == 0:
        return None
    if _is_in_order(packed):
        return SortedSet.of_packed(packed, reader.limits)
    return _of(reader, _pairs_of(listpack.unpack(packed)))


def _is_in_order(packed: bytes) -> bool:
    """Whether the members of a listpack ascend by score, then by their bytes. O(bytes). Raises ValueError."""
    at: i64 = listpack.HEADER_BYTES
    end: i64 = len(packed) - 1
    before = 0.0
    before_at = -1
    while at < end:
        member_at = at
        first: i64 = packed[at]
        at = at + (first & 63) + 2 if 0x80 <= first < 0xC0 else listpack.after(packed, at)
        # Numbers without the text that they stand for.
        first = packed[at]
        if first < 0x80:
            score = float(first)
            at += 2
        elif 0xC0 <= first < 0xE0:
            number: i64 = (first & 0x1F) << 8 | packed[at + 1]
            score = float(number - 0x2000 if number & 0x1000 else number)
            at += 3
        elif first == 0xF1:
            score = float(int(read_i16_le(packed, at + 1)))
            at += 4
        elif first == 0xF2:
            score = float(int(read_i32_le(packed, at) >> 8))
            at += 5
        elif first == 0xF3:
            score = float(int(read_i32_le(packed, at + 1)))
            at += 6
        elif first == 0xF4:
            score = float(int(read_i64_le(packed, at + 1)))
            at += 10
        else:
            score = _score(listpack.element_at(packed, at))
            at = listpack.after(packed, at)
        if before_at >= 0 and (
            score < before
            or (score == before and listpack.element_at(packed, before_at) > listpack.element_at(packed, member_at))
        ):
            return False
        before = score
        before_at = member_at
    return True


def encode_sorted_set(value: SortedSet, compressing: bool) -> tuple[int, bytes]:
    """Type 17 for small ones, else 5."""
    if value.is_packed:
        return rdb.TYPE_ZSET_LISTPACK, encode_long(value.packed, compressing)
    members = value.members_between(0, len(value))
    scores = value.scores_between(0, len(value))
    buffer = BytesWriter()
    buffer.write(encode_length(len(members)))
    # The reference writes the largest first, and loads fastest what comes in that order.
    at: i64 = len(members)
    while at > 0:
        at -= 1
        member = members[at]
        size = len(member)
        if 0 < size < 64 and member[0] >= 58:
            buffer.append(size)
            buffer.write(member)
        else:
            buffer.write(encode_text(member, compressing))
        write_f64_le(buffer, scores[at])
    return rdb.TYPE_ZSET, buffer.getvalue()
