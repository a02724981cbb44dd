"""The functions of all libraries, by name.

The texts are data (`respkv.engine.libraries`); functions are made of them when somebody needs one first, and anew when
the interpreter was replaced: a server that has functions and never calls one does not pay for Lua.
"""

import logging
from collections.abc import Callable
from typing import Any

from respkv.engine.libraries import Libraries, Registrar
from respkv.errors import ReplyError
from respkv.scripting.interpreter import LoadedFunction
from respkv.scripting.shebang import FLAGS

logger = logging.getLogger(__name__)


class Function:
    """A function, the library that it is of, and its callback in the interpreter."""

    def __init__(self, loaded: LoadedFunction, library: bytes) -> None:
        self.name = loaded.name
        self.library = library
        self.callback: Any = loaded.callback
        self.description = loaded.description
        self.flag_names = [name for name in FLAGS if name in loaded.flags.split(b",")]
        self.flags = 0
        for name in self.flag_names:
            self.flags |= FLAGS[name]


class Functions(Registrar):
    """All functions of a server; `load` makes those of a text."""

    def __init__(self, libraries: Libraries, load: Callable[[bytes], list[LoadedFunction]]) -> None:
        self.libraries = libraries
        libraries.registrar = self
        self._load = load
        # In lower case: they are found in any. None while they are yet to be made.
        self._by_name: dict[bytes, Function] | None = None

    def by_name(self) -> dict[bytes, Function]:
        """All functions, by their names in lower case. Loads the libraries if that is yet to be done."""
        if self._by_name is None:
            self._by_name = {}
            for name, text in self.libraries.texts.items():
                try:
                    self._by_name.update(self._functions_of(name, text, self._by_name))
                except ReplyError as error:
                    # It came with the data, from a server that took it.
                    reason = error.message.decode(errors="replace")
                    logger.warning("the function library %r cannot be loaded: %s", name.decode(), reason)
        return self._by_name

    def find(self, name: bytes) -> Function | None:
        """The function called `name`, in any case. O(1) once they are loaded."""
        if not self.libraries.texts:
            return None
        return self.by_name().get(name.lower())

    def of_library(self, library: bytes) -> list[Function]:
        """The functions of one library. O(functions)."""
        return [function for function in self.by_name().values() if function.library == library]

    def count(self) -> int:
        """How many functions there are."""
        return len(self.by_name()) if self.libraries.texts else 0

    def admit(self, texts: dict[bytes, bytes], removed: set[bytes]) -> None:
        """As Registrar."""
        if not texts and self._by_name is None:
            return
        gone = removed | texts.keys()
        kept = {name: function for name, function in self.by_name().items() if function.library not in gone}
        for name, text in texts.items():
            kept.update(self._functions_of(name, text, kept))
        self._by_name = kept

    def forget(self) -> None:
        """The interpreter is replaced: they are loaded again when somebody needs one."""
        self._by_name = None

    def _functions_of(self, library: bytes, text: bytes, others: dict[bytes, Function]) -> dict[bytes, Function]:
        functions = {loaded.name.lower(): Function(loaded, library) for loaded in self._load(text)}
        for name, function in functions.items():
            if name in others:
                raise ReplyError(b"ERR Function %b already exists" % function.name)
        return functions
