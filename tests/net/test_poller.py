"""The poller's contract: what is watched is told, and nothing else."""

import os
import socket
from collections.abc import Iterator

import pytest

from respkv.net.poller import ENDED, GONE, READ, WRITE, Poller, make_poller


@pytest.fixture
def poller() -> Iterator[Poller]:
    poller = make_poller()
    if poller is None:
        pytest.skip("no poller here")
    yield poller
    poller.close()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def mask_of(poller: Poller, sock: socket.socket) -> int:
    return sum(mask for fd, mask in poller.poll(0) if fd == sock.fileno())


def test_reading_and_writing(poller: Poller, ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    poller.add(ours.fileno())
    assert poller.poll(0) == []
    theirs.send(b"x")
    assert mask_of(poller, ours) & (READ | WRITE) == READ
    poller.change(ours.fileno(), reads=True, writes=True, end=False)
    assert mask_of(poller, ours) & (READ | WRITE) == READ | WRITE
    poller.change(ours.fileno(), reads=False, writes=False, end=False)
    assert poller.poll(0) == []
    poller.remove(ours.fileno())
    os.fstat(poller.fileno())


def test_the_end_of_a_peer_that_is_not_read(poller: Poller, ends: tuple[socket.socket, socket.socket]) -> None:
    if poller.name != "epoll":
        pytest.skip("only epoll tells")
    ours, theirs = ends
    poller.add(ours.fileno())
    poller.change(ours.fileno(), reads=False, writes=False, end=False)
    theirs.shutdown(socket.SHUT_WR)
    assert poller.poll(0) == []
    poller.change(ours.fileno(), reads=False, writes=False, end=True)
    assert mask_of(poller, ours) == ENDED
    theirs.close()
    assert mask_of(poller, ours) & GONE
