"""Places on the globe as numbers that are near each other where the places are.

    longitude  -180 ... 180            as one of 2**step columns      bits 1, 3, 5 ...
    latitude   -85.05112878 ... same   as one of 2**step rows         bits 0, 2, 4 ...

The bits of column and row by turns make the number of a cell. With 26 steps it has 52 bits, which a sorted set keeps
as a score; the places of a cell of fewer steps are one range of these numbers. So a search looks at the cell around its
centre, as small as its reach allows, and the eight beside it.

Sources: G. M. Morton 1966 (the order), G. Niemeyer 2008 (geohash.org, the text form), and the reference's constants
and order of floating-point operations, on which the last digits of its replies depend.
"""

from math import asin, cos, isfinite, nan, pi, sin, sqrt
from typing import Final

from librt.strings import BytesWriter
from mypy_extensions import i64

STEPS: Final = 26
LONGITUDE_MAX: Final = 180.0
LATITUDE_MAX: Final = 85.05112878

EARTH_RADIUS_M: Final = 6372797.560856
_REACH_MAX_M: Final = 20037726.37
"""Half the way around the globe in the projection that gives the latitudes their bounds."""

RADIANS: Final = pi / 180.0
_ALPHABET: Final = b"0123456789bcdefghjkmnpqrstuvwxyz"

_EVERY_OTHER: Final = 0x5555555555555555
_SIZE: Final = float(1 << STEPS)
_NUMBERS_END: Final = float(1 << 54)
"""Numbers of cells are below, also that of the last place to the north-east."""


class Cell:
    """A column and a row of a grid of 2**step by 2**step.

    The last place to the east or north is in a column or row of its own, `2**step`, which only its neighbours wrap.
    """

    def __init__(self, column: int, row: int, step: int) -> None:
        self.column = column
        self.row = row
        self.step = step

    def beside(self, columns: int, rows: int) -> "Cell":
        """The cell so many columns east and rows north, around the globe if need be."""
        size = 1 << self.step
        column = (self.column + columns) % size if columns else self.column
        row = (self.row + rows) % size if rows else self.row
        return Cell(column, row, self.step)

    def bits(self) -> int:
        """The number of the cell."""
        return _spread(self.row) | _spread(self.column) << 1

    def west_east(self) -> tuple[float, float]:
        """The longitudes where the cell begins and ends."""
        return _edges(self.column, self.step, LONGITUDE_MAX)

    def south_north(self) -> tuple[float, float]:
        """The latitudes where the cell begins and ends."""
        return _edges(self.row, self.step, LATITUDE_MAX)

    def scores(self) -> tuple[int, int]:
        """The range of scores of the places in it, half-open."""
        shift = 2 * (STEPS - self.step)
        bits = self.bits()
        return bits << shift, (bits + 1) << shift


def _spread(number: i64) -> i64:
    """The bits of a number of up to 27 bits, with a zero in front of each."""
    spread = (number | number << 16) & 0x0000FFFF0000FFFF
    spread = (spread | spread << 8) & 0x00FF00FF00FF00FF
    spread = (spread | spread << 4) & 0x0F0F0F0F0F0F0F0F
    spread = (spread | spread << 2) & 0x3333333333333333
    return (spread | spread << 1) & _EVERY_OTHER


def _gather(number: i64) -> i64:
    """The bits of a number of which every other one, from the last one on, may be set, without the zeros between."""
    gathered = (number | number >> 1) & 0x3333333333333333
    gathered = (gathered | gathered >> 2) & 0x0F0F0F0F0F0F0F0F
    gathered = (gathered | gathered >> 4) & 0x00FF00FF00FF00FF
    gathered = (gathered | gathered >> 8) & 0x0000FFFF0000FFFF
    return (gathered | gathered >> 16) & 0x00000000FFFFFFFF


