"""The file operations that everything else relies on."""

import errno
from pathlib import Path

import pytest
from persistence_fakes import RecordingFileSystem, always

from respkv.persistence.files import FileSystem

FILES = FileSystem()


def test_reads_are_whole_but_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(100)))
    fd = FILES.open_read(str(path))
    assert FILES.read_at(fd, 10, 5) == bytes(range(10, 15))
    assert FILES.read_at(fd, 95, 50) == bytes(range(95, 100))
    assert FILES.read_at(fd, 100, 1) == b""
    assert FILES.read_at(fd, 0, 0) == b""
    FILES.close(fd)


def test_a_read_that_comes_in_pieces_is_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abcdefgh")
    whole = FileSystem._read_once
    monkeypatch.setattr(FileSystem, "_read_once", lambda self, fd, at, count: whole(self, fd, at, min(3, count)))
    fd = FILES.open_read(str(path))
    assert FILES.read_at(fd, 1, 7) == b"bcdefgh"
    FILES.close(fd)


def test_appending_and_beginning_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "a")
    for opened, expected in (("open_append", b"xy"), ("open_append", b"xyxy"), ("open_new", b"xy")):
        fd = getattr(FILES, opened)(path)
        assert FILES.write(fd, [b"x", b"y"]) == 2
        FILES.sync(fd)
        FILES.close(fd)
        assert FILES.read_all(path) == expected


def test_short_writes_are_gone_on_with() -> None:
    class Reluctant(FileSystem):
        taken = b""

        def write(self, fd: int, pieces: list[bytes]) -> int:
            self.taken += b"".join(pieces)[:2]
            return min(2, len(b"".join(pieces)))

    files = Reluctant()
    files.write_whole(0, b"abcde")
    assert files.taken == b"abcde"


def test_a_file_is_replaced_in_the_order_that_survives_a_crash(tmp_path: Path) -> None:
    files = RecordingFileSystem()
    path = tmp_path / "manifest"
    path.write_bytes(b"old")
    files.replace_file(str(path), b"new")
    assert files.names() == ["open_new", "write", "sync", "rename", "sync_directory"]
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failing", ["open_new", "write", "sync"])
def test_a_replacement_that_fails_leaves_the_old_file_alone(tmp_path: Path, failing: str) -> None:
    files = RecordingFileSystem()
    files.fail[failing] = always(errno.EIO)
    path = tmp_path / "manifest"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="Input/output"):
        files.replace_file(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
