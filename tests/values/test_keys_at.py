"""Keys by their place, in C and in Python."""

import random
import sys
from collections.abc import Iterable
from typing import Any

import pytest

from respkv.values.keys_at import KeysAt, keys_at, portable_keys_at

WAYS = [keys_at, portable_keys_at]


def all_of(way: KeysAt, parts: list[Any]) -> list[list[bytes]]:
    """The keys of each of `parts` by their places, all asked for in one call, in any order."""
    wanted = [(at, place) for at, part in enumerate(parts) for place in range(len(part))]
    random.Random(len(wanted)).shuffle(wanted)
    keys = way([parts[at] for at, _ in wanted], [place for _, place in wanted])
    found: list[dict[int, bytes]] = [{} for _ in parts]
    for (at, place), key in zip(wanted, keys, strict=True):
        found[at][place] = key
    return [[by_place[place] for place in range(len(by_place))] for by_place in found]


def worn(names: Iterable[bytes], seed: int, *, as_dict: bool) -> Any:
    """A set or dict of about half of `names`: others came and went."""
    chance = random.Random(seed)
    names = list(names)
    part: Any = dict.fromkeys(names, b"") if as_dict else set(names)
    for name in names:
        if chance.random() < 0.5:
            if as_dict:
                del part[name]
            else:
                part.discard(name)
    return part


@pytest.mark.parametrize("way", WAYS)
def test_each_key_has_the_place_at_which_an_iterator_comes_to_it(way: KeysAt) -> None:
    parts: list[Any] = []
    for size in (1, 2, 7, 8, 9, 76, 77, 170, 300):
        names = [b"%d:%d" % (size, number) for number in range(size)]
        parts += [set(names), dict.fromkeys(names, b"")]
        parts += [worn(names, size, as_dict=False), worn(names, size, as_dict=True)]
        # The last ones alone were taken out, or the first, or more were put in behind.
        short = dict.fromkeys(names, b"")
        short.popitem()
        late = dict.fromkeys(names, b"")
        del late[names[0]]
        late[b"late"] = b""
        parts += [short, late]
    assert all_of(way, parts) == [list(part) for part in parts]
    assert way([], []) == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("part", [set(), {b"a"}, {}, {b"a": b"1"}, worn([b"a", b"b"], 3, as_dict=True)])
def test_a_place_that_is_not_there_is_an_error(way: KeysAt, part: Any) -> None:
    with pytest.raises((IndexError, StopIteration)):
        way([part], [len(part)])
    with pytest.raises((IndexError, ValueError)):
        way([part], [-1])


@pytest.mark.parametrize("way", WAYS)
def test_lists_that_do_not_belong_together_are_an_error(way: KeysAt) -> None:
    with pytest.raises((TypeError, ValueError)):
        way([{b"a"}], [0, 0])
    with pytest.raises((TypeError, ValueError)):
        way([{b"a"}], ["0"])  # type: ignore[list-item]


def test_nothing_is_kept_or_lost() -> None:
    name = b"name:%d" % random.randrange(100)
    part = {name}
    before = sys.getrefcount(name)
    for _ in range(100):
        keys_at([part] * 40, [0] * 40)
        with pytest.raises((IndexError, StopIteration)):
            keys_at([part] * 40, [0] * 39 + [1])
    assert sys.getrefcount(name) == before
