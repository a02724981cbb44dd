"""Receiving and sending by a client's descriptor, which is non-blocking: the calls that each request takes.

`_sockets.c` is built with the compiled modules on POSIX systems; it takes a quarter of the instructions of a socket's
methods, which look for a timeout, make a tuple of their arguments and pass the interpreter lock on in each call.
Without it the system's own functions do the same for two thirds (docs/adr/0028).
"""

import os
from collections.abc import Callable

receive: Callable[[int, int], bytes]
"""Up to so many bytes that have arrived; none at the end. Raises OSError: BlockingIOError if there is nothing yet."""
send: Callable[[int, bytes | memoryview], int]
"""How many of the bytes were taken. Raises OSError: BlockingIOError if there is no room."""

try:
    from respkv.net import _sockets
except ImportError:
    receive = os.read
    send = os.write
else:
    receive = _sockets.receive
    send = _sockets.send
