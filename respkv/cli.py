"""The command line: `respkv [serve | check | compact]`.

Every directive is a flag, so the arguments of `serve` are read by `respkv.server.config.load`, not by a
parser with a fixed list of options. What starts a server or opens files is imported only when it is needed.
"""

import difflib
import gc
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence

from respkv.build import BUILD
from respkv.errors import StartupError
from respkv.server.banner import version
from respkv.server.config.describe import default_text, how_mutable, since_text
from respkv.server.config.directive import Row
from respkv.server.config.load import STDIN, load, nearest, read_flags
from respkv.server.config.store import Config
from respkv.server.config.table import GROUPS, find

USAGE = """\
respkv: a durable, Redis-compatible key-value server

Usage:
  respkv [serve] [CONFIG] [--DIRECTIVE VALUE ...]   start the server
  respkv check [--fix] [PATH]                       verify a data directory or file; --fix repairs it
  respkv compact [PATH]                             rewrite a stopped server's log to its shortest form
  respkv --version
  respkv --help

CONFIG is a file of directives as in redis.conf, - is standard input. Every directive is also a flag, and
flags win over the file. PATH is a data directory; without it, the one that the server uses by default:
{directory}

Examples:
  respkv                                            port 6379, data in the directory above
  respkv --port 7000 --dir /srv/data                another port and directory
  respkv --appendonly no --maxmemory 100mb --maxmemory-policy allkeys-lru
                                                    a cache that forgets everything when it stops

  respkv serve --help                               the directives used most
  respkv serve --help all                           all of them
  respkv serve --help maxmemory                     one of them
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (default: those of the process) name; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = words[0] if words else ""
    try:
        if name in ("-h", "--help", "help"):
            _show(USAGE.format(directory=Config().dir))
            return 0
        if name in ("-v", "--version"):
            _show(version(BUILD) + "\n")
            return 0
        command = COMMANDS.get(name)
        return serve(words) if command is None else command(words[1:])
    except StartupError as error:
        print(f"respkv: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the help, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def serve(arguments: Sequence[str]) -> int:
    """Start the server and run it until it is stopped."""
    words = list(arguments)
    for at, word in enumerate(words):
        is_value = at > 0 and words[at - 1].startswith("--")
        if word in ("-h", "--help") and not is_value:
            _show(directives_help(words[at + 1] if at + 1 < len(words) else None))
            return 0
    config = _read_configuration(words)
    # The server does without the collector (`service.run`). Until then it looks at what is young only, not again and
    # again at all that the imports make.
    gc.set_threshold(5000, 1_000_000)
    from respkv.net import service

    return service.run(config)


def _read_configuration(words: list[str]) -> Config:
    path: str | None = None
    if words and (words[0] == STDIN or not words[0].startswith("-")):
        path = words.pop(0)
        if "." not in path and not os.path.exists(path) and nearest_command(path):
            raise StartupError(f"there is no command or file {path!r}; did you mean {nearest_command(path)}?")
    if words and words[-1] == STDIN and path is None:
        path = words.pop()
    config = load(path, read_flags(words))
    if config.is_default("dir"):
        # Ours to make: nobody chose it. A directory that somebody names must be there, or a slip of the pen
        # would start a server without its data.
        try:
            os.makedirs(config.dir, mode=0o700, exist_ok=True)
        except OSError as error:
            raise StartupError(
                f"cannot make the data directory {config.dir}: {error.strerror}; choose one with --dir"
            ) from None
    return config


def nearest_command(word: str) -> str | None:
    """The command that somebody may have meant by `word`."""
    return next(iter(difflib.get_close_matches(word, COMMANDS, n=1)), None)


def check(arguments: Sequence[str]) -> int:
    """Verify (and with --fix repair) a data directory; 0 if it is sound now."""
    fix = "--fix" in arguments
    path = _one_path("check", [word for word in arguments if word != "--fix"])
    if path is None:
        return 0
    from respkv.persistence import check as checker

    return checker.run(path, fix=fix)


def compact(arguments: Sequence[str]) -> int:
    """Compact the log of a data directory that no server uses."""
    path = _one_path("compact", list(arguments))
    if path is None:
        return 0
    from respkv.persistence import compaction

    return compaction.run(path)


def _one_path(command: str, words: list[str]) -> str | None:
    """The one path among `words`, or the default; None after help was asked for and given."""
    if "-h" in words or "--help" in words:
        _show(USAGE.format(directory=Config().dir))
        return None
    flags = [word for word in words if word.startswith("-")]
    if flags or len(words) > 1:
        odd = (flags or words[1:])[0]
        raise StartupError(f"{command} does not know {odd!r}; see respkv --help")
    path = words[0] if words else Config().dir
    if not os.path.exists(path):
        raise StartupError(f"there is no {path}")
    return path


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {"serve": serve, "check": check, "compact": compact}


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def directives_help(which: str | None) -> str:
    """What `respkv serve --help` says: of the common directives, of `all`, or of the one called `which`.

    Raises: StartupError if there is no such directive.
    """
    width = min(shutil.get_terminal_size().columns, 110)
    if which is None:
        parts = ["Usage: respkv [serve] [CONFIG] [--DIRECTIVE VALUE ...]\n"]
        parts += _group_helps(width, lambda row: row.common)
        parts.append("respkv serve --help all shows every directive, --help NAME one of them.\n")
        return "\n".join(parts)
    if which == "all":
        parts = _group_helps(width, lambda row: not row.no_effect and not row.hidden)
        parts.append("Accepted for the sake of Redis's configuration files, without effect:\n")
        names = ", ".join(row.name for _, rows in GROUPS for row in rows.values() if row.no_effect)
        parts.append(
            textwrap.fill(names, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False) + "\n"
        )
        return "\n".join(parts)
    name = which.removeprefix("--")
    row = find(os.fsencode(name))
    if row is None:
        meant = nearest(name)
        raise StartupError(f"there is no directive {name}" + (f"; did you mean {meant}?" if meant else ""))
    return _one_help(row, width)


def _group_helps(width: int, wanted: Callable[[Row], bool]) -> list[str]:
    parts = []
    for title, rows in GROUPS:
        lines = [_row_help(row, width) for row in rows.values() if wanted(row)]
        if lines:
            parts.append("\n".join([f"{title}:", *lines]) + "\n")
    return parts


def _row_help(row: Row, width: int) -> str:
    head = f"  --{row.name} {row.kind.usage}"
    indent = " " * 32
    fits = len(head) < len(indent) - 1
    text = textwrap.fill(
        f"{row.doc} [{default_text(row)}]",
        width,
        initial_indent=head.ljust(len(indent)) if fits else indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    return text if fits else f"{head}\n{text}"


def _one_help(row: Row, width: int) -> str:
    facts = [("default", default_text(row)), ("since", since_text(row))]
    if row.aliases:
        facts.append(("also called", ", ".join(row.aliases)))
    facts.append(("CONFIG SET", how_mutable(row)))
    if row.no_effect:
        facts.append(("no effect", row.no_effect))
    lines = [f"--{row.name} {row.kind.usage}", textwrap.fill(row.doc, width), ""]
    return "\n".join([*lines, *(f"  {name:<12} {text}" for name, text in facts)]) + "\n"
