"""The data directory of a running store, and what INFO tells of it."""

import sys
from pathlib import Path

import pytest
from harness import Nobody

from respkv.server.config import Config
from respkv.server.instance import Instance


def test_a_compaction_that_cannot_even_start_is_one_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Instance(Config({"dir": str(tmp_path)}), Nobody()).storage
    for _ in storage.load():
        pass
    log = storage.open_log()
    assert log is not None
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    assert storage.start_rewrite()
    assert storage.is_rewriting
    log.sync_now()
    storage.tick()
    assert (storage.is_rewriting, storage.last_rewrite_ok, storage.rewrites) == (False, False, 1)
    assert "no-python" in storage.rewrite_failure()
    assert storage.close()
