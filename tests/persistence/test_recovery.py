"""A data directory brought back: ours, real Redis's, both by turns, and damaged."""

import shutil
import subprocess
from pathlib import Path

import pytest
import redis
from persistence_fakes import content, real_server, records, respkv_server, server_binaries, start

from respkv.commands.replay import Replayer
from respkv.engine.keyspace import open_engine
from respkv.errors import StartupError
from respkv.persistence.aof import AppendLog, LogPosition
from respkv.persistence.base import write_base
from respkv.persistence.batch import Effect, encode, first_batch, make_header
from respkv.persistence.damage import DamagedFile
from respkv.persistence.files import FileSystem
from respkv.persistence.manifest import Layout, LogFile, Manifest, read_manifest, write_manifest
from respkv.persistence.recovery import recover

FILES = FileSystem()
MULTI = b"*1\r\n$5\r\nMULTI\r\n"
EXEC = b"*1\r\n$4\r\nEXEC\r\n"
SERVERS = server_binaries()


def values(directory: Path) -> dict[bytes, bytes]:
    engine, _ = start(directory)
    return {key: value for (_, key), (value, _) in records(engine).items()}


def append(directory: Path, *batches: list[Effect]) -> None:
    _, found = start(directory)
    log = AppendLog(FILES, Layout(str(directory)), found.manifest, found.position)
    for effects in batches:
        log.append(effects)
    assert log.close()


def set_(key: bytes, value: bytes) -> bytes:
    return encode([[b"SET", key, value]])


def incr_path(directory: Path, seq: int = 1) -> Path:
    return directory / "appendonlydir" / f"appendonly.aof.{seq}.incr.aof"


def lay(directory: Path, *incrs: bytes, base: bytes | None = None) -> None:
    """A log directory with these files."""
    layout = Layout(str(directory))
    FILES.make_directory(layout.log_directory)
    items = tuple(layout.incr_file(number + 1) for number in range(len(incrs)))
    for item, data in zip(items, incrs, strict=True):
        Path(layout.path(item)).write_bytes(data)
    base_file = None
    if base is not None:
        base_file = layout.base_file(1, "aof")
        Path(layout.path(base_file)).write_bytes(base)
    write_manifest(FILES, layout, Manifest(base_file, items))


def batches(*payloads: bytes) -> bytes:
    log = b""
    checksum = 0
    for payload in payloads:
        header, checksum = make_header([payload], checksum, 0)
        log += header + payload
    return log


def test_nothing_there_is_an_empty_store(tmp_path: Path) -> None:
    engine, found = start(tmp_path)
    assert (found.source, found.manifest, records(engine)) == ("empty", None, {})
    assert list(tmp_path.iterdir()) == []


def test_base_and_increments_are_loaded_in_order(tmp_path: Path) -> None:
    first = batches(set_(b"a", b"1"), set_(b"b", b"1"))
    lay(tmp_path, first, batches(set_(b"b", b"2")), base=set_(b"a", b"0") + set_(b"c", b"0"))
    engine, found = start(tmp_path)
    assert records(engine) == {(0, b"a"): (b"1", None), (0, b"b"): (b"2", None), (0, b"c"): (b"0", None)}
    assert (found.batch_count, found.command_count, found.position.lsn) == (3, 5, 3)
    assert found.unverified_bytes == len(set_(b"a", b"0")) * 2


def test_progress_is_told_and_ends_at_the_total(tmp_path: Path) -> None:
    lay(tmp_path, batches(*[set_(b"k%d" % number, b"v") for number in range(100_000)]))
    engine = open_engine()
    steps = list(recover(FILES, Layout(str(tmp_path)), engine, Replayer(engine)))
    assert len(steps) > 2
    done = [step.bytes_done for step in steps]
    assert done == sorted(done)
    assert done[-1] == steps[-1].bytes_total == incr_path(tmp_path).stat().st_size


