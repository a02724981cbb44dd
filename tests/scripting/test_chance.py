"""Redis's generator of random numbers."""

import pytest

from respkv.scripting.arguments import BadArgument
from respkv.scripting.chance import Chance


def test_the_first_numbers_are_those_of_redis() -> None:
    chance = Chance()
    assert [b"%.14g" % chance.random() for _ in range(2)] == [b"0.39646477363839", b"0.84048536971234"]


def test_a_seed_gives_the_same_numbers() -> None:
    one, two = Chance(), Chance()
    one.seed(7)
    two.seed(7.9)
    assert [one.random(1000000) for _ in range(5)] == [two.random(1000000) for _ in range(5)]
    one.seed(7)
    assert one.random(1000000) == 266445


@pytest.mark.parametrize("arguments", [(0,), (5, 4), (1, 2, 3), (b"x",)])
def test_intervals_without_numbers_are_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(BadArgument):
        Chance().random(*arguments)


def test_all_numbers_lie_in_the_interval() -> None:
    chance = Chance()
    assert {chance.random(-1, 2) for _ in range(200)} == {-1, 0, 1, 2}
