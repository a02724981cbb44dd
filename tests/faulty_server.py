"""A server whose disk, and one of whose commands, misbehave on demand: `python faulty_server.py CONTROL serve ...`.

While there is a file of that name in the folder CONTROL, each sync waits (`block-sync`), or fails (`fail-sync`), each
write fails (`fail-write`), reads take a second for ten megabytes (`slow-read`), and what is written of a snapshot for
a client waits (`block-transfer`). The command EXPLODE raises what no command should.
"""

import errno
import os
import sys
import time
from pathlib import Path

from respkv.commands.flags import FAST
from respkv.commands.spec import CommandGroup
from respkv.net import service
from respkv.persistence.files import FileSystem
from respkv.reply import Reply
from respkv.server.config.load import load, read_flags
from respkv.server.session import Session

command = CommandGroup("server", __name__, session=True)


@command("EXPLODE", FAST, since="7.4.0", cost="O(1)")
def explode(session: Session, argv: list[bytes]) -> Reply:
    """Fail in a way that nobody foresaw."""
    raise RuntimeError("this is a test")


class ControlledFiles(FileSystem):
    """A file system that does as the files in `control` say."""

    def __init__(self, control: Path) -> None:
        self._control = control
        self._transfers: set[int] = set()

    def _is_on(self, name: str) -> bool:
        return (self._control / name).exists()

    def sync(self, fd: int) -> None:
        while self._is_on("block-sync"):
            time.sleep(0.002)
        if self._is_on("fail-sync"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(fd)

    def open_new(self, path: str) -> int:
        fd = super().open_new(path)
        if Path(path).name.startswith("transfer-"):
            self._transfers.add(fd)
        return fd

    def close(self, fd: int) -> None:
        self._transfers.discard(fd)
        super().close(fd)

    def write(self, fd: int, pieces: list[bytes]) -> int:
        while fd in self._transfers and self._is_on("block-transfer"):
            time.sleep(0.002)
        if self._is_on("fail-write"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(fd, pieces)

    def read_at(self, fd: int, offset: int, byte_count: int) -> bytes:
        if self._is_on("slow-read"):
            time.sleep(byte_count / 10_000_000)
        return super().read_at(fd, offset, byte_count)


if __name__ == "__main__":
    sys.exit(service.run(load(None, read_flags(sys.argv[3:])), ControlledFiles(Path(sys.argv[1]))))
