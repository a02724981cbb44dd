"""Importing this module declares all commands on data."""

from respkv.commands import (
    blocking_lists,
    databases,
    hyperloglog,
    keys,
    lists,
    objects,
    sets,
    strings,
    ttl,
)

__all__ = [
    "blocking_lists",
    "databases",
    "hyperloglog",
    "keys",
    "lists",
    "objects",
    "sets",
    "strings",
    "ttl",
]
