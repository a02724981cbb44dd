"""TLS: clients with and without certificates, configuration that changes, and handshakes that never end."""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme
from net_servers import DEADLINE_S, Raw, Serve, Served, eventually, free_port

from respkv.errors import StartupError
from respkv.net import tls
from respkv.net.admission import Admission
from respkv.net.tls import BadTls, Handshakes, TlsSocket, make_context
from respkv.server.config import Config
from respkv.server.config.load import load, read_flags
from respkv.server.instance import Instance


class Certificates:
    """An authority and what it issued, in files of `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = str(folder / "ca.pem")
        self.client = str(folder / "client.pem")
        self.authority.cert_pem.write_to_path(self.ca)
        self.authority.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(self.client)
        self.issue("server")

    def issue(self, name: str) -> None:
        """Make `name.pem` and `name.key` for a server."""
        issued = self.authority.issue_cert("localhost", "127.0.0.1")
        issued.private_key_pem.write_to_path(str(self.folder / f"{name}.key"))
        (self.folder / f"{name}.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))

    def flags(self, *more: str) -> tuple[str, ...]:
        """The directives that name them."""
        of = {"cert-file": "server.pem", "key-file": "server.key", "ca-cert-file": "ca.pem"}
        words = [word for name, file in of.items() for word in (f"--tls-{name}", str(self.folder / file))]
        return (*words, *more)

    def context(self, *, shows: bool = True) -> ssl.SSLContext:
        """A client's side; `shows` a certificate of its own."""
        context = ssl.create_default_context(cafile=self.ca)
        if shows:
            context.load_cert_chain(self.client)
        return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Secure:
    """A server with a TLS port beside the plain one."""

    def __init__(self, serve: Serve, certificates: Certificates, *flags: str, **kinds: bool) -> None:
        self.port = free_port()
        self.certificates = certificates
        self.server: Served = serve("--tls-port", str(self.port), *certificates.flags(*flags), **kinds)

    def connect(self, *, shows: bool = True) -> Raw:
        """A client that has shaken hands."""
        return self.speaking(self.certificates.context(shows=shows))

    def speaking(self, context: ssl.SSLContext) -> Raw:
        sock = socket.create_connection(("127.0.0.1", self.port), DEADLINE_S)
        return self.server.own(Raw(context.wrap_socket(sock, server_hostname="localhost")))

    def redis(self, **options: Any) -> redis.Redis:
        files = self.certificates
        return redis.Redis(
            port=self.port, ssl=True, ssl_ca_certs=files.ca, ssl_certfile=files.client, ssl_keyfile=files.client,
            socket_timeout=DEADLINE_S, **options
        )  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_speaks_tls(serve: Serve, certificates: Certificates, is_portable: bool, protocol: int) -> None:
    with Secure(serve, certificates, portable=is_portable).redis(protocol=protocol) as client:
        large = os.urandom(3_000_000)
        assert client.set("large", large)
        assert client.get("large") == large
        pipeline = client.pipeline(transaction=False)
        for number in range(5000):
            pipeline.set(f"k{number}", "x" * 100)
            pipeline.get(f"k{number}")
        assert pipeline.execute()[-1] == b"x" * 100
        listeners = {value["name"] for name, value in client.info("server").items() if name.startswith("listener")}
        assert listeners == {"tcp", "tls"}


def test_a_request_may_come_in_any_pieces(serve: Serve, certificates: Certificates, is_portable: bool) -> None:
    raw = Secure(serve, certificates, portable=is_portable).connect()
    for byte in b"*1\r\n$4\r\nPING\r\n":
        raw.send(bytes([byte]))
    assert raw.reply() == b"PONG"
    raw.send(b"PING\r\n" * 10_000)
    assert [raw.reply() for _ in range(10_000)] == [b"PONG"] * 10_000


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="no redis-cli here")
def test_redis_cli_speaks_tls(serve: Serve, certificates: Certificates) -> None:
    secure = Secure(serve, certificates)
    cli = ["redis-cli", "--tls", "-p", str(secure.port), "--cacert", certificates.ca]
    shown = [*cli, "--cert", certificates.client, "--key", certificates.client, "PING"]
    assert subprocess.run(shown, capture_output=True, check=True).stdout == b"PONG\n"


def is_let_in(secure: Secure, *, shows: bool) -> bool:
    try:
        raw = secure.connect(shows=shows)
        answer = raw.call("PING")
        raw.close()
    except (OSError, EOFError):
        return False
    return bool(answer == b"PONG")


