"""What setup.py compiles, and when."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMPILED: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["respkv"]["compiled"]


@pytest.mark.parametrize("module", COMPILED)
def test_every_module_to_compile_exists(module: str) -> None:
    assert (ROOT / module).is_file()


def test_no_module_is_listed_twice() -> None:
    assert len(set(COMPILED)) == len(COMPILED)


def test_another_wish_than_0_and_1_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    done = subprocess.run(
        [sys.executable, ROOT / "setup.py", "build", "--build-base", tmp_path],
        env=os.environ | {"RESPKV_COMPILE": "yes"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "RESPKV_COMPILE is 'yes': say 0, 1 or nothing" in done.stderr
