"""The log in several files."""

import errno
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from persistence_fakes import RecordingFileSystem, always, real_server, server_binaries, start, stored

from respkv.commands.strings import set_
from respkv.embedded.core import Core
from respkv.persistence.check import check
from respkv.persistence.files import FileSystem
from respkv.persistence.manifest import Layout, read_manifest


def apply(argv: list[bytes], core: Core) -> None:
    core.apply(set_, argv)


def until(condition: Callable[[], object]) -> None:
    end_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def increments(directory: Path) -> list[Path]:
    return sorted((directory / "appendonlydir").glob("*.incr.aof"))


def test_an_increment_that_is_large_is_followed_by_another(tmp_path: Path) -> None:
    core = Core(str(tmp_path), {"aof-segment-size": "10kb", "appendfsync": "no"})
    for number in range(30):
        core.put(b"%d" % number, b"x" * 500)
    until(lambda: len(increments(tmp_path)) == 2)
    core.put(b"last", b"v")
    core.close()
    manifest = read_manifest(FileSystem(), Layout(str(tmp_path)).manifest_path)
    assert [item.name for item in manifest.incrs] == [path.name for path in increments(tmp_path)]
    assert len(stored(tmp_path)) == 31
    assert check(str(tmp_path)).is_sound


def test_with_size_0_there_is_one_file(tmp_path: Path) -> None:
    core = Core(str(tmp_path), {"aof-segment-size": "0", "appendfsync": "no"})
    for _ in range(100):
        core.put(b"k", b"x" * 10_000)
    beats = core.server.next_tick_ms
    until(lambda: core.server.next_tick_ms > beats + 200)
    assert len(increments(tmp_path)) == 1
    core.close()


def test_each_file_says_of_which_database_it_is(tmp_path: Path) -> None:
    core = Core(str(tmp_path), {"aof-segment-size": "5kb", "appendfsync": "no"})
    core.db = core.engine.database(3)
    number = 0
    while len(increments(tmp_path)) < 3:
        argv = [b"SET", b"%d" % number, b"x" * 100]
        core.run(partial(apply, argv), writes=True)
        number += 1
    core.close()
    engine, _ = start(tmp_path)
    assert (engine.databases[0].size(), engine.database(3).size()) == (0, number)


def test_a_compaction_takes_all_files_together(tmp_path: Path) -> None:
    core = Core(str(tmp_path), {"aof-segment-size": "5kb", "appendfsync": "no"})
    number = 0
    while len(increments(tmp_path)) < 4:
        core.put(b"%d" % number, b"x" * 100)
        number += 1
    core.compact()
    core.storage.wait_for_removals()
    assert len(increments(tmp_path)) == 1
    core.close()
    assert len(stored(tmp_path)) == number


def test_kept_generations_stay_with_all_their_files_as_history(tmp_path: Path) -> None:
    core = Core(str(tmp_path), {"aof-segment-size": "5kb", "appendfsync": "no", "snapshot-keep": "3"})
    for round_number in range(5):
        before = len(increments(tmp_path))
        while len(increments(tmp_path)) < before + 2:
            core.put(b"%d" % round_number, b"x" * 100)
        core.compact()
        core.storage.wait_for_removals()
    core.close()
    manifest = read_manifest(FileSystem(), Layout(str(tmp_path)).manifest_path)
    kept = [item.name for item in manifest.history if (tmp_path / "appendonlydir" / item.name).exists()]
    # The first generation is one without a base, and is gone with the second.
    assert len([name for name in kept if ".base." in name]) == 3
    assert len([name for name in kept if ".incr." in name]) >= 6
    assert check(str(tmp_path)).is_sound
    assert len(stored(tmp_path)) == 5


def test_damage_in_a_kept_file_is_found_though_no_start_loads_it(tmp_path: Path) -> None:
    core = Core(str(tmp_path), {"aof-segment-size": "5kb", "appendfsync": "no", "snapshot-keep": "2"})
    for number in range(3):
        before = len(increments(tmp_path))
        while len(increments(tmp_path)) < before + 2:
            core.put(b"%d" % number, b"x" * 100)
        core.compact()
    core.close()
    whole = check(str(tmp_path))
    assert whole.is_sound
    bases = [item for item in whole.kept if ".base." in item.path]
    segments = [item for item in whole.kept if ".incr." in item.path]
    assert len(bases) == 2
    assert len(segments) >= 4
    assert whole.text().count("kept: appendonly.aof.") == len(whole.kept)
    for item in (bases[0], segments[-1]):
        path = Path(item.path)
        sound = path.read_bytes()
        path.write_bytes(sound[:-30] + bytes([sound[-30] ^ 1]) + sound[-29:])
        report = check(str(tmp_path), fix=True)
        assert not report.is_sound
        assert [each.path for each in report.kept if each.problem] == [item.path]
        assert not report.repairs, "it is not cut: nobody goes on behind it"
        assert "sound: 3 keys would be loaded\nnot sound: a kept file" in report.text()
        path.write_bytes(sound)
    assert len(stored(tmp_path)) == 3


def test_damage_in_an_older_file_is_found_there(tmp_path: Path) -> None:
    core = Core(str(tmp_path), {"aof-segment-size": "5kb", "appendfsync": "no"})
    while len(increments(tmp_path)) < 3:
        core.put(b"k", b"x" * 100)
    core.close()
    middle = increments(tmp_path)[1]
    data = bytearray(middle.read_bytes())
    data[data.find(b"xxx", len(data) // 2)] ^= 1
    middle.write_bytes(data)
    report = check(str(tmp_path))
    assert not report.is_sound
    assert report.broken is not None
    assert report.broken.path == str(middle)


def test_where_a_file_cannot_be_begun_the_old_one_goes_on(tmp_path: Path) -> None:
    files = RecordingFileSystem()
    core = Core(str(tmp_path), {"aof-segment-size": "5kb", "appendfsync": "no"}, files)
    files.fail["open_new"] = always(errno.EMFILE)
    for number in range(100):
        core.put(b"%d" % number, b"x" * 100)
    until(lambda: files.names().count("open_new") > 1)
    core.put(b"last", b"v")
    del files.fail["open_new"]
    core.close()
    assert len(stored(tmp_path)) == 101


@pytest.mark.parametrize("binary", server_binaries().values(), ids=server_binaries())
def test_a_real_server_loads_all_files(tmp_path: Path, binary: str) -> None:
    core = Core(str(tmp_path), {"aof-segment-size": "5kb", "appendfsync": "no", "snapshot-keep": "1"})
    number = 0
    while len(increments(tmp_path)) < 3:
        core.put(b"%d" % number, b"x" * 100)
        number += 1
    core.compact()
    while len(increments(tmp_path)) < 6:
        core.put(b"%d" % number, b"x" * 100)
        number += 1
    core.close()
    with real_server(binary, tmp_path) as client:
        assert client.dbsize() == number
        client.set("more", "v")
    assert len(stored(tmp_path)) == number + 1
