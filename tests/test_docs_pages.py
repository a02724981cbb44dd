"""The committed pages of docs/ are what the tables say."""

from pathlib import Path

import pytest

from respkv.docs_pages import PAGES

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_current(name: str) -> None:
    """If this fails: python -m respkv.docs_pages."""
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name]()
