"""Who is let in: the listening sockets, as `port`, `bind` and `unixsocket` ask for them, and what is asked of a client.

CONFIG SET of `port` and `bind` listens anew, and goes back if that cannot be; clients stay connected. When the system
has no descriptors left, nobody is accepted for a moment: the socket would be ready all the while, and the pump busy
with nothing else.
"""

import contextlib
import logging
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if sys.platform != "win32":
    import resource

from respkv.errors import StartupError
from respkv.net.listeners import Listener, listen_tcp, listen_unix, own_address, set_keepalive
from respkv.server import log as server_log
from respkv.server.config import CannotApply, Config
from respkv.server.config.table import TABLE
from respkv.server.server import Server
from respkv.server.session import Session

# Imported where it is needed: most servers have no `tls-port`, and save OpenSSL's memory (see respkv.net.deferred).
if TYPE_CHECKING:
    import ssl

    from respkv.net.tls import Handshakes

logger = logging.getLogger(__name__)

ACCEPTS_PER_TURN = 1000

_TLS = (
    "tls-port",
    "tls-cert-file",
    "tls-key-file",
    "tls-key-file-pass",
    "tls-ca-cert-file",
    "tls-ca-cert-dir",
    "tls-auth-clients",
    "tls-protocols",
    "tls-ciphers",
    "tls-ciphersuites",
    "tls-prefer-server-ciphers",
    "tls-dh-params-file",
    "tls-session-caching",
)
"""The directives from which a new TLS context follows."""

RESERVED_DESCRIPTORS = 32
"""For files, listeners and the like, beside those of clients; Redis reserves as many."""

PROTECTED = (
    b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the"
    b" default user. In this mode connections are only accepted from the loopback interface. If you want to connect"
    b" from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode"
    b" sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the"
    b" same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so."
    b" Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by"
    b" editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the"
    b" server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no'"
    b" option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above"
    b" things in order for the server to start accepting connections from the outside.\r\n"
)


