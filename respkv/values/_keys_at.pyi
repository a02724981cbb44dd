from typing import Any

# As `respkv.values.keys_at.KeysAt` says. Raises IndexError, TypeError.
def keys_at(parts: list[Any], places: list[int], /) -> list[bytes]: ...
