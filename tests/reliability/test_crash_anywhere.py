"""A power failure at every point of random lives of a server.

Its disk notes all that is done to it, and then everything that POSIX lets a power failure leave is loaded
(`crash_disk`): the data must be those behind one of the batches, not before the last one that anybody was promised,
and none that was never written.
"""

import shutil
from pathlib import Path
from random import Random
from typing import Any

import pytest
from crash_disk import ChildInProcess, NotingDisk, every_crash
from harness import digest
from lives import Life, last_batch, load

from respkv.persistence import compaction
from respkv.persistence.aof import ALWAYS, EVERYSEC, NO
from respkv.persistence.files import FileSystem

STATES_AT_LEAST = {True: 30_000, False: 300}


def check(life: Life, scratch: Path, rng: Random, share: float) -> int:
    """Load a share of all crash states; how many."""
    count = 0
    for number, (image, keep_names, keep_data) in enumerate(every_crash(life.files.ops)):
        if rng.random() > share:
            continue
        count += 1
        image.lay(life.directory, scratch, keep_names, keep_data)
        context: Any = (number, keep_names, keep_data, image.acknowledged, image.issued)
        files = NotingDisk()
        engine, _ = load(scratch, files)
        last = last_batch(digest(engine))
        assert image.acknowledged <= last <= image.issued, context
        assert digest(engine) == life.states[last], context
        engine.check()
        if files.ops and count % 10 == 0:  # and power fails again while that is put right
            again, _ = load(scratch, FileSystem())
            assert digest(again) == life.states[last], context
        shutil.rmtree(scratch)
    return count


@pytest.fixture(autouse=True)
def child_in_process(monkeypatch: pytest.MonkeyPatch) -> list[FileSystem]:
    files: list[FileSystem] = []
    monkeypatch.setattr(compaction, "_spawn", lambda: ChildInProcess(files[-1]))
    return files


@pytest.mark.parametrize("policy", [ALWAYS, EVERYSEC, NO])
def test_whatever_a_power_failure_leaves_is_a_prefix_with_all_that_was_promised(
    tmp_path: Path, rng: Random, is_long: bool, policy: str, child_in_process: list[FileSystem]
) -> None:
    wanted = STATES_AT_LEAST[is_long] // 3
    count = 0
    for number in range(1000):
        directory = tmp_path / f"life{number}"
        directory.mkdir()
        life = Life(directory, rng, policy)
        child_in_process.append(life.files)
        life.live(25)
        count += check(life, tmp_path / "scratch", rng, 0.5 if is_long else 0.12)
        shutil.rmtree(directory)
        if count >= wanted:
            break
    assert count >= wanted