def test_cut_at_each_byte_the_log_comes_back_and_goes_on(tmp_path: Path) -> None:
    whole = batches(set_(b"a", b"1"), set_(b"b", b"2"), set_(b"c", b"3"))
    ends = [len(batches(*[set_(b"a", b"1"), set_(b"b", b"2"), set_(b"c", b"3")][:count])) for count in range(4)]
    for size in range(len(whole) + 1):
        directory = tmp_path / str(size)
        lay(directory, whole[:size])
        _, found = start(directory)
        kept = max(end for end in ends if end <= size)
        assert incr_path(directory).stat().st_size == kept == found.position.size
        assert [(ending.offset, ending.dropped_bytes) for _, ending in found.cut] == (
            [(kept, size - kept)] if size > kept else []
        )
        append(directory, [[b"SET", b"d", b"4"]])
        _, found = start(directory)
        assert (found.cut, found.unverified_bytes, found.batch_count) == ([], 0, ends.index(kept) + 1)


def test_a_torn_tail_is_refused_when_it_may_not_be_cut_and_nothing_changes(tmp_path: Path) -> None:
    torn = batches(set_(b"a", b"1")) + b"#HDR"
    lay(tmp_path, torn)
    with pytest.raises(DamagedFile, match="may not be cut"):
        start(tmp_path, cut_torn_tail=False)
    assert incr_path(tmp_path).read_bytes() == torn


def test_an_empty_snapshot_as_base_is_damage_and_an_empty_log_is_none(tmp_path: Path) -> None:
    lay(tmp_path, batches(set_(b"a", b"1")), base=b"")
    assert values(tmp_path) == {b"a": b"1"}
    layout = Layout(str(tmp_path))
    base = layout.base_file(2)
    Path(layout.path(base)).touch()
    write_manifest(FILES, layout, read_manifest(FILES, layout.manifest_path).with_base(base, (layout.incr_file(1),)))
    with pytest.raises(DamagedFile, match="offset 0: the file is empty"):
        start(tmp_path)


def test_a_torn_tail_anywhere_but_in_the_last_file_is_damage(tmp_path: Path) -> None:
    lay(tmp_path, batches(set_(b"a", b"1")) + b"#HDR", b"")
    with pytest.raises(DamagedFile, match="torn annotation"):
        start(tmp_path)


def test_damage_names_file_offset_and_remedy_in_one_line(tmp_path: Path) -> None:
    log = batches(set_(b"a", b"1"), set_(b"b", b"2"), set_(b"c", b"3"))
    first = len(batches(set_(b"a", b"1")))
    lay(tmp_path, log.replace(b"\r\n2\r\n", b"\r\n9\r\n"))
    with pytest.raises(DamagedFile) as caught:
        start(tmp_path)
    text = str(caught.value)
    assert f"{incr_path(tmp_path)} is damaged at offset {first}: checksum mismatch" in text
    assert f"respkv check --fix {incr_path(tmp_path)} would drop the {len(log) - first} bytes" in text
    assert "\n" not in text


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    lay(tmp_path, b"")
    incr_path(tmp_path).unlink()
    with pytest.raises(StartupError, match=r"incr\.aof is missing"):
        start(tmp_path)


def test_a_log_without_its_manifest_is_not_an_empty_store(tmp_path: Path) -> None:
    lay(tmp_path, batches(set_(b"a", b"1")))
    manifest = Path(Layout(str(tmp_path)).manifest_path)
    manifest.unlink()
    with pytest.raises(StartupError, match="manifest is missing"):
        start(tmp_path)
    # What a start leaves that died between making the first increment and naming it, or whose power failed then.
    begun, _ = first_batch(7)
    for unused in (begun, begun[:20], begun[:-9], bytes(len(begun)), b""):
        incr_path(tmp_path).write_bytes(unused)
        assert start(tmp_path)[1].source == "empty"


