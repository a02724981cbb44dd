"""A point in time, written while threads go on."""

import threading
from pathlib import Path

import pytest

import respkv
from respkv.embedded.core import Core
from respkv.embedded.errors import StoreError
from respkv.embedded.snapshots import write_snapshot
from respkv.engine.snapshot import Snapshot


def test_changes_after_the_beginning_are_not_in_it(tmp_path: Path) -> None:
    with respkv.Store(codec="str") as store:
        store.multi_put({f"{number}": "before" for number in range(3000)})
        is_over = threading.Event()

        def change() -> None:
            number = 0
            while not is_over.is_set():
                store.multi_put({f"{number % 3000}": "after", f"{(number + 1) % 3000}": "after"})
                number += 2

        thread = threading.Thread(target=change)
        thread.start()
        path = store.snapshot(tmp_path / "dump.rdb")
        is_over.set()
        thread.join()
    assert path == str(tmp_path / "dump.rdb")
    with respkv.Store(tmp_path, codec="str") as copy:
        # Whatever the moment was, pairs were changed together.
        for number in range(0, 3000, 2):
            assert copy[f"{number}"] == copy[f"{number + 1}"]


def test_there_is_one_at_a_time(tmp_path: Path) -> None:
    core = Core(None, {})
    core.put(b"k", b"v")
    image = Snapshot(core.engine)
    with pytest.raises(StoreError, match="another"):
        write_snapshot(core, str(tmp_path / "dump.rdb"))
    image.close()
    write_snapshot(core, str(tmp_path / "dump.rdb"))
    core.close()
