"""TLS: what the `tls-*` directives make, sockets that speak it, and handshakes.

A TLS client is served as any other: behind its handshake its socket, a `TlsSocket`, goes where a plain one would, to
the pump or to a task, and keeps all promises that those make. That works with a poller that tells what is readable
because OpenSSL takes one record at a time from the socket, and no record holds more than is received at once: nothing
that arrived is ever hidden inside of it.

A handshake costs about a millisecond of computing, and may never end. Rule 1: handshakes together take at most half of
the time. Rule 2: one that takes longer than `HANDSHAKE_S` is given up, and so is the oldest of too many.
"""

import contextlib
import logging
import os
import socket
import ssl
import time
import warnings
from collections.abc import Callable
from typing import Final, Protocol

from respkv.server import log as server_log
from respkv.server.config import Config

logger = logging.getLogger(__name__)

HANDSHAKE_S: Final = 10.0
"""How long a client may take for its handshake."""

HANDSHAKES_MAX: Final = 512
"""So many handshakes may go on at a time."""

RECORD_BYTES: Final = 16 * 1024
"""The most that a record carries (RFC 8446, section 5.1)."""

PROTOCOLS: Final = {
    "tlsv1": ssl.TLSVersion.TLSv1,
    "tlsv1.1": ssl.TLSVersion.TLSv1_1,
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}
"""What `tls-protocols` names, in any case."""

_WITHOUT: Final = {
    ssl.TLSVersion.TLSv1_1: ssl.OP_NO_TLSv1_1,
    ssl.TLSVersion.TLSv1_2: ssl.OP_NO_TLSv1_2,
}
"""How versions between the lowest and the highest are left out."""

_DEFAULT_CIPHERS: Final = "DEFAULT:!MEDIUM"

_WANTS = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class BadTls(Exception):
    """The `tls-*` directives make no working TLS; the message says why."""


class TlsSocket(ssl.SSLSocket):
    """A non-blocking TLS socket that behaves as a plain one: what would block raises BlockingIOError."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """As `socket.recv`, but a record is taken whole: no poller knows of a rest that has been decrypted.

        `flags` (MSG_PEEK) are for the bytes as they came over the wire.
        """
        if flags:
            return socket.socket.recv(self, buflen, flags)
        try:
            return super().recv(max(buflen, RECORD_BYTES))
        except _WANTS:
            raise BlockingIOError from None

    def send(self, data: "bytes | memoryview", flags: int = 0) -> int:  # type: ignore[override]
        """As `socket.send`. What raised BlockingIOError must be sent again as it was."""
        try:
            return super().send(data, flags)
        except _WANTS:
            raise BlockingIOError from None

    def close(self) -> None:
        """Say goodbye as TLS does, and close."""
        if self.fileno() >= 0:
            with contextlib.suppress(OSError, ValueError):
                self.unwrap()
        super().close()


def make_context(config: Config) -> ssl.SSLContext:
    """The TLS that `config` asks for. Reads the files that it names. Raises: BadTls."""
    if not config.tls_cert_file:
        raise BadTls("No tls-cert-file configured!")
    if not config.tls_key_file:
        raise BadTls("No tls-key-file configured!")
    if config.tls_auth_clients != "no" and not (config.tls_ca_cert_file or config.tls_ca_cert_dir):
        raise BadTls("Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-auth-clients is enabled!")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = TlsSocket
    _set_versions(context, config.tls_protocols)
    _set_ciphers(context, config)
    if not config.tls_session_caching:
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    _load_files(context, config)
    context.verify_mode = {
        "yes": ssl.CERT_REQUIRED,
        "optional": ssl.CERT_OPTIONAL,
        "no": ssl.CERT_NONE,
    }[config.tls_auth_clients]
    return context


def _load_files(context: ssl.SSLContext, config: Config) -> None:
    folder = config.dir
    key_password = config.tls_key_file_pass.encode("utf-8", "surrogateescape")
    name = "tls-cert-file"
    try:
        # With a password at hand OpenSSL asks nobody at the terminal.
        context.load_cert_chain(
            os.path.join(folder, config.tls_cert_file), os.path.join(folder, config.tls_key_file), lambda: key_password
        )
        name = "tls-ca-cert-file"
        if config.tls_ca_cert_file or config.tls_ca_cert_dir:
            context.load_verify_locations(
                os.path.join(folder, config.tls_ca_cert_file) if config.tls_ca_cert_file else None,
                os.path.join(folder, config.tls_ca_cert_dir) if config.tls_ca_cert_dir else None,
            )
        name = "tls-dh-params-file"
        if config.tls_dh_params_file:
            context.load_dh_params(os.path.join(folder, config.tls_dh_params_file))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise BadTls(f"Failed to load {name} and what belongs to it: {error}") from None


def _set_versions(context: ssl.SSLContext, protocols: str) -> None:
    names = protocols.lower().split() or ["tlsv1.2", "tlsv1.3"]
    unknown = [name for name in names if name not in PROTOCOLS]
    if unknown:
        raise BadTls(f"Invalid tls-protocols specified: {unknown[0]}")
    versions = sorted(PROTOCOLS[name] for name in names)
    with warnings.catch_warnings():
        # Old versions are a bad idea, and the operator's decision.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = versions[0], versions[-1]
        for version, option in _WITHOUT.items():
            if versions[0] < version < versions[-1] and version not in versions:
                context.options |= option


def _set_ciphers(context: ssl.SSLContext, config: Config) -> None:
    try:
        context.set_ciphers(config.tls_ciphers or _DEFAULT_CIPHERS)
    except ssl.SSLError:
        raise BadTls(f"Failed to configure ciphers: {config.tls_ciphers}") from None
    if config.tls_ciphersuites:
        set_suites = getattr(context, "set_ciphersuites", None)
        if set_suites is None:
            # All suites of TLS 1.3 are secure: no reason not to start.
            server_log.warning(logger, "tls-ciphersuites has no effect: it needs Python 3.15 or newer")
        else:
            set_suites(config.tls_ciphersuites)
    if config.tls_prefer_server_ciphers:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE


class Watches(Protocol):
    """Who tells when a descriptor is readable."""

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call `callback` whenever `fd` is readable."""

    def unwatch(self, fd: int) -> None:
        """Take `watch` back, before `fd` is closed."""


