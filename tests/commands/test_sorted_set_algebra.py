"""Unions, intersections and differences; all options and errors are in the differential cases."""

from random import Random

import pytest
from harness import Client, World


@pytest.mark.parametrize("size", [20, 2000])
def test_the_algebra_is_that_of_sets(world: World, client: Client, size: int) -> None:
    world.checks_each_command = False
    random = Random(size)
    sets: list[dict[bytes, float]] = []
    for number in range(3):
        scores = {b"%d" % random.randrange(2 * size): float(random.randrange(9)) for _ in range(size)}
        client.run("ZADD", f"k{number}", *(word for member, score in scores.items() for word in (score, member)))
        sets.append(scores)
    first, *others = sets
    common = [member for member in first if all(member in other for other in others)]
    rest = [member for member in first if not any(member in other for other in others)]
    everything = set().union(*sets)
    assert client.run("ZINTERCARD 3 k0 k1 k2") == len(common)
    assert client.run("ZINTERCARD 3 k0 k1 k2 LIMIT 1") == min(1, len(common))
    results = {
        "INTER": [(sum(one[member] for one in sets), member) for member in common],
        "UNION": [(max(one[member] for one in sets if member in one), member) for member in everything],
        "DIFF": [(first[member], member) for member in rest],
    }
    for name, pairs in results.items():
        options = {"INTER": [], "UNION": ["AGGREGATE", "MAX"], "DIFF": []}[name]
        expected = sorted(pairs)
        found = client.run(f"Z{name}", 3, "k0", "k1", "k2", *options, "WITHSCORES")
        assert list(zip(map(float, found[1::2]), found[::2], strict=True)) == expected
        assert client.run(f"Z{name}STORE", "d", 3, "k0", "k1", "k2", *options) == len(expected)
        assert client.run("ZRANGE d 0 -1 WITHSCORES") == found


def test_a_set_has_scores_of_one(client: Client) -> None:
    client.run("ZADD a 1 x 2 y")
    client.run("SADD s x z")
    assert client.run("ZUNION 2 a s WEIGHTS 1 10 WITHSCORES") == [b"y", b"2", b"z", b"10", b"x", b"11"]
    assert client.run("ZDIFF 2 s a") == [b"z"]


def test_what_is_no_number_is_zero(client: Client) -> None:
    client.run("ZADD a inf x")
    client.run("ZADD b -inf x")
    assert client.run("ZUNION 2 a b WITHSCORES") == [b"x", b"0"]
    assert client.run("ZUNION 1 a WEIGHTS 0 WITHSCORES") == [b"x", b"0"]


def test_nothing_is_stored_as_no_key(client: Client) -> None:
    client.run("SET d x")
    assert client.run("ZINTERSTORE d 2 none none") == 0
    assert client.run("EXISTS d") == 0
