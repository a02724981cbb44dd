"""What scripts need of the server: whoever runs the interpreter hands it down.

Compiled: so a `redis.call` gets there without the interpreter of Python between.
"""

from typing import Any

from mypy_extensions import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class Host:
    """The commands, and what the server knows, as a script sees them; the base class has none and knows nothing.

    `bad_function_name` is what a library is told that gives a function a name that is none.
    """

    def __init__(self, bad_function_name: bytes = b"") -> None:
        self.bad_function_name = bad_function_name

    def call(self, argv: list[bytes]) -> Any:
        """Run a command: its reply as the handler gave it. Raises ReplyError; all but NoCommandGiven are counted."""
        raise NotImplementedError

    def may_run(self, argv: list[bytes]) -> bool:
        """Whether the user may run this command. Raises ReplyError if there is no such command."""
        return False

    def is_function_name(self, name: bytes) -> bool:
        """Whether a function may be called so."""
        return False

    def log(self, level: int, message: bytes) -> None:
        """Write a line to the server's log; `level` from 0 (debug) to 3 (warning)."""

    def interrupt(self) -> bytes:
        """Called now and then while a script runs: why it must end at once, or nothing."""
        return b""
