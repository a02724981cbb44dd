"""Receiving and sending by descriptor: the functions in C, where they are built, and the system's own do the same."""

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from respkv.net import sockets


def ways() -> list[Any]:
    """Pairs of `receive` and `send`: those of C, if they are there, and those that take their place."""
    found = [pytest.param((os.read, os.write), id="portable")]
    if sockets.receive is not os.read:
        found.append(pytest.param((sockets.receive, sockets.send), id="c"))
    return found


@pytest.fixture(params=ways())
def way(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def receive(way: Any) -> Callable[[int, int], bytes]:
    function: Callable[[int, int], bytes] = way[0]
    return function


@pytest.fixture
def send(way: Any) -> Callable[[int, bytes | memoryview], int]:
    function: Callable[[int, bytes | memoryview], int] = way[1]
    return function


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection that do not block."""
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        yield left, right


Pair = tuple[socket.socket, socket.socket]
Receive = Callable[[int, int], bytes]
Send = Callable[[int, bytes | memoryview], int]


@pytest.mark.parametrize("size", [1, 448, 16384, 16385, 1 << 20])
def test_what_has_arrived_is_received_up_to_a_size(pair: Pair, receive: Receive, size: int) -> None:
    data = bytes(range(256)) * 100
    pair[0].send(data)
    assert receive(pair[1].fileno(), size) == data[:size]


def test_nothing_is_received_at_the_end(pair: Pair, receive: Receive) -> None:
    pair[0].close()
    assert receive(pair[1].fileno(), 448) == b""
    assert receive(pair[1].fileno(), 1 << 20) == b""


@pytest.mark.parametrize("size", [448, 1 << 20])
def test_receiving_says_that_there_is_nothing_yet(pair: Pair, receive: Receive, size: int) -> None:
    with pytest.raises(BlockingIOError):
        receive(pair[1].fileno(), size)


@pytest.mark.parametrize(
    "data", [b"", b"+OK\r\n", bytes(20_000), memoryview(b"+OK\r\n")[1:], memoryview(bytes(20_000))]
)
def test_what_is_sent_arrives(pair: Pair, send: Send, data: bytes | memoryview) -> None:
    sent = send(pair[0].fileno(), data)
    assert sent == len(data)
    pair[0].close()
    arrived = b""
    while part := pair[1].recv(1 << 16):
        arrived += part
    assert arrived == bytes(data)


def test_a_full_socket_takes_a_part_and_then_nothing(pair: Pair, send: Send) -> None:
    data = bytes(64 << 20)
    assert 0 < send(pair[0].fileno(), data) < len(data)
    with pytest.raises(BlockingIOError):
        send(pair[0].fileno(), data)
    with pytest.raises(BlockingIOError):
        send(pair[0].fileno(), data[:16384])


def test_sending_to_who_is_gone_is_an_error_and_no_signal(pair: Pair, send: Send) -> None:
    pair[1].close()
    for data in (b"+OK\r\n", bytes(20_000)):
        with pytest.raises(BrokenPipeError):
            send(pair[0].fileno(), data)


def test_no_descriptor_is_an_error(receive: Receive, send: Send) -> None:
    for size in (448, 1 << 20):
        with pytest.raises(OSError, match="Bad file descriptor"):
            receive(-1, size)
    with pytest.raises(OSError, match="Bad file descriptor"):
        send(-1, b"+OK\r\n")


def test_arguments_of_another_kind_are_refused(pair: Pair, receive: Any, send: Any) -> None:
    fd = pair[0].fileno()
    with pytest.raises(TypeError):
        receive("0", 1)
    with pytest.raises(TypeError):
        receive(fd)
    with pytest.raises(TypeError):
        receive(fd, "1")
    with pytest.raises((ValueError, OSError)):
        receive(fd, -1)
    with pytest.raises(OverflowError):
        receive(1 << 80, 1)
    with pytest.raises(TypeError):
        send(fd, "text")
    with pytest.raises(TypeError):
        send(fd)


def test_the_functions_in_c_write_to_nothing_but_sockets(tmp_path: Any) -> None:
    if sockets.send is os.write:
        pytest.skip("not built")
    with open(tmp_path / "f", "wb+") as file:
        with pytest.raises(OSError, match="non-socket"):
            sockets.send(file.fileno(), b"+OK\r\n")
        with pytest.raises(OSError, match="non-socket"):
            sockets.receive(file.fileno(), 448)
        assert file.read() == b""
