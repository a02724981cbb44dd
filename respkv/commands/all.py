"""Importing this module declares all commands on data."""

from respkv.commands import bitfield, bitmaps, blocking_lists, databases, keys, lists, objects, strings, ttl

__all__ = ["bitfield", "bitmaps", "blocking_lists", "databases", "keys", "lists", "objects", "strings", "ttl"]
