"""The longest common subsequence, against the matrix as a textbook has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respkv.commands.subsequence import Run, find_runs, length_of_lcs


def walk_matrix(a: bytes, b: bytes) -> list[Run]:
    """The runs by the whole matrix and the reference's rule for the walk back."""
    lengths = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            if a[i - 1] == b[j - 1]:
                lengths[i][j] = lengths[i - 1][j - 1] + 1
            else:
                lengths[i][j] = max(lengths[i - 1][j], lengths[i][j - 1])
    runs: list[Run] = []
    i, j = len(a), len(b)
    matched = 0
    while i > 0 and j > 0:
        if a[i - 1] == b[j - 1]:
            i, j, matched = i - 1, j - 1, matched + 1
            continue
        if matched:
            runs.append(Run(i, j, matched))
            matched = 0
        if lengths[i - 1][j] > lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    if matched:
        runs.append(Run(i, j, matched))
    return runs


texts = (
    st.binary(max_size=40) | st.text("ab", max_size=40).map(str.encode) | st.text("abcd", max_size=80).map(str.encode)
)


@given(texts, texts)
def test_runs_are_those_of_the_matrix(a: bytes, b: bytes) -> None:
    runs = walk_matrix(a, b)
    assert find_runs(a, b) == runs
    assert length_of_lcs(a, b) == sum(run.length for run in runs)


@pytest.mark.parametrize(("a", "b"), [(b"", b""), (b"", b"x"), (b"x", b"")])
def test_nothing_has_nothing_in_common(a: bytes, b: bytes) -> None:
    assert find_runs(a, b) == []
    assert length_of_lcs(a, b) == 0


def test_a_string_of_many_steps_of_columns() -> None:
    long = b"x" * 150_000 + b"needle" + b"y" * 80_000
    assert find_runs(b"needle", long) == [Run(0, 150_000, 6)]
    assert find_runs(long, b"needle") == [Run(150_000, 0, 6)]
    assert length_of_lcs(long, b"xyz") == 2
