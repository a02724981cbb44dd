"""The tutorial, followed to the letter: its shell blocks are run, its text blocks are what they print."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from net_servers import free_port

import respkv

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial"
PORT = "6379"

BLOCK = re.compile(r"(?ms)^```(sh|text)\n(.*?)^```$")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the tutorial's folder, and of no other, on a port that is free here."""
    copy = tmp_path / "tutorial"
    shutil.copytree(TUTORIAL, copy)
    port = str(free_port())
    for path in (copy / "tutorial.md", copy / "weather.py"):
        text = path.read_text()
        assert PORT in text
        path.write_text(text.replace(PORT, port))
    return copy


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """`python` and `respkv` are the Python and the respkv that run this test."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, arguments in (("python", ""), ("respkv", "-m respkv")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        program.chmod(0o755)
    source = str(Path(respkv.__file__).parents[1])
    return os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": source}


def test_the_tutorial_does_what_it_says(folder: Path, environment: dict[str, str]) -> None:
    blocks = BLOCK.findall((folder / "tutorial.md").read_text())
    steps = "".join(text for kind, text in blocks if kind == "sh")
    expected = "".join(text for kind, text in blocks if kind == "text")
    # Whatever happens, no server is left behind.
    script = f"trap 'kill -9 $server 2>/dev/null' EXIT\n{steps}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    log = (folder / "server.log").read_text()
    assert done.stdout == expected, f"{done.stderr}\n{log}"
    # The last step waits for the server, whose exit code is then the script's.
    assert done.returncode == 0, f"{done.stderr}\n{log}"


def test_every_row_of_the_weather_has_what_the_tutorial_uses(folder: Path) -> None:
    rows = (folder / "weather.jsonl").read_text().splitlines()
    assert len(rows) == 4
    assert all('"findname"' in row and '"main"' in row for row in rows)
