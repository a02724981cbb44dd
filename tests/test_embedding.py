"""The examples of docs/embedding.md, run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[1] / "docs" / "embedding.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(number: int, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", EXAMPLES[number]], cwd=tmp_path, check=True, timeout=60)


def test_each_public_class_has_one() -> None:
    for name in ("Store", "AsyncStore", "DataStore", "InMemoryStore", "connect", "running_server", "transaction"):
        assert any(f"{name}(" in example for example in EXAMPLES)
