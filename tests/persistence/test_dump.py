"""DUMP and RESTORE, by example; and what becomes of payloads that nobody should send."""

from typing import Any

import pytest
from harness import START_MS, Client, World
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_forms import loose_listpack, ziplist, zipmap

from respkv.engine.access import LFU, Frequencies, set_access_record
from respkv.engine.keyspace import Keyspace, open_engine
from respkv.persistence.crc64 import crc64
from respkv.persistence.dump import BadPayload, decode_payload, encode_payload
from respkv.persistence.lzf import compress, portable_compress
from respkv.persistence.rdb_writer import encode_length, encode_string
from respkv.server.digest import value_digest
from respkv.values import listpack
from respkv.values.limits import Limits
from respkv.values.lists import List

GARBLED = "ERR DUMP payload version or checksum are wrong"
SENSELESS = "ERR Bad data format"


def payload(kind: int, body: bytes, version: int = 10) -> bytes:
    data = bytes((kind,)) + body + version.to_bytes(2, "little")
    return data + crc64(data, 0).to_bytes(8, "little")


A_STRING = payload(0, b"\x01x")


def test_what_dump_says_restore_takes(client: Client) -> None:
    client.run("SET", "k", "value")
    dumped = client.run("DUMP", "k")
    assert dumped == payload(0, b"\x05value", 9)
    assert client.run("RESTORE", "other", "0", dumped) == "OK"
    assert client.run("GET", "other") == b"value"
    assert client.run("DUMP missing") is None


def test_numbers_are_dumped_as_redis_does(client: Client) -> None:
    for text, body in (
        (b"7", b"\xc0\x07"),
        (b"-200", b"\xc1\x38\xff"),
        (b"007", b"\x03007"),
        (b"9" * 10, b"\x0a" + b"9" * 10),
    ):
        client.run("SET", "k", text)
        assert client.run("DUMP", "k") == payload(0, body, 9)


@pytest.mark.parametrize(
    "words",
    [
        ["SET", "k", "x" * 1000],
        ["SETRANGE", "k", "1", "x" * 1000],
        ["RPUSH", "k", *["element"] * 9],
        ["RPUSH", "k", *["element"] * 5000, "y" * 20_000],
        ["HSET", "k", "a", "x" * 60, "b", "x" * 60],
        ["HSET", "k", "a", "x" * 1000],
        ["SADD", "k", *range(1 << 40, (1 << 40) + 500)],
        ["SADD", "k", "x" * 1000],
        ["ZADD", "k", "1", "x" * 60, "2", "y" * 60],
        ["ZADD", "k", "1", "x" * 1000],
        ["XADD", "k", "1-1", "a", "x" * 1000],
    ],
)
def test_long_strings_are_compressed_unless_the_configuration_says_no(
    client: Client, world: World, words: list[str]
) -> None:
    client.run(*words)
    dumped = client.run("DUMP k")
    client.run("CONFIG SET rdbcompression no")
    plain = client.run("DUMP k")
    assert len(dumped) < len(plain) or compress is portable_compress
    for data in (dumped, plain):
        client.run("RESTORE", "other", "0", data, "REPLACE")
        database = world.engine.databases[0]
        assert value_digest(database, b"other") == value_digest(database, b"k")
        assert client.run("DUMP other") == plain


def test_the_log_has_absolute_times(client: Client, world: World) -> None:
    assert client.run("RESTORE", "k", "500", A_STRING) == "OK"
    assert client.run("PTTL k") == 500
    assert client.run("RESTORE", "k", START_MS + 7, A_STRING, "ABSTTL", "REPLACE") == "OK"
    assert client.run("PTTL k") == 7
    assert world.take_log() == [
        [b"RESTORE", b"k", b"%d" % (START_MS + 500), A_STRING, b"ABSTTL"],
        [b"RESTORE", b"k", b"%d" % (START_MS + 7), A_STRING, b"REPLACE", b"ABSTTL"],
    ]


