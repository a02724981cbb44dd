"""The durable side of a store: append-only log, bases, manifest, recovery, compaction, check."""
