"""Importing this module declares all commands on sessions and the server."""

import respkv.persistence.dump  # noqa: F401  (DUMP and RESTORE, which need the RDB format)
from respkv.server.commands import (
    acl,
    administration,
    client,
    cluster,
    configuration,
    connection,
    debugging,
    debugging_internals,
    interactive,
    introspection,
    latency,
    memory,
    pubsub,
    replication,
    saving,
    scripting,
    slowlog,
    transactions,
)

__all__ = [
    "acl",
    "administration",
    "client",
    "cluster",
    "configuration",
    "connection",
    "debugging",
    "debugging_internals",
    "interactive",
    "introspection",
    "latency",
    "memory",
    "pubsub",
    "replication",
    "saving",
    "scripting",
    "slowlog",
    "transactions",
]
