"""What the documents say is there: commands, flags, directives, files, and where links lead."""

import re
import shlex
from pathlib import Path

import pytest

import respkv.commands.all
import respkv.server.commands.all  # noqa: F401  (fills the table of commands)
from respkv.acl.selector import Selector
from respkv.commands.spec import find_spec
from respkv.server.config.table import TABLE

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


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_given_to_redis_cli_are_there(document: Path) -> None:
    for line in re.findall(r"(?m)^ *\$? *redis-cli ([^-].*)$", document.read_text()):
        words = [word.encode() for word in shlex.split(line, comments=True)]
        spec = find_spec(words)
        assert spec is not None, line
        assert spec.least <= len(words) <= spec.most, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_flags_of_respkv_are_directives(document: Path) -> None:
    for line in re.findall(r"`respkv (--[^`]*)`", document.read_text()):
        flags = re.findall(r"--([a-z-]+)", line)
        assert [flag for flag in flags if flag not in TABLE and flag not in ("help", "version")] == [], line


def test_files_that_the_tour_passes_are_there() -> None:
    text = (ROOT / "docs" / "tour.md").read_text()
    missing = [path for path in re.findall(r"`(\w+/[\w/]+\.py)`", text) if not any(map(Path.exists, places_of(path)))]
    assert missing == []


def places_of(path: str) -> list[Path]:
    return [ROOT / "respkv" / path, ROOT / path]


def test_the_lines_of_the_page_on_security_are_a_configuration() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    for line in re.findall(r"(?m)^    ([a-z-]+ .*)$", text):
        name, *words = line.partition("#<")[0].split()
        if name == "user":
            selector = Selector(all_channels=False)
            for word in re.sub(r"\(.*", "", " ".join(words[1:])).split():
                if word[0] in "+-~%&":
                    selector.apply(word.encode())
        elif not line.startswith(("redis-cli ", "respkv ", "openssl ")):
            assert name in TABLE, line
