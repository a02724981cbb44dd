"""The keyspace and what keeps it in bounds: doors, shards, expiry, eviction, locks. No files, no sockets."""
