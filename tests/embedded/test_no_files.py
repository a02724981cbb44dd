"""The files of a store that has none."""

import os

import pytest
import redis

import respkv
from respkv.embedded.no_files import NoFiles


def test_nothing_is_there_and_nothing_can_be_made(tmp_path: os.PathLike[str]) -> None:
    files = NoFiles()
    path = os.fspath(tmp_path)
    assert not files.exists(path)
    assert not files.is_directory(path)
    for operation in (files.open_append, files.open_new, files.open_read, files.make_directory):
        with pytest.raises(OSError, match="in memory only"):
            operation(os.path.join(path, "new"))
    assert os.listdir(path) == []


def test_a_client_of_a_store_in_memory_cannot_save(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with respkv.connect() as client:
        client.set("k", "v")
        with pytest.raises(redis.ResponseError):
            client.execute_command("SAVE")
        assert client.get("k") == b"v"
    assert os.listdir(tmp_path) == []
