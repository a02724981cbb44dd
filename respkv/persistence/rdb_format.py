"""The numbers of the RDB format, which reader and writer share (docs/formats/rdb.md)."""

from typing import Final

OP_SLOT_INFO: Final = 244
OP_FUNCTION: Final = 245
OP_FUNCTION_OLD: Final = 246
OP_MODULE_AUX: Final = 247
OP_IDLE: Final = 248
OP_FREQUENCY: Final = 249
OP_AUX: Final = 250
OP_RESIZE: Final = 251
OP_EXPIRE_MS: Final = 252
OP_EXPIRE_S: Final = 253
OP_SELECT: Final = 254
OP_END: Final = 255

TYPE_STRING: Final = 0
TYPE_LIST: Final = 1
TYPE_SET: Final = 2
TYPE_ZSET_TEXT: Final = 3
TYPE_HASH: Final = 4
TYPE_ZSET: Final = 5
TYPE_MODULE_OLD: Final = 6
TYPE_MODULE: Final = 7
TYPE_HASH_ZIPMAP: Final = 9
TYPE_LIST_ZIPLIST: Final = 10
TYPE_SET_INTSET: Final = 11
TYPE_ZSET_ZIPLIST: Final = 12
TYPE_HASH_ZIPLIST: Final = 13
TYPE_LIST_QUICKLIST: Final = 14
TYPE_HASH_LISTPACK: Final = 16
TYPE_ZSET_LISTPACK: Final = 17
TYPE_LIST_QUICKLIST_2: Final = 18
TYPE_SET_LISTPACK: Final = 20
# Redis 7.4: one family in release candidates, the other since; Valkey 9 took the first of these numbers too.
TYPE_HASH_EXPIRING_RC: Final = 22
TYPE_HASH_EXPIRING_LISTPACK_RC: Final = 23
TYPE_HASH_EXPIRING: Final = 24
TYPE_HASH_EXPIRING_LISTPACK: Final = 25

# What a type byte stands for, in the words of TYPE; for the errors on values that cannot be read.
TYPE_NAMES: Final[dict[int, str]] = {
    0: "string",
    1: "list",
    2: "set",
    3: "zset",
    4: "hash",
    5: "zset",
    6: "module",
    7: "module",
    9: "hash",
    10: "list",
    11: "set",
    12: "zset",
    13: "hash",
    14: "list",
    15: "stream",
    16: "hash",
    17: "zset",
    18: "list",
    19: "stream",
    20: "set",
    21: "stream",
    22: "hash with field expiry",
    23: "hash with field expiry",
    24: "hash with field expiry",
    25: "hash with field expiry",
}

NODE_PLAIN: Final = 1
NODE_PACKED: Final = 2

FIELD_EXPIRY_VERSION: Final = 12


def version_of(kind: int) -> int:
    """The RDB version from which on the value type `kind` exists; 9, Redis 5, for old ones."""
    if kind < TYPE_HASH_LISTPACK:
        return 9
    if kind < TYPE_SET_LISTPACK:
        return 10
    return 11 if kind < TYPE_HASH_EXPIRING_RC else FIELD_EXPIRY_VERSION


_MODULE_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def module_name(number: int) -> str:
    """The name of a module's value type: nine letters of six bits above ten bits of its version."""
    return "".join(_MODULE_LETTERS[number >> 10 + 6 * place & 63] for place in range(8, -1, -1))