def test_a_time_that_has_passed_leaves_nothing(client: Client, world: World) -> None:
    assert client.run("RESTORE", "k", "1", A_STRING, "ABSTTL") == "OK"
    assert client.run("RESTORE", "k", 2**63 - 1, A_STRING) == "OK"
    assert world.take_log() == []
    client.run("SET k v")
    assert client.run("RESTORE", "k", "1", A_STRING, "ABSTTL", "REPLACE") == "OK"
    assert client.run("EXISTS k") == 0
    assert world.take_log()[1:] == [[b"DEL", b"k"]]


def test_a_key_that_exists_is_replaced_only_on_demand(client: Client) -> None:
    client.run("SET k old EX 100")
    assert client.error("RESTORE", "k", "0", A_STRING) == "BUSYKEY Target key name already exists."
    # Which comes before all that is wrong with the payload.
    assert client.error("RESTORE", "k", "x", b"") == "BUSYKEY Target key name already exists."
    assert client.run("RESTORE", "k", "0", A_STRING, "replace") == "OK"
    assert client.run("GET k") == b"x"
    assert client.run("TTL k") == -1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["IDLETIME"], "ERR syntax error"),
        (["IDLETIME", "-1"], "ERR Invalid IDLETIME value, must be >= 0"),
        (["IDLETIME", "x"], "ERR value is not an integer or out of range"),
        (["FREQ", "256"], "ERR Invalid FREQ value, must be >= 0 and <= 255"),
        (["FREQ", "-1"], "ERR Invalid FREQ value, must be >= 0 and <= 255"),
        (["FREQ", "1", "IDLETIME", "1"], "ERR syntax error"),
        (["IDLETIME", "1", "FREQ", "1"], "ERR syntax error"),
        (["SOON"], "ERR syntax error"),
    ],
)
def test_options_that_make_no_sense(client: Client, options: list[str], text: str) -> None:
    assert client.error("RESTORE", "k", "0", A_STRING, *options) == text


def test_ttls_that_make_no_sense(client: Client) -> None:
    assert client.error("RESTORE", "k", "-1", A_STRING) == "ERR Invalid TTL value, must be >= 0"
    assert client.error("RESTORE", "k", "x", A_STRING) == "ERR value is not an integer or out of range"


def test_use_is_restored_for_eviction(client: Client, world: World) -> None:
    client.run("RESTORE", "k", "0", A_STRING, "IDLETIME", "1000")
    assert client.run("OBJECT IDLETIME k") == 1000
    set_access_record(world.engine, Frequencies(world.engine))
    client.run("RESTORE", "k", "0", A_STRING, "REPLACE", "FREQ", "77")
    assert world.engine.access.kind == LFU
    assert client.run("OBJECT FREQ k") == 77


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x01x",
        A_STRING[:-1] + bytes((A_STRING[-1] ^ 1,)),
        A_STRING[:-8] + bytes(8),
        payload(0, b"\x01x", 79),
        payload(0, b"\x01x", 81),
    ],
)
def test_what_dump_did_not_say(client: Client, data: bytes) -> None:
    assert client.error("RESTORE", "k", "0", data) == GARBLED


LISTPACK = loose_listpack([(b"a", 0), (b"1", 0), (b"a", 0), (b"2", 0)])

