"""Importing this module declares all commands on data."""

from respkv.commands import (
    databases,
    geo,
    keys,
    objects,
    sorted_set_algebra,
    sorted_set_pops,
    sorted_set_ranges,
    sorted_sets,
    strings,
    ttl,
)

__all__ = [
    "databases",
    "geo",
    "keys",
    "objects",
    "sorted_set_algebra",
    "sorted_set_pops",
    "sorted_set_ranges",
    "sorted_sets",
    "strings",
    "ttl",
]