def test_who_must_show_a_certificate_may_change(serve: Serve, certificates: Certificates) -> None:
    secure = Secure(serve, certificates)
    plain = secure.server.connect()
    assert not is_let_in(secure, shows=False)
    for rule in ("optional", "no"):
        assert plain.call("CONFIG", "SET", "tls-auth-clients", rule) == b"OK"
        assert is_let_in(secure, shows=False)
        assert is_let_in(secure, shows=True)
    stranger = trustme.CA().issue_cert("stranger@example.org")
    plain.call("CONFIG", "SET", "tls-auth-clients", "optional")
    context = certificates.context(shows=False)
    stranger.configure_cert(context)
    with pytest.raises((OSError, EOFError)):
        secure.speaking(context).call("PING")


def test_a_new_certificate_is_for_those_who_come_then(
    serve: Serve, certificates: Certificates, is_portable: bool
) -> None:
    secure = Secure(serve, certificates, portable=is_portable)
    old = secure.connect()
    certificates.issue("other")
    plain = secure.server.connect()
    file = {name: str(certificates.folder / name) for name in ("other.pem", "other.key", "nosuch.pem")}
    refused = plain.call("CONFIG", "SET", "tls-cert-file", file["nosuch.pem"])
    assert refused.endswith(b"- Unable to update TLS configuration. Check server logs.")
    assert shown_by(secure.connect()) == shown_by(old)
    assert plain.call("CONFIG", "SET", "tls-cert-file", file["other.pem"], "tls-key-file", file["other.key"]) == b"OK"
    assert shown_by(secure.connect()) != shown_by(old)
    assert old.call("PING") == b"PONG"
    # The same name, and another file behind it.
    before = shown_by(secure.connect())
    certificates.issue("other")
    assert plain.call("CONFIG", "SET", "tls-cert-file", file["other.pem"]) == b"OK"
    assert shown_by(secure.connect()) != before


def shown_by(raw: Raw) -> bytes | None:
    assert isinstance(raw.sock, ssl.SSLSocket)
    return raw.sock.getpeercert(binary_form=True)


def test_tls_alone_and_a_port_that_comes_later(serve: Serve, certificates: Certificates) -> None:
    server = serve(*certificates.flags("--tls-auth-clients", "no"))
    port = str(free_port())
    plain = server.connect()
    assert plain.call("CONFIG", "SET", "tls-port", port) == b"OK"
    assert plain.call("CONFIG", "SET", "port", "0") == b"OK"
    sock = socket.create_connection(("127.0.0.1", int(port)), DEADLINE_S)
    with certificates.context(shows=False).wrap_socket(sock, server_hostname="localhost") as secure:
        raw = Raw(secure)
        assert f"tcp_port:{port}".encode() in raw.call("INFO", "server")
        assert b"listener0:name=tls" in raw.call("INFO", "server")
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def test_a_reply_waits_for_the_disk(serve: Serve, certificates: Certificates, is_portable: bool) -> None:
    secure = Secure(serve, certificates, portable=is_portable, faulty=True)
    raw = secure.connect()
    assert raw.call("SET", "k", "v") == b"OK"
    with secure.server.fault("block-sync"):
        raw.send(b"SET k w\r\n")
        assert raw.is_silent()
    assert raw.reply() == b"OK"
    assert raw.call("GET", "k") == b"w"


def test_the_end_of_a_client_that_waits_is_seen(serve: Serve, certificates: Certificates) -> None:
    secure = Secure(serve, certificates)
    waiting = secure.connect()
    waiting.send(b"BLPOP nothing 0\r\n")
    plain = secure.server.connect()
    eventually(lambda: b"blocked_clients:1" in plain.call("INFO", "clients"), "the client that waits")
    waiting.close()
    eventually(lambda: b"blocked_clients:0" in plain.call("INFO", "clients"), "its end")


def test_others_are_served_beside_handshakes_that_stall(
    serve: Serve, certificates: Certificates, is_portable: bool
) -> None:
    secure = Secure(serve, certificates, portable=is_portable)
    plain = secure.server.connect()
    known = secure.connect()
    stalled = []
    for number in range(tls.HANDSHAKES_MAX + 20):
        sock = socket.create_connection(("127.0.0.1", secure.port), DEADLINE_S)
        sock.send(b"\x16" if number % 2 else b"PING\r\n" * 5)
        stalled.append(Raw(sock))
        if number % 100 == 0:
            assert plain.call("PING") == b"PONG"
            assert known.call("PING") == b"PONG"
            assert is_let_in(secure, shows=True)
    # Those that speak something else are done for at once; the others wait, and none is a client yet.
    assert all(raw.rest() is not None for raw in stalled[::2])
    eventually(lambda: plain.call("CLIENT", "LIST").count(b"\n") == 2, "the end of all but the two")
    for raw in stalled:
        raw.close()


