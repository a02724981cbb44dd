"""Segments: the log's increments are begun anew when they are large, so that no file grows without bound.

Rule 1: the files that are no longer appended to do not change: they can be copied while the server runs.
Rule 2: a new increment costs little when it comes: what was written is made durable in the background first.
"""

import logging
import time

from respkv.engine.engine import Engine
from respkv.persistence.aof import OK, AppendLog, LogFailed

logger = logging.getLogger(__name__)

RETRY_S = 10.0
"""How long after a failure it is tried again."""


class Segmenter:
    """Decides when `log` goes on in another file: `tick` it a few times a second."""

    def __init__(self, log: AppendLog, engine: Engine) -> None:
        self._log = log
        self._engine = engine
        # What has to be durable first; 0 while nothing is due.
        self._wait_for_lsn = 0
        self._retry_at_s = 0.0

    def tick(self, segment_bytes: int) -> None:
        """Begin another increment if the current one has `segment_bytes` (`aof-segment-size`) or more; 0: never."""
        log = self._log
        if not segment_bytes or log.segment_bytes < segment_bytes or log.state is not OK:
            self._wait_for_lsn = 0
            return
        if not self._wait_for_lsn:
            if time.monotonic() >= self._retry_at_s:
                self._wait_for_lsn = log.written_lsn
                log.request_sync()
            return
        # Effects that wait to be written belong to the old increment, which says what database they are of.
        if log.durable_lsn < self._wait_for_lsn or self._engine.effects:
            return
        self._wait_for_lsn = 0
        try:
            log.rotate()
        except LogFailed as error:
            self._retry_at_s = time.monotonic() + RETRY_S
            logger.warning("the log cannot go on in another file: %s", error)
        finally:
            # Each file is replayed from database 0 on.
            self._engine.effects_db = -1
