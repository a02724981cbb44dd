"""Ranges of sorted sets, against a model; all options and errors are in the differential cases."""

from random import Random

import pytest
from harness import Client, World

from respkv.commands.sorted_set_ranges import parse_member_edge, parse_score_edge, ranks_between
from respkv.errors import ReplyError


@pytest.mark.parametrize(
    ("start", "stop", "ranks"),
    [
        (0, -1, (0, 5)),
        (1, 2, (1, 3)),
        (-2, -1, (3, 5)),
        (-100, 100, (0, 5)),
        (3, 1, (0, 0)),
        (5, 9, (0, 0)),
        (0, -6, (0, 0)),
        (-(2**63), 2**63 - 1, (0, 5)),
    ],
)
def test_ranks_from_both_ends(start: int, stop: int, ranks: tuple[int, int]) -> None:
    assert ranks_between(start, stop, 5) == ranks


@pytest.mark.parametrize("text", [b"x", b"nan", b"(nan", b" 1", b"1 ", b"((1", b"[1", b"0x10", b"1_0", b"(-"])
def test_what_ends_no_range_by_score(text: bytes) -> None:
    with pytest.raises(ReplyError):
        parse_score_edge(text)


@pytest.mark.parametrize(("text", "score"), [(b"", 0.0), (b"(", 0.0), (b"(1.5", 1.5), (b"1e999", float("inf"))])
def test_what_ends_a_range_by_score(text: bytes, score: float) -> None:
    edge = parse_score_edge(text)
    assert (edge.score, edge.excluded) == (score, text[:1] == b"(")


@pytest.mark.parametrize("text", [b"", b"a", b"+a", b"-a", b"{a"])
def test_what_ends_no_range_by_members(text: bytes) -> None:
    with pytest.raises(ReplyError):
        parse_member_edge(text)


@pytest.mark.parametrize("size", [50, 1500])
@pytest.mark.parametrize("seed", range(2))
def test_ranges_against_a_sorted_list(world: World, client: Client, size: int, seed: int) -> None:
    world.checks_each_command = False
    random = Random(seed)
    scores = {b"m%d" % number: float(random.randrange(size // 5)) for number in range(size)}
    client.run("ZADD", "k", *(word for member, score in scores.items() for word in (score, member)))
    ordered = sorted((score, member) for member, score in scores.items())
    for _ in range(150):
        low, high = random.randrange(-1, size // 5), random.randrange(size // 5 + 1)
        open_low, open_high = random.random() < 0.5, random.random() < 0.5
        found = [
            member
            for score, member in ordered
            if (score > low or (score == low and not open_low)) and (score < high or (score == high and not open_high))
        ]
        least, most = "(" * open_low + str(low), "(" * open_high + str(high)
        offset, count = random.randrange(5), random.randrange(-1, 20)
        end = None if count < 0 else offset + count
        assert client.run("ZRANGEBYSCORE", "k", least, most) == found
        assert client.run("ZCOUNT", "k", least, most) == len(found)
        assert client.run("ZRANGE", "k", least, most, "BYSCORE", "LIMIT", offset, count) == found[offset:end]
        assert client.run("ZREVRANGEBYSCORE", "k", most, least, "LIMIT", offset, count) == found[::-1][offset:end]
    low = size // 20
    gone = [member for score, member in ordered if score <= low]
    assert client.run("ZREMRANGEBYSCORE", "k", "-inf", low) == len(gone)
    assert client.run("ZRANGE k 0 -1") == [member for score, member in ordered if score > low]


def test_a_range_that_is_stored_takes_the_place_of_what_was_there(client: Client) -> None:
    client.run("ZADD k 1 a 2 b 3 c")
    client.run("SET d x EX 100")
    assert client.run("ZRANGESTORE d k 0 1 REV") == 2
    assert client.run("ZRANGE d 0 -1 WITHSCORES") == [b"b", b"2", b"c", b"3"]
    assert client.run("TTL d") == -1
    assert client.run("ZRANGESTORE d k 5 6") == 0
    assert client.run("EXISTS d") == 0
