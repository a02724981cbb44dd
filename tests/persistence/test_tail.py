"""Logs cut and damaged in every place: tails may be cut, middles may not, no wrong value gets through."""

from collections.abc import Callable
from functools import partial

import pytest

from respkv.persistence.batch import encode, make_header
from respkv.persistence.log_reader import LogReader
from respkv.persistence.preallocation import BLOCK_SIZE, filler, room_end
from respkv.persistence.tail import SECTOR_SIZE, Ending, judge

PLAIN = b"*3\r\n$3\r\nSET\r\n$1\r\np\r\n$5\r\nplain\r\n"


def build(*payloads: bytes, synced: int | None = None) -> tuple[bytes, list[int]]:
    """A log of these batches, and the offset of each one's end; all were synced one by one, or the first `synced`."""
    log = b""
    ends: list[int] = []
    checksum = 0
    for number, payload in enumerate(payloads):
        known = len(log) if synced is None or number <= synced else ends[synced - 1] if synced else 0
        header, checksum = make_header([payload], checksum, known)
        log += header + payload
        ends.append(len(log))
    return log, ends


def sets(*pairs: tuple[bytes, bytes]) -> bytes:
    return encode([[b"SET", key, value] for key, value in pairs])


def read(log: bytes, is_copy: bool = False) -> tuple[list[list[bytes]], Ending, LogReader]:
    reader = LogReader(lambda offset, size: log[offset : offset + size], len(log))
    commands: list[list[bytes]] = []
    while more := reader.next_commands():
        commands += more
    return commands, judge(reader, is_copy), reader


THREE = [sets((b"a", b"1"), (b"b", b"2")), sets((b"c", b"three" * 30)), sets((b"d", b"4"))]


def test_a_whole_log_ends_clean() -> None:
    log, _ = build(*THREE)
    commands, ending, reader = read(log)
    assert [argv[1] for argv in commands] == [b"a", b"b", b"c", b"d"]
    assert ending == Ending(len(log))
    assert (reader.batch_count, reader.unverified_bytes) == (3, 0)


def test_cut_at_every_byte_it_loses_the_torn_batch_only() -> None:
    log, ends = build(*THREE)
    for size in range(len(log)):
        commands, ending, _ = read(log[:size])
        whole = max((end for end in ends if end <= size), default=0)
        assert not ending.is_damage, size
        assert ending.offset == whole, size
        assert ending.dropped_bytes == size - whole
        assert len(commands) == {0: 0, ends[0]: 2, ends[1]: 3}[whole]


@pytest.mark.parametrize("zeros", [1, 40, 511, 4096, 1 << 21])
def test_zeros_behind_any_cut_are_cut_with_it(zeros: int) -> None:
    log, ends = build(*THREE)
    for size in range(0, len(log) + 1, 1 if zeros < 4096 else 13):
        _, ending, _ = read(log[:size] + bytes(zeros))
        whole = max((end for end in ends if end <= size), default=0)
        assert (ending.is_damage, ending.offset) == (False, whole), size


def test_a_flipped_bit_anywhere_is_found_or_does_no_harm() -> None:
    log, ends = build(*THREE)
    original, _, _ = read(log)
    for at in range(len(log)):
        for bit in range(8):
            damaged = log[:at] + bytes((log[at] ^ 1 << bit,)) + log[at + 1 :]
            commands, ending, _ = read(damaged)
            assert commands == original[: len(commands)], (at, bit)
            if ending.dropped_bytes == 0:
                assert commands == original, (at, bit)
            else:
                assert ending.is_damage, (at, bit)
                begin = max((end for end in ends if end <= at), default=0)
                # A header that became another annotation leaves a batch readable, but breaks the chain.
                assert ending.offset in (begin, *ends), (at, bit)


def test_a_lost_a_repeated_and_a_moved_batch_are_damage() -> None:
    log, ends = build(*THREE)
    first, second, third = log[: ends[0]], log[ends[0] : ends[1]], log[ends[1] :]
    for order in (first + third, second + third, first + first + second, second + first + third):
        _, ending, _ = read(order)
        assert ending.is_damage


