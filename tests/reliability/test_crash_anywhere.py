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
from crash_disk import ChildInProcess, NotingDisk, SameFiles, every_crash
from harness import digest
from lives import Life, last_batch, load
from net_servers import eventually

from respkv.persistence import compaction
from respkv.persistence.aof import ALWAYS, EVERYSEC, NO, AppendLog
from respkv.persistence.files import FileSystem
from respkv.persistence.manifest import Layout

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
            again, _ = load(scratch, SameFiles())
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


class Monotonic:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


def test_under_everysec_all_but_the_last_second_is_there(tmp_path: Path, rng: Random, is_long: bool) -> None:
    """Here the thread itself decides when to sync; time stands still until it has done what is due."""
    clock = Monotonic()
    directory = tmp_path / "life"
    directory.mkdir()
    files = NotingDisk()
    _, found = load(directory, files)
    log = AppendLog(files, Layout(str(directory)), found.manifest, found.position, EVERYSEC)
    syncer = log._syncer
    syncer._now_s = clock.monotonic
    written_at_s: list[float] = []
    promised = 0

    def has_done_what_is_due() -> bool:
        # With the lock: the thread, about to begin, must not come between the two questions.
        with syncer._changed:
            return not syncer.is_busy and not syncer._may_start(syncer._started_at_s)

    for number in range(1, 400 if is_long else 60):
        files.ops.append(("issued", number))
        log.append([[b"SELECT", b"0"], [b"SET", b"batch", b"%d" % number]])
        written_at_s.append(clock.now_s)
        clock.now_s += rng.choice((0.001, 0.05, 0.3, 0.95))
        # The thread waits by the true clock: have it look at this one.
        log.set_policy(EVERYSEC)
        eventually(has_done_what_is_due, "a sync")
        log.collect()
        while promised < number and written_at_s[promised] <= clock.now_s - 1:
            promised += 1
        files.ops.append(("acknowledged", promised))
    has_lost = False
    for image, keep_names, keep_data in every_crash(files.ops):
        if rng.random() > 0.1:
            continue
        image.lay(directory, tmp_path / "scratch", keep_names, keep_data)
        engine, _ = load(tmp_path / "scratch", SameFiles())
        survived = last_batch(digest(engine))
        assert image.acknowledged <= survived <= image.issued, (keep_names, keep_data)
        has_lost |= survived < image.issued
        shutil.rmtree(tmp_path / "scratch")
    log.close()
    assert promised > 1
    assert has_lost
