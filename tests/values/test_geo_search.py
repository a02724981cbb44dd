"""What a search finds, against measuring each member."""

from math import nextafter
from random import Random

import pytest

from respkv.values.geo_search import search
from respkv.values.geohash import LATITUDE_MAX, Area, place_of, score_of
from respkv.values.limits import Limits
from respkv.values.sorted_sets import SortedSet


def scattered(random: Random, count: int) -> SortedSet:
    """Places all over the globe, some of them near each other, and a few scores that are no places' numbers."""
    pairs = []
    for number in range(count):
        longitude, latitude = random.uniform(-180, 180), random.uniform(-LATITUDE_MAX, LATITUDE_MAX)
        if number % 3 == 0:
            longitude, latitude = random.gauss(10, 1), random.gauss(40, 1)
        pairs.append((b"%d" % number, float(score_of(longitude, latitude))))
    return SortedSet.of([*pairs, (b"below", -1.0), (b"above", 1e300), (b"between", 0.5)], Limits())


def measured(value: SortedSet, area: Area) -> list[tuple[bytes, float, float]]:
    """What is found by looking at all members of the cells, in the order of the cells."""
    found = []
    for cell in area.cells():
        low, high = cell.scores()
        for member, score in value.pairs():
            distance_m = area.distance_to(*place_of(score))
            if low <= score < high and distance_m >= 0.0:
                found.append((member, score, distance_m))
    return found


@pytest.mark.parametrize(("seed", "count"), [(0, 5), (1, 100), (2, 1500), (3, 1500)])
def test_a_search_finds_what_is_near_enough_to_the_last_digit(seed: int, count: int) -> None:
    random = Random(seed)
    value = scattered(random, count)
    for _ in range(40):
        place = random.choice(
            [(10.0, 40.0), (random.uniform(-180, 180), random.uniform(-85, 85)), (180.0, LATITUDE_MAX)]
        )
        reach_m = 10 ** random.uniform(2, 7.6)
        if random.random() < 0.5:
            area = Area(*place, reach_m, -1.0, -1.0)
        else:
            area = Area(*place, 0.0, reach_m, reach_m * random.uniform(0.1, 2))
        expected = measured(value, area)
        found = search(value, area, 0)
        assert list(zip(found.members, found.scores, found.distances_m, strict=True)) == expected
        assert search(value, area, 3).members == [member for member, _, _ in expected[:3]]


def test_a_place_at_the_very_edge_is_judged_by_its_last_digit() -> None:
    value = scattered(Random(4), 60)
    for member, score in value.pairs():
        distance_m = Area(0.0, 0.0, 1e9, -1.0, -1.0).distance_to(*place_of(score))
        for radius_m in (distance_m, nextafter(distance_m, 0.0)):
            area = Area(0.0, 0.0, radius_m, -1.0, -1.0)
            names = [name for name, _, _ in measured(value, area)]
            assert search(value, area, 0).members == names
            assert radius_m == distance_m or member not in names