def test_a_manifest_that_lost_its_end_does_not_lose_an_increment(tmp_path: Path) -> None:
    lay(tmp_path, batches(set_(b"a", b"1")))
    manifest = Path(Layout(str(tmp_path)).manifest_path)
    newer = incr_path(tmp_path).with_name("appendonly.aof.7.incr.aof")
    newer.write_bytes(batches(set_(b"b", b"2")))
    assert content(start(tmp_path)[0]) == {b"a": b"1"}  # the manifest is whole: the file is not part of the log
    manifest.write_bytes(manifest.read_bytes().partition(b"#")[0])
    with pytest.raises(StartupError, match=r"does not name appendonly\.aof\.7\.incr\.aof"):
        start(tmp_path)
    newer.write_bytes(first_batch(7)[0])
    assert content(start(tmp_path)[0]) == {b"a": b"1"}


def test_a_command_that_fails_is_named(tmp_path: Path) -> None:
    lay(tmp_path, batches(encode([[b"NOSUCH", b"x"]])))
    with pytest.raises(DamagedFile, match="'NOSUCH' fails with"):
        start(tmp_path)


@pytest.mark.parametrize("torn", [b"", b"*3\r\n$3\r\nSE", bytes(4096)])
def test_a_transaction_without_exec_is_dropped(tmp_path: Path, torn: bytes) -> None:
    before = batches(set_(b"a", b"1")) + b"#TS:5\r\n" + set_(b"b", b"2") + MULTI + set_(b"c", b"3") + EXEC
    lay(tmp_path, before + MULTI + set_(b"d", b"4") + torn)
    engine, found = start(tmp_path)
    assert set(records(engine)) == {(0, b"a"), (0, b"b"), (0, b"c")}
    assert incr_path(tmp_path).read_bytes() == before
    assert found.cut[0][1].reason == "transaction without its EXEC"


def test_the_single_log_of_older_redis_becomes_the_base(tmp_path: Path) -> None:
    base = tmp_path / "preamble.rdb"
    engine = open_engine()
    engine.database(2).load(b"in-base", b"0", None)
    write_base(FILES, str(base), engine.databases, {})
    single = tmp_path / "appendonly.aof"
    single.write_bytes(base.read_bytes() + encode([[b"SELECT", b"1"]]) + set_(b"a", b"1") + b"*3\r\n$3")
    base.unlink()
    engine, found = start(tmp_path)
    assert records(engine) == {(2, b"in-base"): (b"0", None), (1, b"a"): (b"1", None)}
    assert found.source == "old log"
    assert not single.exists()
    manifest = read_manifest(FILES, Layout(str(tmp_path)).manifest_path)
    assert manifest.to_load() == (LogFile("appendonly.aof", 1, "b"),)
    append(tmp_path, [[b"SET", b"b", b"2"]])
    assert values(tmp_path) == {b"in-base": b"0", b"a": b"1", b"b": b"2"}


