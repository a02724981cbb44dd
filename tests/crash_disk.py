"""A disk that notes what is done to it, and every state in which a power failure may leave it.

The disk that is assumed keeps what was synced, and of the rest what it likes: of each file's writes since its last
sync all, none, or a part, the last one cut or missing, or an early one missing though later ones are there; of each
directory's changes since its last sync all, none, or some, early or late ones. Where a write is missing there is what
the file had in that place: what was synced, or what the first write since then put there, or zeros.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from respkv.persistence import compaction
from respkv.persistence.batch import FIRST_BATCH_BYTES, parse_header
from respkv.persistence.files import FileSystem

Op = tuple[Any, ...]
NAMES = ("all", "none", "first", "half", "last", "but the first")
TORN = ("all", "none", "half", "one byte", "but one byte", "missing", "missing from half")
HOLES = ("first missing", "middle missing", "all but the last missing", "a sector missing")
AFTER_FIRST = ", what the first write had there instead"
DATA = TORN + HOLES + tuple(hole + AFTER_FIRST for hole in HOLES)
"""What may have become of the directory's changes, and of the files', since their last sync."""

SECTOR = 512


class SameFiles(FileSystem):
    """Takes files for those that they say they are: what `Image.lay` lays is the disk itself, not a copy."""

    def number(self, fd: int) -> int:
        try:
            header = parse_header(os.pread(fd, FIRST_BATCH_BYTES, 0))
        except OSError:  # opened for appending, and begun here
            header = None
        return header.file_number if header is not None else super().number(fd)


class NotingDisk(SameFiles):
    """Notes every change; a file is known by a number, whatever its names. Nothing is really synced."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.names: dict[str, int] = {}
        self.open_files: dict[int, int] = {}
        self.sizes: list[int] = []

    def _opened(self, path: str, fd: int) -> int:
        if path not in self.names:
            self.names[path] = len(self.sizes)
            self.sizes.append(0)
            self.ops.append(("name", path, self.names[path]))
        self.open_files[fd] = self.names[path]
        return fd

    def open_append(self, path: str) -> int:
        return self._opened(path, super().open_append(path))

    def open_new(self, path: str) -> int:
        fd = self._opened(path, super().open_new(path))
        self.truncate(fd, 0)
        return fd

    def write(self, fd: int, pieces: list[bytes]) -> int:
        number = self.open_files[fd]
        data = b"".join(pieces)
        self.ops.append(("write", number, self.sizes[number], data))
        self.sizes[number] += len(data)
        return super().write(fd, pieces)

    def write_at(self, fd: int, data: bytes, offset: int) -> int:
        self.ops.append(("write", self.open_files[fd], offset, data))
        return super().write_at(fd, data, offset)

    def truncate(self, fd: int, byte_count: int) -> None:
        number = self.open_files[fd]
        self.ops.append(("truncate", number, byte_count))
        self.sizes[number] = byte_count
        super().truncate(fd, byte_count)

    def sync(self, fd: int) -> None:
        self.ops.append(("sync", self.open_files[fd]))

    def rename(self, source: str, destination: str) -> None:
        self.ops.append(("rename", source, destination))
        self.names[destination] = self.names.pop(source)
        super().rename(source, destination)

    def unlink(self, path: str) -> None:
        self.ops.append(("unlink", path))
        self.names.pop(path, None)
        super().unlink(path)

    def make_directory(self, path: str) -> None:
        if not self.is_directory(path):
            self.ops.append(("directory", path))
        super().make_directory(path)

    def sync_directory(self, path: str) -> None:
        self.ops.append(("sync_directory", path))


