"""Importing this module declares all commands on sessions and the server."""

import respkv.persistence.dump  # (DUMP and RESTORE, which need the RDB format)
import respkv.persistence.functions  # noqa: F401
from respkv.server.commands import (
    acl,
    administration,
    client,
    cluster,
    configuration,
    connection,
    debugging,
    debugging_internals,
    functions,
    interactive,
    introspection,
    latency,
    memory,
    pubsub,
    replication,
    saving,
    scripting,
    slowlog,
    tracking,
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
    "functions",
    "interactive",
    "introspection",
    "latency",
    "memory",
    "pubsub",
    "replication",
    "saving",
    "scripting",
    "slowlog",
    "tracking",
    "transactions",
]
