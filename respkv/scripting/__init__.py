"""Scripts: the Lua interpreter, its sandbox and libraries, the caches of scripts and functions."""