def column_of(bits: i64) -> i64:
    """The column of the cell of `STEPS` steps with this number, which is not negative."""
    return _gather(bits >> 1 & _EVERY_OTHER)


def row_of(bits: i64) -> i64:
    """As `column_of`, the row."""
    return _gather(bits & _EVERY_OTHER)


def middle_of(number: float, bound: float) -> float:
    """The longitude in the middle of a column of `STEPS` steps, or the latitude in that of a row, by its `bound`."""
    # In this order of operations, for the sake of the last bit.
    scale = bound + bound
    begin = -bound + number / _SIZE * scale
    end = -bound + (number + 1.0) / _SIZE * scale
    middle = (begin + end) / 2
    if middle > bound:
        return bound
    return middle


def _offset(place: float, bound: float, step: int) -> int:
    # In this order of operations, for the sake of the last bit.
    return int((place + bound) / (bound + bound) * float(1 << step))


def _edges(number: int, step: int, bound: float) -> tuple[float, float]:
    size = float(1 << step)
    scale = bound + bound
    return -bound + (number * 1.0 / size) * scale, -bound + ((number + 1) * 1.0 / size) * scale


def cell_of(longitude: float, latitude: float, step: int) -> Cell:
    """The cell in which a place is."""
    return Cell(_offset(longitude, LONGITUDE_MAX, step), _offset(latitude, LATITUDE_MAX, step), step)


def is_place(longitude: float, latitude: float) -> bool:
    """Whether there is such a place on the grid."""
    return -LONGITUDE_MAX <= longitude <= LONGITUDE_MAX and -LATITUDE_MAX <= latitude <= LATITUDE_MAX


def score_of(longitude: float, latitude: float) -> int:
    """The number of the smallest cell in which a place is, as a sorted set keeps it."""
    return _bits_of(longitude, latitude, LATITUDE_MAX)


def _bits_of(longitude: float, latitude: float, latitude_max: float) -> i64:
    column: i64 = int((longitude + LONGITUDE_MAX) / (LONGITUDE_MAX + LONGITUDE_MAX) * _SIZE)
    row: i64 = int((latitude + latitude_max) / (latitude_max + latitude_max) * _SIZE)
    return _spread(row) | _spread(column) << 1


def place_of(score: float) -> tuple[float, float]:
    """Longitude and latitude of the middle of the cell with this number."""
    if 0.0 <= score < _NUMBERS_END:
        bits: i64 = int(score)
        return middle_of(float(column_of(bits)), LONGITUDE_MAX), middle_of(float(row_of(bits)), LATITUDE_MAX)
    # Of a score that is no number of a cell, 64 bits.
    number = int(score) & 0xFFFFFFFFFFFFFFFF if -9.3e18 < score < 1.9e19 else 0
    column = float(_gather(number >> 1 & _EVERY_OTHER))
    return middle_of(column, LONGITUDE_MAX), middle_of(float(_gather(number & _EVERY_OTHER)), LATITUDE_MAX)


def text_of(longitude: float, latitude: float) -> bytes:
    """The eleven letters by which geohash.org knows a place; the last one says nothing more.

    There latitudes go up to 90.
    """
    bits: i64 = _bits_of(longitude, latitude, 90.0)
    text = BytesWriter()
    shift: i64 = 47
    while shift > 0:
        text.append(_ALPHABET[bits >> shift & 31])
        shift -= 5
    text.append(48)
    return text.getvalue()


def distance_m(longitude1: float, latitude1: float, longitude2: float, latitude2: float) -> float:
    """The way between two places along a great circle, in metres: the haversine formula."""
    v = sin((longitude2 * RADIANS - longitude1 * RADIANS) / 2)
    if v == 0.0:
        return north_south_m(latitude1, latitude2)
    one = latitude1 * RADIANS
    two = latitude2 * RADIANS
    u = sin((two - one) / 2)
    a = u * u + cos(one) * cos(two) * v * v
    return 2.0 * EARTH_RADIUS_M * asin(sqrt(a))


