"""The manifest: which files, in which order, make up the data of a multi-part log.

The text is Redis 7's (docs/formats/manifest.md), one line a file, in the directory `appenddirname`:

    file appendonly.aof.2.base.rdb seq 2 type b
    file appendonly.aof.5.incr.aof seq 5 type i
    # crc64 0123456789abcdef

Types are b(ase, at most one), i(ncrement, numbers rising), h(istory: replaced, to be removed). Lines that
start with `#` and unknown keys are ignored, as Redis does; the last line here is ours, and covers all
before it: one changed bit makes a history file of an increment. Redis drops that line when it rewrites the
manifest; then nothing is verified.

Rule: a manifest is replaced as a whole (new file, sync, rename, sync of the directory), never edited.
"""

import os
import re
from dataclasses import dataclass, field, replace

from respkv.errors import StartupError
from respkv.persistence.crc64 import crc64
from respkv.persistence.damage import DamagedFile
from respkv.persistence.files import TEMPORARY, FileSystem
from respkv.resp.inline import quote, split_args

BASE = "b"
INCR = "i"
HISTORY = "h"
# Redis has 1024; a name of 255 bytes, each of them escaped, is to fit whoever wrote it.
_LINE_LIMIT = 2048
_CHECKSUM_MARK = b"# crc64 "
_REMEDY = "restore it from a copy, or run respkv check"
_PLAIN_NAME = re.compile(rb"[!#-&(-\[\]-~]+")


@dataclass(frozen=True)
class LogFile:
    """One line: a name inside the directory, its sequence number, its type."""

    name: str
    seq: int
    type: str

    def line(self) -> bytes:
        """The line as the manifest holds it."""
        return b"file %b seq %d type %b\n" % (_quote(self.name), self.seq, self.type.encode())


@dataclass(frozen=True)
class Manifest:
    """The files of one log, in the order in which they are loaded."""

    base: LogFile | None = None
    incrs: tuple[LogFile, ...] = ()
    history: tuple[LogFile, ...] = ()
    is_verified: bool = field(default=True, compare=False)

    def to_load(self) -> tuple[LogFile, ...]:
        """Base, then increments."""
        return self.incrs if self.base is None else (self.base, *self.incrs)

    def encode(self) -> bytes:
        """The manifest's text."""
        base = () if self.base is None else (self.base,)
        text = b"".join(item.line() for item in (*base, *self.history, *self.incrs))
        return b"%b%b%016x\n" % (text, _CHECKSUM_MARK, crc64(text, 0))

    def next_base_seq(self) -> int:
        """A number that no base had."""
        return 1 + max((item.seq for item in (self.base, *self.history) if item is not None), default=0)

    def next_incr_seq(self) -> int:
        """A number above that of every increment."""
        return 1 + max((item.seq for item in (*self.incrs, *self.history)), default=0)

    def with_incr(self, incr: LogFile) -> "Manifest":
        """The same with one more increment to append to."""
        return replace(self, incrs=(*self.incrs, incr))

    def with_base(self, base: LogFile, kept: tuple[LogFile, ...]) -> "Manifest":
        """The same log with another base, the increments `kept`, and all else turned into history."""
        old = [item for item in self.to_load() if item not in kept]
        history = (*self.history, *(replace(item, type=HISTORY) for item in old))
        return Manifest(base, kept, history)

    def kept_generations(self) -> list[list[LogFile]]:
        """The history, oldest first, as generations: a base (the first one may have none) and its increments."""
        generations: list[list[LogFile]] = []
        for item in self.history:
            if not generations or ".incr." not in item.name:
                generations.append([])
            generations[-1].append(item)
        return generations

    def without_history(self) -> "Manifest":
        """The same once the history files are gone."""
        return replace(self, history=())


@dataclass(frozen=True)
class Layout:
    """Where the files of a data directory lie: `appenddirname`, `appendfilename`, `dbfilename`."""

    directory: str
    append_directory_name: str = "appendonlydir"
    append_file_name: str = "appendonly.aof"
    snapshot_file_name: str = "dump.rdb"

    @property
    def log_directory(self) -> str:
        """The directory of manifest, bases and increments."""
        return os.path.join(self.directory, self.append_directory_name)

    @property
    def manifest_path(self) -> str:
        """The manifest's path."""
        return os.path.join(self.log_directory, self.append_file_name + ".manifest")

    @property
    def old_log_path(self) -> str:
        """Where Redis before 7 kept its single log."""
        return os.path.join(self.directory, self.append_file_name)

    @property
    def snapshot_path(self) -> str:
        """Where SAVE puts an RDB file."""
        return os.path.join(self.directory, self.snapshot_file_name)

    def path(self, item: LogFile) -> str:
        """The path of a file that the manifest names."""
        return os.path.join(self.log_directory, item.name)

    def base_file(self, seq: int, extension: str = "rdb") -> LogFile:
        """The line for base number `seq`."""
        return LogFile(f"{self.append_file_name}.{seq}.base.{extension}", seq, BASE)

    def incr_file(self, seq: int) -> LogFile:
        """The line for increment number `seq`."""
        return LogFile(f"{self.append_file_name}.{seq}.incr.aof", seq, INCR)


