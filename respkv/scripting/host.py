"""What scripts need of the server: whoever runs the interpreter hands it down."""

from typing import Any, Protocol


class Host(Protocol):
    """The commands, and what the server knows, as a script sees them.

    `bad_function_name` is what a library is told that gives a function a name that is none.
    """

    bad_function_name: bytes

    def call(self, argv: list[bytes]) -> Any:
        """Run a command: its reply as the handler gave it. Raises ReplyError."""

    def may_run(self, argv: list[bytes]) -> bool:
        """Whether the user may run this command. Raises ReplyError if there is no such command."""

    def is_function_name(self, name: bytes) -> bool:
        """Whether a function may be called so."""

    def log(self, level: int, message: bytes) -> None:
        """Write a line to the server's log; `level` from 0 (debug) to 3 (warning)."""

    def interrupt(self) -> bytes:
        """Called now and then while a script runs: why it must end at once, or nothing."""