class Handshakes:
    """The handshakes that go on: they are begun by `begin`, and `expire` is to be called now and then."""

    def __init__(self) -> None:
        self._going_on: dict[int, _Handshake] = {}
        # Nobody's handshake goes on before (steady clock): others have their turn.
        self._not_before_s = 0.0

    def __len__(self) -> int:
        return len(self._going_on)

    def begin(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        watches: Watches,
        done: Callable[[socket.socket], None],
    ) -> None:
        """Let a new client shake hands; `done` gets its socket if it succeeds."""
        if len(self._going_on) >= HANDSHAKES_MAX:
            self._give_up(next(iter(self._going_on.values())), "too many others wait")
        try:
            tls = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError:
            sock.close()  # the client is gone already
            return
        handshake = _Handshake(tls, watches, done, time.monotonic() + HANDSHAKE_S)
        self._going_on[tls.fileno()] = handshake
        watches.watch(tls.fileno(), lambda: self._go_on(handshake))

    def expire(self) -> None:
        """Give up those that take too long."""
        now_s = time.monotonic()
        while self._going_on:
            oldest = next(iter(self._going_on.values()))
            if oldest.until_s > now_s:
                return
            self._give_up(oldest, "it took too long")

    def close(self) -> None:
        """Give up all."""
        for handshake in list(self._going_on.values()):
            self._give_up(handshake, "the server stops")

    def _go_on(self, handshake: "_Handshake") -> None:
        started_s = time.monotonic()
        if started_s < self._not_before_s:
            return  # it is still readable, and will be called again
        try:
            handshake.sock.do_handshake()
        except _WANTS:
            pass
        except (OSError, ValueError) as error:
            self._give_up(handshake, str(error))
        else:
            self._forget(handshake)
            handshake.done(handshake.sock)
        ended_s = time.monotonic()
        self._not_before_s = ended_s + (ended_s - started_s)

    def _forget(self, handshake: "_Handshake") -> None:
        fd = handshake.sock.fileno()
        del self._going_on[fd]
        handshake.watches.unwatch(fd)

    def _give_up(self, handshake: "_Handshake", reason: str) -> None:
        # At the level of detail: whoever wants to can cause any number of these.
        server_log.verbose(logger, "a TLS handshake failed", reason=reason)
        self._forget(handshake)
        socket.socket.close(handshake.sock)


class _Handshake:
    """One of them."""

    def __init__(
        self, sock: ssl.SSLSocket, watches: Watches, done: Callable[[socket.socket], None], until_s: float
    ) -> None:
        self.sock = sock
        self.watches = watches
        self.done = done
        self.until_s = until_s