def test_a_changed_length_in_the_middle_is_damage() -> None:
    log, ends = build(*[sets((b"key%d" % number, b"value")) for number in range(1000)])
    damaged = log.replace(b"$4\r\nkey5\r\n$5\r\n", b"$4\r\nkey5\r\n$5000000\r\n")
    assert damaged != log
    _, ending, _ = read(damaged)
    assert (ending.is_damage, ending.offset) == (True, ends[4])


@pytest.mark.parametrize("size", [b"500", b"5000000", b"99999999999"])
def test_a_changed_size_of_a_batch_is_damage(size: bytes) -> None:
    log, ends = build(*THREE)
    for batch in (0, 1, 2):
        start = 0 if batch == 0 else ends[batch - 1]
        line_end = log.index(b"\n", start)
        digits = log[start + 12 : log.index(b";", start + 12)]
        damaged = log[: start + 12] + size + log[start + 12 + len(digits) :]
        _, ending, _ = read(damaged)
        if batch < 2:
            assert (ending.is_damage, ending.offset) == (True, start)
        assert line_end > start


def test_a_changed_length_in_plain_commands_is_damage_when_commands_or_batches_follow() -> None:
    broken = PLAIN.replace(b"$5", b"$5000000")
    log, _ = build(*THREE)
    for data in (PLAIN + broken + PLAIN * 1000, PLAIN + broken + log, PLAIN + broken + PLAIN):
        commands, ending, _ = read(data)
        assert (ending.is_damage, ending.offset, len(commands)) == (True, len(PLAIN), 1)


def test_plain_commands_and_timestamps_between_batches_are_read_unverified() -> None:
    log, ends = build(*THREE)
    mixed = PLAIN + log[: ends[0]] + b"#TS:1700000000\r\n" + PLAIN + log[ends[0] :] + PLAIN
    commands, ending, reader = read(mixed)
    assert [argv[1] for argv in commands] == [b"p", b"a", b"b", b"p", b"c", b"d", b"p"]
    assert ending == Ending(len(mixed))
    assert reader.unverified_bytes == 3 * len(PLAIN) + 16


def test_plain_commands_cut_anywhere_lose_the_torn_one_only() -> None:
    for size in range(len(PLAIN)):
        for zeros in (0, 4096):
            commands, ending, _ = read(PLAIN + PLAIN[:size] + bytes(zeros))
            assert (len(commands), ending.is_damage, ending.offset) == (1, False, len(PLAIN)), (size, zeros)


def test_a_last_batch_with_a_sector_of_zeros_never_reached_the_disk() -> None:
    log, ends = build(*THREE[:1], sets((b"big", b"x" * 5000)))
    hole = log[:1024] + bytes(512) + log[1536:]
    _, ending, _ = read(hole)
    assert (ending.is_damage, ending.offset) == (False, ends[0])


def test_a_last_batch_with_too_small_a_length_is_damage_though_it_then_ends_in_zeros() -> None:
    """The first bytes of a sector are zero because the value is, and nothing is missing."""
    for length in range(800, 1000):
        payload = sets((b"a", b"x" * length + bytes(100)))
        log, _ = build(payload)
        too_small = len(payload) - 9
        end = len(log) - 9
        if len(payload) % 10 == 9 and 0 < end % SECTOR_SIZE < 50:
            _, ending, _ = read(log.replace(b"len:%d;" % len(payload), b"len:%d;" % too_small, 1))
            assert ending.is_damage
            return
    raise AssertionError("no such length")


