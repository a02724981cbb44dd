"""One process per data directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from respkv.persistence.lock import LOCK_NAME, DirectoryInUse, DirectoryLock

HOLD = (
    "import sys; from respkv.persistence.lock import DirectoryLock as L; l = L(sys.argv[1]); print(flush=True); input()"
)


def test_a_second_one_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    lock = DirectoryLock(str(tmp_path))
    with pytest.raises(DirectoryInUse, match=rf"{tmp_path} is in use .*pid {os.getpid()} on .* since 20") as caught:
        DirectoryLock(str(tmp_path))
    assert "\n" not in str(caught.value)
    lock.release()
    lock.release()
    assert (tmp_path / LOCK_NAME).read_bytes() == b""
    DirectoryLock(str(tmp_path)).release()


def test_a_holder_that_was_killed_locks_nobody_out(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(DirectoryInUse, match=f"pid {holder.pid}"):
        DirectoryLock(str(tmp_path))
    holder.kill()
    holder.communicate()
    assert b"pid" in (tmp_path / LOCK_NAME).read_bytes()
    lock = DirectoryLock(str(tmp_path))
    assert f"pid {os.getpid()} ".encode() in (tmp_path / LOCK_NAME).read_bytes()
    lock.release()


def test_a_directory_that_is_not_there_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        DirectoryLock(str(tmp_path / "nowhere"))
