"""SAVE to SHUTDOWN, WAIT and WAITAOF, with a stand-in for what owns the files."""

import pytest
from beside_redis import both
from harness import Client, World
from real_redis import RealRedis

from respkv.server.persistence import Persistence

AS_REDIS = ("SAVE x", "LASTSAVE x", "BGSAVE FOO", "BGSAVE SCHEDULE x", "BGREWRITEAOF x", "SHUTDOWN FOO",
            "SHUTDOWN SAVE NOSAVE", "SHUTDOWN ABORT", "SHUTDOWN ABORT NOW", "SHUTDOWN a b c",
            "WAIT 0 0", "WAIT 0 100", "WAIT -1 0", "WAIT x 0", "WAIT 0 x", "WAIT 0 -1", "WAIT 0", "WAIT 0 0 0",
            "WAIT 0 99999999999999999999")  # fmt: skip


@pytest.mark.parametrize("line", AS_REDIS)
def test_replies_are_those_of_redis(client: Client, real_redis: RealRedis, line: str) -> None:
    ours, theirs = both(client, real_redis, line)
    assert ours == theirs


class Recording(Persistence):
    """Does nothing, and remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.works = True

    def save(self) -> bool:
        self.asked.append("save")
        return self.works

    def start_save(self) -> bool:
        self.asked.append("start save")
        return self.works

    def start_rewrite(self) -> bool:
        self.asked.append("start rewrite")
        return self.works

    def sync(self) -> bool:
        self.asked.append("sync")
        return self.works

    def shut_down(self, *, save: bool | None, now: bool, force: bool) -> bool:
        self.asked.append(f"shut down {save} {now} {force}")
        return self.works

    def abort_shutdown(self) -> bool:
        self.asked.append("abort")
        return self.works


@pytest.fixture
def disk(world: World) -> Recording:
    disk = Recording()
    world.server.persistence = disk
    return disk


def test_save(client: Client, disk: Recording) -> None:
    assert client.run("SAVE") == "OK"
    disk.works = False
    assert client.error("SAVE") == "ERR"
    disk.is_saving = True
    assert client.error("SAVE") == "ERR Background save already in progress"


def test_bgsave(client: Client, disk: Recording) -> None:
    assert client.run("BGSAVE") == "Background saving started"
    assert client.run("BGSAVE SCHEDULE") == "Background saving started"
    disk.is_rewriting = True
    assert client.error("BGSAVE").startswith("ERR Another child process is active (AOF?): can't BGSAVE right now.")
    assert client.run("BGSAVE SCHEDULE") == "Background saving scheduled"
    assert disk.is_save_scheduled
    disk.is_saving = True
    assert client.error("BGSAVE") == "ERR Background save already in progress"


def test_bgrewriteaof(client: Client, disk: Recording) -> None:
    assert client.run("BGREWRITEAOF") == "Background append only file rewriting started"
    disk.works = False
    assert client.error("BGREWRITEAOF").startswith("ERR Can't execute an AOF background rewriting.")
    disk.is_saving = True
    assert client.run("BGREWRITEAOF") == "Background append only file rewriting scheduled"
    assert disk.is_rewrite_scheduled
    disk.is_rewriting = True
    assert client.error("BGREWRITEAOF") == "ERR Background append only file rewriting already in progress"


def test_lastsave(client: Client, disk: Recording) -> None:
    disk.last_save_s = 1_700_000_000
    assert client.run("LASTSAVE") == 1_700_000_000


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("SHUTDOWN", "shut down None False False"),
        ("SHUTDOWN nosave", "shut down False False False"),
        ("SHUTDOWN SAVE NOW FORCE", "shut down True True True"),
    ],
)
def test_shutdown_says_nothing_and_hangs_up(client: Client, disk: Recording, line: str, asked: str) -> None:
    assert client.raw(line.encode() + b"\r\nSET k v\r\n") == b""
    assert disk.asked == [asked]
    assert client.session.closing
    assert not client.session.db.holds(b"k")


def test_a_shutdown_that_fails_is_told(client: Client, disk: Recording) -> None:
    disk.works = False
    assert client.error("SHUTDOWN") == "ERR Errors trying to SHUTDOWN. Check logs."
    assert client.error("SHUTDOWN ABORT") == "ERR No shutdown in progress."
    disk.works = True
    assert client.run("SHUTDOWN ABORT") == "OK"
    assert client.run("PING") == "PONG"


def test_wait_for_replicas_ends_with_its_timeout(world: World, client: Client) -> None:
    assert client.raw(b"WAIT 1 20\r\nPING\r\n") == b""
    assert client.session.parked == "blocked"
    assert world.server.next_due_ms() == world.engine.now_ms + 20
    world.advance(20)
    world.server.tick()
    assert world.server.ready == [client.session]
    client.session.resume()
    assert client.session.take_output() == b":0\r\n+PONG\r\n"


def test_wait_without_timeout_waits_until_the_client_goes(world: World, client: Client) -> None:
    client.raw(b"WAIT 1 0\r\n")
    assert world.server.next_due_ms() == 0
    client.close()
    world.advance(10**9)
    world.server.tick()
    assert not world.server.ready


def test_waits_end_in_the_order_of_their_deadlines(world: World) -> None:
    clients = [world.connect() for _ in range(3)]
    for client, timeout_ms in zip(clients, (300, 100, 200), strict=True):
        client.raw(b"WAIT 1 %d\r\n" % timeout_ms)
    clients[2].session.kill()
    world.server.ready.clear()
    assert world.server.next_due_ms() == world.engine.now_ms + 100
    world.advance(1000)
    world.server.tick()
    assert world.server.ready == [clients[1].session, clients[0].session]


def test_waitaof(client: Client, disk: Recording) -> None:
    assert client.run("WAITAOF 0 0 0") == [0, 0]
    assert client.error("WAITAOF 1 0 0") == (
        "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
    )
    assert client.error("WAITAOF 2 0 0") == "ERR value is out of range, value must between 0 and 1"
    assert client.error("WAITAOF x 0 0") == "ERR value is not an integer or out of range"
    assert client.error("WAITAOF 0 x 0") == "ERR value is out of range, must be positive"
    assert client.error("WAITAOF 0 0 -1") == "ERR timeout is negative"
    disk.log_enabled = True
    assert client.run("WAITAOF 1 0 0") == [1, 0]
    assert disk.asked == ["sync"]
    disk.works = False
    assert client.run("WAITAOF 1 0 0") == [0, 0]
    assert client.raw(b"WAITAOF 0 1 50\r\n") == b""


def test_a_server_without_files_cannot_save(client: Client) -> None:
    assert client.error("SAVE") == "ERR"
    assert client.error("BGSAVE").startswith("ERR Background save could not be started")
    assert client.error("BGREWRITEAOF").startswith("ERR Can't execute")
    assert client.error("SHUTDOWN").startswith("ERR Errors")
