"""The cache of scripts, by the SHA-1 of their text. Compiled: each EVAL passes here.

Scripts that EVAL brought may go again: the cache keeps the 500 used last, as Redis 7.4 does. What SCRIPT LOAD brought
stays until SCRIPT FLUSH, for clients rely on that.
"""

from collections import OrderedDict
from typing import Any, Final

from respkv.errors import ReplyError
from respkv.scripting.shebang import script_flags

EVAL_SCRIPTS_MAX: Final = 500
SCRIPT_BYTES: Final = 300
"""About what a script takes beside its text."""


class Script:
    """A script: its text and what is known of it; `function` belongs to the interpreter that compiled it."""

    def __init__(self, body: bytes, sha: bytes) -> None:
        self.body = body
        self.sha = sha
        self.flags, self.code = script_flags(body)
        self.function: Any = None
        # Loaded by SCRIPT LOAD: it stays.
        self.is_kept = False


class ScriptCache:
    """All scripts that EVALSHA finds."""

    def __init__(self) -> None:
        self._by_sha: dict[bytes, Script] = {}
        # The same by their text, so that EVAL need not compute the digest again.
        self._by_body: dict[bytes, Script] = {}
        self._evictable: OrderedDict[bytes, Script] = OrderedDict()
        # Of those, the one used last, if that is known.
        self._last: Script | None = None
        self.evicted = 0
        self.text_bytes = 0

    def __len__(self) -> int:
        return len(self._by_sha)

    def find(self, sha: bytes) -> Script | None:
        """The script of that digest, in any case. O(1)."""
        script = self._by_sha.get(sha)
        return self._by_sha.get(sha.lower()) if script is None else script

    def find_body(self, body: bytes) -> Script | None:
        """The script of that text. O(length)."""
        return self._by_body.get(body)

    def use(self, script: Script) -> None:
        """`script` is used just now: of those that may go it is the last. O(1)."""
        if script is not self._last and not script.is_kept:
            self._evictable.move_to_end(script.sha)
            self._last = script

    def add(self, script: Script) -> None:
        """Keep `script`, which is not in here; if it is one too many, the one used longest ago goes. O(1)."""
        self._by_sha[script.sha] = script
        self._by_body[script.body] = script
        self.text_bytes += len(script.body)
        if script.is_kept:
            return
        self._evictable[script.sha] = script
        self._last = script
        if len(self._evictable) > EVAL_SCRIPTS_MAX:
            _, oldest = self._evictable.popitem(last=False)
            self.evicted += 1
            del self._by_sha[oldest.sha]
            del self._by_body[oldest.body]
            self.text_bytes -= len(oldest.body)

    def keep(self, script: Script) -> None:
        """`script`, which is in here, is to stay."""
        if not script.is_kept:
            script.is_kept = True
            self._last = None
            del self._evictable[script.sha]

    def clear(self) -> None:
        """Forget all scripts."""
        self.__init__()  # type: ignore[misc]

    def forget_functions(self) -> None:
        """The interpreter is replaced: scripts are compiled again when they are used. O(scripts)."""
        for script in self._by_sha.values():
            script.function = None

    def memory_bytes(self) -> int:
        """What the scripts take, without their compiled form."""
        return self.text_bytes + len(self._by_sha) * SCRIPT_BYTES


def digest_of(body: bytes) -> bytes:
    """The SHA-1 of `body` in hexadecimal."""
    import hashlib  # here, since it brings OpenSSL: 4 MB that a program without scripts need not have

    return hashlib.sha1(body, usedforsecurity=False).hexdigest().encode()


class NoScript(ReplyError):
    """EVALSHA of a script that is not in the cache."""

    def __init__(self) -> None:
        super().__init__(b"NOSCRIPT No matching script. Please use EVAL.")
