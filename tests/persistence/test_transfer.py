"""A snapshot file that several read, and that is gone afterwards."""

from pathlib import Path

import pytest

from respkv.persistence.files import FileSystem
from respkv.persistence.transfer import SharedSnapshot


def test_each_reads_at_his_own_pace(tmp_path: Path) -> None:
    path = tmp_path / "x.rdb"
    path.write_bytes(b"0123456789")
    snapshot = SharedSnapshot(FileSystem(), str(path))
    one, two = snapshot.reader(), snapshot.reader()
    assert one.size == 10
    assert one.read(4) == b"0123"
    assert two.read(100) == b"0123456789"
    assert one.read(100) == b"456789"
    assert one.read(1) == b""
    one.close()
    one.close()
    assert two.read(1) == b""
    two.close()
    assert not path.exists()
    assert one.read(1) == b""


def test_a_file_that_was_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.rdb"
    path.write_bytes(b"0123456789")
    other = tmp_path / "y.rdb"
    other.hardlink_to(path)
    reader = SharedSnapshot(FileSystem(), str(path)).reader()
    with other.open("r+b") as file:
        file.truncate(5)
    with pytest.raises(OSError, match="ends too soon"):
        reader.read(10)
    reader.close()