def test_the_same_zeros_are_damage_once_a_batch_follows() -> None:
    log, ends = build(*THREE[:1], sets((b"big", b"x" * 5000)), THREE[2])
    _, ending, _ = read(log[:1024] + bytes(512) + log[1536:])
    assert (ending.is_damage, ending.offset) == (True, ends[0])
    start = -(-ends[0] // 512) * 512
    hole = log[: ends[0]] + bytes(start + 512 - ends[0]) + log[start + 512 :]
    _, ending, _ = read(hole)
    assert (ending.is_damage, ending.offset) == (True, ends[0])


def test_a_value_that_looks_like_a_batch_does_not_turn_a_torn_tail_into_damage() -> None:
    inner, _ = build(*THREE)
    log, ends = build(THREE[0], sets((b"copy", b"\r\n" + inner), (b"e", b"5")))
    for size in range(ends[0], len(log)):
        _, ending, _ = read(log[:size])
        assert (ending.is_damage, ending.offset) == (False, ends[0]), size


def test_long_values_cross_the_reader_s_window() -> None:
    value = b"v" * (3 << 20)
    log, _ = build(sets((b"a", value)), sets((b"b", value)))
    plain = sets((b"c", value), (b"d", value))
    commands, ending, _ = read(log + plain)
    assert [len(argv[2]) for argv in commands] == [len(value)] * 4
    assert ending == Ending(len(log) + len(plain))


def test_a_payload_that_is_no_whole_command_is_damage_even_with_a_good_checksum() -> None:
    log, _ = build(b"*1\r\n$4\r\nPI")
    assert read(log)[1].is_damage


def test_an_annotation_of_1024_bytes_is_refused_as_redis_refuses_it() -> None:
    assert read(b"#" + b"x" * 1020 + b"\r\n" + PLAIN)[1].is_damage is False
    assert read(b"#" + b"x" * 1021 + b"\r\n" + PLAIN)[1].is_damage


FIVE = [sets((b"%d" % number, b"%d" % number * 1200)) for number in range(5)]


Blank = Callable[[int], bytes]
BLANKS: list[Blank] = [bytes, partial(bytes.__mul__, b"#")]
"""What is on the disk in place of data that did not arrive: zeros in a file that grew, `#` in prepared room."""
in_each_kind_of_space = pytest.mark.parametrize("blank", BLANKS, ids=["zeros", "room"])


@in_each_kind_of_space
def test_sectors_missing_before_later_ones_are_torn_if_nobody_had_been_promised_them(blank: Blank) -> None:
    for synced in range(5):
        log, ends = build(*FIVE, synced=synced)
        for first in range(0, len(log) - 512, 512):
            for size in (512, 1024, 4096):
                commands, ending, _ = read(log[:first] + blank(len(log[first : first + size])) + log[first + size :])
                broken = sum(end <= first for end in ends)
                # Later batches were written when `synced` ones were known to be on disk; if one is left to tell.
                is_known = any(first + size <= end for end in ends[:-1])
                assert ending.is_damage == (broken < synced and is_known), (synced, first, size)
                assert len(commands) == broken, (synced, first, size)
                assert ending.offset == (ends[broken - 1] if broken else 0), (synced, first, size)


def test_a_changed_bit_before_later_batches_is_damage_though_nobody_was_promised_them() -> None:
    log, ends = build(*FIVE, synced=0)
    for at in range(0, ends[-2], 7):
        _, ending, _ = read(log[:at] + bytes((log[at] ^ 1,)) + log[at + 1 :])
        assert ending.is_damage or ending.offset == len(log), at


def test_sectors_missing_before_a_batch_that_says_nothing_of_syncs_are_damage() -> None:
    log, ends = build(*FIVE, synced=0)
    silent = b"".join(encode([[b"SET", b"k", b"v"]]) for _ in range(2))
    header = b"#HDR:v1;len:%d;checksum:%016x;\r\n" % (len(silent), 0)
    broken = log[:512] + bytes(512) + log[1024 : ends[1]] + header + silent
    assert read(broken)[1].is_damage


@in_each_kind_of_space
def test_a_missing_head_of_the_first_batch_is_torn_in_a_file_that_is_known_to_be_ours(blank: Blank) -> None:
    log, ends = build(b"", sets(*((b"%d" % number, b"x" * 50) for number in range(30))))
    for first in (ends[0], 512, 1024):
        behind = (first // SECTOR_SIZE + 1) * SECTOR_SIZE
        _, ending, _ = read(log[:first] + blank(behind - first) + log[behind:])
        assert (ending.is_damage, ending.offset) == (False, ends[0]), first
    assert read(bytes(512) + log[512:])[1].is_damage


@in_each_kind_of_space
def test_a_line_that_goes_on_in_a_missing_sector_is_torn(blank: Blank) -> None:
    def across(size: int) -> tuple[bytes, list[int], int]:
        """A log whose second batch is of so many bytes more or less, its ends, and the end of the third one's line."""
        log, ends = build(b"", sets((b"k", b"x" * size)), sets((b"k", b"y" * 1500)))
        return log, ends, log.index(b"\n", ends[1])

    # Of such a size that the line of the last batch lies across the end of a sector.
    size = next(
        size
        for size in range(SECTOR_SIZE)
        if across(size)[1][1] + 20 < across(size)[2] // SECTOR_SIZE * SECTOR_SIZE < across(size)[2] - 20
    )
    log, ends, line_end = across(size)
    boundary = line_end // SECTOR_SIZE * SECTOR_SIZE
    for missing in (SECTOR_SIZE, 2 * SECTOR_SIZE):
        broken = log[:boundary] + blank(missing) + log[boundary + missing :]
        commands, ending, _ = read(broken)
        assert (ending.is_damage, ending.offset, len(commands)) == (False, ends[1], 1)
    changed = log[: line_end - 3] + blank(1) + log[line_end - 2 :]
    assert read(changed)[1].is_damage


def lines_that_claim_all_behind(count: int) -> bytes:
    """What looks like `count` batches, each of which ends where the last does."""
    line_bytes = len(b"#HDR:v1;len:000000000;synced:0;checksum:0123456789abcdef;\r\n")
    return b"\r\n" + b"".join(
        b"#HDR:v1;len:%09d;synced:0;checksum:%016x;\r\n" % ((count - number - 1) * line_bytes, number)
        for number in range(count)
    )


@pytest.mark.parametrize("count", [200, 3000])
def test_a_torn_value_full_of_headers_is_judged_by_reading_it_a_few_times(count: int) -> None:
    value = lines_that_claim_all_behind(count)
    log, ends = build(THREE[0], sets((b"log", value + bytes(b"x" * 100))))
    torn = log[:-50]
    read_bytes = 0

    def read_at(offset: int, size: int) -> bytes:
        nonlocal read_bytes
        data = torn[offset : offset + size]
        read_bytes += len(data)
        return data

    reader = LogReader(read_at, len(torn))
    while reader.next_commands():
        pass
    read_bytes = 0
    ending = judge(reader)
    assert (ending.is_damage, ending.offset) == (False, ends[0])
    assert read_bytes < 10 * len(torn)


def test_a_batch_behind_a_value_full_of_headers_is_a_proof() -> None:
    value = lines_that_claim_all_behind(500)
    log, ends = build(THREE[0], sets((b"log", value)), THREE[1])
    at = ends[0] + 200
    _, ending, _ = read(log[:at] + bytes((log[at] ^ 1,)) + log[at + 1 :])
    assert (ending.is_damage, ending.offset) == (True, ends[0])
    assert str(ends[1]) in ending.reason or "known to be on disk" in ending.reason


def test_a_proof_is_found_behind_more_headers_than_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("respkv.persistence.tail._HEADERS_AT_ONCE", 7)
    value = lines_that_claim_all_behind(500)
    log, ends = build(THREE[0], sets((b"log", value)), THREE[1], synced=0)
    at = ends[0] + 200
    _, ending, _ = read(log[:at] + bytes((log[at] ^ 1,)) + log[at + 1 :])
    assert ending.is_damage
    assert f"whole batch at offset {ends[1]}" in ending.reason


def with_room(log: bytes) -> bytes:
    return log + filler(len(log), room_end(len(log)))


def test_a_log_with_room_behind_it_ends_clean_wherever_it_ends_and_wherever_the_room_is_cut() -> None:
    for size in [*range(BLOCK_SIZE - 300, BLOCK_SIZE + 10), 300_000]:
        log, _ = build(*THREE, sets((b"k", b"x" * size)))
        data = with_room(log)
        commands, ending, reader = read(data)
        assert (len(commands), ending, reader.unverified_bytes) == (5, Ending(len(log)), 0), size
    for size in [*range(len(log) + 2, len(log) + 600), *range(len(data) - 9, len(data) - 1)]:
        assert read(data[:size])[1] == Ending(len(log)), size


def test_a_batch_that_did_not_reach_its_room_as_a_whole_is_torn() -> None:
    for value_size in (10, 300, 1100, 5000):
        before, _ = build(*THREE)
        whole, _ = build(*THREE, sets((b"k", b"x" * value_size), (b"l", b"2")))
        room = with_room(before)
        data = whole + room[len(whole) :]
        sectors = range(len(before) // SECTOR_SIZE, -(-len(whole) // SECTOR_SIZE))
        for arrived in range(1 << min(len(sectors), 8)):
            mixed = bytearray(room)
            for number, sector in enumerate(sectors):
                if number >= 8 or arrived >> number & 1:
                    part = slice(sector * SECTOR_SIZE, (sector + 1) * SECTOR_SIZE)
                    mixed[part] = data[part]
            commands, ending, _ = read(bytes(mixed))
            if mixed == data:
                assert (len(commands), ending) == (6, Ending(len(whole)))
            else:
                assert (len(commands), ending.offset, ending.is_damage) == (4, len(before), False), arrived


def test_a_batch_that_stops_anywhere_in_its_room_is_torn() -> None:
    """So a copy may have it that is made while the server writes."""
    before, _ = build(*THREE)
    whole, _ = build(*THREE, sets((b"k", b"x" * 1100)))
    room = with_room(before)
    for size in range(len(before), len(whole)):
        commands, ending, _ = read(whole[:size] + room[size:])
        assert (len(commands), ending.offset, ending.is_damage) == (4, len(before), False), size


def test_what_is_left_of_a_batch_is_no_line_of_the_room_though_it_begins_with_a_line_end() -> None:
    """Else the commands behind it would be taken, and a batch is there whole or not at all."""
    begin, _ = build(b"")
    for padding in range(SECTOR_SIZE):
        rest = encode([[b"SELECT", b"1"], [b"SET", b"b", b"2" * 900]])
        log, _ = build(b"", sets((b"k", b"x" * padding)) + rest)
        if log.startswith(b"\r\n" + rest[:20], SECTOR_SIZE):
            commands, ending, _ = read(with_room(begin)[:SECTOR_SIZE] + log[SECTOR_SIZE:] + with_room(log)[len(log) :])
            assert (commands, ending.offset, ending.is_damage) == ([], len(begin), False)
            return
    raise AssertionError("no such length")


def test_a_flipped_bit_before_room_is_found_or_does_no_harm() -> None:
    log, _ = build(*THREE)
    data = with_room(log)
    original, _, _ = read(log)
    for at in range(len(log) + SECTOR_SIZE):
        for bit in range(8):
            commands, ending, _ = read(data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :])
            assert commands == original[: len(commands)], (at, bit)
            if at >= len(log):
                assert commands == original, (at, bit)
                assert ending.offset == len(log), (at, bit)
                # A sector that begins so may be the rest of a batch, and the second byte that of a line which was cut.
                assert ending.is_damage or at % SECTOR_SIZE == 0 or at == len(log) + 1, (at, bit)
            elif ending.dropped_bytes == 0:
                assert commands == original, (at, bit)
            else:
                assert ending.is_damage, (at, bit)


def test_a_batch_that_is_missing_whole_is_damage_if_the_next_says_that_it_was_promised() -> None:
    sizes = range(SECTOR_SIZE)
    size = next(size for size in sizes if len(build(*THREE, sets((b"k", b"x" * size)))[0]) % SECTOR_SIZE == 0)
    for synced, is_damage in ((3, False), (4, True)):
        log, ends = build(*THREE, sets((b"k", b"x" * size)), THREE[2], synced=synced)
        lost = log[: ends[2]] + b"#" * (ends[3] - ends[2]) + log[ends[3] :]
        commands, ending, _ = read(with_room(lost))
        assert (len(commands), ending.offset, ending.is_damage) == (4, ends[2], is_damage)


def test_room_whose_filler_arrived_in_part_is_cut() -> None:
    log, _ = build(*THREE)
    room = with_room(log)
    for first in range(len(room) // SECTOR_SIZE):
        start = max(len(log), first * SECTOR_SIZE)
        missing = room[:start] + bytes((first + 1) * SECTOR_SIZE - start) + room[(first + 1) * SECTOR_SIZE :]
        _, ending, _ = read(missing)
        assert (ending.offset, ending.is_damage) == (len(log), False), first
    # More room behind this, over its line end; and the sector with that is still the old one.
    longer = log + filler(len(log), 4 * len(room))
    _, ending, _ = read(longer[: len(room) - 2] + b"\r\n" + longer[len(room) :])
    assert (ending.offset, ending.is_damage) == (len(log), False)


def test_what_redis_appends_behind_room_is_read() -> None:
    log, _ = build(*THREE)
    theirs = encode([[b"SELECT", b"0"], [b"SET", b"r", b"1"]])
    data = with_room(log) + theirs
    commands, ending, reader = read(data)
    assert [argv[1] for argv in commands] == [b"a", b"b", b"c", b"d", b"0", b"r"]
    assert (ending, reader.unverified_bytes) == (Ending(len(data)), len(data) - len(log))
    for size in range(1, len(theirs)):
        torn = data[:-size]
        _, ending, _ = read(torn)
        assert not ending.is_damage
        assert ending.offset + ending.dropped_bytes in (len(torn), len(log)), size


def test_a_missing_batch_before_one_that_is_there_is_damage_if_it_was_promised() -> None:
    for synced, is_damage in ((1, False), (2, True)):
        log, ends = build(*FIVE[:4], synced=synced)
        start = -(-ends[0] // SECTOR_SIZE) * SECTOR_SIZE
        lost = log[: ends[0]] + b"#" * (start + 3 * SECTOR_SIZE - ends[0]) + log[start + 3 * SECTOR_SIZE :]
        commands, ending, _ = read(with_room(lost))
        assert (len(commands), ending.offset, ending.is_damage) == (1, ends[0], is_damage)


@pytest.mark.parametrize("reads_before", range(8))
def test_what_a_running_server_writes_over_room_meanwhile_is_no_gap(reads_before: int) -> None:
    """`respkv check` reads the file while it is appended to."""
    early, _ = build(*THREE)
    late, _ = build(*THREE, sets((b"k", b"x" * 300)), sets((b"l", b"2")))
    reads = 0

    def read_at(offset: int, size: int) -> bytes:
        nonlocal reads
        reads += 1
        return (with_room(early) if reads <= reads_before else with_room(late))[offset : offset + size]

    reader = LogReader(read_at, len(with_room(early)))
    keys: list[bytes] = []
    while commands := reader.next_commands():
        keys += [argv[1] for argv in commands]
    ending = judge(reader)
    assert not ending.is_damage
    assert keys == [b"a", b"b", b"c", b"d", b"k", b"l"][: len(keys)]
    assert len(keys) >= 4


def test_in_a_copy_room_before_later_batches_is_a_gap_and_in_the_file_itself_damage() -> None:
    log, ends = build(*FIVE, *THREE)
    for gap_end in range(ends[0] + 2, ends[5], 7):
        copied = with_room(log[: ends[0]] + b"#" * (gap_end - ends[0]) + log[gap_end:])
        commands, ending, _ = read(copied, is_copy=True)
        assert (len(commands), ending.offset, ending.is_damage) == (1, ends[0], False), gap_end
        assert read(copied)[1].is_damage, gap_end


def test_in_a_copy_a_batch_of_which_blocks_are_older_is_a_gap_too() -> None:
    log, ends = build(*FIVE, *THREE)
    start = (ends[0] // SECTOR_SIZE + 1) * SECTOR_SIZE
    copied = log[:start] + b"#" * SECTOR_SIZE + log[start + SECTOR_SIZE :]
    assert read(copied)[1].is_damage
    commands, ending, _ = read(copied, is_copy=True)
    assert (len(commands), ending.offset, ending.is_damage) == (1, ends[0], False)


def test_a_changed_bit_is_damage_in_a_copy_as_well() -> None:
    log, ends = build(*FIVE, *THREE)
    for at in range(0, ends[-1], 11):
        changed = with_room(log[:at] + bytes((log[at] ^ 1,)) + log[at + 1 :])
        _, ending, _ = read(changed, is_copy=True)
        assert ending.is_damage or ending == Ending(len(log)), at


def test_a_value_full_of_what_room_is_full_of_is_no_gap() -> None:
    log, ends = build(THREE[0], sets((b"k", b"#" * 2000)), *THREE)
    for at in range(ends[0] + 100, ends[1], 50):
        changed = log[:at] + bytes((log[at] ^ 1,)) + log[at + 1 :]
        _, ending, _ = read(changed, is_copy=True)
        assert ending.is_damage or at % SECTOR_SIZE == 0, at
