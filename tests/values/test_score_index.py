"""The order of large sorted sets, against a plain sorted list."""

from bisect import bisect_left, bisect_right
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respkv.values.score_index import BLOCK_MAX, ScoreIndex

SCORES = st.sampled_from([float("-inf"), -1.5, -0.0, 0.0, 1.0, 1e300, float("inf")])
MEMBERS = st.binary(min_size=1, max_size=2)
Couple = tuple[float, bytes]


def filled(couples: list[Couple]) -> ScoreIndex:
    index = ScoreIndex()
    index.build([score for score, _ in couples], [member for _, member in couples])
    return index


def couples_of(index: ScoreIndex) -> list[Couple]:
    members = index.members_between(0, index.size)
    return list(zip(index.scores_between(0, index.size), members, strict=True))


@given(st.dictionaries(MEMBERS, SCORES), st.lists(st.tuples(MEMBERS, SCORES)))
def test_ranks_are_those_of_a_sorted_list(scores: dict[bytes, float], others: list[tuple[bytes, float]]) -> None:
    index = ScoreIndex()
    for member, score in scores.items():
        index.add(score, member)
    model = sorted((score, member) for member, score in scores.items())
    index.check()
    assert couples_of(index) == model
    model_scores = [score for score, _ in model]
    for rank, (score, member) in enumerate(model):
        assert index.rank(score, member) == rank
        assert index.at(rank) == (member, score)
    for member, score in others:
        assert index.rank(score, member) == bisect_left(model, (score, member))
        assert index.rank_of_score(score, False) == bisect_left(model_scores, score)
        assert index.rank_of_score(score, True) == bisect_right(model_scores, score)


@given(members=st.sets(MEMBERS), member=MEMBERS, above=st.booleans())
def test_members_of_one_score_have_ranks_too(members: set[bytes], member: bytes, *, above: bool) -> None:
    index = filled([(1.0, one) for one in sorted(members)])
    bisect = bisect_right if above else bisect_left
    assert index.rank_of_member(member, above) == bisect(sorted(members), member)


@pytest.mark.parametrize("seed", range(6))
def test_a_long_life_of_an_index(seed: int) -> None:
    """Grows to some runs of blocks and shrinks to nothing, by each of the ways there are."""
    random = Random(seed)
    model: list[Couple] = []
    index = ScoreIndex()
    number = 0
    peak = BLOCK_MAX * 80 if seed < 2 else BLOCK_MAX * 5
    growing = True
    while growing or model:
        growing = growing and len(model) < peak
        if random.random() < (0.9 if growing else 0.1):
            for _ in range(random.randrange(300)):
                number += 1
                score = {0: float(number), 1: -float(number)}.get(seed, float(random.randrange(50)))
                couple = (score, b"%d" % number)
                model.insert(bisect_left(model, couple), couple)
                index.add(score, couple[1])
        elif model:
            way = random.randrange(5)
            if way == 0:
                for _ in range(min(len(model), random.randrange(300))):
                    score, member = model.pop(random.randrange(len(model)))
                    assert index.remove(score, member) == member
            elif way == 1:
                assert index.pop_first() == model.pop(0)[::-1]
            elif way == 2:
                assert index.pop_last() == model.pop()[::-1]
            elif way == 3:
                start = random.randrange(len(model))
                stop = min(len(model), start + random.choice([1, 50, 500, 5000]))
                gone = index.remove_ranks(start, stop)
                assert [member for members in gone for member in members] == [member for _, member in model[start:stop]]
                del model[start:stop]
            else:
                chosen = random.sample(model, min(len(model), random.choice([1, 50, 2000])))
                model = sorted(set(model) - set(chosen))
                scores = [None, *[score for score, _ in chosen]]
                index.remove_all(scores, [b"before", b"not there", *[member for _, member in chosen]], 1)
        index.check()
        for _ in range(5):
            if model:
                rank = random.randrange(len(model))
                assert index.rank(*model[rank]) == rank
                assert index.at(rank) == model[rank][::-1]
                stop = min(len(model), rank + 900)
                assert index.members_between(rank, stop) == [member for _, member in model[rank:stop]]
    assert couples_of(index) == model == []


def test_those_who_come_in_order_fill_their_blocks() -> None:
    index = ScoreIndex()
    for number in range(BLOCK_MAX * 10):
        index.add(float(number), b"%d" % number)
    assert len(index.members) == 10


def test_a_copy_shares_nothing() -> None:
    index = filled([(float(number), b"%05d" % number) for number in range(2000)])
    before = couples_of(index)
    other = index.copy()
    other.remove_ranks(0, 1000)
    other.add(-1.0, b"x")
    index.check()
    other.check()
    assert couples_of(index) == before
