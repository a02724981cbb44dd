"""Whether the server serves: what `/health` says, for load balancers and supervisors."""

from respkv.commands.flags import GATE_DISK
from respkv.server.server import Server


class Health:
    """`status` in a word; `reason` says more where it is not `ok`."""

    def __init__(self, status: str, reason: str = "") -> None:
        self.status = status
        self.reason = reason

    @property
    def is_ok(self) -> bool:
        """Whether reads and writes are served."""
        return self.status == "ok"


def health_of(server: Server) -> Health:
    """How `server` is just now. Changes nothing."""
    state = server.persistence
    if state.is_loading:
        return Health("loading", f"{state.loading_loaded_bytes} of {state.loading_total_bytes} bytes are loaded")
    if server.gate & GATE_DISK:
        return Health("refusing writes", server.disk_error().decode("utf-8", "replace"))
    limit = server.config.maxmemory
    if limit and server.config.maxmemory_policy == "noeviction" and server.meter.used_bytes() > limit:
        return Health("refusing writes", "OOM the data take more than maxmemory, and nothing may be evicted")
    return Health("ok")
