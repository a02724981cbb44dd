"""Which members of a geographical index are within an area, and how far from its centre each is.

Most of what is in the cells around an area is outside of it. So a candidate's row is compared first, which takes a
few shifts of its score, then a term of the haversine formula with what it is at the edge; only what is left is
measured, in the order of operations on which the last digits of a reply depend.
"""

from math import cos, fabs, pi, sin
from typing import TYPE_CHECKING, Final

from librt.vecs import vec

from respkv.values.geohash import (
    EARTH_RADIUS_M,
    LATITUDE_MAX,
    LONGITUDE_MAX,
    RADIANS,
    Area,
    column_of,
    middle_of,
    row_of,
)
from respkv.values.score_index import Sieve
from respkv.values.sorted_sets import SortedSet

if TYPE_CHECKING:
    from mypy_extensions import i64

_DOUBTFUL: Final = 1.000000001
_DOUBTFUL_M: Final = 1.0
"""How far beyond the edge a first look must find a place to pass it over: rounding is a matter of 0.2 m at most, on
the other side of the globe, where an arc sine is steep."""


class Findings(Sieve):
    """What was found in `area`, up to `limit` members (0: all): beside each its score and its distance in metres."""

    def __init__(self, area: Area, limit: int) -> None:
        self.members: list[bytes] = []
        self.scores: list[float] = []
        self.distances_m: list[float] = []
        self.area = area
        self.limit = limit
        self.centre_latitude = area.latitude * RADIANS
        self.centre_longitude = area.longitude * RADIANS
        self.centre_cos = cos(self.centre_latitude)
        height_m = area.height_m / 2 if area.is_box else area.radius_m
        width_m = area.width_m / 2 if area.is_box else area.radius_m
        self.rows_max = (height_m * _DOUBTFUL + _DOUBTFUL_M) / EARTH_RADIUS_M
        # Beyond half the way around the globe there is nothing.
        half_angle = (width_m * _DOUBTFUL + _DOUBTFUL_M) / EARTH_RADIUS_M / 2
        self.term_max = sin(half_angle) * sin(half_angle) if half_angle < pi / 2 else 2.0

    def is_full(self) -> bool:
        """Whether no more is wanted."""
        return self.limit > 0 and len(self.members) >= self.limit

    def sift(self, scores: vec[float], members: list[bytes], start: int, stop: int) -> bool:
        """See `Sieve`."""
        area = self.area
        is_box = area.is_box
        centre_latitude = self.centre_latitude
        centre_longitude = self.centre_longitude
        rows_max = self.rows_max
        term_max = self.term_max
        at: i64 = start
        end: i64 = stop
        while at < end:
            score = scores[at]
            bits: i64 = int(score)
            latitude = middle_of(float(row_of(bits)), LATITUDE_MAX)
            radians = latitude * RADIANS
            north = radians - centre_latitude
            if fabs(north) <= rows_max:
                longitude = middle_of(float(column_of(bits)), LONGITUDE_MAX)
                v = sin((longitude * RADIANS - centre_longitude) / 2)
                cosine = cos(radians)
                if is_box:
                    # Along the parallel of the place.
                    term = cosine * cosine * v * v
                else:
                    u = sin(north / 2)
                    term = u * u + self.centre_cos * cosine * v * v
                if term <= term_max:
                    distance_m = area.distance_to(longitude, latitude)
                    if distance_m >= 0.0:
                        self.members.append(members[at])
                        self.scores.append(score)
                        self.distances_m.append(distance_m)
                        if self.is_full():
                            return False
            at += 1
        return True


def search(value: SortedSet, area: Area, limit: int) -> Findings:
    """What of `value` is in `area`, cell by cell, until there are `limit` (0: all). O(members in the cells)."""
    found = Findings(area, limit)
    for cell in area.cells():
        if found.is_full():
            break
        low, high = cell.scores()
        value.sift(float(low), float(high), found)
    return found
