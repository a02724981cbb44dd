"""Listening sockets.

Addresses are those of `bind`: `*` and `-::*` are all of IPv4 and of IPv6, a leading `-` means that the address may be
missing on this machine.
"""

import contextlib
import errno
import logging
import os
import socket
import stat
import sys
import time

from respkv.errors import StartupError

logger = logging.getLogger(__name__)

COMPLAIN_S = 10.0

_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ENOPROTOOPT)


class Listener:
    """One listening socket; `path` is set for a Unix socket. `name` is what a client would connect to."""

    def __init__(self, sock: socket.socket, name: str, path: str = "", *, is_tls: bool = False) -> None:
        self.sock = sock
        self.name = name
        self.path = path
        self.is_tls = is_tls
        self._complained_s = -COMPLAIN_S

    def describe(self) -> str:
        """As INFO's `listenerN`."""
        if self.path:
            return f"name=unix,bind={self.path}"
        host, _, port = self.name.rpartition(":")
        return f"name={'tls' if self.is_tls else 'tcp'},bind={host.strip('[]')},port={port}"

    def accept(self) -> tuple[socket.socket, str, bool] | None:
        """A client that waits: its non-blocking socket, its address, and whether it is of this machine; or None."""
        try:
            sock, address = self.sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return None
        sock.setblocking(False)
        if self.path:
            return sock, f"{self.path}:0", True
        host, port = address[0], address[1]
        # Replies are whole: there is nothing that Nagle's algorithm could collect.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock, format_address(host, port), is_loopback(host)

    def complain(self, error: OSError) -> None:
        """Log why nobody can be accepted; not more often than every `COMPLAIN_S`, since it is tried in each turn."""
        now_s = time.monotonic()
        if now_s - self._complained_s >= COMPLAIN_S:
            self._complained_s = now_s
            logger.warning("cannot accept a client: %s", error.strerror)

    def close(self) -> None:
        """Listen no more; a Unix socket's path goes too."""
        self.sock.close()
        if self.path:
            with contextlib.suppress(OSError):
                os.unlink(self.path)


def listen_tcp(address: str, port: int, backlog: int, *, is_tls: bool = False) -> Listener | None:
    """Listen on an address of `bind`; None if it may be missing, and is.

    Raises: StartupError, naming the address.
    """
    may_be_absent = address.startswith("-")
    host = address.removeprefix("-")
    is_ipv6 = ":" in host
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    bound = {"*": "0.0.0.0", "::*": "::"}.get(host, host)
    sock: socket.socket | None = None
    try:
        if not is_ipv6:
            # Of text Python makes IDNA first, whose tables take half a megabyte; names in ASCII are what they are.
            name = bound.encode() if bound.isascii() else bound
            family, _, _, _, found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
            bound = str(found[0])
        sock = socket.socket(family, socket.SOCK_STREAM)
        if sys.platform != "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((bound, port))
        sock.listen(backlog)
    except OSError as error:
        if sock is not None:
            sock.close()
        if may_be_absent and (error.errno in _ABSENT or isinstance(error, socket.gaierror)):
            return None
        shown = format_address(bound, port)
        if error.errno == errno.EADDRINUSE:
            raise StartupError(f"{shown} is in use by another program; choose a port with --port") from None
        raise StartupError(f"cannot listen on {shown}: {error.strerror}") from None
    sock.setblocking(False)
    return Listener(sock, format_address(bound, sock.getsockname()[1]), is_tls=is_tls)


def listen_unix(path: str, permissions: int, backlog: int) -> Listener:
    """Listen on a Unix socket, in place of one that a killed server left; `permissions` 0 leaves those of the umask.

    Raises: StartupError, naming the path.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise StartupError("this platform has no Unix sockets; leave unixsocket empty")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # A socket left by a killed server is in the way; any other file there is not ours to remove.
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.stat(path).st_mode):
                if _is_answered(path):
                    raise StartupError(f"{path} is in use by another program; choose another --unixsocket")
                os.unlink(path)
        sock.bind(path)
        if permissions:
            os.chmod(path, permissions)
        sock.listen(backlog)
    except StartupError:
        sock.close()
        raise
    except OSError as error:
        sock.close()
        raise StartupError(f"cannot listen on the Unix socket {path}: {error.strerror or error}") from None
    sock.setblocking(False)
    return Listener(sock, path, path)


def format_address(host: str, port: int) -> str:
    """`host:port` as Redis shows it, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether a numeric address is this machine's own loopback."""
    return host.startswith(("127.", "::ffff:127.")) or host == "::1"


def set_keepalive(sock: socket.socket, seconds: int) -> None:
    """Let the kernel probe a silent peer after `seconds` (`tcp-keepalive`); not at all for 0."""
    if seconds <= 0 or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # As Redis: probes every third of the time, the peer is gone after three.
    for option, value in (("TCP_KEEPIDLE", seconds), ("TCP_KEEPINTVL", max(1, seconds // 3)), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def own_address(sock: socket.socket, listener: Listener) -> str:
    """The end of the connection that is ours, as `laddr` of CLIENT LIST."""
    if listener.path:
        return f"{listener.path}:0"
    try:
        name = sock.getsockname()
    except OSError:
        return ""
    return format_address(name[0], name[1])


def _is_answered(path: str) -> bool:
    """Whether somebody listens on the Unix socket `path`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
