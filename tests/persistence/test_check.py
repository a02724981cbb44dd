"""`respkv check`, and what the same damages do to a server's start."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from net_servers import free_port
from persistence_fakes import respkv_command, respkv_server, start, stored

from respkv.errors import StartupError
from respkv.persistence import check as checker
from respkv.persistence.aof import AppendLog
from respkv.persistence.base import write_snapshot
from respkv.persistence.batch import encode
from respkv.persistence.check import check
from respkv.persistence.files import FileSystem
from respkv.persistence.lock import DirectoryInUse, DirectoryLock
from respkv.persistence.manifest import Layout

FILES = FileSystem()
COUNT = 1000


def set_(key: bytes, value: bytes) -> bytes:
    return encode([[b"SET", key, value]])


def append(directory: Path, *payloads: bytes, rotate: bool = False) -> None:
    _, found = start(directory)
    log = AppendLog(FILES, Layout(str(directory)), found.manifest, found.position)
    if rotate:
        log.rotate()
    for payload in payloads:
        log.append([payload])
    assert log.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    append(tmp_path, *(set_(b"key:%d" % number, b"value") for number in range(COUNT)))
    return tmp_path


def incr(directory: Path, seq: int = 1) -> Path:
    return directory / "appendonlydir" / f"appendonly.aof.{seq}.incr.aof"


def middle(data: bytes) -> int:
    """The offset of the batch of key 500."""
    return data.index(b"#HDR", data.index(b"key:499\r\n"))


def flip_a_value_byte(data: bytes) -> bytes:
    at = data.index(b"value", middle(data))
    return data[:at] + b"V" + data[at + 1 :]


def enlarge_a_length(data: bytes) -> bytes:
    at = data.index(b"$5\r\nvalue", middle(data))
    return data[:at] + b"$5000000" + data[at + 2 :]


def append_zeros(data: bytes) -> bytes:
    return data + bytes(4096)


def tear_the_last_command(data: bytes) -> bytes:
    return data[:-9]


def tear_an_annotation(data: bytes) -> bytes:
    return data + b"#HDR:v1;len:4"


Damage = Callable[[bytes], bytes]
# How many keys remain where the damage is cut, and whether a start does so by itself.
DAMAGES: dict[Damage, tuple[int, bool]] = {
    flip_a_value_byte: (500, False),
    enlarge_a_length: (500, False),
    append_zeros: (COUNT, True),
    tear_the_last_command: (COUNT - 1, True),
    tear_an_annotation: (COUNT, True),
}
each_damage = pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)


def test_a_sound_log(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in (directory / "appendonlydir").iterdir()}
    assert checker.run(str(directory)) == 0
    out = capsys.readouterr().out
    assert "appendonly.aof.1.incr.aof: " in out
    assert "1000 commands in 1000 batches, all checksums fit" in out
    assert "room" not in out
    assert "sound: 1000 keys would be loaded" in out
    assert {path: path.read_bytes() for path in (directory / "appendonlydir").iterdir()} == before
    assert [path.name for path in directory.iterdir()] == ["appendonlydir"]


def test_room_that_a_killed_server_had_prepared_is_named_and_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    with respkv_server(tmp_path) as client:
        client.set("a", "1")
    report = check(str(tmp_path))
    assert report.is_sound
    size = len(next(tmp_path.rglob("*.incr.aof")).read_bytes().rstrip(b"#\r\n") + b"\r\n")
    assert f"{report.files[-1].size} bytes, {report.files[-1].size - size} of them room for more" in report.text()


@each_damage
def test_check_finds_the_damage_and_changes_nothing(
    directory: Path, damage: Damage, capsys: pytest.CaptureFixture[str]
) -> None:
    data = incr(directory).read_bytes()
    damaged = damage(data)
    incr(directory).write_bytes(damaged)
    assert checker.run(str(directory)) == 1
    out = capsys.readouterr().out
    kept, is_tail = DAMAGES[damage]
    offset = len(data) if kept == COUNT else data.index(b"#HDR", data.index(b"key:%d\r\n" % (kept - 1)))
    assert f"{'torn' if is_tail else 'damaged'}: " in out
    assert f", at offset {offset}\n" in out
    assert f"--fix drops the last {len(damaged) - offset} bytes" in out
    if not is_tail:
        assert "commands on 499 keys" in out or "commands on 500 keys" in out
    assert incr(directory).read_bytes() == damaged


@each_damage
def test_fix_keeps_what_precedes_the_damage_and_a_copy_of_the_rest(directory: Path, damage: Damage) -> None:
    incr(directory).write_bytes(damaged := damage(incr(directory).read_bytes()))
    report = check(str(directory), fix=True)
    assert report.is_sound
    kept, _ = DAMAGES[damage]
    assert report.key_count == kept
    assert stored(directory) == {b"key:%d" % number: b"value" for number in range(kept)}
    [backup] = (directory / "appendonlydir").glob("*.cut-at-*")
    assert incr(directory).read_bytes() + backup.read_bytes() == damaged
    assert str(backup) in report.text()
    append(directory, set_(b"new", b"1"))
    assert len(stored(directory)) == kept + 1


@each_damage
def test_a_server_starts_where_nothing_acknowledged_is_lost_and_else_names_the_remedy(
    directory: Path, damage: Damage
) -> None:
    damaged = damage(incr(directory).read_bytes())
    incr(directory).write_bytes(damaged)
    kept, is_tail = DAMAGES[damage]
    if not is_tail:
        refused = subprocess.run(
            respkv_command(directory, free_port()), capture_output=True, text=True, timeout=20, check=False
        )
        assert refused.returncode == 1
        line = refused.stderr.strip().splitlines()[-1]
        assert line.startswith("respkv: ")
        assert f"{incr(directory)} is damaged at offset" in line
        assert f"respkv check --fix {incr(directory)} would drop the" in line
        assert incr(directory).read_bytes() == damaged
        assert checker.run(str(incr(directory)), fix=True) == 0
    with respkv_server(directory) as client:
        assert client.get("key:0") == b"value"
        assert client.get(f"key:{kept - 1}") == b"value"
        assert client.get(f"key:{kept}") is None
        client.set("new", "1")
    with respkv_server(directory) as client:
        assert client.get("new") == b"1"


def test_increments_behind_the_damage_are_taken_out(directory: Path) -> None:
    append(directory, set_(b"later", b"1"), rotate=True)
    incr(directory).write_bytes(flip_a_value_byte(incr(directory).read_bytes()))
    report = check(str(directory))
    assert [bool(item.problem) for item in report.files] == [True, False]
    assert "appendonly.aof.2.incr.aof: not looked at" in report.text()
    report = check(str(directory), fix=True)
    assert report.is_sound
    assert "took out of the manifest" in report.text()
    assert len(stored(directory)) == 500
    assert incr(directory, 2).stat().st_size
    append(directory, set_(b"new", b"1"))
    assert b"later" not in stored(directory)


def test_fix_is_refused_while_a_server_uses_the_directory_and_a_check_is_not(directory: Path) -> None:
    incr(directory).write_bytes(tear_an_annotation(incr(directory).read_bytes()))
    lock = DirectoryLock(str(directory))
    with pytest.raises(DirectoryInUse):
        check(str(directory), fix=True)
    with pytest.raises(DirectoryInUse):
        check(str(incr(directory)), fix=True)
    report = check(str(directory))
    lock.release()
    assert report.is_sound
    assert "under way" in report.text()
    assert not check(str(directory)).is_sound


def test_a_command_that_cannot_be_replayed(directory: Path) -> None:
    append(directory, encode([[b"SET", b"x", b"1"], [b"NOSUCH", b"x"]]), set_(b"y", b"1"))
    report = check(str(directory))
    assert "b'NOSUCH' fails with \"ERR unknown command 'NOSUCH'\"" in report.text()
    assert check(str(directory), fix=True).is_sound
    assert len(stored(directory)) == COUNT


def test_more_databases_than_usual(directory: Path) -> None:
    append(directory, encode([[b"SELECT", b"99"]]) + set_(b"x", b"1"))
    assert check(str(directory)).key_count == COUNT + 1


def test_a_database_number_that_a_flipped_bit_made_huge_reserves_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "dump.rdb"
    path.write_bytes(b"REDIS0011\xfe\x80\x10\x00\x00\x00\x00\x01a\x01A\xff" + bytes(8))
    (found,) = check(str(path)).files
    assert "at offset 10 " in found.line()


def test_a_damaged_manifest_is_named(directory: Path) -> None:
    manifest = directory / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_bytes(manifest.read_bytes().replace(b"seq 1", b"seq 2"))
    report = check(str(directory), fix=True)
    assert not report.is_sound
    assert "appendonly.aof.manifest: damaged: the checksum does not fit" in report.text()
    assert "restore" in report.text()


def test_a_missing_file_is_named(directory: Path) -> None:
    incr(directory).unlink()
    assert "incr.aof: missing" in check(str(directory)).text()


def test_a_snapshot_cannot_be_cut(tmp_path: Path) -> None:
    engine, _ = start(tmp_path)
    engine.databases[0].load(b"a", b"value", None)
    path = tmp_path / "dump.rdb"
    write_snapshot(FILES, str(path), engine.databases)
    for subject in (path, tmp_path):
        report = check(str(subject))
        assert (report.is_sound, report.key_count) == (True, 1)
    path.write_bytes(path.read_bytes().replace(b"value", b"Value"))
    for subject in (path, tmp_path):
        report = check(str(subject), fix=True)
        assert "dump.rdb: damaged: the checksum of the whole file does not fit" in report.text()
        assert "beyond repair" in report.text()
    assert {file.name for file in tmp_path.iterdir()} == {"dump.rdb", "respkv.lock"}


def test_a_log_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "copy.aof"
    path.write_bytes(set_(b"a", b"1") + set_(b"b", b"1")[:-3])
    assert not check(str(path)).is_sound
    report = check(str(path), fix=True)
    assert (report.is_sound, report.key_count) == (True, 1)
    assert "have no checksum" in report.text()
    assert {file.name for file in tmp_path.iterdir()} == {"copy.aof", "copy.aof.cut-at-27"}


def test_a_manifest_and_a_file_of_it_stand_for_the_whole_log(directory: Path) -> None:
    append(directory, set_(b"later", b"1"), rotate=True)
    manifest = directory / "appendonlydir" / "appendonly.aof.manifest"
    assert {check(str(path)).key_count for path in (directory, manifest, incr(directory))} == {COUNT + 1}


def test_an_empty_directory_is_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="holds no data"):
        check(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_what_was_fixed_passes_redis_check_aof(directory: Path) -> None:
    if shutil.which("redis-check-aof") is None:
        pytest.skip("redis-server is not installed")
    incr(directory).write_bytes(enlarge_a_length(incr(directory).read_bytes()))
    assert check(str(directory), fix=True).is_sound
    manifest = directory / "appendonlydir" / "appendonly.aof.manifest"
    result = subprocess.run(["redis-check-aof", str(manifest)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
