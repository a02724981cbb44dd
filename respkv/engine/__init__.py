"""Databases, keys and what happens to them with time and memory. Knows no files and no clients."""
