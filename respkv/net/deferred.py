"""Modules that are loaded when somebody first uses them, though others import them at once.

`import trio` brings ssl and hmac with it, and those OpenSSL: 5 MB of a server's resident memory that most never use.
Passwords and DEBUG DIGEST need hashlib, TLS needs ssl: whoever touches an attribute of one gets it then.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

NAMES = ("hashlib", "hmac", "ssl")


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
    """Defer what is in NAMES and not yet loaded; to be called before Trio is imported, by the server's own process."""
    for name in NAMES:
        sys.modules.setdefault(name, _Deferred(name))