def north_south_m(latitude1: float, latitude2: float) -> float:
    """The way between two latitudes, in metres."""
    return EARTH_RADIUS_M * abs(latitude2 * RADIANS - latitude1 * RADIANS)


class Area:
    """What a search looks for: all within a circle of `radius_m`, or a box of `width_m` by `height_m`, around a place.

    A box has a radius of 0, a circle the other two.
    """

    def __init__(self, longitude: float, latitude: float, radius_m: float, width_m: float, height_m: float) -> None:
        self.longitude = longitude
        self.latitude = latitude
        self.is_box = width_m >= 0.0
        self.radius_m = radius_m
        self.width_m = width_m
        self.height_m = height_m

    def distance_to(self, longitude: float, latitude: float) -> float:
        """How far a place is from the centre in metres; -1 if it is outside."""
        if not self.is_box:
            distance = distance_m(self.longitude, self.latitude, longitude, latitude)
            return distance if distance <= self.radius_m else -1.0
        if north_south_m(latitude, self.latitude) > self.height_m / 2:
            return -1.0
        if distance_m(longitude, latitude, self.longitude, latitude) > self.width_m / 2:
            return -1.0
        return distance_m(self.longitude, self.latitude, longitude, latitude)

    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north of a box of degrees around it; where it comes near a pole, of no great worth."""
        height_m = self.height_m / 2 if self.is_box else self.radius_m
        width_m = self.width_m / 2 if self.is_box else self.radius_m
        rows = height_m / EARTH_RADIUS_M / RADIANS
        # The parallels are shorter towards the poles.
        latitude = self.latitude - rows if self.latitude < 0 else self.latitude + rows
        # Without end to the north there is no telling how far it goes to the east.
        width = cos(latitude * RADIANS) if isfinite(latitude) else nan
        columns = width_m / EARTH_RADIUS_M / width / RADIANS
        return self.longitude - columns, self.latitude - rows, self.longitude + columns, self.latitude + rows

    def _step(self) -> int:
        """The finest grid of which nine cells may cover it."""
        reach_m = self.radius_m
        if self.is_box:
            reach_m = sqrt((self.width_m / 2) * (self.width_m / 2) + (self.height_m / 2) * (self.height_m / 2))
        if reach_m == 0.0:
            return STEPS
        step = 1
        while reach_m < _REACH_MAX_M:
            reach_m *= 2
            step += 1
        step -= 2
        # Cells are narrower in metres towards the poles.
        if abs(self.latitude) > 66:
            step -= 2 if abs(self.latitude) > 80 else 1
        return min(max(step, 1), STEPS)

    def cells(self) -> list[Cell]:
        """The cells that cover it: that of its centre, then those around it that it may reach into."""
        west, south, east, north = self.bounds()
        step = self._step()
        centre = cell_of(self.longitude, self.latitude, step)
        if step > 1 and (
            centre.beside(0, 1).south_north()[1] < north
            or centre.beside(0, -1).south_north()[0] > south
            or centre.beside(1, 0).west_east()[1] < east
            or centre.beside(-1, 0).west_east()[0] > west
        ):
            step -= 1
            centre = cell_of(self.longitude, self.latitude, step)
        cell_west, cell_east = centre.west_east()
        cell_south, cell_north = centre.south_north()
        found = [centre]
        for columns, rows in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)):
            # A coarse grid of four by four wraps around: nothing is left out of it.
            if step >= 2 and (
                (rows < 0 and cell_south < south)
                or (rows > 0 and cell_north > north)
                or (columns < 0 and cell_west < west)
                or (columns > 0 and cell_east > east)
            ):
                continue
            cell = centre.beside(columns, rows)
            # Of a grid of two by two, neighbours may be the same.
            if len(found) > 1 and cell.bits() == found[-1].bits():
                continue
            found.append(cell)
        return found
