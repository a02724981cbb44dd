"""Commands on geographical indexes: sorted sets whose scores are numbers of places (`respkv.values.geohash`).

Source of all behaviour: redis-server 7.0 and 8.2; the order of the checks too.
"""

from collections.abc import Sequence
from typing import Any, Final

from respkv.commands.args import Args, parse_int
from respkv.commands.flags import DENYOOM, READONLY, WRITE
from respkv.commands.sorted_sets import as_sorted_set, parse_score, store, zadd
from respkv.commands.spec import CommandGroup
from respkv.engine.keyspace import Keyspace
from respkv.errors import BadSyntax, CountTooSmall, NotAFloat, ReplyError
from respkv.reply import NULL_ARRAY, Reply
from respkv.values import geohash
from respkv.values.geo_search import search
from respkv.values.geohash import Area
from respkv.values.sorted_sets import SortedSet

command = CommandGroup("geo", __name__)

_UNITS: Final = {b"m": 1.0, b"km": 1000.0, b"ft": 0.3048, b"mi": 1609.34}
"""Name of a unit to its length in metres."""

_UNSORTED: Final = 0
_ASCENDING: Final = 1
_DESCENDING: Final = 2


def _unit_m(word: bytes) -> float:
    unit_m = _UNITS.get(word.lower())
    if unit_m is None:
        raise ReplyError(b"ERR unsupported unit provided. please use M, KM, FT, MI")
    return unit_m


def _place(longitude: bytes, latitude: bytes) -> tuple[float, float]:
    """Two arguments as a place. Raises NotAFloat, ReplyError."""
    place = parse_score(longitude), parse_score(latitude)
    if not geohash.is_place(*place):
        raise ReplyError(b"ERR invalid longitude,latitude pair %f,%f" % place)
    return place


def _length(word: bytes, name: bytes) -> float:
    try:
        return parse_score(word)
    except NotAFloat:
        raise ReplyError(b"ERR need numeric %b" % name) from None


def _text_of_distance(distance: float) -> bytes:
    return b"%.4f" % distance


