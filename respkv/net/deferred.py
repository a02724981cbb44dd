"""Modules that are loaded when somebody first uses them, though others import them at once.

Trio and the standard library import for all of their users what few need, and so do modules of ours whose one function
wants a module of a megabyte: OpenSSL for passwords and TLS, IDNA's tables for names of hosts, compressors for archives.
A plain server would keep 7 MB of these in memory and never use them. Whoever touches an attribute of one gets it then.

In the server's own process alone: who has respkv as a library keeps Python's import as it is.
"""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

NAMES = (
    "bz2",
    "datetime",
    "difflib",
    "glob",
    "hashlib",
    "hmac",
    "idna",
    "ipaddress",
    "json",
    "locale",
    "lzma",
    "shutil",
    "ssl",
    "tempfile",
    "textwrap",
    "unicodedata",
)


class _Deferred(ModuleType):
    """Stands in `sys.modules` for a module until an attribute of it is wanted."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = importlib.import_module(self.__name__)
        # Those who imported this one find everything here from now on.
        vars(self).update(vars(module))
        return getattr(module, name)


def defer() -> None:
    """Defer what is in NAMES and not yet loaded; to be called before others import it, by the server's own process.

    A module that this Python does not have, as it may lack bz2, is left alone: whoever imports it is to be told.
    """
    for name in NAMES:
        if name not in sys.modules:
            spec = importlib.util.find_spec(name)
            if spec is not None:
                sys.modules[name] = module = _Deferred(name)
                module.__spec__ = spec
