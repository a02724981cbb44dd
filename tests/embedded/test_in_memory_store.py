"""The smallest store."""

from pathlib import Path

import pytest

import respkv


def test_it_puts_and_gets() -> None:
    with respkv.InMemoryStore() as store:
        store.put("a", {"x": 1})
        assert store.get("a") == {"x": 1}
        assert store.get("b") is None
        assert store.get("b", 7) == 7
        assert len(store) == 1


def test_with_a_write_ahead_log_it_is_recovered(tmp_path: Path) -> None:
    with respkv.InMemoryStore(write_ahead_log=tmp_path / "log") as store:
        store.put("a", "1")
        store.put("a", "2")
        with pytest.raises(respkv.StoreInUseError):
            respkv.InMemoryStore(write_ahead_log=tmp_path / "log")
    with respkv.InMemoryStore(write_ahead_log=tmp_path / "log") as store:
        assert store.get("a") == "2"