def test_an_upgrade_that_died_between_manifest_and_move_is_finished(tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").write_bytes(set_(b"a", b"1"))
    layout = Layout(str(tmp_path))
    FILES.make_directory(layout.log_directory)
    write_manifest(FILES, layout, Manifest(LogFile("appendonly.aof", 1, "b")))
    assert values(tmp_path) == {b"a": b"1"}
    assert values(tmp_path) == {b"a": b"1"}


def test_a_snapshot_is_taken_over_once_and_left_where_it_is(tmp_path: Path) -> None:
    engine = open_engine()
    engine.databases[0].load(b"a", b"1", None)
    snapshot = tmp_path / "dump.rdb"
    write_base(FILES, str(snapshot), engine.databases, {})
    _, found = start(tmp_path)
    assert found.source == "snapshot"
    append(tmp_path, [[b"DEL", b"a"], [b"SET", b"b", b"2"]])
    assert values(tmp_path) == {b"b": b"2"}
    assert snapshot.exists()


def test_a_damaged_snapshot_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0010\x00\x01a")
    with pytest.raises(DamagedFile):
        start(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]


# With real servers


def fill(client: redis.Redis) -> dict[bytes, bytes]:
    expected = {}
    for number in range(300):
        client.set(f"key:{number}", f"value:{number}" * 9)
        expected[b"key:%d" % number] = b"value:%d" % number * 9
    with client.pipeline(transaction=True) as pipe:
        pipe.set("t1", "1")
        pipe.set("t2", "2", pxat=4102444800000)
        pipe.execute()
    expected |= {b"t1": b"1", b"t2": b"2"}
    client.delete("key:7")
    del expected[b"key:7"]
    return expected


@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("server", SERVERS)
def test_to_a_real_server_and_back(tmp_path: Path, server: str, preamble: str) -> None:
    options = ("--aof-use-rdb-preamble", preamble, "--aof-timestamp-enabled", "yes", "--databases", "16")
    with real_server(SERVERS[server], tmp_path, *options) as client:
        expected = fill(client)
        client.bgrewriteaof()
        while client.info("persistence")["aof_rewrite_in_progress"]:
            pass
        client.set("later", "x")
        expected[b"later"] = b"x"
    assert values(tmp_path) == expected
    append(tmp_path, [[b"SELECT", b"0"], [b"SET", b"ours", b"1"]], [[b"MULTI"], [b"DEL", b"t1"], [b"EXEC"]])
    del expected[b"t1"]
    expected[b"ours"] = b"1"
    assert values(tmp_path) == expected
    with real_server(SERVERS[server], tmp_path, *options) as client:
        assert {key: client.get(key) for key in client.scan_iter(count=1000)} == expected
        assert client.pexpiretime("t2") == 4102444800000
        client.set("theirs", "2")
        expected[b"theirs"] = b"2"
    engine, found = start(tmp_path)
    assert {key: value for (_, key), (value, _) in records(engine).items()} == expected
    assert found.batch_count == 2
    append(tmp_path, [[b"SET", b"again", b"3"]])
    assert values(tmp_path) == expected | {b"again": b"3"}


def test_a_directory_of_ours_passes_redis_check_aof_and_loads(tmp_path: Path) -> None:
    if "redis-7.0" not in SERVERS or shutil.which("redis-check-aof") is None:
        pytest.skip("redis-server is not installed")
    engine = open_engine()
    engine.databases[0].load(b"in-base", b"0", 4102444800000)
    write_base(FILES, str(tmp_path / "dump.rdb"), engine.databases, {})
    append(tmp_path, [[b"SELECT", b"0"], [b"SET", b"a", b"1"]], [[b"SET", b"b", b"2"]])
    manifest = Layout(str(tmp_path)).manifest_path
    check = subprocess.run(["redis-check-aof", manifest], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout
    assert "All AOF files and manifest are valid" in check.stdout
    with real_server(SERVERS["redis-7.0"], tmp_path) as client:
        assert {key: client.get(key) for key in client.scan_iter()} == {
            b"in-base": b"0",
            b"a": b"1",
            b"b": b"2",
        }


@pytest.mark.parametrize("server", SERVERS)
def test_what_a_killed_server_left_with_room_behind_it_is_loaded_here_and_there(tmp_path: Path, server: str) -> None:
    with respkv_server(tmp_path) as client:
        client.set("a", "1")
        client.set("b", "2")
    left = incr_path(tmp_path).read_bytes()
    assert left.endswith(b"####\r\n")
    with real_server(SERVERS[server], tmp_path) as client:
        assert client.mget("a", "b") == [b"1", b"2"]
        client.set("theirs", "3")
    with real_server(SERVERS[server], tmp_path) as client:
        assert client.mget("a", "b", "theirs") == [b"1", b"2", b"3"]
    assert values(tmp_path) == {b"a": b"1", b"b": b"2", b"theirs": b"3"}

    incr_path(tmp_path).write_bytes(left)
    _, found = start(tmp_path)
    assert found.cut == []
    assert incr_path(tmp_path).read_bytes() == left.rstrip(b"#\r\n") + b"\r\n"
    append(tmp_path, [[b"SET", b"c", b"3"]])
    assert values(tmp_path) == {b"a": b"1", b"b": b"2", b"c": b"3"}


def test_a_copy_goes_on_in_an_increment_of_its_own(tmp_path: Path) -> None:
    append(tmp_path / "store", [[b"SET", b"a", b"1"]])
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    append(tmp_path / "copy", [[b"SET", b"b", b"2"]])
    _, found = start(tmp_path / "copy")
    assert found.manifest is not None
    assert [item.name for item in found.manifest.incrs] == ["appendonly.aof.1.incr.aof", "appendonly.aof.2.incr.aof"]
    assert not found.position.is_copy
    assert values(tmp_path / "copy") == {b"a": b"1", b"b": b"2"}
    assert values(tmp_path / "store") == {b"a": b"1"}
    append(tmp_path / "copy", [[b"SET", b"c", b"3"]])  # which is its own, and goes on
    assert len(list((tmp_path / "copy" / "appendonlydir").glob("*.incr.aof"))) == 2


def test_a_copy_made_while_a_server_wrote_is_cut_at_its_gap_and_the_file_itself_is_not(tmp_path: Path) -> None:
    store = tmp_path / "store"
    log = AppendLog(FILES, Layout(str(store)), None)
    for number in range(100):
        log.append([set_(b"k%d" % number, b"x" * 50)])
        assert log.sync_now()
    data = incr_path(store).read_bytes()
    log.close()
    gap = data.index(b"#HDR", 4000)
    incr_path(store).write_bytes(data[:gap] + b"#" * (8192 - gap) + data[8192:])
    shutil.copytree(store, tmp_path / "copy")
    with pytest.raises(DamagedFile, match=f"offset {gap}"):
        start(store)
    _, found = start(tmp_path / "copy")
    assert [ending.offset for _, ending in found.cut] == [gap]
    assert found.position.is_copy
    assert values(tmp_path / "copy") == {b"k%d" % number: b"x" * 50 for number in range(found.batch_count)}


# What RESEARCH tried on real Redis: five damages, and what becomes of each here


def thousand(directory: Path) -> bytes:
    every: list[list[Effect]] = [[set_(b"key:%d" % number, b"value")] for number in range(1000)]
    append(directory, *every)
    return incr_path(directory).read_bytes()


def test_damage_1_a_flipped_value_byte_is_not_served(tmp_path: Path) -> None:
    data = thousand(tmp_path)
    at = data.index(b"value", len(data) // 2)
    incr_path(tmp_path).write_bytes(data[:at] + b"V" + data[at + 1 :])
    with pytest.raises(DamagedFile, match="checksum mismatch"):
        start(tmp_path)


@pytest.mark.parametrize("is_plain", [False, True])
def test_damage_2_a_changed_length_does_not_destroy_what_follows(tmp_path: Path, is_plain: bool) -> None:
    if is_plain:
        lay(tmp_path, b"".join(set_(b"key:%d" % number, b"value") for number in range(1000)))
        data = incr_path(tmp_path).read_bytes()
    else:
        data = thousand(tmp_path)
    at = data.index(b"$5\r\nvalue", len(data) // 2)
    damaged = data[:at] + b"$5000000" + data[at + 2 :]
    incr_path(tmp_path).write_bytes(damaged)
    with pytest.raises(DamagedFile):
        start(tmp_path)
    assert incr_path(tmp_path).read_bytes() == damaged


def test_damage_3_zeros_at_the_tail_are_dropped(tmp_path: Path) -> None:
    data = thousand(tmp_path)
    incr_path(tmp_path).write_bytes(data + bytes(4096))
    assert len(values(tmp_path)) == 1000
    assert incr_path(tmp_path).read_bytes() == data


def test_damage_4_a_torn_command_at_the_tail_costs_its_batch_only(tmp_path: Path) -> None:
    data = thousand(tmp_path)
    incr_path(tmp_path).write_bytes(data[:-9])
    assert len(values(tmp_path)) == 999


def test_damage_5_a_torn_annotation_is_repaired_before_anything_is_appended(tmp_path: Path) -> None:
    data = thousand(tmp_path)
    incr_path(tmp_path).write_bytes(data + b"#HDR:v1;len:4")
    append(tmp_path, [[b"SET", b"new", b"1"]])
    assert len(values(tmp_path)) == 1001


def test_a_position_is_only_handed_on_with_the_increment_it_belongs_to(tmp_path: Path) -> None:
    lay(tmp_path, base=set_(b"a", b"0"))
    _, found = start(tmp_path)
    assert found.position == LogPosition()
