"""`respkv check`: loads what a start would load, by the same code, and says file by file what is there.

    respkv check PATH          0: all is whole     1: something is torn or damaged
    respkv check --fix PATH    0: it is whole now  1: it could not be repaired

PATH is a data directory, a manifest, or one file of a log or snapshot. A file that a manifest names is checked
together with the whole log, since what follows it depends on it. Generations that are kept (`snapshot-keep`), which no
start loads, are looked at too, each as if it were loaded.

Rule 1: without --fix nothing is changed, and a server may be running meanwhile.
Rule 2: --fix cuts the log at the damage, so that a prefix of what happened remains. What it cuts off stays beside
the file, as `<file>.cut-at-<offset>`; increments behind the damaged one stay under their names, unnamed by the
manifest.
Rule 3: a base or snapshot has one checksum over everything. It cannot be cut, only be restored from a copy.
"""

import contextlib
import gc
import os
import re
from dataclasses import dataclass, field, replace

import respkv.commands.all  # noqa: F401  (fills the table of commands)
from respkv.commands.replay import Replayer
from respkv.engine.engine import Engine
from respkv.engine.keyspace import open_engine
from respkv.errors import StartupError
from respkv.persistence.batch import parse_commands
from respkv.persistence.damage import DamagedFile, TooFewDatabases, UnsupportedFile
from respkv.persistence.files import FileSystem
from respkv.persistence.lock import LOCK_NAME, DirectoryInUse, DirectoryLock
from respkv.persistence.manifest import Layout, Manifest, find_layout, read_manifest, write_manifest
from respkv.persistence.recovery import MOST_DATABASES, Recovered, cut, find_source, load, run_to_end

_COMMAND_START = re.compile(rb"\*[1-9][0-9]{0,6}\r\n\$")
# How much of a damaged rest is searched for commands to tell what would be lost.
_SCAN_LIMIT = 64 << 20
_FRAMING = (b"SELECT", b"MULTI", b"EXEC")


@dataclass
class FileReport:
    """One file: what it holds, or how it ends."""

    path: str
    size: int
    found: Recovered | None = None
    # Where it can be cut, if something is wrong there.
    offset: int = -1
    problem: str = ""
    may_be_cut: bool = False
    lost: str = ""

    def line(self) -> str:
        """What is printed about the file."""
        name = os.path.basename(self.path)
        if self.problem:
            at = f" at offset {self.offset}" if self.offset >= 0 else ""
            return f"{name}: {self.problem}{at}" if not self.lost else f"{name}: {self.problem}{at}\n  {self.lost}"
        found = self.found
        if found is None:
            return f"{name}: not looked at, since it goes on from the one above"
        parts = [f"{self.size} bytes"]
        if room := self.size - found.position.size:
            parts.append(f"{room} of them room for more")
        if found.key_count or found.aux:
            parts.append(f"{found.key_count} keys")
        if found.batch_count or found.command_count:
            parts.append(f"{found.command_count} commands in {found.batch_count} batches")
        if found.unverified_bytes:
            parts.append(f"{found.unverified_bytes} bytes have no checksum")
        elif self.size:
            parts.append("all checksums fit")
        return f"{name}: {', '.join(parts)}"


@dataclass
class Report:
    """What was looked at and found."""

    subject: str
    files: list[FileReport] = field(default_factory=list)
    # Of kept generations.
    kept: list[FileReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)
    key_count: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not any(item.problem for item in (*self.files, *self.kept))

    @property
    def broken(self) -> FileReport | None:
        """The file with a problem among those that a start loads; the first one ends the search."""
        return next((item for item in self.files if item.problem), None)

    def text(self) -> str:
        """The report as it is printed."""
        lines = [self.subject, *self.repairs, *(item.line() for item in self.files)]
        lines += [f"kept: {item.line()}" for item in self.kept]
        lines += self.notes
        broken = self.broken
        if broken is None:
            lines.append(f"sound: {self.key_count} keys would be loaded")
            if not self.is_sound:
                lines.append("not sound: a kept file; no start loads it, and it is no copy to go back to")
        elif broken.may_be_cut:
            lines.append("not sound: respkv check --fix keeps what precedes the offset")
        else:
            lines.append("not sound, and beyond repair by cutting: restore the file from a copy")
        return "\n".join(lines)


