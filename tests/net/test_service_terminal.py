"""redis-cli in a terminal, typed to as a person does: subscriptions, and what comes unasked in RESP3."""

import os
import pty
import select
import shutil
import signal
import termios
import time
from collections.abc import Callable, Iterator

import pytest
from net_servers import DEADLINE_S, Serve, Served, eventually


class Terminal:
    """redis-cli as a person uses it, in a terminal of its own."""

    def __init__(self, server: Served, *options: str) -> None:
        pid, self._fd = pty.fork()
        if not pid:
            os.environ["TERM"] = "xterm"
            termios.tcsetwinsize(0, (40, 100))  # or it asks the terminal
            os.execlp("redis-cli", "redis-cli", "-p", str(server.port), *options)
        self._pid = pid
        self._shown = ""

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def ask(self, command: str, *texts: str) -> None:
        """Type a command, expect these texts and then the prompt: what is typed ahead of that is thrown away."""
        self.type(f"{command}\r")
        for text in (*texts, "> "):
            self.expect(text)

    def expect(self, text: str) -> None:
        """Return when `text` has been shown behind what was expected before."""
        end_s = time.monotonic() + DEADLINE_S
        while text not in self._shown:
            assert select.select([self._fd], [], [], max(0.0, end_s - time.monotonic()))[0], repr(self._shown)
            self._shown += os.read(self._fd, 65536).decode()
        self._shown = self._shown.partition(text)[2]

    def close(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._fd)


@pytest.fixture
def terminal(serve: Serve) -> Iterator[Callable[..., Terminal]]:
    """Opens terminals that are closed after the test."""
    terminals: list[Terminal] = []

    def open_terminal(server: Served, *options: str) -> Terminal:
        if shutil.which("redis-cli") is None:
            pytest.skip("redis-cli is not installed")
        terminals.append(Terminal(server, *options))
        terminals[-1].expect("> ")
        return terminals[-1]

    yield open_terminal
    for one in terminals:
        one.close()


def test_subscriptions_in_a_terminal(serve: Serve, terminal: Callable[..., Terminal]) -> None:
    server = serve()
    speaker = server.connect()
    for options in ((), ("-3",)):
        screen = terminal(server, *options)
        screen.type("PSUBSCRIBE n*\r")
        screen.expect("Reading messages")
        screen.expect('2) "n*"')
        assert speaker.call("PUBLISH", "news", "hello") >= 1
        screen.expect('1) "pmessage"')
        screen.expect('4) "hello"')
        screen.type("\x03")
        eventually(lambda: speaker.call("PUBSUB", "NUMPAT") == 0, "the end of the subscription")


def test_invalidations_in_a_terminal(serve: Serve, terminal: Callable[..., Terminal]) -> None:
    server = serve()
    screen = terminal(server, "-3")
    screen.ask("CLIENT TRACKING ON", "OK")
    screen.ask("GET k", "(nil)")
    server.connect().call("SET", "k", "v")
    screen.ask("PING", "-> invalidate: 'k'", "PONG")
    # What one changes oneself is shown behind the reply, with the next command at the latest.
    screen.ask("GET k", '"v"')
    screen.ask("SET k w", "OK")
    screen.ask("ECHO behind", "-> invalidate: 'k'")
