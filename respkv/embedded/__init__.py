"""The store as a library: the engine, the files and the durability of the server, in the program's own process.

`respkv` itself names what is public. `core.py` is the one that calls come to; the stores above it are vocabulary.
"""
