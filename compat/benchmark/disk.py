"""A disk whose sync takes a known time.

What `appendfsync always` costs is mostly what a sync takes, which differs from disk to disk, and on a shared machine
from minute to minute. Here files lie in memory, and a small library that is preloaded into each server makes its syncs
as long as is asked for.
"""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from compat.servers import ServerUnavailable

MEMORY = Path("/dev/shm")
SOURCE = Path(__file__).with_name("slow_sync.c")


@dataclass(frozen=True)
class Disk:
    """Where files lie, and the environment of a server that uses it."""

    folder: Path
    environment: Mapping[str, str]

    def place(self, name: str) -> Path:
        """A new folder on it."""
        place = self.folder / name
        place.mkdir()
        return place


@contextlib.contextmanager
def steady_disk(sync_us: int) -> Iterator[Disk]:
    """One whose fsync and fdatasync take `sync_us` microseconds. Raises ServerUnavailable without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None or not MEMORY.is_dir():
        raise ServerUnavailable("a disk whose sync takes a known time needs Linux and a C compiler")
    with tempfile.TemporaryDirectory(prefix="compat-disk-", dir=MEMORY) as name:
        library = Path(name) / "slow_sync.so"
        subprocess.run([compiler, "-O2", "-fPIC", "-shared", "-o", library, SOURCE, "-ldl"], check=True)
        yield Disk(Path(name), {"LD_PRELOAD": str(library), "SLOW_SYNC_US": str(sync_us)})
