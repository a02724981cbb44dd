"""The measurements of messages: PUBLISH to one, a hundred and a thousand subscribers.

The subscribers run in a process of their own, `python -m compat.benchmark.messages PORT COUNT BYTES`, which says when
each of them has received that many bytes.
"""

import contextlib
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from compat.benchmark.load import VALUE_BYTES, drive
from compat.benchmark.plan import EVERYSEC, Plan, fleet, turn
from compat.benchmark.results import Results
from compat.servers import REPOSITORY, Server, pinned_to
from compat.wire import encode

CHANNEL = "news"
MESSAGE = "x" * VALUE_BYTES
FRAME_BYTES = len(encode([b"message", CHANNEL.encode(), MESSAGE.encode()]))
CONFIRMATION_BYTES = len(b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n")
DELIVERIES = 400_000
PUBLISHERS = 10


def messages(plan: Plan, results: Results) -> None:
    """PUBLISH from ten clients: messages delivered a second, and the server's CPU time for each."""
    with fleet(plan, EVERYSEC) as servers:
        for number in range(plan.rounds):
            for subscribers in (1, 100, 1000):
                name = f"PUBLISH to {subscribers} subscriber{'s' if subscribers > 1 else ''}"
                published = max(PUBLISHERS, plan.count(min(DELIVERIES // subscribers, 100_000)))
                for server in servers:
                    with turn(server), listening(server, subscribers, published, plan.client_core) as listeners:
                        before_s, began = server.cpu_s(), time.monotonic()
                        drive(
                            server,
                            ("PUBLISH", CHANNEL, MESSAGE),
                            requests=published,
                            clients=PUBLISHERS,
                            depth=1,
                            keys=1,
                            core=plan.client_core,
                        )
                        listeners.wait()
                        took_s, cpu_s = time.monotonic() - began, server.cpu_s() - before_s
                    delivered = published * subscribers
                    key = server.kind.name
                    add = results.add
                    add("messages", name, "messages/s", key, delivered / took_s, more_is_better=True, wanted=0.7)
                    add("messages", f"{name}: CPU", "µs/message", key, cpu_s / delivered * 1e6, more_is_better=False)
                    plan.say(f"{number + 1} {name} {key} {delivered / took_s:,.0f}/s {cpu_s / delivered * 1e6:.2f} µs")


class Listeners:
    """The process of the subscribers."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def expect(self, word: str) -> None:
        """Raises: RuntimeError if it says anything else."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if line != word:
            raise RuntimeError(f"the subscribers said {line!r} instead of {word!r}")

    def wait(self) -> None:
        """Return when all have received everything."""
        self.expect("done")


@contextlib.contextmanager
def listening(server: Server, subscribers: int, published: int, core: int | None) -> Iterator[Listeners]:
    """So many clients, subscribed, that are to hear so many messages each."""
    words = [str(server.port), str(subscribers), str(published * FRAME_BYTES)]
    with pinned_to(core):
        process = subprocess.Popen(
            [sys.executable, "-m", "compat.benchmark.messages", *words],
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
    try:
        listeners = Listeners(process)
        listeners.expect("ready")
        yield listeners
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def main() -> None:
    """Be the subscribers."""
    port, count, expected = map(int, sys.argv[1:])
    poller = select.epoll()
    clients: dict[int, socket.socket] = {}
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(encode([b"SUBSCRIBE", CHANNEL.encode()]))
        left = CONFIRMATION_BYTES
        while left:
            left -= len(client.recv(left))
        clients[client.fileno()] = client
        poller.register(client.fileno(), select.EPOLLIN)
    print("ready", flush=True)
    buffer = bytearray(1 << 18)
    left = count * expected
    while left > 0:
        for fd, _ in poller.poll():
            received = clients[fd].recv_into(buffer)
            if not received:
                raise SystemExit("the server hung up")
            left -= received
    print("done", flush=True)


if __name__ == "__main__":
    main()
