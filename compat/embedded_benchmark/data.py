"""What the stores hold that are measured: keys and values as in compat.benchmark."""

COUNT = 10_000
"""Keys of a store whose speed is measured."""

FILL_CHUNK = 1000


def key_name(number: int) -> str:
    """Sixteen characters."""
    return f"key:{number:012d}"


def value_of(number: int) -> bytes:
    """Sixty-four bytes."""
    return b"%016d" % number * 4
