"""The server's log: lines, levels, files."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from respkv.errors import StartupError
from respkv.server import log

logger = logging.getLogger("respkv.net.test")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A log file, from level `notice` on; logging is as before afterwards."""
    root = logging.getLogger("respkv")
    before = (root.handlers[:], root.level, root.propagate)
    for handler in before[0]:
        root.removeHandler(handler)
    path = tmp_path / "respkv.log"
    log.configure("notice", str(path))
    yield path
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    for handler in before[0]:
        root.addHandler(handler)
    root.setLevel(before[1])
    root.propagate = before[2]


def test_a_line_has_time_level_room_message_and_fields(path: Path) -> None:
    log.notice(logger, "client connected", address="127.0.0.1:5", name=b"two words", empty="")
    (line,) = path.read_text().splitlines()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} NOTICE net\.test client connected address=127\.0\.0\.1:5"
        r' name="two words" empty=""',
        line,
    )


def test_what_is_below_the_level_is_not_written(path: Path) -> None:
    log.verbose(logger, "hidden")
    logger.info("hidden")
    logger.warning("shown")
    log.set_level("verbose")
    log.verbose(logger, "shown too")
    log.set_level("nothing")
    logger.critical("hidden")
    assert [line.partition("net.test ")[2] for line in path.read_text().splitlines()] == ["shown", "shown too"]


def test_a_client_cannot_forge_a_line(path: Path) -> None:
    log.warning(logger, "bad name", name=b"x\n2026-01-01T00:00:00.000 NOTICE net all is well\xff\x1b[2J")
    logger.warning("argument %s", "a\r\nb")
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    assert "\x1b" not in lines[0]
    assert lines[0].endswith('\\\\xff\\x1b[2J"') or "\\xff" in lines[0]
    assert lines[1].endswith("argument a\\r\\nb")


def test_a_traceback_is_indented(path: Path) -> None:
    try:
        raise ValueError("oops")
    except ValueError:
        logger.exception("it failed")
    first, *rest = path.read_text().splitlines()
    assert first.endswith("it failed")
    assert rest
    assert all(line.startswith("    ") for line in rest)


def test_a_file_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="cannot open the log file"):
        log.configure("notice", str(tmp_path / "missing" / "log"))
