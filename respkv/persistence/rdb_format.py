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
    22: "hash with field expiry (Valkey)",
    23: "hash with field expiry",
    24: "hash with field expiry",
    25: "hash with field expiry",
}
