"""Room behind the log: where it ends, what fills it, and how it is told from a batch that did not reach the disk."""

from hypothesis import given
from hypothesis import strategies as st

from respkv.persistence.preallocation import BLOCK_SIZE, SHORTEST_ROOM, end_of_fill, filler, is_line_end, room_end

ENDS = st.integers(0, 1 << 22)


@given(ENDS)
def test_room_ends_with_a_block_and_takes_some_batches(end: int) -> None:
    stop = room_end(end)
    assert stop % BLOCK_SIZE == 0
    assert 16 * 1024 <= stop - end < 256 * 1024 + BLOCK_SIZE
    assert stop - end <= max(end, 16 * 1024) + BLOCK_SIZE


@given(ENDS, st.integers(1, 64).map(lambda blocks: blocks * BLOCK_SIZE))
def test_room_is_not_longer_than_it_may_be(end: int, most: int) -> None:
    assert room_end(end, most) - end < most + BLOCK_SIZE


@given(ENDS, st.integers(0, 1 << 17))
def test_its_filler_is_one_line_and_its_end_is_known(start: int, size: int) -> None:
    stop = room_end(start + size)
    data = filler(start, stop)
    assert len(data) == stop - start >= SHORTEST_ROOM
    assert data.strip(b"#") == b"\r\n"

    def read_at(offset: int, count: int) -> bytes:
        return data[offset - start : offset - start + count]

    end = end_of_fill(read_at, start, stop)
    assert end == stop - 2
    assert is_line_end(end, data[-2:])
    assert end_of_fill(read_at, start, stop - 100) == stop - 100


@given(st.integers(0, 1 << 22).map(lambda at: at * 512))
def test_the_beginning_of_a_sector_is_never_taken_for_its_line_end(at: int) -> None:
    assert not is_line_end(at, b"\r\n")
