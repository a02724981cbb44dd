"""The server's own log: one line an event, `time level room message key=value ...`.

    2026-11-22T18:03:11.042 NOTICE net.service client connected address=127.0.0.1:50112

It is the standard library's `logging`, set up once by `configure`; a module logs by `logging.getLogger(__name__)` and
`respkv.server.log.notice(logger, "client connected", address=...)`, or plainly where there is nothing to name. What
is below `loglevel` costs one comparison.
"""

import logging
import sys
from typing import Final

from respkv.errors import StartupError

VERBOSE: Final = 15
NOTICE: Final = 25
NOTHING: Final = logging.CRITICAL + 10

LEVELS: Final = {
    "debug": logging.DEBUG,
    "verbose": VERBOSE,
    "notice": NOTICE,
    "warning": logging.WARNING,
    "nothing": NOTHING,
}
"""`loglevel` to the level from which on lines are written; `info` and `verbose` are one to Redis."""

logging.addLevelName(VERBOSE, "VERBOSE")
logging.addLevelName(NOTICE, "NOTICE")

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/-+*%@,~")


class LineFormatter(logging.Formatter):
    """A record as one line; a traceback follows on lines of its own, indented."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        room = record.name.removeprefix("respkv.")
        line = f"{self.formatTime(record)} {record.levelname} {room} {one_line(record.getMessage())}"
        fields: dict[str, object] = getattr(record, "fields", {})
        for key, value in fields.items():
            line += f" {key}={field_text(value)}"
        if record.exc_info:
            line += "\n    " + self.formatException(record.exc_info).replace("\n", "\n    ")
        return line


def one_line(text: str) -> str:
    """`text` with its line ends and other control characters escaped: what clients send must not forge lines."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def field_text(value: object) -> str:
    """A value as it stands behind `key=`: quoted unless it is one plain word."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    if text and _PLAIN.issuperset(text):
        return text
    return '"' + one_line(text).replace('"', '\\"') + '"'


def log(logger: logging.Logger, level: int, message: str, **fields: object) -> None:
    """Write `message` with its `fields`."""
    if logger.isEnabledFor(level):
        logger.log(level, "%s", message, extra={"fields": fields})


def verbose(logger: logging.Logger, message: str, **fields: object) -> None:
    """What happens to single clients."""
    log(logger, VERBOSE, message, **fields)


def notice(logger: logging.Logger, message: str, **fields: object) -> None:
    """What an operator may want to have known."""
    log(logger, NOTICE, message, **fields)


def warning(logger: logging.Logger, message: str, **fields: object) -> None:
    """What an operator must know."""
    log(logger, logging.WARNING, message, **fields)


def configure(level: str, path: str) -> logging.Handler:
    """Log from `level` (a value of `loglevel`) on to the file `path`, to standard error if that is empty.

    May be called again; the handler returned is the only one then. Raises: StartupError.
    """
    handler: logging.Handler
    if path:
        try:
            handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise StartupError(f"cannot open the log file {path}: {error.strerror}") from None
    else:
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    root = logging.getLogger("respkv")
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.propagate = False
    set_level(level)
    return handler


def set_level(level: str) -> None:
    """Log from `level` (a value of `loglevel`) on."""
    logging.getLogger("respkv").setLevel(LEVELS[level])
