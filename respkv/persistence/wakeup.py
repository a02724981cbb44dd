"""How one thread lets another, which waits for descriptors, know of something."""

import os
import socket
import sys


class Wakeup:
    """A descriptor that one thread makes readable for another: an eventfd, or a socket pair without one."""

    def __init__(self) -> None:
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        if sys.platform == "linux":
            self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        else:
            self._sockets = socket.socketpair()
            for end in self._sockets:
                end.setblocking(False)
            self.fd = self._sockets[0].fileno()

    def set(self) -> None:
        """Make the descriptor readable."""
        if self._sockets is not None:
            try:
                self._sockets[1].send(b"\0")
            except BlockingIOError:  # full, hence readable
                return
        elif sys.platform == "linux":
            os.eventfd_write(self.fd, 1)

    def clear(self) -> None:
        """Let it be readable no more, however often it was set."""
        try:
            if self._sockets is not None:
                self._sockets[0].recv(4096)
            elif sys.platform == "linux":
                os.eventfd_read(self.fd)
        except BlockingIOError:  # nothing was set
            return

    def close(self) -> None:
        """Give the descriptor back."""
        if self._sockets is not None:
            for end in self._sockets:
                end.close()
        else:
            os.close(self.fd)
