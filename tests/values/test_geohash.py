"""Places as numbers."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respkv.values.geohash import (
    EARTH_RADIUS_M,
    LATITUDE_MAX,
    STEPS,
    Area,
    Cell,
    cell_of,
    distance_m,
    is_place,
    place_of,
    score_of,
    text_of,
)

LONGITUDES = st.floats(-180, 180)
LATITUDES = st.floats(-LATITUDE_MAX, LATITUDE_MAX)


@given(LONGITUDES, LATITUDES)
def test_a_place_is_kept_to_a_metre(longitude: float, latitude: float) -> None:
    found = place_of(score_of(longitude, latitude))
    assert distance_m(longitude, latitude, *found) < 1
    assert is_place(*found)


@given(st.integers(0, (1 << 52) - 1))
def test_the_middle_of_a_cell_is_in_it(bits: int) -> None:
    assert score_of(*place_of(bits)) == bits


def test_the_corners_of_the_grid() -> None:
    assert score_of(-180.0, -LATITUDE_MAX) == 0
    assert score_of(0.0, 0.0) == 0b11 << 50
    assert place_of(float("inf")) == place_of(0.0)
    assert not is_place(180.1, 0.0)
    assert not is_place(0.0, -85.06)


@pytest.mark.parametrize(
    ("longitude", "latitude", "text"),
    [(13.361389338970184, 38.1155563954963, b"sqc8b49rny0"), (-5.6, 42.6, b"ezs42e44yx0"), (0.0, 0.0, b"s0000000000")],
)
def test_the_text_form(longitude: float, latitude: float, text: bytes) -> None:
    assert text_of(longitude, latitude) == text


@given(st.integers(1, STEPS), st.data())
def test_neighbours_wrap_around(step: int, data: st.DataObject) -> None:
    size = 1 << step
    column, row = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    cell = Cell(column, row, step)
    assert cell.beside(1, 0).beside(-1, 0).bits() == cell.bits() == cell.beside(0, -1).beside(0, 1).bits()
    assert cell.beside(1, 0).column == (column + 1) % size
    assert cell.beside(0, -1).row == (row - 1) % size


def test_the_cells_of_a_row_tile_the_globe() -> None:
    edges = [Cell(column, 0, 3).west_east() for column in range(8)]
    assert edges[0][0] == -180.0
    assert edges[-1][1] == 180.0
    assert all(one[1] == two[0] for one, two in pairwise(edges))


def test_distances() -> None:
    quarter = EARTH_RADIUS_M * 3.141592653589793 / 2
    assert distance_m(0.0, 0.0, 90.0, 0.0) == pytest.approx(quarter)
    assert distance_m(10.0, 0.0, 10.0, 45.0) == pytest.approx(quarter / 2)
    assert distance_m(10.0, 20.0, 10.0, 20.0) == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_the_cells_cover_the_area(seed: int) -> None:
    """Away from the poles and the date line, whatever is near enough is in one of the cells."""
    random = Random(seed)
    for _ in range(300):
        longitude, latitude = random.uniform(-100, 100), random.uniform(-60, 60)
        radius_m = 10 ** random.uniform(0, 6)
        is_box = random.random() < 0.5
        area = Area(longitude, latitude, 0.0 if is_box else radius_m, radius_m if is_box else -1.0, radius_m)
        ranges = [cell.scores() for cell in area.cells()]
        for _ in range(30):
            # Degrees of about 111 km.
            reach = radius_m / 111_000
            place = longitude + random.uniform(-reach, reach), latitude + random.uniform(-reach, reach)
            if is_place(*place) and area.distance_to(*place) >= 0:
                score = score_of(*place)
                assert any(low <= score < high for low, high in ranges), (longitude, latitude, radius_m, place)


def test_the_cell_of_the_centre_comes_first() -> None:
    area = Area(13.0, 38.0, 1000.0, -1.0, -1.0)
    assert area.cells()[0].bits() == cell_of(13.0, 38.0, area.cells()[0].step).bits()
