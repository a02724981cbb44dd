"""Which keys a request names, and what its command does with each: COMMAND GETKEYSANDFLAGS, permissions."""

from collections.abc import Callable, Iterable

from respkv.commands.spec import Spec


def keys_and_flags(spec: Spec, request: list[bytes]) -> Iterable[tuple[int, str]]:
    """Where in `request` keys stand, each with the flags of the key spec that finds it. O(arguments)."""
    if spec.key_finder is not None:
        return _found_by_finder(spec, request)
    decide = _FLAGS_BY_ARGUMENTS.get(spec.name)
    return [
        (at, decide(request) if decide is not None else flags)
        for keys, flags in zip(spec.syntax.keys, spec.key_flags, strict=True)
        for at in keys.positions(request)
    ]


def _found_by_finder(spec: Spec, request: list[bytes]) -> Iterable[tuple[int, str]]:
    """A finder tells keys alone: the first is that of the first key spec, the others are of the last."""
    assert spec.key_finder is not None
    flags = spec.key_flags[0]
    for key in spec.key_finder(request):
        yield next(at for at in range(1, len(request)) if request[at] is key), flags
        flags = spec.key_flags[-1]


def _set_flags(request: list[bytes]) -> str:
    reads = any(word.upper() == b"GET" for word in request[3:])
    return "RW ACCESS UPDATE" if reads else "OW UPDATE"


def _bitfield_flags(request: list[bytes]) -> str:
    at = 2
    while at < len(request):
        word = request[at].upper()
        width = {b"GET": 3, b"OVERFLOW": 2}.get(word, 0)
        if not width or at + width > len(request):
            return "RW ACCESS UPDATE"
        at += width
    return "RO ACCESS"


_FLAGS_BY_ARGUMENTS: dict[bytes, Callable[[list[bytes]], str]] = {b"set": _set_flags, b"bitfield": _bitfield_flags}
"""Commands whose arguments decide what they do with their key (VARIABLE_FLAGS)."""


def has_variable_flags(spec: Spec) -> bool:
    """Whether the arguments of `spec` decide what it does with its key."""
    return spec.name in _FLAGS_BY_ARGUMENTS
