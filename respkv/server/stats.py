"""The counters behind INFO that belong to no other part, and rates sampled from them.

What the engine counts (hits, misses, expired, evicted keys) stays there, and what is counted by command stays in the
command's `Spec`; `reset` (CONFIG RESETSTAT) takes all of them back.
"""

import logging
from typing import Final

from respkv.commands.spec import every_spec
from respkv.engine.engine import Engine

logger = logging.getLogger(__name__)

ERROR_CODES_MAX: Final = 128
"""How many error codes are told apart; scripts can make codes up."""

CODE_MAX_BYTES: Final = 30
"""How far the blank behind a code is looked for, as in Redis."""

ERRORS_DISABLED: Final = b"ERRORSTATS_DISABLED"
"""What INFO errorstats shows once there were more codes than that."""

SAMPLES: Final = 16
"""How many samples make up an instantaneous rate, as in Redis."""


class Rate:
    """Growth of a counter in a second, averaged over the last `SAMPLES` samples."""

    def __init__(self) -> None:
        self._samples = [0] * SAMPLES
        self._next = 0
        self._last_ns = 0
        self._last_value = 0

    def sample(self, value: int, now_ns: int) -> None:
        """The counter stands at `value` now (a steady clock)."""
        elapsed_ns = now_ns - self._last_ns
        if self._last_ns and elapsed_ns > 0:
            # A counter that was reset in between starts from zero again.
            growth = value - self._last_value if value >= self._last_value else value
            self._samples[self._next] = growth * 1_000_000_000 // elapsed_ns
            self._next = (self._next + 1) % SAMPLES
        self._last_ns = now_ns
        self._last_value = value

    def per_s(self) -> int:
        """Growth in a second."""
        return sum(self._samples) // SAMPLES


class Stats:
    """Counters of one server."""

    def __init__(self) -> None:
        self.connections = 0
        self.rejected_connections = 0
        self.input_bytes = 0
        self.output_bytes = 0
        self.reads = 0
        self.writes = 0
        self.errors: dict[bytes, int] = {}
        self.error_replies = 0
        # Clients closed for what they did not read, or sent without end.
        self.output_limit_disconnections = 0
        self.query_limit_disconnections = 0
        self.evicted_clients = 0
        # What ACL LOG is about: authentications, commands, keys and channels.
        self.denied_auths = 0
        self.denied_commands = 0
        self.denied_keys = 0
        self.denied_channels = 0
        # The most memory that was used, and when (unix s).
        self.peak_memory_bytes = 0
        self.peak_memory_s = 0
        self.command_rate = Rate()
        self.input_rate = Rate()
        self.output_rate = Rate()

    def count_error(self, message: bytes) -> None:
        """Count the error reply `message` by the code that it begins with; without one, or a short one, as ERR."""
        self.error_replies += 1
        errors = self.errors
        end = message.find(b" ", 0, CODE_MAX_BYTES + 1)
        code = message[:end] if end > 0 else b"ERR"
        if code in errors:
            errors[code] += 1
        elif ERRORS_DISABLED in errors:
            return
        elif len(errors) < ERROR_CODES_MAX:
            errors[code] = 1
        else:
            logger.warning("errors are no longer told apart by their codes, of which there are too many")
            self.errors = {ERRORS_DISABLED: 1}

    def commands(self) -> int:
        """How many commands were run. O(commands that there are)."""
        return sum(spec.calls for spec in every_spec())

    def sample(self, now_ns: int) -> None:
        """Take samples for the rates; ten times a second, say."""
        self.command_rate.sample(self.commands(), now_ns)
        self.input_rate.sample(self.input_bytes, now_ns)
        self.output_rate.sample(self.output_bytes, now_ns)

    def reset(self, engine: Engine) -> None:
        """Set all counters to zero, those of `engine` and of the commands as well."""
        self.connections = 0
        self.rejected_connections = 0
        self.input_bytes = 0
        self.output_bytes = 0
        self.reads = 0
        self.writes = 0
        self.errors = {}
        self.error_replies = 0
        self.output_limit_disconnections = 0
        self.query_limit_disconnections = 0
        self.evicted_clients = 0
        self.denied_auths = 0
        self.denied_commands = 0
        self.denied_keys = 0
        self.denied_channels = 0
        engine.hits = 0
        engine.misses = 0
        engine.expired = 0
        engine.evicted = 0
        engine.freed_later = 0
        for spec in every_spec():
            spec.calls = 0
            spec.nanoseconds = 0
            spec.rejected_calls = 0
            spec.failed_calls = 0
            spec.histogram.clear()
