from typing import Any

KNOWS_LAYOUT: int  # whether bytes of this Python can give up their memory

# As `respkv.values.thaw.Thaw` says. Raises TypeError, OverflowError.
def thaw(values: dict[bytes, Any], key: bytes, growth: int, /) -> bytearray | None: ...
