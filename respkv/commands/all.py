"""Importing this module declares all commands on data."""

from respkv.commands import (
    blocking_lists,
    databases,
    geo,
    hyperloglog,
    keys,
    lists,
    objects,
    sets,
    sorted_set_algebra,
    sorted_set_pops,
    sorted_set_ranges,
    sorted_sets,
    strings,
    ttl,
)

__all__ = [
    "blocking_lists",
    "databases",
    "geo",
    "hyperloglog",
    "keys",
    "lists",
    "objects",
    "sets",
    "sorted_set_algebra",
    "sorted_set_pops",
    "sorted_set_ranges",
    "sorted_sets",
    "strings",
    "ttl",
]
