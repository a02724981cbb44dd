"""RDB files both ways, by bytes, by bit flips, and with the real servers."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from persistence_fakes import read_rdb as read
from persistence_fakes import real_server, records, server_binaries

from respkv.engine.engine import Engine
from respkv.engine.keyspace import open_engine
from respkv.errors import StartupError
from respkv.persistence.base import write_base
from respkv.persistence.crc64 import crc64
from respkv.persistence.damage import DamagedFile, UnsupportedFile
from respkv.persistence.files import FileSystem
from respkv.persistence.rdb_reader import RdbReader
from respkv.persistence.rdb_writer import RdbWriter, encode_integer, encode_length

NEVER = None


def file(*parts: bytes, magic: bytes = b"REDIS0010") -> bytes:
    data = magic + b"".join(parts) + b"\xff"
    return data + crc64(data, 0).to_bytes(8, "little")


def string(data: bytes) -> bytes:
    return encode_length(len(data)) + data


@pytest.mark.parametrize(
    ("length", "encoded"),
    [
        (0, b"\x00"),
        (63, b"\x3f"),
        (64, b"\x40\x40"),
        (16383, b"\x7f\xff"),
        (16384, b"\x80\x00\x00\x40\x00"),
        (1 << 32, b"\x81\x00\x00\x00\x01\x00\x00\x00\x00"),
    ],
)
def test_lengths(length: int, encoded: bytes) -> None:
    assert encode_length(length) == encoded


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, b"\xc0\x00"),
        (-128, b"\xc0\x80"),
        (128, b"\xc1\x80\x00"),
        (-32768, b"\xc1\x00\x80"),
        (32768, b"\xc2\x00\x80\x00\x00"),
        (1 << 31, b"\x0a2147483648"),
        (-(1 << 63), b"\x14-9223372036854775808"),
    ],
)
def test_integers_both_ways(value: int, encoded: bytes) -> None:
    assert encode_integer(value) == encoded
    engine, _ = read(file(b"\x00\x01k", encoded))
    assert records(engine) == {(0, b"k"): (b"%d" % value, None)}


def test_every_opcode_that_a_server_may_write() -> None:
    engine, reader = read(
        file(
            b"\xfa" + string(b"redis-ver") + string(b"7.0.15"),
            b"\xf5" + string(b"#!lua name=x"),
            b"\xfe\x03\xfb\x02\x01",
            b"\xf4\x01\x01\x00",
            b"\xfc" + (1700000000123).to_bytes(8, "little") + b"\x00\x01a\x01A",
            b"\xfd" + (1700000000).to_bytes(4, "little") + b"\x00\x01b\x01B",
            b"\xf8\x05\x00\x01c\x01C",
            b"\xf9\x07\x00\x01d\xc3\x05\x0a\x00d\xe0\x00\x00",
            b"\x00\xc0\x07\x01K",
        )
    )
    assert records(engine) == {
        (3, b"a"): (b"A", 1700000000123),
        (3, b"b"): (b"B", 1700000000000),
        (3, b"c"): (b"C", None),
        (3, b"d"): (b"d" * 10, None),
        (3, b"7"): (b"K", None),
    }
    assert reader.aux == {b"redis-ver": b"7.0.15"}
    assert reader.functions == [b"#!lua name=x"]
    assert reader.is_verified


@pytest.mark.parametrize("magic", [b"REDIS0005", b"REDIS0009", b"REDIS0012", b"REDIS0016", b"VALKEY080"])
def test_versions_that_are_known(magic: bytes) -> None:
    assert records(read(file(b"\x00\x01a\x01A", magic=magic))[0]) == {(0, b"a"): (b"A", None)}


def test_old_files_have_no_checksum_and_it_may_be_switched_off() -> None:
    for data in (b"REDIS0002\x00\x01a\x01A\xff", b"REDIS0009\x00\x01a\x01A\xff" + bytes(8)):
        engine, reader = read(data)
        assert records(engine) == {(0, b"a"): (b"A", None)}
        assert not reader.is_verified
        assert reader.position == len(data)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (file(magic=b"REDIS0017"), "at offset 0 .*RDB version 17"),
        (file(magic=b"VALKEY081"), "at offset 0 .*RDB version 81"),
        (file(b"\xfe\x10"), "at offset 10 .*--databases 17"),
        (file(b"\x06\x01m"), "at offset 12 .*key b'm' is a module"),
        (file(b"\x07\x01m\x81" + (3 << 10 | 1).to_bytes(8, "big")), "the module AAAAAAAAD"),
        (file(b"\xf7\x00"), "the module AAAAAAAAA"),
        (file(b"\xf6\x00"), "at offset 10 .*release candidate"),
    ],
)
def test_what_cannot_be_read_is_named(data: bytes, text: str) -> None:
    with pytest.raises(UnsupportedFile, match=text):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"REDIS",
        b"REDISabcd",
        b"NOTREDIS0",
        b"REDIS0010",
        b"REDIS0010\x00\x81\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"REDIS0010\x00\x01a\x80\x7f\xff\xff\xff",
        b"REDIS0010\x00\x01a\xc3\x01\x80\x7f\xff\xff\xff\x00",
        b"REDIS0010\x00\x01a\xc5\x00",
        b"REDIS0010\xfe\xc0\x00",
        b"REDIS0010\x63\x01a",
        b"REDIS0010\xff1234567",
        file(b"\x00\x01a\x01A")[:-1] + b"\x00",
    ],
)
def test_damage_is_found_before_memory_is_reserved(data: bytes) -> None:
    with pytest.raises(DamagedFile, match=r"f\.rdb is damaged at offset"):
        read(data)


def test_a_type_is_one_row() -> None:
    engine, _ = read(file(b"\x04\x01h\x01\x01a\x01b"), {4: lambda reader: read_pairs(reader)})
    assert records(engine) == {(0, b"h"): (b"a=b", None)}


def read_pairs(reader: RdbReader) -> bytes:
    pairs = [(reader.read_string(), reader.read_string()) for _ in range(reader.read_length())]
    return b",".join(b"=".join(pair) for pair in pairs)


def sample() -> Engine:
    engine = open_engine()
    for number in range(300):
        engine.database(number % 2).load(b"key:%d" % number, b"v" * number, None)
    engine.databases[0].load(b"integer", -5, None)
    engine.databases[0].load(b"long", 1 << 60, 4102444800000)
    engine.databases[0].load(b"raw", bytearray(b"\x00\xff"), 4102444800001)
    engine.database(15).load(b"", b"", None)
    engine.database(15).load(b"k" * 20000, b"x" * 70000, None)
    return engine


def write(path: Path, engine: Engine) -> bytes:
    write_base(FileSystem(), str(path), engine.databases, {b"ctime": 1700000000}, [b"#!lua name=x\n"])
    return path.read_bytes()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    engine = sample()
    read_back, reader = read(write(tmp_path / "a.rdb", engine))
    assert records(read_back) == records(engine)
    assert reader.functions == [b"#!lua name=x\n"]
    assert reader.aux[b"ctime"] == b"1700000000"
    assert reader.key_count == 305


def test_a_value_without_encoding_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError, match="set"):
        RdbWriter(lambda block: None, {}).write_keys({b"k": {1}}, {})


def test_every_cut_and_every_flipped_bit_is_found(tmp_path: Path) -> None:
    engine = open_engine()
    engine.databases[0].load(b"a", b"1", 1700000000123)
    engine.database(1).load(b"b", 77, None)
    data = write(tmp_path / "a.rdb", engine)
    for size in range(len(data)):
        with pytest.raises(DamagedFile):
            read(data[:size])
    for at in range(len(data)):
        for bit in range(8):
            with pytest.raises(StartupError):
                read(data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :])


@given(st.binary(max_size=200))
def test_nothing_else_comes_out_of_garbage(data: bytes) -> None:
    try:
        _, reader = read(b"REDIS0010" + data)
    except StartupError:
        return
    assert not reader.is_verified


@given(st.dictionaries(st.binary(max_size=80), st.binary(max_size=200) | st.integers(-(1 << 63), (1 << 63) - 1)))
def test_any_keys_and_values(values: dict[bytes, Any]) -> None:
    blocks: list[bytes] = []
    writer = RdbWriter(blocks.append, {})
    writer.start({})
    writer.select_database(0, len(values), 0)
    writer.write_keys(values, {})
    writer.finish()
    content = records(read(b"".join(blocks))[0])
    assert {key: value for (_, key), (value, _) in content.items()} == {
        key: b"%d" % value if isinstance(value, int) else value for key, value in values.items()
    }


def test_short_strings_cross_the_reader_s_window(tmp_path: Path) -> None:
    engine = open_engine()
    for number in range(20_000):
        engine.databases[0].load(b"key:%d" % number, b"%d" % number * (number % 40), None)
    assert records(read(write(tmp_path / "a.rdb", engine))[0]) == records(engine)


def test_long_values_cross_the_reader_s_window(tmp_path: Path) -> None:
    engine = open_engine()
    for number in range(5):
        engine.databases[0].load(b"%d" % number, b"%d" % number * (3 << 20), None)
    assert records(read(write(tmp_path / "a.rdb", engine))[0]) == records(engine)


def test_redis_check_rdb_accepts_it(tmp_path: Path) -> None:
    write(tmp_path / "a.rdb", sample())
    try:
        result = subprocess.run(["redis-check-rdb", str(tmp_path / "a.rdb")], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("redis-check-rdb is not installed")
    assert result.returncode == 0, result.stdout
    assert "RDB looks OK" in result.stdout


@pytest.mark.parametrize("server", server_binaries())
def test_a_snapshot_of_a_real_server_is_read_and_ours_is_loaded_by_it(tmp_path: Path, server: str) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    expected = {}
    with real_server(server_binaries()[server], theirs, "--appendonly", "no") as client:
        for number in range(500):
            expected[b"key:%d" % number] = value = b"abcdefg%d" % (number % 7) * (number % 90)
            client.set(f"key:{number}", value)
        for number in (0, -1, 127, -129, 40000, 1 << 40):
            expected[b"int:%d" % number] = b"%d" % number
            client.set(f"int:{number}", number)
        client.set("expiring", "x", pxat=4102444800000)
        expected[b"expiring"] = b"x"
        client.save()
    engine, reader = read((theirs / "dump.rdb").read_bytes())
    assert reader.is_verified
    assert {key: value for (_, key), (value, _) in records(engine).items()} == expected
    assert records(engine)[0, b"expiring"] == (b"x", 4102444800000)

    ours = tmp_path / "ours"
    ours.mkdir()
    write_base(FileSystem(), str(ours / "dump.rdb"), engine.databases, {})
    with real_server(server_binaries()[server], ours, "--appendonly", "no") as client:
        assert client.dbsize() == len(expected)
        for key, value in expected.items():
            assert client.get(key) == value
        assert client.pexpiretime("expiring") == 4102444800000
