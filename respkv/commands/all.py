"""Importing this module declares all commands on data."""

from respkv.commands import databases, hyperloglog, keys, objects, sets, strings, ttl

__all__ = ["databases", "hyperloglog", "keys", "objects", "sets", "strings", "ttl"]
