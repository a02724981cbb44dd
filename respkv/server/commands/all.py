"""Importing this module declares all commands on sessions and the server."""

import respkv.server.commands.connection  # noqa: F401
