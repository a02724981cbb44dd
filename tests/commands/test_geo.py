"""Geographical indexes; all options, errors and seams are in the differential cases."""

import pytest
from harness import Client, World

SICILY = "GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania"


def test_distances_and_places(client: Client, client3: Client) -> None:
    assert client.run(SICILY) == 2
    assert client.run("GEODIST g Palermo Catania") == b"166274.1516"
    assert client.run("GEODIST g Palermo Catania mi") == b"103.3182"
    assert client.run("GEOHASH g Palermo nope") == [b"sqc8b49rny0", None]
    assert client.run("ZSCORE g Palermo") == b"3479099956230698"
    assert client3.run("GEOPOS g Palermo nope") == [[13.361389338970184, 38.1155563954963], None]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("FROMLONLAT 15 37 BYRADIUS 200 km ASC", [b"Catania", b"Palermo"]),
        ("FROMLONLAT 15 37 BYRADIUS 200 km DESC", [b"Palermo", b"Catania"]),
        ("FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1", [b"Catania"]),
        ("FROMLONLAT 15 37 BYRADIUS 100 km", [b"Catania"]),
        ("FROMLONLAT 15 37 BYBOX 100 400 km", [b"Catania"]),
        ("FROMMEMBER Palermo BYBOX 400 10 km", [b"Palermo"]),
        ("FROMMEMBER Palermo BYRADIUS 0 m WITHDIST", [[b"Palermo", b"0.0000"]]),
        ("FROMMEMBER Palermo BYRADIUS 1 m WITHHASH", [[b"Palermo", 3479099956230698]]),
    ],
)
def test_searches(client: Client, options: str, found: list[object]) -> None:
    client.run(SICILY)
    assert client.run(f"GEOSEARCH g {options}") == found


def test_a_search_takes_no_more_than_it_is_asked_for(world: World, client: Client) -> None:
    world.checks_each_command = False
    client.run("GEOADD", "g", *(word for number in range(500) for word in (number / 100, 1, f"m{number}")))
    near = client.run("GEOSEARCH g FROMLONLAT 2 1 BYRADIUS 20 km ASC")
    assert near[0] == b"m200"
    assert 30 < len(near) < 50
    assert client.run("GEOSEARCH g FROMLONLAT 2 1 BYRADIUS 20 km COUNT 7") == near[:7]
    anyone = client.run("GEOSEARCH g FROMLONLAT 2 1 BYRADIUS 20 km COUNT 7 ANY")
    assert len(anyone) == 7
    assert set(anyone) < set(near)


def test_a_search_may_be_stored(client: Client) -> None:
    client.run(SICILY)
    assert client.run("GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km") == 2
    assert client.run("ZSCORE d Palermo") == client.run("ZSCORE g Palermo")
    assert client.run("GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 100 km STOREDIST") == 1
    assert float(client.run("ZSCORE d Catania")) == pytest.approx(56.4413, abs=1e-4)
    assert client.run("GEORADIUS g 100 1 1 m STORE d") == 0
    assert client.run("EXISTS d") == 0


def test_the_log_has_scores_and_no_places(world: World, client: Client) -> None:
    client.run("GEOADD g CH 13.361389 38.115556 Palermo")
    assert world.take_log() == [[b"ZADD", b"g", b"CH", b"3479099956230698", b"Palermo"]]
    assert client.run("GEOADD g NX 1 1 Palermo") == 0
    assert world.take_log() == []


def test_a_bad_place_changes_nothing(client: Client) -> None:
    message = "ERR invalid longitude,latitude pair 1.000000,86.000000"
    assert client.error("GEOADD g 1 1 a 1 86 b") == message
    assert client.run("EXISTS g") == 0


@pytest.mark.parametrize("radius", ["inf", "1e300", "1e-300"])
def test_no_radius_is_too_large_or_too_small(client: Client, radius: str) -> None:
    client.run(SICILY)
    assert client.run(f"GEOSEARCH g FROMMEMBER Palermo BYRADIUS {radius} km")[0] == b"Palermo"
