"""Listening sockets and addresses."""

import socket

from respkv.net.listeners import format_address, is_loopback, set_keepalive


def test_addresses_as_redis_shows_them() -> None:
    assert format_address("::1", 6379) == "[::1]:6379"
    assert format_address("10.0.0.1", 6379) == "10.0.0.1:6379"
    assert is_loopback("127.0.0.2")
    assert is_loopback("::1")
    assert not is_loopback("192.0.2.1")


def test_keepalive_is_set() -> None:
    with socket.socket() as sock:
        set_keepalive(sock, 0)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
        set_keepalive(sock, 90)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 90
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 30