SENSELESS_VALUES = [
    (255, b""),
    (254, b"\x00"),
    (99, b"\x01a"),
    (7, b"\x81" + bytes(8)),
    (0, b"\x05x"),
    (0, b"\x81\x7f" + b"\xff" * 7),
    (0, b"\xc3\x01\x80\x7f\xff\xff\xff\x00"),
    (1, b"\x00"),
    (1, b"\x81\x7f" + b"\xff" * 7 + b"\x01a"),
    (2, b"\x02\x01a\x01a"),
    (3, b"\x01\x01a\xfd"),
    (3, b"\x01\x01a\x01x"),
    (3, b"\x01\x01a\x031_0"),
    (4, b"\x02\x01a\x01b\x01a\x01c"),
    (5, b"\x01\x01a" + bytes.fromhex("000000000000f87f")),
    (5, b"\x02\x01a" + bytes(8) + b"\x01a" + bytes(8)),
    (9, encode_string(b"\x01\x01a")),
    (10, encode_string(ziplist([]))),
    (11, encode_string(b"\x02\0\0\0\x02\0\0\0\x02\0\x01\0")),
    (11, encode_string(b"\x03\0\0\0\x00\0\0\0")),
    (12, encode_string(ziplist([b"a", b"x"]))),
    (12, encode_string(ziplist([b"a", b"1", b"a", b"2"]))),
    (13, encode_string(ziplist([b"a", b"1", b"a", b"2"]))),
    (13, encode_string(ziplist([b"a"]))),
    (14, b"\x01" + encode_string(b"nonsense")),
    (16, encode_string(LISTPACK)),
    (17, encode_string(LISTPACK)),
    (17, encode_string(loose_listpack([(b"a", 0), (b"nan", 0)]))),
    (18, b"\x01\x03" + encode_string(LISTPACK)),
    (18, b"\x01\x02" + encode_string(LISTPACK[:-2])),
    (18, b"\x01\x02" + encode_string(loose_listpack([]))),
    (20, encode_string(LISTPACK)),
    (22, b"\x01\x81" + b"\xff" * 8 + b"\x01a\x01b"),
    (23, encode_string(LISTPACK)),
    (24, bytes(8) + b"\x02\x01\x01a\x01b\x01\x01a\x01b"),
    (24, b"\xff" * 6 + b"\x7f\x7f\x01\x01\x01a\x01b"),
    (25, bytes(8) + encode_string(loose_listpack([(b"a", 0), (b"b", 0), (b"x", 0)]))),
    (25, bytes(8) + encode_string(loose_listpack([(b"a", 0), (b"b", 0), (b"-5", 0)]))),
]


@pytest.mark.parametrize(("kind", "body"), SENSELESS_VALUES)
def test_values_that_make_no_sense(client: Client, kind: int, body: bytes) -> None:
    assert client.error("RESTORE", "k", "0", payload(kind, body)) == SENSELESS


def test_what_follows_the_value_is_passed_over_as_in_redis(client: Client) -> None:
    assert client.run("RESTORE", "k", "0", payload(0, b"\x01xrest")) == "OK"
    assert client.run("GET k") == b"x"


def restored(kind: int, body: bytes, version: int = 10, limits: Limits | None = None) -> Any:
    engine = open_engine(1)
    if limits is not None:
        engine.limits = limits
    return decode_payload(payload(kind, body, version), engine)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (4, b"\x02\x01a\x01b\x01c\xc0\x05"),
        (9, encode_string(zipmap({b"a": b"b", b"c": b"5"}))),
        (13, encode_string(ziplist([b"a", b"b", b"c", b"5"]))),
        (16, encode_string(loose_listpack([(b"a", 1), (b"b", 0), (b"c", 0), (b"5", 2)]))),
        (22, b"\x02\x00\x01a\x01b\x00\x01c\x015"),
        (24, bytes(8) + b"\x02\x00\x01a\x01b\x00\x01c\x015"),
    ],
)
def test_hashes_of_all_times(kind: int, body: bytes) -> None:
    value = restored(kind, body)
    assert value.pairs() == [(b"a", b"b"), (b"c", b"5")]
    assert value.expires == {}
    assert value.is_packed
    elements = loose_listpack([(one, 0) for one in (b"a", b"b", b"c", b"5")])
    assert encode_payload(value, compressing=True) == payload(16, encode_string(elements))


TRIPLES = loose_listpack([(one, 0) for one in (b"a", b"b", b"1700000000000", b"c", b"5", b"0")])


@pytest.mark.parametrize(
    ("kind", "body", "version"),
    [
        (22, b"\x02\x81" + (1_700_000_000_000).to_bytes(8, "big") + b"\x01a\x01b\x00\x01c\x015", 12),
        (22, b"\x02\x01a\x01b" + (1_700_000_000_000).to_bytes(8, "little") + b"\x01c\x015" + b"\xff" * 8, 80),
        (23, encode_string(TRIPLES), 12),
        (24, (1_700_000_000_000).to_bytes(8, "little") + b"\x02\x01\x01a\x01b\x00\x01c\x015", 12),
        (24, (1_699_999_999_999).to_bytes(8, "little") + b"\x02\x00\x01c\x015\x02\x01a\x01b", 12),
        (25, (1_700_000_000_000).to_bytes(8, "little") + encode_string(TRIPLES), 12),
    ],
)
def test_fields_that_expire_in_both_families(kind: int, body: bytes, version: int) -> None:
    value = restored(kind, body, version)
    assert sorted(value.pairs()) == [(b"a", b"b"), (b"c", b"5")]
    assert value.expires == {b"a": 1_700_000_000_000}
    again = (1_700_000_000_000).to_bytes(8, "little") + encode_string(TRIPLES)
    assert encode_payload(value, compressing=True) == payload(25, again, 12)


