"""Importing this module declares all commands on data."""

from respkv.commands import databases, keys, objects, stream_groups, stream_info, stream_reads, streams, strings, ttl

__all__ = ["databases", "keys", "objects", "stream_groups", "stream_info", "stream_reads", "streams", "strings", "ttl"]
