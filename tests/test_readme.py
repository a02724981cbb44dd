"""The README's commands are the ones that .ci/run takes from it, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_first_command_installs_and_starts_and_the_second_tests() -> None:
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"(?m)^    (python3 -m venv .*|\.venv/bin/pip .*)$", text)
    assert commands == [
        "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/respkv",
        '.venv/bin/pip install ".[test]" && .venv/bin/pytest',
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", document.read_text())
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert missing == []
