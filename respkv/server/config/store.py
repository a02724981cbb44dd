"""`Config`: the directives' values, and who is told when they change."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import platformdirs

from respkv.engine import glob
from respkv.errors import CannotSet, Loading, UnknownDirective
from respkv.server.config import rewrite
from respkv.server.config.directive import Row
from respkv.server.config.directives import Directives
from respkv.server.config.kinds import BadValue
from respkv.server.config.table import ENTRIES, TABLE, find

logger = logging.getLogger(__name__)


class CannotApply(Exception):
    """Raised by a subscriber that cannot make a new value true; the message is the reason."""


class UserLine(NamedTuple):
    """A `user` line: where it stands, its words behind `user`, and whether in a file that another one includes."""

    where: str
    words: list[bytes]
    is_included: bool


class UserLines:
    """What CONFIG REWRITE asks of the users, whose lines in the file are no directives. This one knows none."""

    def lines(self) -> dict[bytes, bytes]:
        """The lines that the file should hold, by name of the user. Raises: CannotRewrite."""
        return {}

    def canonical(self, words: list[bytes]) -> bytes:
        """What `lines` would hold for the user whom `words` make; empty if they make none."""
        return b""


class Config(Directives):
    """The values of all directives: defaults, then `overrides`, then whatever CONFIG SET changes.

    Directives that do something read as typed attributes (`config.maxmemory`), all of them by `get`. An
    attribute costs a function call: code on a hot path keeps a copy and subscribes to changes.

    Args:
        overrides: values by name, as in a file: `{"port": "0", "save": "60 1000"}`.

    Raises: ValueError if an override is not valid.
    """

    def __init__(self, overrides: Mapping[str, str] | None = None) -> None:
        self._values: dict[str, Any] = {row.name: row.default for row in TABLE.values()}
        self._values["dir"] = platformdirs.user_data_dir("respkv", appauthor=False)
        self._defaults = self._values.copy()
        self._subscribers: dict[str, list[Callable[[], None]]] = {}
        self.path: str | None = None  # the configuration file, absolute; None without one
        self.included: dict[str, Any] = {}  # what files included by it have set, as it was at start
        self.user_lines: list[UserLine] = []  # as they were at start
        self.users = UserLines()
        for name, text in (overrides or {}).items():
            row = find(name.encode())
            if row is None:
                raise ValueError(f"unknown directive {name!r}")
            value = text.encode("utf-8", "surrogateescape")
            try:
                self.put(row, value.split(b" ") if row.kind.several else [value])
            except BadValue as error:
                raise ValueError(f"{name} {text}: {error}") from None

    def get(self, name: str) -> Any:
        """The value of the directive `name` (or alias)."""
        return self._values[ENTRIES[name.lower().encode()].name]

    def default(self, name: str) -> Any:
        """The value of the directive `name` where nobody sets it."""
        return self._defaults[ENTRIES[name.lower().encode()].name]

    def is_default(self, name: str) -> bool:
        """Whether the directive `name` has its default value."""
        return bool(self.get(name) == self.default(name))

    def without_effect(self) -> list[str]:
        """The names of directives that somebody has set, and that change nothing here."""
        return [row.name for row in TABLE.values() if row.no_effect and not self.is_default(row.name)]

    def put(self, row: Row, words: list[bytes]) -> None:
        """Set one directive while starting: no checks for what may change at run time, nobody is told.

        Raises: BadValue.
        """
        if not row.kind.several and len(words) != 1:
            raise BadValue("wrong number of arguments")
        self._values[row.name] = row.parse(words, self._values[row.name])

    def subscribe(self, names: str | Iterable[str], callback: Callable[[], None]) -> None:
        """Have `callback` called after CONFIG SET changed any of the directives `names`.

        It is called once per CONFIG SET. If it raises `CannotApply`, all values go back to what they were and
        the callbacks are called again. It is not called now.

        Raises: KeyError if there is no such directive.
        """
        for name in (names,) if isinstance(names, str) else names:
            self._subscribers.setdefault(TABLE[name].name, []).append(callback)

    def get_matching(self, patterns: Sequence[bytes]) -> dict[bytes, bytes]:
        """What CONFIG GET `patterns` answers: names (as asked for) and shown values.

        Names are looked up without regard to case; a glob pattern leaves out hidden directives.
        """
        found: dict[bytes, bytes] = {}
        for pattern in patterns:
            if not any(special in pattern for special in b"[*?"):
                row = find(pattern)
                names = [pattern] if row is not None else []
            else:
                matches = glob.compile(pattern, nocase=True)
                names = [name for name, entry in ENTRIES.items() if not entry.hidden and matches(name)]
            have = {name.lower() for name in found}
            for name in names:
                if name.lower() not in have:
                    entry = ENTRIES[name.lower()]
                    found[name] = entry.kind.show(self._values[entry.name])
        return found

    def set_many(
        self, pairs: Sequence[tuple[bytes, bytes]], *, local_client: bool = False, loading: bool = False
    ) -> None:
        """CONFIG SET: all `pairs` of name and value, or none of them.

        Args:
            pairs: names and values as the client sent them.
            local_client: whether it is connected from this machine (`enable-protected-configs local`).
            loading: whether the data set is being loaded.

        Raises: ReplyError, in Redis's words; every value is then as before.
        """
        rows = self._settable(pairs, local_client, loading)
        before = self._values.copy()
        changed: dict[Callable[[], None], str] = {}  # what to call, and for which name
        for (name, row), (_, value) in zip(rows, pairs, strict=True):
            words = value.split(b" ") if row.kind.several else [value]
            try:
                self._values[row.name] = row.parse(words, self._values[row.name])
            except BadValue as error:
                self._values = before
                raise CannotSet(name, str(error)) from None
            if row.volatile or self._values[row.name] != before[row.name]:
                for callback in self._subscribers.get(row.name, ()):
                    changed.setdefault(callback, name)
        for callback, name in changed.items():
            try:
                callback()
            except CannotApply as error:
                self._values = before
                self._tell_of_return(changed)
                raise CannotSet(name, str(error)) from None
            except BaseException:
                self._values = before
                raise

    def _settable(
        self, pairs: Sequence[tuple[bytes, bytes]], local_client: bool, loading: bool
    ) -> list[tuple[str, Row]]:
        """The names (in lower case) and rows of `pairs`, if CONFIG SET may change all of them."""
        unprotected = self.enable_protected_configs
        rows: dict[str, Row] = {}
        for given, _ in pairs:
            row = find(given)
            if row is None:
                raise UnknownDirective(given)
            name = given.decode().lower()
            shown = given.decode()
            if not row.mutable:
                raise CannotSet(shown, "can't set immutable config")
            if row.protected and not (unprotected == "yes" or (unprotected == "local" and local_client)):
                raise CannotSet(shown, "can't set protected config")
            if row.refused_while_loading and loading:
                raise Loading
            if name in rows:
                raise CannotSet(shown, "duplicate parameter")
            rows[name] = row
        return list(rows.items())

    def _tell_of_return(self, callbacks: Iterable[Callable[[], None]]) -> None:
        for callback in callbacks:
            try:
                callback()
            except CannotApply as error:
                logger.warning("could not go back to the former configuration: %s", error)

    def rewrite(self) -> None:
        """CONFIG REWRITE: bring the configuration file up to date. See `rewrite.py`.

        Raises: ReplyError, in Redis's words.
        """
        rewrite.rewrite(self)