SCORES = [(b"a", -1.5), (b"b", 0.0), (b"c", float("inf"))]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (3, b"\x03\x01c\xfe\x01a\x04-1.5\x01b\x010"),
        (
            5,
            b"\x03\x01b"
            + bytes(8)
            + b"\x01a"
            + bytes.fromhex("000000000000f8bf")
            + b"\x01c"
            + bytes.fromhex("000000000000f07f"),
        ),
        (12, encode_string(ziplist([b"a", b"-1.5", b"b", b"0", b"c", b"inf"]))),
        (17, encode_string(loose_listpack([(one, 0) for one in (b"a", b"-1.5", b"b", b"0", b"c", b"inf")]))),
        (17, encode_string(loose_listpack([(one, 0) for one in (b"c", b"inf", b"a", b"-1.5", b"b", b"0")]))),
    ],
)
def test_sorted_sets_of_all_times(kind: int, body: bytes) -> None:
    value = restored(kind, body)
    assert value.pairs() == SCORES
    value.check()


def test_the_order_of_packed_scores_is_seen_in_each_of_their_forms() -> None:
    edges = [0, 127, 4095, 32767, 8388607, 2147483647, 2**53 - 1, 2**63 - 1]
    numbers = sorted({number for edge in edges for number in (edge, edge + 1, -edge, -edge - 1)} - {2**63})
    scores = [*[float(number) for number in numbers], 1e30]
    texts = [*[b"%d" % number for number in numbers], b"%.70f" % 1e30]
    members = [b"m%02d" % at for at in range(len(scores))]
    elements = [element for pair in zip(members, texts, strict=True) for element in pair]
    packed = listpack.pack(elements)
    value = restored(17, encode_string(packed))
    assert value.pairs() == list(zip(members, scores, strict=True))
    assert value.packed == packed
    for at in range(len(scores) - 1):
        # Two that are out of order, of the same score or not.
        swapped = elements.copy()
        swapped[2 * at : 2 * at + 4] = elements[2 * at + 2 : 2 * at + 4] + elements[2 * at : 2 * at + 2]
        other = restored(17, encode_string(listpack.pack(swapped)))
        assert other.pairs() == value.pairs()
        other.check()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (2, b"\x02\x01a\xc0\x05"),
        (20, encode_string(loose_listpack([(b"a", 0), (b"5", 3)]))),
    ],
)
def test_sets_of_all_times(kind: int, body: bytes) -> None:
    value = restored(kind, body)
    assert sorted(value.members()) == [b"5", b"a"]
    assert value.encoding == b"listpack"


def test_sets_of_integers() -> None:
    packed = encode_string(b"\x02\0\0\0\x02\0\0\0\xff\xff\x05\0")
    value = restored(11, packed)
    assert value.encoding == b"intset"
    assert encode_payload(value, compressing=True) == payload(11, packed, 9)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (1, b"\x03\x01a\xc0\x05\x01a"),
        (10, encode_string(ziplist([b"a", b"5", b"a"]))),
        (
            14,
            b"\x03"
            + encode_string(ziplist([b"a", b"5"]))
            + encode_string(ziplist([]))
            + encode_string(ziplist([b"a"])),
        ),
        (18, b"\x02\x02" + encode_string(loose_listpack([(b"a", 0), (b"5", 1)])) + b"\x01\x01a"),
    ],
)
def test_lists_of_all_times(kind: int, body: bytes) -> None:
    assert restored(kind, body).items() == [b"a", b"5", b"a"]


