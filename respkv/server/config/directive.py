"""One row of the table of directives."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from respkv.server.config.kinds import Kind

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")


class Values:
    """Whatever holds the value of each directive by name; `Config` is one."""

    _values: dict[str, Any]


class Directive(Generic[T]):
    """A directive: how it is called, what it holds, and what respkv does with it.

    As an attribute of a class of `Values` it takes its name from the attribute, and reads as its typed value.
    There is no assigning: values change by `Config.set_many`, which checks, tells who must know, rolls back.
    """

    def __init__(
        self,
        kind: Kind[T],
        default: T,
        doc: str,
        *,
        since: str,
        name: str = "",
        aliases: tuple[str, ...] = (),
        mutable: bool = True,
        protected: bool = False,
        hidden: bool = False,
        sensitive: bool = False,
        refused_while_loading: bool = False,
        check: Callable[[T], None] | None = None,
        no_effect: str = "",
        common: bool = False,
        volatile: bool = False,
    ) -> None:
        """A row.

        Args:
            kind: how values are read and written.
            default: the value where nobody sets one.
            doc: what it does, in one line.
            since: the first version of Redis that has it, or `respkv` and the first version of respkv.
            name: only where the row is not a class attribute, which gives it.
            aliases: other names, which CONFIG GET lists as well.
            mutable: whether CONFIG SET may change it.
            protected: whether CONFIG SET needs `enable-protected-configs`.
            hidden: whether CONFIG GET shows it only by its full name.
            sensitive: whether logs must not show its value.
            refused_while_loading: whether CONFIG SET refuses it while the data set is being loaded.
            check: raises `BadValue` for a value of the kind that still cannot be.
            no_effect: for a directive that is accepted and kept, but changes nothing: why.
            common: whether the short help lists it.
            volatile: whether it names something that may change by itself, as a file: CONFIG SET of the same value
                is a change.
        """
        self.name = name
        self.kind = kind
        self.default = default
        self.doc = doc
        self.since = since
        self.aliases = aliases
        self.mutable = mutable
        self.protected = protected
        self.hidden = hidden
        self.sensitive = sensitive
        self.refused_while_loading = refused_while_loading
        self.check = check
        self.no_effect = no_effect
        self.common = common
        self.volatile = volatile

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name.replace("_", "-")

    @overload
    def __get__(self, instance: None, owner: type) -> "Self": ...

    @overload
    def __get__(self, instance: Values, owner: type) -> T: ...

    def __get__(self, instance: Values | None, owner: type) -> "Self | T":
        if instance is None:
            return self
        return cast("T", instance._values[self.name])

    def __set__(self, instance: Values, value: T) -> None:
        raise AttributeError(f"{self.name} is changed by set_many")

    @property
    def names(self) -> tuple[str, ...]:
        """The name and the aliases."""
        return (self.name, *self.aliases)

    def parse(self, words: list[bytes], current: T) -> T:
        """The value that `words` stand for. Raises: BadValue."""
        value = self.kind.parse(words, current)
        if self.check is not None:
            self.check(value)
        return value


Row = Directive[Any]
Group = tuple[str, Mapping[str, Row]]