_MANIFEST_SUFFIX = ".manifest"


def find_layout(files: FileSystem, path: str) -> Layout:
    """How the data directory at `path` is laid out, whatever names its server was configured with.

    `path` may also be the log's directory inside it, or the manifest.

    Raises: StartupError if there is more than one manifest to choose from.
    """
    path = os.path.abspath(path)
    if path.endswith(_MANIFEST_SUFFIX) and not files.is_directory(path):
        log_directory, name = os.path.split(path)
        directory, log_name = os.path.split(log_directory)
        return Layout(directory, log_name, name.removesuffix(_MANIFEST_SUFFIX))
    found = [os.path.join(path, name) for name in _manifests(files, path)]
    if not found:
        for name in files.list_directory(path):
            inner = os.path.join(path, name)
            if files.is_directory(inner):
                found += [os.path.join(inner, manifest) for manifest in _manifests(files, inner)]
    if len(found) > 1:
        raise StartupError(f"{path} holds several logs; name one of them: {', '.join(found)}")
    return find_layout(files, found[0]) if found else Layout(path)


def _manifests(files: FileSystem, directory: str) -> list[str]:
    return [
        name
        for name in files.list_directory(directory)
        if name.endswith(_MANIFEST_SUFFIX) and not name.startswith(TEMPORARY)
    ]


def read_manifest(files: FileSystem, path: str) -> Manifest:
    """The manifest at `path`.

    Raises: DamagedFile naming the line's offset when a line is not exactly as it should be.
    """
    return parse_manifest(files.read_all(path), path)


def write_manifest(files: FileSystem, layout: Layout, manifest: Manifest) -> None:
    """Put the manifest in place, durably; after a crash either the old or the new one is there."""
    files.replace_file(layout.manifest_path, manifest.encode())


def parse_manifest(text: bytes, path: str) -> Manifest:
    """The manifest with this text; `path` is for the errors."""
    base: LogFile | None = None
    incrs: list[LogFile] = []
    history: list[LogFile] = []
    is_verified = False
    at = 0
    if not text:
        raise DamagedFile(path, 0, "the manifest is empty", _REMEDY)
    while at < len(text):
        line_end = text.find(b"\n", at)
        if line_end < 0 or line_end + 1 - at > _LINE_LIMIT:
            raise DamagedFile(path, at, "a line without an end, or too long", _REMEDY)
        line = text[at:line_end]
        if line.startswith(_CHECKSUM_MARK):
            if line != b"%b%016x" % (_CHECKSUM_MARK, crc64(text[:at], 0)):
                raise DamagedFile(path, at, "the checksum does not fit the lines before", _REMEDY)
            is_verified = True
        elif not line.startswith(b"#"):
            item = _parse_line(line, path, at)
            is_verified = False
            if item.type == BASE:
                if base is not None:
                    raise DamagedFile(path, at, "a second base", _REMEDY)
                base = item
            elif item.type == HISTORY:
                history.append(item)
            else:
                if incrs and item.seq <= incrs[-1].seq:
                    raise DamagedFile(path, at, "increments out of order", _REMEDY)
                incrs.append(item)
        at = line_end + 1
    if base is None and not incrs:
        raise DamagedFile(path, 0, "the manifest names no file to load", _REMEDY)
    return Manifest(base, tuple(incrs), tuple(history), is_verified)


def _parse_line(line: bytes, path: str, at: int) -> LogFile:
    try:
        words = split_args(line)
        if words is None:
            raise ValueError("unbalanced quotes")
        fields = dict(zip(words[::2], words[1::2], strict=True))
        name, seq, kind = (os.fsdecode(fields[word]) for word in (b"file", b"seq", b"type"))
        if kind not in (BASE, INCR, HISTORY) or not name or "/" in name or "\\" in name or "\0" in name:
            raise ValueError(kind)
        if not (seq.isascii() and seq.isdigit()) or int(seq) < 1 or len(words) != 2 * len(fields):
            raise ValueError(seq)
    except (ValueError, KeyError) as error:
        raise DamagedFile(path, at, f"not a manifest line: {line[:80]!r}", _REMEDY) from error
    return LogFile(name, int(seq), kind)


def _quote(name: str) -> bytes:
    """The name as Redis writes it: in quotes with escapes if it has blanks, quotes, bytes beyond ASCII or the like."""
    word = os.fsencode(name)
    return word if _PLAIN_NAME.fullmatch(word) else quote(word)
