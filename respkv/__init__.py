"""A durable, Redis-compatible key-value server and store, written in Python."""

__version__ = "0.1.0"