def run(path: str, fix: bool = False) -> int:
    """Check `path`, print the report; the exit code. Raises: StartupError where there is nothing to check."""
    gc.disable()
    try:
        report = check(path, fix)
    except OSError as error:
        raise StartupError(f"cannot check {path}: {error}") from error
    print(report.text())
    return 0 if report.is_sound else 1


def check(path: str, fix: bool = False) -> Report:
    """Check the data directory, manifest or file at `path`; with `fix`, repair it and check again.

    Raises: DirectoryInUse, if it is to be fixed while a server uses it; StartupError; OSError.
    """
    files = FileSystem()
    layout = _layout_of(files, os.path.abspath(path))
    is_log = layout is not None
    if layout is None:
        layout = Layout(os.path.dirname(os.path.abspath(path)))
    lock, note = _lock(layout.directory, fix, is_log)
    try:
        checker = _LogChecker(files, layout, note) if is_log else _Checker(files, path, note)
        report = checker.check()
        broken = report.broken
        if fix and broken is not None and broken.may_be_cut:
            repairs = checker.fix(report, broken)
            report = checker.check()
            report.repairs = repairs
        return report
    finally:
        if lock is not None:
            lock.release()


def _layout_of(files: FileSystem, path: str) -> Layout | None:
    """The layout of the data directory that `path` is or belongs to; None if it is a file of its own."""
    if files.is_directory(path) or path.endswith(".manifest"):
        return find_layout(files, path)
    directory = os.path.dirname(path)
    for name in files.list_directory(directory):
        if name.endswith(".manifest"):
            layout = find_layout(files, os.path.join(directory, name))
            with contextlib.suppress(DamagedFile):
                manifest = read_manifest(files, layout.manifest_path)
                if path in [layout.path(item) for item in manifest.to_load()]:
                    return layout
    return None


def _lock(directory: str, fix: bool, is_ours: bool) -> tuple[DirectoryLock | None, str]:
    if fix and is_ours:
        return DirectoryLock(directory), ""
    if not os.path.exists(os.path.join(directory, LOCK_NAME)):  # nothing of ours; and looking leaves no trace
        return None, ""
    try:
        return DirectoryLock(directory), ""
    except DirectoryInUse:
        if fix:
            raise
        return None, "a server is using the directory: its last batch may be under way"
    except OSError:  # not ours to write to; a check only reads
        return None, ""


class _Checker:
    """Checks one file of its own."""

    def __init__(self, files: FileSystem, path: str, note: str) -> None:
        self.files = files
        self.subject = path
        self.note = note

    def check(self) -> Report:
        report = Report(self.subject)
        self._load_into(report, [self.subject])
        return report

    def fix(self, report: Report, broken: FileReport) -> list[str]:
        return [_cut_off(self.files, broken)]

    def _load_into(self, report: Report, paths: list[str], *, are_complete: bool = False) -> None:
        """Load `paths` one after the other; with `are_complete` the last one has no right to a torn end either."""
        if self.note and not are_complete:
            report.notes.append(self.note)
        databases = 16
        while True:
            engine = open_engine(databases)
            report.files.clear()
            try:
                self._load(report, paths, engine, are_complete)
            except TooFewDatabases as error:
                if databases > error.needed:
                    raise
                if error.needed > MOST_DATABASES:  # a flipped bit, rather than so many
                    path = paths[len(report.files)]
                    report.files.append(FileReport(path, self.files.size(path), problem=str(error)))
                    return
                databases = error.needed
                continue
            report.key_count = sum(database.size() for database in engine.databases)
            return

    def _load(self, report: Report, paths: list[str], engine: Engine, are_complete: bool) -> None:
        replayer = Replayer(engine)
        for number, path in enumerate(paths):
            if not self.files.exists(path):
                report.files.append(FileReport(path, 0, problem="missing, though the manifest names it"))
            else:
                report.files.append(
                    self._load_file(path, engine, replayer, not are_complete and number == len(paths) - 1)
                )
            if report.files[-1].problem:
                report.files += [FileReport(later, 0) for later in paths[number + 1 :]]
                return

    def _load_file(self, path: str, engine: Engine, replayer: Replayer, is_last: bool) -> FileReport:
        item = FileReport(path, self.files.size(path))
        try:
            found = run_to_end(load(self.files, [path], engine, replayer, cut_torn_tail=is_last))
        except TooFewDatabases:
            raise
        except DamagedFile as error:
            item.offset, item.problem, item.may_be_cut = error.offset, f"damaged: {error.reason},", error.may_be_cut
        except UnsupportedFile as error:
            item.problem = str(error)
        else:
            item.found = found
            if found.cut and not self.note:
                ending = found.cut[0][1]
                item.offset, item.problem, item.may_be_cut = ending.offset, f"torn: {ending.reason},", True
        if item.may_be_cut:
            item.lost = self._what_is_lost(item)
        return item

    def _what_is_lost(self, item: FileReport) -> str:
        """What can be read in the part that a cut would drop."""
        fd = self.files.open_read(item.path)
        try:
            data = self.files.read_at(fd, item.offset, min(item.size - item.offset, _SCAN_LIMIT))
        finally:
            self.files.close(fd)
        keys: set[bytes] = set()
        count = at = 0
        while match := _COMMAND_START.search(data, at):
            commands: list[list[bytes]] = []
            at, _ = parse_commands(data, match.start(), commands, len(data))
            at = max(at, match.start() + 1)
            changes = [argv for argv in commands if argv[0].upper() not in _FRAMING]
            count += len(changes)
            keys.update(argv[1] for argv in changes if len(argv) > 1)
        dropped = item.size - item.offset
        return f"--fix drops the last {dropped} bytes, in which {count} commands on {len(keys)} keys can be read"


