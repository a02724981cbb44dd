"""The committed pages of docs/ are what the tables say."""

from pathlib import Path

import pytest

from respkv.commands.spec import every_spec
from respkv.docs_pages import PAGES

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_current(name: str) -> None:
    """If this fails: python -m respkv.docs_pages."""
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name]()


def test_each_command_that_can_be_sent_has_one_row() -> None:
    rows = [line for line in PAGES["commands.md"]().splitlines() if line.startswith("| `")]
    usages = [row.removeprefix("| `").partition("` |")[0].replace("\\|", "|") for row in rows]
    assert sorted(usages) == sorted(spec.syntax.usage for spec in every_spec() if spec.handler is not None)


def test_each_row_has_as_many_cells_as_its_heading() -> None:
    for name, page in PAGES.items():
        cells = 0
        for line in page().splitlines():
            if not line.startswith("|"):
                cells = 0
                continue
            found = line.replace("\\|", "").count("|")
            cells = cells or found
            assert found == cells, f"{name}: {line}"
