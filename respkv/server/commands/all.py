"""Importing this module declares all commands on sessions and the server."""

import respkv.persistence.dump  # noqa: F401  (DUMP and RESTORE, which need the RDB format)
from respkv.server.commands import (
    administration,
    client,
    configuration,
    connection,
    debugging,
    introspection,
    latency,
    memory,
    saving,
    scripting,
    slowlog,
    transactions,
)

__all__ = [
    "administration",
    "client",
    "configuration",
    "connection",
    "debugging",
    "introspection",
    "latency",
    "memory",
    "saving",
    "scripting",
    "slowlog",
    "transactions",
]
