"""The way from Lua to Python and back that is written in C, where it can be had.

`_boundary.c` is built with the compiled modules on POSIX systems. Without it, or where lupa does not show the functions
of its Lua, lupa's own way serves: the same answers, more slowly. RESPKV_SCRIPTS=portable chooses that.
"""

import os
from typing import Any


def open_boundary(
    lua: Any, module_path: str, callbacks: tuple[Any, ...], room_bytes: int
) -> tuple[Any, Any, Any] | None:
    """A boundary for the runtime `lua`, what opens it in there, and what guards functions of Lua; None without it.

    `callbacks` are in the order in which `_boundary.c` names them; `room_bytes` is what Lua may hold before a reply.
    The boundary must live as long as the runtime.
    """
    if os.environ.get("RESPKV_SCRIPTS") == "portable":
        return None
    try:
        from respkv.scripting import _boundary
    except ImportError:
        return None
    try:
        boundary = _boundary.Boundary(module_path, callbacks, room_bytes)
    except ImportError:
        return None
    loadlib = lua.globals()[b"package"][b"loadlib"]
    path = os.fsencode(_boundary.__file__)
    opener, guard = loadlib(path, b"respkv_open_boundary"), loadlib(path, b"respkv_guard")
    # Not a function: nothing, a message, and what was impossible.
    return None if type(opener) is tuple or type(guard) is tuple else (boundary, opener, guard)
