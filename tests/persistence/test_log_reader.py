"""Batches verified in groups: the same outcome as one by one, wherever the damage is."""

from collections.abc import Callable

import pytest

from respkv.persistence import log_reader
from respkv.persistence.batch import encode, make_header
from respkv.persistence.log_reader import AT_END, BAD_PAYLOAD, CHECKSUM_MISMATCH, LogReader, walk


def set_(number: int, size: int = 5) -> bytes:
    return encode([[b"SET", b"key:%d" % number, b"v" * size]])


def log_of(payloads: list[bytes]) -> tuple[bytes, list[int]]:
    """A log of these batches and where each begins."""
    log = bytearray()
    starts = []
    checksum = 0
    for payload in payloads:
        header, checksum = make_header([payload], checksum, 0)
        starts.append(len(log))
        log += header + payload
    return bytes(log), starts


def reader_of(log: bytes) -> LogReader:
    return LogReader(lambda offset, size: log[offset : offset + size], len(log))


def read(log: bytes) -> tuple[LogReader, list[list[bytes]]]:
    reader = reader_of(log)
    commands: list[list[bytes]] = []
    while more := reader.next_commands():
        commands += more
    return reader, commands


def keys(commands: list[list[bytes]]) -> list[int]:
    return [int(argv[1][4:]) for argv in commands]


@pytest.mark.parametrize("size", [5, 300, 5000, 3_000_000])
def test_batches_of_all_sizes(size: int) -> None:
    count = max(3, min(2000, 10_000_000 // size))
    log, _ = log_of([set_(number, size) for number in range(count)])
    reader, commands = read(log)
    assert (reader.stop, reader.batch_count, reader.position) == (AT_END, count, len(log))
    assert keys(commands) == list(range(count))
    assert reader.unverified_bytes == 0


def test_plain_commands_between_batches() -> None:
    log, starts = log_of([set_(0), set_(1), set_(3)])
    log = log[: starts[2]] + set_(2) + b"#TS:7\r\n" + log[starts[2] :] + set_(4)
    reader, commands = read(log)
    assert (reader.stop, keys(commands), reader.batch_count) == (AT_END, [0, 1, 2, 3, 4], 3)
    assert reader.unverified_bytes == len(set_(2) + b"#TS:7\r\n" + set_(4))


@pytest.mark.parametrize("broken", [0, 1, 255, 256, 257, 999])
@pytest.mark.parametrize("place", [b"v", b"key", b"len:"])
def test_the_batch_at_fault_is_found(broken: int, place: bytes) -> None:
    log, starts = log_of([set_(number) for number in range(1000)])
    at = log.index(place, starts[broken]) + len(place) - 1
    log = log[:at] + b"~" + log[at + 1 :]
    reader, commands = read(log)
    assert reader.stop != AT_END
    assert reader.position == starts[broken]
    assert keys(commands) == list(range(broken))


@pytest.mark.parametrize("change", [lambda batch: b"", lambda batch: batch * 2], ids=["lost", "repeated"])
def test_a_lost_or_repeated_batch_shows(change: Callable[[bytes], bytes]) -> None:
    log, starts = log_of([set_(number) for number in range(10)])
    log = log[: starts[4]] + change(log[starts[4] : starts[5]]) + log[starts[5] :]
    reader, commands = read(log)
    assert reader.stop == CHECKSUM_MISMATCH
    assert keys(commands) in (list(range(4)), list(range(5)))


@pytest.mark.parametrize("broken", range(6))
def test_a_wrong_stored_checksum_is_forgiven_where_the_next_batch_proves_the_data(
    broken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, starts = log_of([set_(number) for number in range(6)])
    at = log.index(b"checksum:", starts[broken]) + 9
    log = log[:at] + (b"0" if log[at : at + 1] != b"0" else b"1") + log[at + 1 :]
    for group in (2, 3, 256):
        monkeypatch.setattr(log_reader, "_BATCHES_PER_GROUP", group)
        reader, commands = read(log)
        if broken == 5:
            assert (reader.stop, reader.position) == (CHECKSUM_MISMATCH, starts[5])
        else:
            assert (reader.stop, keys(commands)) == (AT_END, list(range(6)))


@pytest.mark.parametrize("payload", [b"junk", set_(1)[:-1], set_(1) + b"*1", b"#x\r\n", b""])
def test_a_payload_that_is_not_whole_commands(payload: bytes) -> None:
    log, starts = log_of([set_(0), payload, set_(2)])
    reader, commands = read(log)
    if payload:
        assert (reader.stop, reader.position) == (BAD_PAYLOAD, starts[1])
        assert keys(commands) == [0]
    else:
        assert keys(commands) == [0, 2]


def test_walking_needs_no_checksums() -> None:
    log, starts = log_of([set_(0), set_(1) + set_(2), set_(3, 2_000_000)])
    log = log[: starts[1]] + b"#TS:7\r\n" + set_(9) + log[starts[1] :] + set_(4)[:-1]
    items = list(walk(lambda offset, size: log[offset : offset + size], 0, len(log)))
    assert [keys(commands) for _, commands in items] == [[0], [], [9], [1, 2], [3]]
    assert [log[offset : offset + 2] for offset, _ in items] == [b"#H", b"#T", b"*3", b"#H", b"#H"]
