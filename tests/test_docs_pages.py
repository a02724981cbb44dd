"""The committed pages of docs/ are what the tables say."""

from pathlib import Path

import pytest

from respkv.commands.spec import every_spec
from respkv.docs_pages import PAGES, reason_of, references

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_current(name: str) -> None:
    """If this fails: python -m respkv.docs_pages."""
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](DOCS)


def test_each_command_that_can_be_sent_has_one_row() -> None:
    rows = [line for line in PAGES["commands.md"](DOCS).splitlines() if line.startswith("| `")]
    usages = [row.removeprefix("| `").partition("` |")[0].replace("\\|", "|") for row in rows]
    assert sorted(usages) == sorted(spec.syntax.usage for spec in every_spec() if spec.handler is not None)


def test_each_command_of_the_reference_servers_is_there_or_missing_for_a_reason() -> None:
    """If this fails with a LookupError: a newer capture has a command for which REASONS has no pattern."""
    _, _, missing = PAGES["commands.md"](DOCS).partition("\n# Not there\n")
    rows = [line[2:].partition(" | ")[0] for line in missing.splitlines() if line.startswith("| ")]
    listed = [row for row in rows if row != "Command"]
    assert len(listed) == len(set(listed)), "a command is listed twice"
    known = {spec.name.decode().upper().replace("|", " ") for spec in every_spec()}
    for server, names in references(DOCS).items():
        assert len(names) > 390, server
        for name in names:
            words = name.upper().replace("|", " ")
            assert (words in known) != (words in listed), f"{server}: {words}"


def test_a_missing_command_without_a_reason_is_noticed() -> None:
    assert reason_of("migrate") == "Cluster"
    with pytest.raises(LookupError, match="nosuch"):
        reason_of("nosuch")


def test_each_row_has_as_many_cells_as_its_heading() -> None:
    for name, page in PAGES.items():
        cells = 0
        for line in page(DOCS).splitlines():
            if not line.startswith("|"):
                cells = 0
                continue
            found = line.replace("\\|", "").count("|")
            cells = cells or found
            assert found == cells, f"{name}: {line}"
