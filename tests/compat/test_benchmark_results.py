import xml.etree.ElementTree as ET
from pathlib import Path

from compat.benchmark import chart, results
from compat.benchmark.results import Metric, Results, cell, markdown, plain


def example() -> Results:
    found = Results({"machine": "one"}, {"redis7": "redis-server 7.0", "respkv": "respkv 0.1"}, {"speed": "3 rounds."})
    for value in (90.0, 100.0, 120.0):
        found.add("speed", "GET", "requests/s", "redis7", value, more_is_better=True, wanted=1.0)
        found.add("speed", "GET", "requests/s", "respkv", value * 1.5, more_is_better=True, wanted=1.0)
    found.add("memory", "resident", "MB", "redis7", 100.0, more_is_better=False, wanted=1.3)
    found.add("memory", "resident", "MB", "respkv", 140.0, more_is_better=False, wanted=1.3)
    return found


def test_a_cell_shows_median_range_and_ratio() -> None:
    metric = example().metrics[0]
    assert cell(metric, "respkv") == "150 (135-180) = 1.50x"
    assert cell(metric, "redis7") == "100 (90-120)"
    assert cell(metric, "valkey9") == "-"


def test_the_verdict_follows_the_direction_that_is_better() -> None:
    speed, memory = example().metrics
    assert (speed.verdict("respkv"), memory.verdict("respkv")) == ("yes", "no")
    assert Metric("s", "n", "u", True).verdict("respkv") == ""


def test_the_tables_have_a_line_for_each_metric() -> None:
    page = markdown(example(), "# Title")
    assert "| GET | requests/s | 100 (90-120) | 150 (135-180) = 1.50x | at least 1.0 | yes |" in page
    assert "| resident | MB | 100 | 140 = 1.40x | at most 1.3 | no |" in page
    assert len(plain(example()).splitlines()) == 3


def test_newer_sections_replace_older_ones_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    example().save(path)
    newer = Results({"machine": "two"}, {"respkv": "respkv 0.2"}, {"memory": "1 round."})
    newer.add("memory", "resident", "MB", "respkv", 7.0, more_is_better=False)
    merged = results.load(path)
    merged.replace_sections(newer)
    assert merged.sections() == ["speed", "memory"]
    assert [metric.median("respkv") for metric in merged.metrics] == [150.0, 7.0]
    assert merged.rounds == {"speed": "3 rounds.", "memory": "1 round."}
    assert results.load(tmp_path / "missing.json").metrics == []


def test_the_chart_is_well_formed_and_names_each_metric() -> None:
    drawn = example()
    drawn.metrics[0].section = "throughput"
    picture = ET.fromstring(chart.draw(drawn))
    texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"GET", "resident", "1.50", "1.40"} <= set(texts)