class Image:
    """What is on the disk after some operations: what it must keep, and what it may."""

    def __init__(self, ops: list[Op]) -> None:
        self.files: dict[int, bytes] = {}
        self.names: dict[str, int] = {}
        self.unsynced: dict[int, list[Op]] = {}
        self.unsynced_names: dict[str, list[Op]] = {}
        self.acknowledged = self.issued = 0
        for op in ops:
            match op[0]:
                case "write" | "truncate":
                    self.unsynced.setdefault(op[1], []).append(op)
                case "sync":
                    self.files[op[1]] = changed(self.files.get(op[1], b""), self.unsynced.pop(op[1], []))
                case "name" | "rename" | "unlink" | "directory":
                    self.unsynced_names.setdefault(os.path.dirname(op[1]), []).append(op)
                case "sync_directory":
                    rename_all(self.names, self.unsynced_names.pop(op[1], []))
                case "issued":
                    self.issued = op[1]
                case "acknowledged":
                    self.acknowledged = op[1]

    def lay(self, old: Path, new: Path, keep_names: str, keep_data: str) -> None:
        """Write the directory `old`, as this disk may hold it, to `new`."""
        names = dict(self.names)
        for ops in self.unsynced_names.values():
            rename_all(
                names,
                {
                    "all": ops,
                    "none": [],
                    "first": ops[:1],
                    "half": ops[: len(ops) // 2],
                    "last": ops[-1:],
                    "but the first": ops[1:],
                }[keep_names],
            )
        new.mkdir()
        for path, number in sorted(names.items()):
            target = new / os.path.relpath(path, old)
            if number < 0:
                target.mkdir(exist_ok=True)
            elif target.parent.exists():
                kept = self.files.get(number, b"")
                target.write_bytes(changed(kept, survivors(kept, self.unsynced.get(number, []), keep_data)))


def survivors(content: bytes, ops: list[Op], keep: str) -> list[Op]:
    """What becomes of `ops` on a file that has `content`."""
    if keep in ("all", "none") or not ops or ops[-1][0] != "write":
        return ops if keep != "none" else []
    if keep not in TORN:
        if keep.endswith(AFTER_FIRST):
            content = changed(content, ops[:1])
        return reordered(content, ops, keep.removesuffix(AFTER_FIRST))
    kind, number, at, data = ops[-1]
    half = len(data) // 2
    start = half - (at + half) % SECTOR
    torn = {
        "half": data[:half],
        "one byte": data[:1],
        "but one byte": data[:-1],
        "missing": there(content, at, len(data)),
        "missing from half": data[: max(0, start)] + there(content, at + max(0, start), len(data)),
    }[keep]
    return [*ops[:-1], (kind, number, at, torn[: len(data)])]


def reordered(content: bytes, ops: list[Op], keep: str) -> list[Op]:
    """`ops` with sectors of them missing that lie before others which reached the disk."""
    start, end = ops[0][2], ops[-1][2] + len(ops[-1][3])
    if any(op[0] != "write" for op in ops) or end // SECTOR == start // SECTOR:
        return ops
    # Whole sectors only: what shares one with the last byte is there.
    last = end // SECTOR * SECTOR
    middle = (start + end) // 2 // SECTOR * SECTOR
    begin, stop = {
        "first missing": (start, min(last, (start // SECTOR + 1) * SECTOR)),
        "middle missing": (max(start, middle), min(last, middle + 4 * SECTOR)),
        "all but the last missing": (start, last),
        "a sector missing": (max(start, middle), min(last, middle + SECTOR)),
    }[keep]
    return [*ops, ("write", ops[0][1], begin, there(content, begin, max(0, stop - begin)))]


def there(content: bytes, at: int, size: int) -> bytes:
    return content[at : at + size].ljust(size, b"\0")


def changed(content: bytes, ops: list[Op]) -> bytes:
    for op in ops:
        if op[0] == "truncate":
            content = content[: op[2]].ljust(op[2], b"\0")
        else:
            _, _, at, data = op
            content = content[:at].ljust(at, b"\0") + data + content[at + len(data) :]
    return content


def rename_all(names: dict[str, int], ops: list[Op]) -> None:
    for op in ops:
        if op[0] == "name":
            names[op[1]] = op[2]
        elif op[0] == "directory":
            names[op[1]] = -1
        elif op[0] == "unlink":
            names.pop(op[1], None)
        elif op[1] in names:
            names[op[2]] = names.pop(op[1])


def every_crash(ops: list[Op]) -> Iterator[tuple[Image, str, str]]:
    """Each point at which power may fail, with each thing that the disk may do to what it was not told to keep."""
    for count in range(len(ops) + 1):
        image = Image(ops[:count])
        for keep_names in NAMES if image.unsynced_names else NAMES[:1]:
            for keep_data in DATA if image.unsynced else DATA[:1]:
                yield image, keep_names, keep_data


class ChildInProcess:
    """Stands for the compacting process, so that its file operations are noted as well."""

    pid = 4711
    returncode = 0
    stdout = stderr = None

    def __init__(self, files: FileSystem) -> None:
        self.files = files
        self.output = b""
        self.stdin = self

    def write(self, line: bytes) -> None:
        job = compaction.Job(**json.loads(line))
        self.output = json.dumps(asdict(compaction.compact_files(self.files, job))).encode()

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def poll(self) -> int:
        return 0

    def communicate(self) -> tuple[bytes, bytes]:
        return self.output, b""
