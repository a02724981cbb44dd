"""Streams against a plain list of entries."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from respkv.values.limits import Limits
from respkv.values.stream_groups import Group
from respkv.values.stream_ids import ID_MAX, SEQUENCE_BITS, SEQUENCE_MAX, format_id
from respkv.values.streams import NO_LIMIT, Entry, Stream

Model = list[Entry]


def limits(entries: int = 4, size: int = 4096) -> Limits:
    made = Limits()
    made.stream_node_max_entries = entries
    made.stream_node_max_bytes = size
    return made


def append(stream: Stream, number: int, pairs: list[bytes], limits: Limits) -> None:
    size = sum(len(element) for element in pairs)
    stream.append(number >> SEQUENCE_BITS, number & SEQUENCE_MAX, pairs, 0, size, limits)


def stream_of(*numbers: int, entries: int = 4) -> Stream:
    stream = Stream()
    for number in numbers:
        append(stream, number, [b"f", b"%d" % number], limits(entries))
    return stream


def wire(entries: Model) -> bytes:
    """Entries as a reply."""
    parts = [b"*%d\r\n" % len(entries)]
    for number, pairs in entries:
        name = format_id(number)
        parts.append(b"*2\r\n$%d\r\n%b\r\n*%d\r\n" % (len(name), name, len(pairs)))
        parts += [b"$%d\r\n%b\r\n" % (len(element), element) for element in pairs]
    return b"".join(parts)


TEXTS = st.one_of(
    st.sampled_from([b"", b"0", b"-1", b"127", b"128", b"4095", b"-4096", b"70000", b"9223372036854775807", b"01"]),
    st.binary(max_size=12),
    st.integers(60, 300).map(lambda size: b"x" * size),
)
PAIRS = st.one_of(
    st.tuples(st.just(b"f"), TEXTS).map(list),
    st.tuples(st.just(b"f"), TEXTS, st.just(b"g"), TEXTS).map(list),
    st.lists(TEXTS, min_size=2, max_size=6).filter(lambda pairs: len(pairs) % 2 == 0),
)
GAPS = st.one_of(st.integers(1, 5), st.integers(1, 3).map(lambda ms: ms << 64), st.integers(1, 1 << 70))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), GAPS, PAIRS),
        st.tuples(st.just("add"), GAPS, PAIRS),
        st.tuples(st.just("add"), GAPS, PAIRS),
        st.tuples(st.just("delete"), st.integers(0, 30), st.just([])),
        st.tuples(st.just("trim to"), st.integers(0, 12), st.just([])),
        st.tuples(st.just("trim below"), st.integers(0, 12), st.just([])),
    ),
    max_size=60,
)


@given(STEPS, st.integers(0, 30), st.integers(0, 30), st.integers(1, 8), st.sampled_from([1, 3, 100]))
@settings(deadline=None)
def test_a_stream_is_a_list_of_entries(
    steps: list[tuple[str, int, list[bytes]]], low_at: int, high_at: int, most: int, node_entries: int
) -> None:
    stream = Stream()
    model: Model = []
    added = 0
    for what, number, pairs in steps:
        if what == "add":
            added += 1
            append(stream, stream.last_id + number, pairs, limits(node_entries))
            model.append((stream.last_id, pairs))
        elif what == "delete":
            victim = model[number % len(model)][0] if model else number
            assert stream.delete(victim) == bool(model)
            assert not stream.delete(victim)
            model = [entry for entry in model if entry[0] != victim]
        elif what == "trim to":
            assert stream.trim_to(number, 0, whole_nodes=False) == max(len(model) - number, 0)
            model = model[max(len(model) - number, 0) :]
        elif number < len(model):
            border = model[number][0]
            assert stream.trim_below(border, 0, whole_nodes=False) == number
            model = model[number:]
        stream.check()
    assert stream.entries() == model
    assert len(stream) == len(model)
    assert stream.entries_added == added
    assert stream.last_entry_id() == (model[-1][0] if model else 0)
    numbers = [number for number, _ in model] or [1]
    low, high = numbers[low_at % len(numbers)], numbers[high_at % len(numbers)]
    between = [entry for entry in model if low <= entry[0] <= high]
    ids: list[int] = []
    assert b"".join(stream.read(low, high, most, ids)) == wire(between[:most])
    assert ids == [number for number, _ in between[:most]]
    assert b"".join(stream.read_back(low, high, most)) == wire(between[::-1][:most])
    for number, pairs in model:
        assert stream.holds(number)
        assert stream.wire_of(number) == wire([(number, pairs)])[4:]


def test_sequences_begin_anew_behind_the_greatest_one() -> None:
    numbers = [5 << 64 | SEQUENCE_MAX, 6 << 64, 6 << 64 | 100, 7 << 64 | SEQUENCE_MAX, 8 << 64 | 126]
    stream = stream_of(*numbers, entries=10)
    assert [number for number, _ in stream.entries()] == numbers
    assert stream.delete(6 << 64 | 100)
    assert not stream.delete(6 << 64 | 99)
    stream.check()


def test_nodes_end_at_the_limits_of_entries_and_bytes() -> None:
    assert [node.count for node in stream_of(*range(1, 11)).nodes] == [4, 4, 2]
    stream = Stream()
    for number in range(1, 21):
        append(stream, number, [b"f", b"x" * 100], limits(0, 512))
    assert len(stream.nodes) == 5
    # A deleted entry still counts for its node.
    stream = stream_of(1, 2, 3)
    stream.delete(2)
    append(stream, 4, [b"f", b"v"], limits())
    append(stream, 5, [b"f", b"v"], limits())
    assert [node.count for node in stream.nodes] == [3, 1]


def test_whole_nodes_are_trimmed_up_to_a_limit() -> None:
    stream = stream_of(*range(1, 13))
    assert stream.trim_to(1, 0, whole_nodes=True) == 8
    assert stream.first_id == 9
    stream = stream_of(*range(1, 13))
    assert stream.trim_to(0, 7, whole_nodes=True) == 4
    stream = stream_of(*range(1, 13))
    assert stream.trim_below(8, 0, whole_nodes=True) == 4
    assert stream.trim_below(9, 3, whole_nodes=True) == 0
    stream.check()


def test_a_node_left_with_deleted_entries_only_goes() -> None:
    stream = stream_of(1, 2, 3, 4, 5)
    stream.delete(4)
    assert stream.trim_below(4, 0, whole_nodes=False) == 3
    stream.check()
    assert stream.heads == [5]


def test_a_copy_shares_nothing() -> None:
    stream = stream_of(*range(1, 7))
    stream.groups[b"g"] = Group(b"g", 3, 3)
    stream.nbytes += stream.groups[b"g"].nbytes
    copy = stream.copy()
    assert copy.digest() == stream.digest()
    before = stream.digest()
    append(copy, 9, [b"f", b"v"], limits())
    copy.delete(1)
    copy.delete(6)
    copy.groups[b"g"].last_id = 5
    stream.check()
    copy.check()
    assert stream.digest() == before


def test_nodes_of_the_same_fields_share_them() -> None:
    stream = stream_of(*range(1, 9))
    assert stream.nodes[0].fields is stream.nodes[1].fields


@pytest.mark.parametrize(
    ("numbers", "ms", "sequence"),
    [
        ([], 5, 0),
        ([], 0, 1),
        ([5 << 64], 5, 1),
        ([6 << 64], 5, -1),
        ([5 << 64], 6, 0),
        ([5 << 64 | SEQUENCE_MAX], 5, -1),
        ([ID_MAX], SEQUENCE_MAX, -1),
    ],
)
def test_the_next_sequence_number_of_a_millisecond(numbers: list[int], ms: int, sequence: int) -> None:
    assert stream_of(*numbers).next_sequence(ms) == sequence


@pytest.mark.parametrize(
    ("ids", "count"),
    # As XINFO STREAM of Redis tells them for one entry a node.
    [
        ([], 1),
        ([1 << 64], 2),
        ([1 << 64, 2 << 64], 6),
        ([1 << 64, 2 << 64, 3 << 64], 8),
        ([1 << 64, 1 << 64 | 1], 4),
        ([1 << 64, 1 << 64 | 1, 1 << 64 | 256], 7),
    ],
)
def test_the_radix_tree_that_redis_would_have(ids: list[int], count: int) -> None:
    assert stream_of(*ids, entries=1).radix_node_count() == count


def test_reading_all_takes_no_limit() -> None:
    stream = stream_of(*range(1, 400))
    assert b"".join(stream.read(0, ID_MAX, NO_LIMIT)).startswith(b"*399\r\n")
    assert b"".join(stream.read_back(0, ID_MAX, NO_LIMIT)).startswith(b"*399\r\n")


def test_a_node_is_read_backwards_as_a_whole_or_in_part() -> None:
    stream = stream_of(*range(1, 30), entries=10)
    stream.delete(15)
    entries = stream.entries()
    for low in (0, 4, 11, 12, 29):
        for high in (ID_MAX, 25, 20, 7):
            for most in (1, 3, 9, 10, 100):
                wanted = [entry for entry in reversed(entries) if low <= entry[0] <= high][:most]
                assert b"".join(stream.read_back(low, high, most)) == wire(wanted)
