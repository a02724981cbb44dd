import errno
from pathlib import Path

import pytest
from persistence_fakes import RecordingFileSystem, always

from respkv.persistence.damage import DamagedFile
from respkv.persistence.manifest import (
    Layout,
    LogFile,
    Manifest,
    parse_manifest,
    read_manifest,
    write_manifest,
)

BASE = LogFile("appendonly.aof.2.base.rdb", 2, "b")
OLD = LogFile("appendonly.aof.1.base.rdb", 1, "h")
INCRS = (LogFile("appendonly.aof.5.incr.aof", 5, "i"), LogFile("appendonly.aof.6.incr.aof", 6, "i"))


def parse(text: bytes) -> Manifest:
    return parse_manifest(text, "m")


def test_the_text_is_redis_s_with_a_checksum_behind() -> None:
    text = Manifest(BASE, INCRS, (OLD,)).encode()
    lines = text.splitlines()
    assert lines[:4] == [
        b"file appendonly.aof.2.base.rdb seq 2 type b",
        b"file appendonly.aof.1.base.rdb seq 1 type h",
        b"file appendonly.aof.5.incr.aof seq 5 type i",
        b"file appendonly.aof.6.incr.aof seq 6 type i",
    ]
    assert lines[4].startswith(b"# crc64 ")
    assert parse(text) == Manifest(BASE, INCRS, (OLD,))
    assert parse(text).is_verified


def test_what_redis_writes_is_read_unverified() -> None:
    manifest = parse(b"# comment\nfile a.base.rdb seq 1 type b startoffset 5\nfile a.1.incr.aof seq 1 type i\n")
    assert manifest == Manifest(LogFile("a.base.rdb", 1, "b"), (LogFile("a.1.incr.aof", 1, "i"),))
    assert not manifest.is_verified


@pytest.mark.parametrize(
    "name", ["a b", 'q"uote', "back\\slash\\", "caf\u00e9", "it's", "#x", "line\nbreak", "\udcff", "\u00e4" * 127]
)
def test_odd_names_are_quoted(name: str) -> None:
    manifest = Manifest(LogFile(name, 1, "b"))
    if "\\" in name:
        with pytest.raises(DamagedFile):
            parse(manifest.encode())
    else:
        assert parse(manifest.encode()) == manifest


def test_redis_s_escapes_are_understood() -> None:
    assert parse(b'file "caf\\xc3\\xa9" seq 1 type b\n').base == LogFile("caf\u00e9", 1, "b")
    assert parse(b'file "a\\x20\\"b" seq 1 type b\n').base == LogFile('a "b', 1, "b")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"# nothing\n",
        b"file a seq 1 type b",
        b"file a seq 1 type x\n",
        b"file a seq x type b\n",
        b"file a seq 0 type b\n",
        b"file a seq 1\n",
        b"file a seq 1 type b extra\n",
        b"\n",
        b"file ../a seq 1 type b\n",
        b"file /etc/passwd seq 1 type b\n",
        b"file a seq 1 type b\nfile b seq 2 type b\n",
        b"file a seq 2 type i\nfile b seq 2 type i\n",
        b'file "a seq 1 type b\n',
        b"file " + b"a" * 2048 + b" seq 1 type b\n",
        b"file a seq 1 type h\n",
    ],
)
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(DamagedFile, match="m is damaged at offset"):
        parse(text)


def test_a_flipped_bit_anywhere_is_found_or_does_no_harm() -> None:
    manifest = Manifest(BASE, INCRS, (OLD,))
    text = manifest.encode()
    for at in range(len(text)):
        for bit in range(8):
            try:
                found = parse(text[:at] + bytes((text[at] ^ 1 << bit,)) + text[at + 1 :])
            except DamagedFile:
                continue
            assert found == manifest


def test_the_numbers_of_new_files_are_above_all_that_were() -> None:
    manifest = Manifest(BASE, INCRS, (OLD,))
    assert (manifest.next_base_seq(), manifest.next_incr_seq()) == (3, 7)
    assert (Manifest().next_base_seq(), Manifest().next_incr_seq()) == (1, 1)


def test_a_new_base_turns_the_rest_into_history() -> None:
    new = LogFile("appendonly.aof.3.base.rdb", 3, "b")
    manifest = Manifest(BASE, INCRS).with_base(new, INCRS[1:])
    assert manifest.to_load() == (new, INCRS[1])
    assert [item.name for item in manifest.history] == [BASE.name, INCRS[0].name]
    assert {item.type for item in manifest.history} == {"h"}


def test_it_is_replaced_durably_and_a_failed_write_leaves_the_old_one(tmp_path: Path) -> None:
    files = RecordingFileSystem()
    layout = Layout(str(tmp_path))
    files.make_directory(layout.log_directory)
    write_manifest(files, layout, Manifest(BASE))
    assert files.names() == ["open_new", "write", "sync", "rename", "sync_directory"]
    files.fail["write"] = always(errno.ENOSPC)
    with pytest.raises(OSError, match="No space"):
        write_manifest(files, layout, Manifest(BASE, INCRS))
    assert read_manifest(files, layout.manifest_path) == Manifest(BASE)
    assert files.list_directory(layout.log_directory) == ["appendonly.aof.manifest"]
