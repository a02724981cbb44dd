"""What the server's commands need of whoever keeps its data on disk, and the numbers that INFO shows of it.

`Persistence` is the memory-only kind: it keeps nothing, and says so. `respkv.server.storage` has the
one that owns a data directory, and puts itself into `Server.persistence`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from respkv.server.replicas import Replica
    from respkv.server.session import Session


class Persistence:
    """State as plain attributes, kept current by the implementation; times are unix seconds, durations seconds."""

    def __init__(self) -> None:
        # Loading, while it goes on.
        self.is_loading = False
        self.loading_started_s = 0
        self.loading_total_bytes = 0
        self.loading_loaded_bytes = 0
        self.loaded_keys = 0
        # Snapshots.
        self.is_saving = False
        self.is_save_scheduled = False
        self.save_started_s = 0
        self.last_save_s = 0
        self.last_save_duration_s = -1
        self.last_save_ok = True
        self.saves = 0
        # The log.
        self.log_enabled = False
        self.is_rewriting = False
        self.is_rewrite_scheduled = False
        self.rewrite_started_s = 0
        self.last_rewrite_duration_s = -1
        self.last_rewrite_ok = True
        self.rewrites = 0
        self.rewrite_failures_in_a_row = 0
        self.log_bytes = 0
        self.log_base_bytes = 0
        self.log_buffer_bytes = 0
        self.syncs_in_flight = 0
        self.delayed_syncs = 0
        # Snapshots that were asked for by clients, as by replicas.
        self.transfers_begun = 0
        # Why the log cannot be written, or synced; empty while it can.
        self.write_error = ""

    def save(self) -> bool:
        """Write a snapshot now, everyone waits; whether that worked."""
        return False

    def start_save(self) -> bool:
        """Begin to write a snapshot beside other work; whether that worked."""
        return False

    def schedule_save(self) -> None:
        """Begin to write a snapshot as soon as the rewrite of the log is over."""
        self.is_save_scheduled = True

    def start_transfer(self, session: "Session", replica: "Replica") -> bool:
        """Begin to write a snapshot for `session`, which is parked until it is sent; whether that worked."""
        return False

    def start_rewrite(self) -> bool:
        """Begin to compact the log beside other work; whether that worked."""
        return False

    def schedule_rewrite(self) -> None:
        """Begin to compact the log as soon as the snapshot is over."""
        self.is_rewrite_scheduled = True

    def sync(self) -> bool:
        """Make all that was done so far durable before this returns; whether that worked."""
        return False

    def shut_down(self, *, save: bool | None, now: bool, force: bool) -> bool:
        """End the server once this turn is over; False, and go on, if the data could not be made safe.

        Args:
            save: whether to write a snapshot; None as the `save` directive says.
            now: do not wait for replicas.
            force: end even if the data cannot be made safe.
        """
        return False

    def abort_shutdown(self) -> bool:
        """Stop a shutdown that still waits for something; whether there was one."""
        return False

    def reload(self, *, save: bool, flush: bool, merge: bool) -> bool:
        """Write a snapshot (if `save`) and load it in place of the data (added to them without `flush`)."""
        return False

    def reload_log(self) -> bool:
        """Write the log out and load it in place of the data; whether that worked."""
        return False
