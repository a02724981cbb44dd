"""Commands on the connection itself."""

from respkv.commands.flags import FAST
from respkv.commands.spec import CommandGroup
from respkv.reply import PONG, Reply
from respkv.server.session import Session

command = CommandGroup("connection", __name__, session=True)


@command("PING [message]", FAST, since="1.0.0", cost="O(1)")
def ping(session: Session, argv: list[bytes]) -> Reply:
    """Answer, to show that the server is there."""
    return argv[1] if len(argv) > 1 else PONG
