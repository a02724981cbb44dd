"""Importing this module declares all commands on data."""

import respkv.commands.strings  # noqa: F401
