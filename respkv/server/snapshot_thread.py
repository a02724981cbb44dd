"""A snapshot that is written beside other work: slices are encoded in ticks, a thread waits for the disk."""

import queue
import threading

from respkv.engine.clock import steady_s
from respkv.engine.snapshot import Snapshot
from respkv.persistence.base import SnapshotWriter

SLICE_KEYS = 2000
"""Keys of a snapshot that are handed to its writer at once."""

SLICES_A_TICK = 8

PENDING_BYTES = 32 * 1024 * 1024
"""How much of a snapshot may wait for the disk."""


class SnapshotThread:
    """Writes a snapshot beside other work: the main thread encodes slices of the image, a thread writes them."""

    def __init__(self, writer: SnapshotWriter, image: Snapshot, changes_at_start: int) -> None:
        self.changes_at_start = changes_at_start
        self.started_s = steady_s()
        self.error: OSError | None = None
        self.has_ended = False
        self._writer = writer
        self._image = image
        # What the thread has to do next: write out what is encoded, or (False) finish the file, or (None) drop it.
        self._steps: queue.SimpleQueue[bool | None] = queue.SimpleQueue()
        self._is_fed = False
        self._thread = threading.Thread(target=self._run, name="respkv-snapshot", daemon=True)
        self._thread.start()

    def feed_slices(self) -> bool:
        """A tick's share of the work; whether all of it is done, or has failed (`error`)."""
        for _ in range(SLICES_A_TICK):
            if not self.feed():
                break
        return self.has_ended

    def feed(self) -> bool:
        """Hand one more slice over; whether another one may follow at once."""
        if not self._thread.is_alive():
            self._end()
            return False
        # A slow disk holds the slices back in the image instead of in memory twice.
        if self._is_fed or self._writer.pending_bytes > PENDING_BYTES:
            return False
        piece = self._image.take(SLICE_KEYS)
        if piece is None:
            self._is_fed = True
        else:
            self._writer.add(*piece)
        self._steps.put(piece is not None)
        return not self._is_fed

    def abandon(self) -> None:
        """Stop, and leave no file behind."""
        self._steps.put(None)
        self._end()

    def _end(self) -> None:
        self._thread.join()
        self._image.close()
        self.has_ended = True

    def _run(self) -> None:
        try:
            while step := self._steps.get():
                self._writer.drain()
            if step is None:
                self._writer.discard()
            else:
                self._writer.finish()
        except OSError as error:
            self.error = error
            self._writer.discard()
