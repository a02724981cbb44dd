"""The first line of a script or library, `#!lua name=mylib flags=no-writes,allow-stale`: what it says of the rest."""

from typing import Final

from respkv.errors import ReplyError
from respkv.resp.inline import split_args

NO_WRITES: Final = 1
ALLOW_OOM: Final = 2
ALLOW_STALE: Final = 4
NO_CLUSTER: Final = 8
ALLOW_CROSS_SLOT_KEYS: Final = 16
COMPATIBLE: Final = 32
"""Of a script without such a line: what it may do is known only when it does it."""

FLAGS: Final = {
    b"no-writes": NO_WRITES,
    b"allow-oom": ALLOW_OOM,
    b"allow-stale": ALLOW_STALE,
    b"no-cluster": NO_CLUSTER,
    b"allow-cross-slot-keys": ALLOW_CROSS_SLOT_KEYS,
}


def script_flags(body: bytes) -> tuple[int, bytes]:
    """The flags of a script for EVAL, and its text with that line emptied. Raises ReplyError."""
    if body[:2] != b"#!":
        return COMPATIBLE, body
    end = body.find(b"\n")
    if end < 0 or b"\0" in body[:end]:
        raise ReplyError(b"ERR Invalid script shebang")
    words = split_args(body[:end])
    if not words:
        raise ReplyError(b"ERR Invalid engine in script shebang")
    if words[0] != b"#!lua":
        raise ReplyError(b"ERR Unexpected engine in script shebang: %b" % words[0])
    flags = 0
    for word in words[1:]:
        if not word.startswith(b"flags="):
            raise ReplyError(b"ERR Unknown lua shebang option: %b" % word)
        for name in word[6:].split(b","):
            if not name:
                continue
            if name not in FLAGS:
                raise ReplyError(b"ERR Unexpected flag in script shebang: %b" % name)
            flags |= FLAGS[name]
    return flags, body[end:]
