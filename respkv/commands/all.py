"""Importing this module declares all commands on data."""

from respkv.commands import databases, expiry, keys, objects, strings

__all__ = ["databases", "expiry", "keys", "objects", "strings"]