def test_the_oldest_of_too_many_and_those_that_take_too_long_are_given_up(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "HANDSHAKES_MAX", 2)
    watched: set[int] = set()

    class Watches:
        def watch(self, fd: int, callback: Callable[[], None]) -> None:
            watched.add(fd)

        def unwatch(self, fd: int) -> None:
            watched.remove(fd)

    handshakes = Handshakes()
    context = make_context(config_of(*certificates.flags()))
    pairs = [socket.socketpair() for _ in range(3)]
    for ours, _ in pairs:
        ours.setblocking(False)
        handshakes.begin(ours, context, Watches(), lambda sock: pytest.fail("it is done"))
    assert len(handshakes) == len(watched) == 2
    assert pairs[0][1].recv(1) == b""
    handshakes.expire()
    assert len(handshakes) == 2
    handshakes.close()
    assert len(handshakes) == len(watched) == 0
    monkeypatch.setattr(tls, "HANDSHAKE_S", 0.0)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    handshakes.begin(ours, context, Watches(), lambda sock: pytest.fail("it is done"))
    handshakes.expire()
    assert len(handshakes) == len(watched) == 0
    for sock in (theirs, *(pair[1] for pair in pairs)):
        sock.close()


def config_of(*flags: str) -> Config:
    return load(None, read_flags(list(flags)))


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("--tls-cert-file", ""), "No tls-cert-file configured!"),
        (("--tls-key-file", ""), "No tls-key-file configured!"),
        (("--tls-ca-cert-file", ""), "Either tls-ca-cert-file or tls-ca-cert-dir must be specified"),
        (("--tls-key-file", "nosuch"), "Failed to load tls-cert-file .* No such file"),
        (("--tls-ca-cert-file", "nosuch"), "Failed to load tls-ca-cert-file"),
        (("--tls-dh-params-file", "nosuch"), "Failed to load tls-dh-params-file"),
        (("--tls-protocols", "TLSv1.2 SSLv3"), "Invalid tls-protocols specified: sslv3"),
        (("--tls-ciphers", "nosuch"), "Failed to configure ciphers: nosuch"),
    ],
)
def test_what_makes_no_working_tls_is_told_at_start(
    certificates: Certificates, flags: tuple[str, ...], reason: str
) -> None:
    config = config_of(*certificates.flags("--tls-port", "1", "--port", "0", *flags))
    with pytest.raises(BadTls, match=reason):
        make_context(config)
    with pytest.raises(StartupError, match=f"cannot configure TLS: {reason}"):
        Admission(config, Instance(config, Owner()).server).open()


class Owner:
    """Nobody runs these servers."""

    def stop(self) -> None: ...
    def release(self) -> None: ...
    def attach(self, log: object) -> None: ...
    def detach(self, log: object) -> None: ...


def test_versions_ciphers_and_tickets(certificates: Certificates) -> None:
    context = make_context(config_of(*certificates.flags()))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.sslsocket_class is TlsSocket
    flags = ("--tls-protocols", "TLSv1.1 TLSv1.3", "--tls-session-caching", "no", "--tls-prefer-server-ciphers", "yes")
    context = make_context(config_of(*certificates.flags(*flags, "--tls-ciphers", "ECDHE-RSA-AES256-GCM-SHA384")))
    assert context.maximum_version == ssl.TLSVersion.TLSv1_3
    assert context.options & ssl.OP_NO_TLSv1_2
    assert context.options & ssl.OP_NO_TICKET
    assert context.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    assert "ECDHE-RSA-AES256-GCM-SHA384" in {cipher["name"] for cipher in context.get_ciphers()}
    assert context.num_tickets == 0


def test_a_key_with_a_password(certificates: Certificates, tmp_path: Path) -> None:
    key = tmp_path / "locked.key"
    openssl = ["openssl", "pkey", "-in", str(certificates.folder / "server.key"), "-aes256", "-passout", "pass:x"]
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    key.write_bytes(subprocess.run(openssl, capture_output=True, check=True).stdout)
    flags = certificates.flags("--tls-key-file", str(key))
    assert make_context(config_of(*flags, "--tls-key-file-pass", "x"))
    for wrong in ((), ("--tls-key-file-pass", "y")):
        with pytest.raises(BadTls):
            make_context(config_of(*flags, *wrong))
