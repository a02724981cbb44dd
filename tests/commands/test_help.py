import harness  # noqa: F401  (fills the table of commands)
import pytest

from respkv.commands.help import help_of
from respkv.commands.spec import COMMANDS


@pytest.mark.parametrize("name", [spec.name for spec in COMMANDS.values() if b"help" in spec.subcommands])
def test_help_tells_each_subcommand_and_what_it_does(name: bytes) -> None:
    title, *lines = [line.text for line in help_of(name)]
    assert title.startswith(name.upper() + b" <subcommand>")
    assert len(lines) == 2 * len(COMMANDS[name].subcommands)
    for usage, summary in zip(lines[::2], lines[1::2], strict=True):
        assert usage.split()[0].lower() in COMMANDS[name].subcommands
        assert summary.startswith(b"    ")
        assert summary.endswith(b".")