@command(
    "GEOADD key [NX | XX] [CH] longitude:double latitude:double member [longitude:double latitude:double member ...]",
    WRITE | DENYOOM,
    keys="RW UPDATE",
    since="3.2.0",
    cost="O(log n) a member, n = members of the index",
)
def geoadd(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give members a place each, adding those that are not there; how many were added.

    With NX only new members, with XX only others; CH counts those that moved too.

    > GEOADD k 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
    (integer) 2
    """
    at = 2
    while at < len(argv) and argv[at].upper() in (b"NX", b"XX", b"CH"):
        at += 1
    options = {word.upper() for word in argv[2:at]}
    if (len(argv) - at) % 3 or {b"NX", b"XX"} <= options:
        raise BadSyntax
    effect = [b"ZADD", *argv[1:at]]
    for number in range(at, len(argv), 3):
        place = _place(argv[number], argv[number + 1])
        effect.append(b"%d" % geohash.score_of(*place))
        effect.append(argv[number + 2])
    dirty = db.engine.dirty
    reply = zadd(db, effect)
    if db.engine.dirty != dirty:
        db.propagate_as(effect)
    return reply


@command(
    "GEOPOS key [member [member ...]]",
    READONLY,
    since="3.2.0",
    cost="O(1) a member",
)
def geopos(db: Keyspace, argv: list[bytes]) -> Reply:
    """The longitude and latitude of each member, or nil in its place."""
    value = as_sorted_set(db.find(argv[1]))
    places: list[Reply] = []
    for score in _scores_of(value, argv):
        if score is None:
            places.append(NULL_ARRAY)
        else:
            longitude, latitude = geohash.place_of(score)
            places.append([longitude, latitude])
    return places


def _scores_of(value: SortedSet | None, argv: list[bytes]) -> list[Any]:
    """The score of each member that is named behind the key, or None."""
    return [None] * (len(argv) - 2) if value is None else value.scores_of(argv, 2)


@command("GEOHASH key [member [member ...]]", READONLY, since="3.2.0", cost="O(1) a member")
def geohash_(db: Keyspace, argv: list[bytes]) -> Reply:
    """The place of each member as geohash.org writes it, or nil in its place."""
    value = as_sorted_set(db.find(argv[1]))
    texts: list[Reply] = []
    for score in _scores_of(value, argv):
        if score is None:
            texts.append(None)
        else:
            longitude, latitude = geohash.place_of(score)
            texts.append(geohash.text_of(longitude, latitude))
    return texts


@command("GEODIST key member1 member2 [M | KM | FT | MI]", READONLY, since="3.2.0", cost="O(1)")
def geodist(db: Keyspace, argv: list[bytes]) -> Reply:
    """The distance between two members, in metres or another unit; nil if one is not there.

    > GEOADD k 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
    (integer) 2
    > GEODIST k Palermo Catania km
    "166.2742"
    """
    if len(argv) > 5:
        raise BadSyntax
    unit_m = _unit_m(argv[4]) if len(argv) == 5 else 1.0
    value = as_sorted_set(db.find(argv[1]))
    if value is None:
        return None
    one = value.score(argv[2])
    two = value.score(argv[3])
    if one is None or two is None:
        return None
    return _text_of_distance(geohash.distance_m(*geohash.place_of(one), *geohash.place_of(two)) / unit_m)


class _Search:
    """A search with its options, parsed in steps as its commands have them. Raises, while parsed: ReplyError."""

    def __init__(self, name: bytes, value: SortedSet | None) -> None:
        self.name = name
        self.value = value
        self.place: tuple[float, float] | None = None
        self.centre_by = b""
        self.shape_by = b""
        self.unit_m = 1.0
        self.radius_m = 0.0
        self.width_m = -1.0
        self.height_m = -1.0
        self.with_distance = False
        self.with_hash = False
        self.with_place = False
        self.order = _UNSORTED
        self.count = 0
        self.takes_any = False
        self.destination: bytes | None = None
        self.stores_distances = False

    # Parsing

    def from_member(self, member: bytes) -> None:
        """Look around the place of `member`; of a key that is not there, nothing will be found anyway."""
        if self.value is None:
            return
        score = self.value.score(member)
        if score is None:
            raise ReplyError(b"ERR could not decode requested zset member")
        self.place = geohash.place_of(score)

    def by_radius(self, radius: bytes, unit: bytes) -> None:
        """Look within a circle."""
        length = _length(radius, b"radius")
        if length < 0:
            raise ReplyError(b"ERR radius cannot be negative")
        self.unit_m = _unit_m(unit)
        self.radius_m = length * self.unit_m

    def by_box(self, width: bytes, height: bytes, unit: bytes) -> None:
        """Look within a box."""
        across = _length(width, b"width")
        along = _length(height, b"height")
        if across < 0 or along < 0:
            raise ReplyError(b"ERR height or width cannot be negative")
        self.unit_m = _unit_m(unit)
        self.width_m = across * self.unit_m
        self.height_m = along * self.unit_m

    def parse_options(self, args: Args, *, has_shape: bool, may_store: bool, stores: bool) -> None:
        """What follows; `has_shape` if centre and shape were given by position, `stores` of GEOSEARCHSTORE."""
        while args.more():
            if args.token(b"WITHDIST"):
                self.with_distance = True
            elif args.token(b"WITHHASH"):
                self.with_hash = True
            elif args.token(b"WITHCOORD"):
                self.with_place = True
            elif args.token(b"ANY"):
                self.takes_any = True
            elif args.token(b"ASC"):
                self.order = _ASCENDING
            elif args.token(b"DESC"):
                self.order = _DESCENDING
            elif args.token_with_value(b"COUNT"):
                self.count = parse_int(args.next())
                if self.count <= 0:
                    raise CountTooSmall
            elif may_store and args.token_with_value(b"STORE"):
                self.destination = args.next()
                self.stores_distances = False
            elif may_store and args.token_with_value(b"STOREDIST"):
                self.destination = args.next()
                self.stores_distances = True
            elif stores and args.token(b"STOREDIST"):
                self.stores_distances = True
            elif has_shape or not self._parse_shape(args):
                raise BadSyntax
        if self.destination is not None and (self.with_distance or self.with_hash or self.with_place):
            what = b"GEOSEARCHSTORE" if stores else b"STORE option in GEORADIUS"
            raise ReplyError(b"ERR %b is not compatible with WITHDIST, WITHHASH and WITHCOORD options" % what)
        if not has_shape and not self.centre_by:
            raise ReplyError(b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %b" % self.name)
        if not has_shape and not self.shape_by:
            raise ReplyError(b"ERR exactly one of BYRADIUS and BYBOX can be specified for %b" % self.name)
        if self.takes_any and not self.count:
            raise ReplyError(b"ERR the ANY argument requires COUNT argument")
        if self.count and self.order == _UNSORTED and not self.takes_any:
            self.order = _ASCENDING

    def _parse_shape(self, args: Args) -> bool:
        left = args.remaining()
        if left > 1 and self.centre_by != b"FROMLONLAT" and args.token(b"FROMMEMBER"):
            self.centre_by = b"FROMMEMBER"
            self.from_member(args.next())
        elif left > 2 and self.centre_by != b"FROMMEMBER" and args.token(b"FROMLONLAT"):
            self.centre_by = b"FROMLONLAT"
            self.place = _place(args.next(), args.next())
        elif left > 2 and self.shape_by != b"BYBOX" and args.token(b"BYRADIUS"):
            self.shape_by = b"BYRADIUS"
            self.by_radius(args.next(), args.next())
        elif left > 3 and self.shape_by != b"BYRADIUS" and args.token(b"BYBOX"):
            self.shape_by = b"BYBOX"
            self.by_box(args.next(), args.next(), args.next())
        else:
            return False
        return True

    # Searching

    def run(self, db: Keyspace) -> Reply:
        """The reply, after the result was stored if that was asked for. O(members in the cells around + m log m)."""
        if self.value is None or self.place is None:
            return [] if self.destination is None else self._store(db, [], [])
        area = Area(*self.place, self.radius_m, self.width_m, self.height_m)
        found = search(self.value, area, self.count if self.takes_any else 0)
        members = found.members
        distances_m = found.distances_m
        # In which order, and which of them.
        chosen: Sequence[int] = range(len(members))
        if self.order != _UNSORTED:
            chosen = sorted(chosen, key=distances_m.__getitem__, reverse=self.order == _DESCENDING)
        if self.count:
            chosen = chosen[: self.count]
        if self.destination is not None:
            scores = [distances_m[at] / self.unit_m if self.stores_distances else found.scores[at] for at in chosen]
            return self._store(db, [members[at] for at in chosen], scores)
        if not (self.with_distance or self.with_hash or self.with_place):
            return [members[at] for at in chosen]
        return [self._describe(members[at], found.scores[at], distances_m[at]) for at in chosen]

    def _store(self, db: Keyspace, members: list[bytes], scores: list[float]) -> int:
        assert self.destination is not None
        event = b"geosearchstore" if self.shape_by else b"georadiusstore"
        return store(db, self.destination, members, scores, event)

    def _describe(self, member: bytes, score: float, distance_m: float) -> list[Any]:
        parts: list[Any] = [member]
        if self.with_distance:
            parts.append(_text_of_distance(distance_m / self.unit_m))
        if self.with_hash:
            parts.append(int(score))
        if self.with_place:
            longitude, latitude = geohash.place_of(score)
            parts.append([longitude, latitude])
        return parts


_RADIUS_OPTIONS: Final = "<M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count:int [ANY]] [ASC | DESC]"
_AREA_OPTIONS: Final = (
    "<FROMMEMBER member | FROMLONLAT longitude:double latitude:double>"
    " <BYRADIUS radius:double <M | KM | FT | MI> | BYBOX width:double height:double <M | KM | FT | MI>>"
    " [ASC | DESC] [COUNT count:int [ANY]]"
)
_COST: Final = "O(n + m log m), n = members in the cells around the area, m = members found"


@command(f"GEOSEARCH key {_AREA_OPTIONS} [WITHCOORD] [WITHDIST] [WITHHASH]", READONLY, since="6.2.0", cost=_COST)
def geosearch(db: Keyspace, argv: list[bytes]) -> Reply:
    """The members within a circle or a box around a member or a place.

    > GEOADD k 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
    (integer) 2
    > GEOSEARCH k FROMLONLAT 15 37 BYRADIUS 100 km
    1) "Catania"
    """
    search = _Search(argv[0], as_sorted_set(db.find(argv[1])))
    search.parse_options(Args(argv, 2), has_shape=False, may_store=False, stores=False)
    return search.run(db)


@command(
    f"GEOSEARCHSTORE destination:key source:key {_AREA_OPTIONS} [STOREDIST]",
    WRITE | DENYOOM,
    keys="OW UPDATE; RO ACCESS",
    since="6.2.0",
    cost=_COST,
)
def geosearchstore(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give `destination` the members that GEOSEARCH finds in `source`, or with STOREDIST their distances as scores."""
    search = _Search(argv[0], as_sorted_set(db.find(argv[2])))
    search.destination = argv[1]
    search.parse_options(Args(argv, 3), has_shape=False, may_store=False, stores=True)
    return search.run(db)


