"""Up to which size a collection keeps its packed form: the directives of the same names."""

from typing import Final

LIMITS: Final = (
    "hash_max_listpack_entries",
    "hash_max_listpack_value",
    "list_max_listpack_size",
    "set_max_intset_entries",
    "set_max_listpack_entries",
    "set_max_listpack_value",
    "zset_max_listpack_entries",
    "zset_max_listpack_value",
    "hll_sparse_max_bytes",
    "stream_node_max_bytes",
    "stream_node_max_entries",
)
"""The attributes of `Limits`, which are the directives' names."""


class Limits:
    """One store's limits; whoever configures it changes them, and values go by them at their next change."""

    def __init__(self) -> None:
        self.hash_max_listpack_entries = 512
        self.hash_max_listpack_value = 64
        # Negative: -1 to -5 for 4, 8, 16, 32, 64 KiB a node; positive: elements a node.
        self.list_max_listpack_size = -2
        self.set_max_intset_entries = 512
        self.set_max_listpack_entries = 128
        self.set_max_listpack_value = 64
        self.zset_max_listpack_entries = 128
        self.zset_max_listpack_value = 64
        self.hll_sparse_max_bytes = 3000
        self.stream_node_max_bytes = 4096
        self.stream_node_max_entries = 100
