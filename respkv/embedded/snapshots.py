"""Writes the data as they are at one moment to an RDB file, while other threads go on with the store."""

from typing import Final

from respkv.embedded.core import Core
from respkv.embedded.errors import DiskError, StoreError
from respkv.engine.snapshot import Snapshot, SnapshotRunning
from respkv.persistence.base import SnapshotWriter, version_for
from respkv.persistence.files import FileSystem

SLICE_KEYS: Final = 500
"""Keys that are encoded with the latch held, some 0.2 ms."""

PENDING_BYTES: Final = 4 * 1024 * 1024


def write_snapshot(core: Core, path: str) -> str:
    """Write it to `path`, an absolute one, which is returned. Raises DiskError, StoreError."""
    try:
        image: Snapshot = core.run(lambda core: Snapshot(core.engine), writes=False)
    except SnapshotRunning:
        raise StoreError("another snapshot is being written") from None
    try:
        writer = SnapshotWriter(FileSystem(), path, image.sizes, version=version_for(core.engine.databases))
        try:
            while core.run(lambda _: _add_slice(image, writer), writes=False):
                if writer.pending_bytes > PENDING_BYTES:
                    writer.drain()
            writer.finish()
        except BaseException:
            writer.discard()
            raise
    except OSError as error:
        raise DiskError(f"the snapshot {path} cannot be written: {error.strerror or error}") from error
    finally:
        core.run_anyhow(image.close)
    return path


def _add_slice(image: Snapshot, writer: SnapshotWriter) -> bool:
    piece = image.take(SLICE_KEYS)
    if piece is not None:
        writer.add(*piece)
    return piece is not None
