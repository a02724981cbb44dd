"""Importing this module declares all commands on data."""

from respkv.commands import databases, keys, objects, sets, strings, ttl

__all__ = ["databases", "keys", "objects", "sets", "strings", "ttl"]