def test_limits_decide_what_stays_packed() -> None:
    limits = Limits()
    limits.hash_max_listpack_entries = limits.zset_max_listpack_entries = limits.set_max_listpack_entries = 1
    limits.set_max_intset_entries = 1
    limits.list_max_listpack_size = 1
    two = encode_string(loose_listpack([(one, 0) for one in (b"a", b"1", b"b", b"2")]))
    assert restored(16, two, limits=limits).encoding == b"hashtable"
    assert restored(17, two, limits=limits).encoding == b"skiplist"
    assert restored(20, two, limits=limits).encoding == b"hashtable"
    assert restored(11, encode_string(b"\x02\0\0\0\x02\0\0\0\xff\xff\x05\0"), limits=limits).encoding == b"hashtable"
    assert restored(18, b"\x01\x02" + two, limits=limits).encoding == b"quicklist"


def test_long_elements_have_nodes_of_their_own() -> None:
    items = [b"a", b"b" * 9000, b"c"]
    dumped = encode_payload(List.of(items, Limits()), compressing=False)
    assert dumped[:2] == b"\x12\x03"
    value = decode_payload(dumped, open_engine(1))
    assert value.items() == items
    assert encode_payload(value, compressing=False) == dumped


KINDS = st.sampled_from([0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 16, 17, 18, 20, 22, 23, 24, 25])
PARTS = st.one_of(
    st.binary(max_size=12),
    st.integers(0, 5).map(encode_length),
    st.lists(st.binary(max_size=3), max_size=6).map(
        lambda items: encode_string(loose_listpack([(one, 0) for one in items]))
    ),
    st.lists(st.binary(max_size=3), max_size=6).map(lambda items: encode_string(ziplist(items))),
    st.dictionaries(st.binary(max_size=3), st.binary(max_size=3), max_size=3).map(
        lambda pairs: encode_string(zipmap(pairs))
    ),
)


@settings(max_examples=400)
@given(KINDS, st.lists(PARTS, max_size=5), st.sampled_from([10, 12, 80]))
def test_nothing_but_bad_data_comes_out_of_garbage(kind: int, parts: list[bytes], version: int) -> None:
    assert_refused_or_sound(payload(kind, b"".join(parts), version))


@settings(max_examples=300)
@given(st.sampled_from(["hash", "list", "set", "zset", "intset", "expiring"]), st.data())
def test_damaged_values_are_refused_or_sound(example: str, data: st.DataObject) -> None:
    dumped = bytearray(EXAMPLES[example])
    for _ in range(data.draw(st.integers(1, 3))):
        dumped[data.draw(st.integers(0, len(dumped) - 11))] = data.draw(st.integers(0, 255))
    dumped[-8:] = crc64(bytes(dumped[:-8]), 0).to_bytes(8, "little")
    assert_refused_or_sound(bytes(dumped))


EXAMPLES = {
    "hash": payload(16, encode_string(loose_listpack([(one, 0) for one in (b"a", b"1", b"b" * 20, b"-300")]))),
    "list": payload(18, b"\x02\x02" + encode_string(loose_listpack([(b"a", 0), (b"70000", 0)])) + b"\x01\x03abc"),
    "set": payload(20, encode_string(loose_listpack([(b"a", 0), (b"70000", 0), (b"b" * 70, 0)]))),
    "zset": payload(17, encode_string(loose_listpack([(b"a", 0), (b"1.5", 0), (b"b", 0), (b"20", 0)]))),
    "intset": payload(11, encode_string(b"\x02\0\0\0\x03\0\0\0\xff\xff\x05\0\x06\0")),
    "expiring": payload(25, (1_700_000_000_000).to_bytes(8, "little") + encode_string(TRIPLES), 12),
}


def assert_refused_or_sound(data: bytes) -> None:
    """What comes of a payload can be put under a key, counted, and dumped; and the dump is of the same value."""
    try:
        value = decode_payload(data, open_engine(1))
    except BadPayload:
        return
    engine = open_engine(1)
    database: Keyspace = engine.databases[0]
    database.load(b"k", value, None)
    engine.check()
    for compressing in (False, True):
        again = decode_payload(encode_payload(value, compressing=compressing), engine)
        if not isinstance(value, bytes | int):
            assert again.digest() == value.digest()
