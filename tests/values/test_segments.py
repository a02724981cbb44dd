"""A dict in segments, against a dict."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respkv.values.segments import SEGMENT_ENTRIES, Segments


@given(st.dictionaries(st.binary(max_size=3), st.integers()), st.lists(st.binary(max_size=3)))
def test_it_is_a_dict(entries: dict[bytes, int], others: list[bytes]) -> None:
    segments = Segments()
    for key, value in entries.items():
        segments.add(key, value)
    for key in others:
        assert segments.get(key) == entries.get(key)
        assert (key in segments) == (key in entries)
        assert segments.pop(key) == entries.pop(key, None)
    assert sorted(segments) == sorted(entries)
    assert len(segments) == len(entries)
    segments.check()


def test_segments_split_as_entries_come() -> None:
    segments = Segments()
    counts = set()
    for number in range(SEGMENT_ENTRIES * 9):
        segments.add(b"%d" % number, number)
        counts.add(len(segments.dicts))
    assert counts == set(range(1, 10))
    segments.check()
    assert max(map(len, segments.dicts)) < 3 * SEGMENT_ENTRIES
    assert all(segments.get(b"%d" % number) == number for number in range(SEGMENT_ENTRIES * 9))


@pytest.mark.parametrize("size", [0, 1, SEGMENT_ENTRIES, SEGMENT_ENTRIES + 1, SEGMENT_ENTRIES * 5])
def test_what_is_made_at_once_lives_on(size: int) -> None:
    model = {b"%d" % number: number for number in range(size)}
    segments = Segments.of(model.copy())
    segments.check()
    random = Random(size)
    for number in range(size, size + 30_000):
        segments.add(b"%d" % number, number)
        model[b"%d" % number] = number
        gone = b"%d" % random.randrange(2 * size + 1)
        assert segments.pop(gone) == model.pop(gone, None)
        if gone in model:
            segments.replace(gone, -1)
            model[gone] = -1
    segments.check()
    copy = segments.copy()
    copy.pop(next(iter(copy)))
    copy.check()
    assert {key: segments.get(key) for key in segments} == model
    assert b"x" not in segments
    assert 5 not in segments
