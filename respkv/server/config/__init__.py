"""Configuration: one table of directives, and all that follows from it.

- `kinds.py`: sorts of value: how each is read, shown and written.
- `directive.py`, `directives.py`, `accepted.py`, `table.py`: the table.
- `store.py`: `Config`, the values of a server, with CONFIG GET and SET.
- `load.py`: files and flags at start. `rewrite.py`: CONFIG REWRITE.
"""

from respkv.server.config.store import CannotApply, Config

__all__ = ["CannotApply", "Config"]