class Clients(Protocol):
    """What serves the clients that were let in: the pump, or a task each."""

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call `callback` whenever `fd` is readable."""

    def unwatch(self, fd: int) -> None:
        """Take `watch` back, before `fd` is closed."""

    def admit(self, sock: socket.socket, session: Session) -> None:
        """Serve a new client."""


class Admission:
    """The listeners of one server. Opened by `open`, served once `start` has said by whom."""

    def __init__(self, config: Config, server: Server) -> None:
        self.config = config
        self.server = server
        self.listeners: list[Listener] = []
        self._clients: Clients | None = None
        self._paused: list[Listener] = []
        # What the TCP listeners were opened for: a CONFIG SET that is taken back asks for nothing new.
        self._listens_at: tuple[int, int, tuple[str, ...]] = (0, 0, ())
        self._tls: ssl.SSLContext | None = None
        self._handshakes: Handshakes | None = None

    def open(self, any_port_of: str = "") -> None:
        """Listen on all addresses that the configuration names.

        Args:
            any_port_of: an address to listen at as well, on a port of the operating system's choice, which becomes
                the `port` of the configuration.

        Raises: StartupError, naming the address; nothing is listened on then.
        """
        config = self.config
        try:
            if config.tls_port:
                from respkv.net.tls import BadTls

                try:
                    self._open_tls()
                except BadTls as error:
                    raise StartupError(f"cannot configure TLS: {error}") from None
            self._open_tcp()
            if any_port_of:
                self._open_any_port(any_port_of)
            if config.unixsocket:
                self.listeners.append(listen_unix(config.unixsocket, config.unixsocketperm, config.tcp_backlog))
        except StartupError:
            self.close()
            raise
        # First: a port that is opened by the same CONFIG SET needs it.
        config.subscribe(_TLS, self._follow_tls)
        config.subscribe(["port", "tls-port", "bind"], self._follow_addresses)
        config.subscribe("maxclients", self._follow_maxclients)
        self._note()

    def start(self, clients: Clients) -> None:
        """Let `clients` serve whoever connects."""
        self._clients = clients
        for listener in self.listeners:
            self._watch(listener)

    def close(self) -> None:
        """Listen no more."""
        if self._handshakes is not None:
            self._handshakes.close()
        for listener in self.listeners:
            listener.close()
        self.listeners = []

    def resume(self) -> None:
        """Try again to accept where descriptors had run out, give up slow handshakes; called now and then."""
        if self._handshakes is not None:
            self._handshakes.expire()
        paused = self._paused
        self._paused = []
        for listener in paused:
            self._watch(listener)

    def _watch(self, listener: Listener) -> None:
        if self._clients is not None:
            self._clients.watch(listener.sock.fileno(), lambda: self._accept(listener))

    def _accept(self, listener: Listener) -> None:
        clients = self._clients
        assert clients is not None
        for _ in range(ACCEPTS_PER_TURN):
            try:
                accepted = listener.accept()
            except OSError as error:
                listener.complain(error)
                clients.unwatch(listener.sock.fileno())
                self._paused.append(listener)
                return
            if accepted is None:
                return
            sock, address, is_local = accepted
            if listener.is_tls and self._tls is not None:
                self._shake_hands(sock, address, is_local, listener)
            else:
                self._admit(sock, address, is_local, listener)

    def _shake_hands(self, sock: socket.socket, address: str, is_local: bool, listener: Listener) -> None:
        """Admit the client once it speaks TLS. That there is no room it cannot be told before."""
        assert self._clients is not None
        assert self._tls is not None
        assert self._handshakes is not None
        if len(self.server.sessions) >= self.config.maxclients:
            self.server.stats.rejected_connections += 1
            sock.close()
            return
        self._handshakes.begin(
            sock, self._tls, self._clients, lambda tls: self._admit(tls, address, is_local, listener)
        )

    def _admit(self, sock: socket.socket, address: str, is_local: bool, listener: Listener) -> None:
        if self._clients is not None and self._lets_in(sock, is_local):
            self._clients.admit(sock, self.server.open_session(address, own_address(sock, listener)))

    def _lets_in(self, sock: socket.socket, is_local: bool) -> bool:
        refusal = b""
        if len(self.server.sessions) >= self.config.maxclients:
            refusal = b"-ERR max number of clients reached\r\n"
        elif not is_local and self.config.protected_mode and self.server.access.users.default.has_no_password:
            refusal = PROTECTED
        if not refusal:
            set_keepalive(sock, self.config.tcp_keepalive)
            return True
        self.server.stats.rejected_connections += 1
        try:
            sock.send(refusal)
        except OSError:
            logger.debug("a refused client was gone before it was told")
        sock.close()
        return False

    def _open_tcp(self) -> None:
        config = self.config
        self._listens_at = (config.port, config.tls_port, config.bind)
        for port, is_tls in ((config.port, False), (config.tls_port, True)):
            if port:
                self._open_port(port, is_tls=is_tls)

    def _open_port(self, port: int, *, is_tls: bool) -> None:
        config = self.config
        opened = False
        for address in config.bind:
            listener = listen_tcp(address, port, config.tcp_backlog, is_tls=is_tls)
            if listener is not None:
                self.listeners.append(listener)
                opened = True
        if config.bind and not opened:
            raise StartupError(f"none of the addresses of bind can be listened on: {' '.join(config.bind)}")

    def _open_any_port(self, address: str) -> None:
        listener = listen_tcp(address, 0, self.config.tcp_backlog)
        if listener is not None:
            self.listeners.append(listener)
            port = listener.sock.getsockname()[1]
            self.config.put(TABLE["port"], [b"%d" % port])
            self._listens_at = (port, self.config.tls_port, self.config.bind)

    def _close_tcp(self) -> None:
        for listener in self.listeners:
            if not listener.path:
                if listener in self._paused:
                    self._paused.remove(listener)
                elif self._clients is not None:
                    self._clients.unwatch(listener.sock.fileno())
                listener.close()
        self.listeners = [listener for listener in self.listeners if listener.path]

    def _follow_addresses(self) -> None:
        port, tls_port, _ = self._listens_at
        if (self.config.port, self.config.tls_port, self.config.bind) == self._listens_at:
            return
        # Before the new ones open: they may have addresses in common.
        self._close_tcp()
        try:
            self._open_tcp()
        except StartupError as error:
            logger.warning("%s", error)
            self._close_tcp()
            if (self.config.port, self.config.tls_port) != (port, tls_port):
                raise CannotApply("Unable to listen on this port. Check server logs.") from error
            raise CannotApply("Failed to bind to specified addresses.") from error
        for listener in self.listeners:
            if not listener.path:
                self._watch(listener)
        self._note()

    def _follow_tls(self) -> None:
        """Use new certificates and rules from the next handshake on; connections that are stay as they are."""
        if not self.config.tls_port:
            self._tls = None
            return
        from respkv.net.tls import BadTls

        try:
            self._open_tls()
        except BadTls as error:
            server_log.warning(logger, "cannot configure TLS", reason=str(error))
            raise CannotApply("Unable to update TLS configuration. Check server logs.") from error

    def _open_tls(self) -> None:
        """Raises BadTls."""
        from respkv.net.tls import Handshakes, make_context

        self._tls = make_context(self.config)
        if self._handshakes is None:
            self._handshakes = Handshakes()

    def _follow_maxclients(self) -> None:
        possible = allow_descriptors(self.config.maxclients)
        if possible < self.config.maxclients:
            raise CannotApply(
                f"The operating system is not able to handle the specified number of clients, try with {possible}"
            )

    def _note(self) -> None:
        self.server.facts.listeners = [listener.describe() for listener in self.listeners]


def allow_descriptors(clients: int) -> int:
    """Raise the limit of open files as far as `clients` connections need and the system lets us; how many can be."""
    if sys.platform == "win32":
        return clients
    wanted = clients + RESERVED_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return clients
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        server_log.warning(logger, "fewer clients than maxclients can connect", open_files=most, maxclients=clients)
    return most - RESERVED_DESCRIPTORS
