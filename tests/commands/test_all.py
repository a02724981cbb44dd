"""No module of commands is left out of those that a server imports."""

from pathlib import Path

import pytest

import respkv.commands.all
import respkv.server.commands.all


@pytest.mark.parametrize("everything", [respkv.commands.all, respkv.server.commands.all], ids=lambda one: one.__name__)
def test_every_module_that_declares_commands_is_imported(everything: object) -> None:
    folder = Path(everything.__file__).parent  # type: ignore[attr-defined]
    marks = ("\ncommand = CommandGroup(", "\n@command(", "\n@part(")
    declaring = {path.stem for path in folder.glob("*.py") if any(mark in path.read_text() for mark in marks)}
    assert declaring == set(everything.__all__)  # type: ignore[attr-defined]
