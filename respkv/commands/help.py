"""What the HELP subcommand of a container answers: its subcommands, as they are declared."""

from respkv.commands.spec import COMMANDS
from respkv.reply import Status


def help_of(container: bytes) -> list[Status]:
    """The subcommands of `container` with their arguments, each above its summary."""
    title = b"%b <subcommand> [<arg> [value] [opt] ...]. Subcommands are:" % container.upper()
    lines = [title]
    specs = sorted(COMMANDS[container].subcommands.values(), key=lambda spec: spec.name.endswith(b"|help"))
    for spec in specs:
        usage = spec.syntax.usage.partition(" ")[2]
        lines += [usage.encode(), b"    " + spec.summary.encode()]
    return [Status(line) for line in lines]
