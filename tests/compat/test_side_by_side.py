"""With a real redis-server as oracle and as subject: whatever differs is the tools' fault."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from compat.benchmark.load import fill
from compat.benchmark.probe import probing
from compat.differential.__main__ import report
from compat.differential.play import Answer, Judge, Player
from compat.differential.script import parse_cases
from compat.servers import KINDS, REPOSITORY, ServerUnavailable, start
from compat.wire import Reply

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server on PATH")
REDIS = KINDS["redis7"]


def run(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "compat.differential", *options]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_a_server_answers_is_measured_and_is_gone_afterwards() -> None:
    with start(REDIS, {"maxmemory": "100mb"}, core=0) as server:
        fill(server, 1000)
        assert server.info("memory")["maxmemory"] == str(100 * 1024 * 1024)
        assert server.rss_bytes() > 1_000_000
        assert server.cpu_s() >= 0
        assert server.ready_after_s > 0
        directory, pid = server.directory, server.pid
    assert not directory.exists()
    assert not Path(f"/proc/{pid}").exists()


def test_a_server_that_does_not_start_shows_its_log() -> None:
    with pytest.raises(ServerUnavailable, match="nosuchdirective"), start(REDIS, {"nosuchdirective": "1"}):
        pass


def test_a_paused_server_still_stops() -> None:
    with start(REDIS) as server:
        server.pause()
        server.stop(signal.SIGTERM)
        assert not Path(f"/proc/{server.pid}").exists()


def test_the_probe_sees_a_stall() -> None:
    with start(REDIS, {"enable-debug-command": "yes"}) as server, probing(server.port, None) as probe:
        with server.connect() as connection:
            connection.ask("DEBUG", "SLEEP", "0.05")
        seen = probe.finish()
    assert seen.max_ms > 40
    assert seen.count > 0


def test_redis_does_not_differ_from_itself() -> None:
    done = run("--subject", "redis7", "--oracle", "redis7", "--cases", "strings*", "--examples", "20", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 differences" in done.stdout


def test_a_difference_is_found_and_shown() -> None:
    text = '=== Two names\nCLIENT SETNAME x\nGET k\n!raw "PING\\r\\n"\n'
    case = parse_cases(text, "some.txt")[0]
    with start(REDIS) as server:
        expected = Player(server, case, 2, 0).play()
        assert [str(answer) for answer in expected] == ["+OK", "$ (null)", "+PONG"]
        found = Player(server, case, 2, 0).play(expected)
    judge = Judge()
    assert all(map(judge.accepts, case.steps, expected, found))
    wrong = Answer((Reply("*", None),))
    assert not judge.accepts(case.steps[1], expected[1], wrong)
    assert report(case, 2, case.steps[1], [("redis", expected[1]), ("other", wrong)]).splitlines() == [
        "DIFFERENT some.txt:3 [RESP2] Two names",
        "  > GET k",
        "  redis: $ (null)",
        "  other: * (null)",
    ]
    assert not judge.accepts(case.steps[2], expected[2], Answer(expected[2].replies, closed=True))