def keys_of_radius(argv: list[bytes]) -> list[bytes]:
    """The key that is searched, and the one that the last STORE or STOREDIST names."""
    keys = argv[1:2]
    target: list[bytes] = []
    at = 5
    while at < len(argv) - 1:
        if argv[at].upper() in (b"STORE", b"STOREDIST"):
            at += 1
            target = argv[at : at + 1]
        at += 1
    return keys + target


@command(
    f"GEORADIUS key longitude:double latitude:double radius:double {_RADIUS_OPTIONS} [STORE key] [STOREDIST key]",
    WRITE | DENYOOM,
    keys="RO ACCESS; OW UPDATE; OW UPDATE",
    since="3.2.0",
    cost=_COST,
    find_keys=keys_of_radius,
)
def georadius(db: Keyspace, argv: list[bytes]) -> Reply:
    """The members within a circle around a place, or with STORE how many were stored elsewhere."""
    return _radius(db, argv, True)


@command(
    f"GEORADIUS_RO key longitude:double latitude:double radius:double {_RADIUS_OPTIONS}",
    READONLY,
    since="3.2.10",
    cost=_COST,
)
def georadius_ro(db: Keyspace, argv: list[bytes]) -> Reply:
    """The members within a circle around a place."""
    return _radius(db, argv, False)


