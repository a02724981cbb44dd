import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from compat.embedded_benchmark import chart, figures, page
from compat.embedded_benchmark.data import key_name, value_of
from compat.embedded_benchmark.figures import Figures
from compat.embedded_benchmark.resident import Resident, measure_memory
from compat.embedded_benchmark.stores import ALWAYS, EVERYSEC, MEMORY, STORES
from compat.embedded_benchmark.turn import Rate, Turn, take_turn


def example() -> Figures:
    found = Figures({"machine": "one"}, absent={"other": "it is not installed here"}, memory_keys=1000)
    found.labels = {"memory": {"respkv.Store": "respkv.Store", "sqlite3": "sqlite3 (:memory:)"}}
    found.turns = {
        "memory": {
            "respkv.Store": [Turn(Rate(1.0, 0.9), Rate(us, 1.0)) for us in (2.0, 3.0, 4.0)],
            "sqlite3": [Turn(Rate(3.0, 2.5), Rate(us, 2.0)) for us in (3.0, 1.5, 2.0)],
        }
    }
    found.memory = {"respkv.Store": [Resident(40_000_000, 40_250_000)]}
    return found


def test_a_ratio_is_the_median_of_those_of_each_round() -> None:
    assert example().ratio("memory", "sqlite3", "put") == 0.5
    assert example().wall_us("memory", "respkv.Store", "put") == 3.0


def test_the_page_has_a_line_for_each_store_and_says_which_is_faster() -> None:
    text = page.markdown(example())
    assert "| sqlite3 (:memory:) | 3 (3-3) | 2.5 | 3.00 | 2 (1.5-3) | 2 | 0.50 |" in text
    assert "Faster than ours: sqlite3 (put)." in text
    assert "- not measured: other, it is not installed here" in text
    assert "| respkv.Store | 40.0 | 40.2 | 250 |" in text


def test_figures_come_back_from_their_file(tmp_path: Path) -> None:
    example().save(tmp_path / "embedded.json")
    assert figures.load(tmp_path / "embedded.json") == example()
    assert figures.load(tmp_path / "none.json") == Figures()


def test_sections_that_were_not_measured_anew_stay() -> None:
    found = example()
    newer = Figures({"machine": "two"}, notes={"always": "1 round"}, turns={"always": {}})
    found.replace_sections(newer)
    assert list(found.turns) == ["memory", "always"]
    assert (found.machine, found.notes, found.memory_keys) == ({"machine": "two"}, {"always": "1 round"}, 1000)


def test_the_chart_is_well_formed_and_names_each_store() -> None:
    picture = ET.fromstring(chart.draw(example()))
    texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"In memory", "respkv.Store", "sqlite3 (:memory:)", "3.0"} <= set(texts)


@pytest.mark.parametrize("durability", [MEMORY, EVERYSEC, ALWAYS])
def test_a_store_gives_back_what_was_put(durability: str, tmp_path: Path) -> None:
    for name in ("respkv.Store", "respkv.connect", "sqlite3", "shelve"):
        if durability in STORES[name].durabilities:
            folder = tmp_path / name
            folder.mkdir()
            store = STORES[name](str(folder), durability)
            store.fill({key_name(1): value_of(1)})
            store.put(key_name(2), value_of(2))
            assert (store.get(key_name(1)), store.get(key_name(2))) == (value_of(1), value_of(2))
            store.put_each([key_name(1)], value_of(3))
            assert store.get(key_name(1)) == value_of(3)
            store.close()


def test_a_turn_takes_time_in_each_of_its_threads(tmp_path: Path) -> None:
    for threads in (1, 3):
        folder = tmp_path / str(threads)
        folder.mkdir()
        turn = take_turn("sqlite3", EVERYSEC, str(folder), threads=threads, seconds=0.01)
        assert min(turn.get.wall_us, turn.put.wall_us, turn.put.cpu_us) > 0


def test_memory_is_that_of_this_process(tmp_path: Path) -> None:
    assert measure_memory(1000, str(tmp_path)).empty_bytes > 0
