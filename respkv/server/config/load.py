"""Configuration at start: redis.conf-style files, `--directive value` flags, and what is wrong with them.

A file holds one directive a line, its words quoted as in inline commands; `#` begins a comment line. A
directive given again replaces what came before, but for `save`, whose pairs add up (`save ""` begins anew),
and `client-output-buffer-limit`, which sets one class at a time. `include` reads further files in its place,
a glob pattern any number of them; a relative path starts from the file that names it. Flags come last and
win.

Every mistake is a `StartupError`: one line that says where, what, why, and which directive may be meant.
"""

import difflib
import glob
import os
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from respkv.errors import StartupError
from respkv.resp.inline import split_args
from respkv.server.config.accepted import IGNORED, REFUSED
from respkv.server.config.directive import Row
from respkv.server.config.kinds import BadValue
from respkv.server.config.rewrite import save_words
from respkv.server.config.store import Config, UserLine
from respkv.server.config.table import ENTRIES, find

STDIN: Final = "-"


class Flag(NamedTuple):
    """One `--name value ...` of the command line."""

    name: str
    words: list[bytes]


def load(path: str | None, flags: Sequence[Flag] = ()) -> Config:
    """The configuration from the file `path` (`-`: standard input; None: no file), and then from `flags`.

    Raises: StartupError.
    """
    config = Config()
    if path is not None:
        if path != STDIN:
            config.path = os.path.abspath(path)
        _Reader(config).read_file(path, ())
    if flags:
        reader = _Reader(config)
        for flag in flags:
            reader.set(f"--{flag.name}", flag.name, flag.words, os.getcwd(), ())
    return config


def read_flags(arguments: Sequence[str]) -> list[Flag]:
    """The flags in `arguments`, as redis-server takes them apart.

    The word behind a flag is its first value, even if it begins with `--`; further words belong to it up to
    the next `--`. `--save` alone stands for `--save ""`. `--name=value` and `'--name value'` work as well.

    Raises: StartupError for a word that belongs to no flag.
    """
    flags: list[Flag] = []
    expects_value = False
    for argument in arguments:
        word = os.fsencode(argument)
        is_flag = word.startswith(b"--")
        if expects_value and not (is_flag and flags[-1].name == "save"):
            flags[-1].words.append(word)
            expects_value = False
        elif is_flag:
            flag = _read_flag(argument)
            flags.append(flag)
            expects_value = not flag.words
        elif not flags:
            raise StartupError(f"{argument!r} is no flag: flags begin with two dashes, as in --port 6379")
        else:
            flags[-1].words.append(word)
    for flag in flags:
        if flag.name == "save":
            flag.words[:] = [part for word in flag.words or [b""] for part in word.split(b" ")]
    return flags


def _read_flag(argument: str) -> Flag:
    name, equals, value = argument[2:].partition("=")
    if equals and " " not in name:
        return Flag(name.lower(), [os.fsencode(value)])
    words = split_args(os.fsencode(argument[2:]))
    if not words:
        raise StartupError(f"cannot read the flag {argument!r}")
    return Flag(os.fsdecode(words[0]).lower(), words[1:])


def nearest(name: str) -> str | None:
    """The directive whose name is most like `name`, if any is."""
    names = [entry.decode() for entry in ENTRIES]
    close = difflib.get_close_matches(name.lower(), names, n=1)
    return close[0] if close else None


class _Reader:
    """Sets directives one after another; `save` starts afresh with each reader."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._save: list[bytes] = []

    def read_file(self, path: str, outer: tuple[str, ...]) -> None:
        """Read a file, included by those in `outer`."""
        try:
            if path == STDIN:
                content = sys.stdin.buffer.read()
            else:
                with open(path, "rb") as file:
                    content = file.read()
        except OSError as error:
            by = f" (included by {outer[-1]})" if outer else ""
            raise StartupError(f"cannot read the configuration file {path}{by}: {error.strerror}") from None
        shown = "standard input" if path == STDIN else path
        folder = os.getcwd() if path == STDIN else os.path.dirname(os.path.abspath(path))
        for number, raw in enumerate(content.split(b"\n"), 1):
            line = raw.strip(b" \t\r\n")
            if not line or line.startswith(b"#"):
                continue
            where = f"{shown}:{number}"
            words = split_args(line)
            if words is None:
                raise StartupError(f"{where}: unbalanced quotes")
            if words:
                self.set(where, os.fsdecode(words[0]).lower(), words[1:], folder, (*outer, path))

    def set(self, where: str, name: str, words: list[bytes], folder: str, files: tuple[str, ...]) -> None:
        """Do what one line or flag says. `folder`: where relative includes start; `files`: being read."""
        row = find(os.fsencode(name))
        flag = "--" if not files else ""
        says = where if flag else f"{where}: {name}"
        if row is not None:
            self._put(row, says, words)
            if len(files) > 1:
                self._config.included[row.name] = self._config.get(row.name)
        elif name == "user":
            self._add_user(where, words, is_included=len(files) > 1)
        elif name == "include":
            self._include(says, words, folder, files)
        elif name in REFUSED:
            raise StartupError(f"{says}: {REFUSED[name]}")
        elif name not in IGNORED:
            meant = nearest(name)
            hint = f"; did you mean {flag}{meant}?" if meant else ""
            raise StartupError(f"{says}: there is no such directive{hint}")

    def _put(self, row: Row, says: str, words: list[bytes]) -> None:
        if row.kind.several and len(words) == 1:
            words = words[0].split(b" ")
        try:
            if not words:
                raise BadValue("wrong number of arguments")
            self._config.put(row, words)
        except BadValue as error:
            shown = "" if row.sensitive else "".join(f" {os.fsdecode(word)}" for word in words)
            raise StartupError(f"{says}{shown}: {error}") from None
        if row.name == "save":
            self._save = save_words(self._save, words)
            self._config.put(row, self._save or [b""])

    def _add_user(self, where: str, words: list[bytes], *, is_included: bool) -> None:
        if not words:
            raise StartupError(f"{where}: user: wrong number of arguments")
        if any(known.words[0] == words[0] for known in self._config.user_lines):
            raise StartupError(f"{where}: user {os.fsdecode(words[0])}: a user can be declared only once")
        self._config.user_lines.append(UserLine(where, words, is_included))

    def _include(self, says: str, words: list[bytes], folder: str, files: tuple[str, ...]) -> None:
        if len(words) != 1:
            raise StartupError(f"{says}: wrong number of arguments")
        path = os.path.join(folder, os.fsdecode(words[0]))
        # A pattern may match nothing, so that a folder of parts can be empty; a plain path must be there.
        paths = sorted(glob.glob(path)) if glob.has_magic(path) else [path]
        for one in paths:
            if any(os.path.realpath(one) == os.path.realpath(other) for other in files):
                raise StartupError(f"{says}: {one} includes itself")
            self.read_file(one, files or ("the command line",))