class _LogChecker(_Checker):
    """Checks a data directory."""

    def __init__(self, files: FileSystem, layout: Layout, note: str) -> None:
        super().__init__(files, layout.directory, note)
        self.layout = layout
        self.manifest: Manifest | None = None

    def check(self) -> Report:
        report = Report(self.subject)
        layout = self.layout
        try:
            source, manifest = find_source(self.files, layout)
        except DamagedFile as error:
            size = self.files.size(error.path)
            report.files.append(FileReport(error.path, size, offset=error.offset, problem=f"damaged: {error.reason},"))
            return report
        self.manifest = manifest
        if manifest is None:
            raise StartupError(f"{self.subject} holds no data")
        if source == "log":
            if not manifest.is_verified:
                report.notes.append("the manifest has no checksum: Redis wrote it last")
            self._load_into(report, [layout.path(item) for item in manifest.to_load()])
            self._look_at_kept(report, manifest)
        else:
            self._load_into(report, [layout.old_log_path if source == "old log" else layout.snapshot_path])
        return report

    def _look_at_kept(self, report: Report, manifest: Manifest) -> None:
        for generation in manifest.kept_generations():
            paths = [self.layout.path(item) for item in generation]
            if all(map(self.files.exists, paths)):  # else it is on its way out
                apart = Report(self.subject)
                self._load_into(apart, paths, are_complete=True)
                report.kept += apart.files

    def fix(self, report: Report, broken: FileReport) -> list[str]:
        manifest = self.manifest
        paths = [item.path for item in report.files]
        later = paths[paths.index(broken.path) + 1 :]
        repairs = []
        if later and manifest is not None:
            # First the manifest: a crash in between leaves the damage, and nothing that goes on behind the cut.
            kept = tuple(item for item in manifest.incrs if self.layout.path(item) not in later)
            write_manifest(self.files, self.layout, replace(manifest, incrs=kept))
            names = ", ".join(map(os.path.basename, later))
            repairs.append(f"took out of the manifest, since they go on behind the damage: {names}")
        return [*repairs, _cut_off(self.files, broken)]


def _cut_off(files: FileSystem, broken: FileReport) -> str:
    """Cut the file, after a copy of what is cut off is on disk."""
    backup = f"{broken.path}.cut-at-{broken.offset}"
    source = files.open_read(broken.path)
    try:
        destination = files.open_new(backup)
        try:
            at = broken.offset
            while block := files.read_at(source, at, 1 << 20):
                files.write_whole(destination, block)
                at += len(block)
            files.sync(destination)
        finally:
            files.close(destination)
    finally:
        files.close(source)
    files.sync_directory(os.path.dirname(os.path.abspath(backup)))
    cut(files, broken.path, broken.offset)
    return f"cut {os.path.basename(broken.path)} at offset {broken.offset}; what was behind is in {backup}"