def _radius(db: Keyspace, argv: list[bytes], may_store: bool) -> Reply:
    search = _Search(argv[0], as_sorted_set(db.find(argv[1])))
    search.place = _place(argv[2], argv[3])
    search.by_radius(argv[4], argv[5])
    search.parse_options(Args(argv, 6), has_shape=True, may_store=may_store, stores=False)
    return search.run(db)


@command(
    f"GEORADIUSBYMEMBER key member radius:double {_RADIUS_OPTIONS} [STORE key] [STOREDIST key]",
    WRITE | DENYOOM,
    keys="RO ACCESS; OW UPDATE; OW UPDATE",
    since="3.2.0",
    cost=_COST,
    find_keys=keys_of_radius,
)
def georadiusbymember(db: Keyspace, argv: list[bytes]) -> Reply:
    """The members within a circle around one of them, or with STORE how many were stored elsewhere."""
    return _radius_by_member(db, argv, True)


@command(
    f"GEORADIUSBYMEMBER_RO key member radius:double {_RADIUS_OPTIONS}",
    READONLY,
    since="3.2.10",
    cost=_COST,
)
def georadiusbymember_ro(db: Keyspace, argv: list[bytes]) -> Reply:
    """The members within a circle around one of them."""
    return _radius_by_member(db, argv, False)


def _radius_by_member(db: Keyspace, argv: list[bytes], may_store: bool) -> Reply:
    search = _Search(argv[0], as_sorted_set(db.find(argv[1])))
    if search.value is not None:
        search.from_member(argv[2])
        search.by_radius(argv[3], argv[4])
    search.parse_options(Args(argv, 5), has_shape=True, may_store=may_store, stores=False)
    return search.run(db)
