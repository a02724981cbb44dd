"""Importing this module declares all commands on data."""

from respkv.commands import databases, keys, objects, strings, ttl

__all__ = ["databases", "keys", "objects", "strings", "ttl"]
