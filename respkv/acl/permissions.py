"""Whether a user may run a command with these arguments.

A user may if one of the selectors permits all of it: the command, each key for what the command does with it, each
channel. Why not is told as in Redis: no selector permits the command; else the last key or channel that no selector
got past.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from respkv.acl.selector import READ, Selector, access_of
from respkv.acl.users import User
from respkv.commands.flags import NO_AUTH
from respkv.commands.key_use import keys_and_flags
from respkv.commands.spec import Spec
from respkv.engine import glob

COMMAND: Final = 1
KEY: Final = 2
CHANNEL: Final = 4


class Refusal(NamedTuple):
    """What is not permitted: `COMMAND`, or the `KEY` or `CHANNEL` that stands in the request at `at`."""

    reason: int
    at: int = 0


class Channels(NamedTuple):
    """The words of a request that are channels: from `first` to `last`, which may count from the end."""

    first: int
    last: int
    are_patterns: bool = False


CHANNELS: Final = {
    b"publish": Channels(1, 1),
    b"spublish": Channels(1, 1),
    b"subscribe": Channels(1, -1),
    b"ssubscribe": Channels(1, -1),
    b"psubscribe": Channels(1, -1, are_patterns=True),
}
"""Commands that need a permission for channels; to leave one needs none."""


def refusal(user: User, spec: Spec, argv: list[bytes]) -> Refusal | None:
    """Why `user` may not run `spec` with `argv`; None if it may. O(arguments * patterns)."""
    worst = Refusal(COMMAND)
    for selector in user.selectors:
        found = _refusal_of(selector, spec, argv)
        if found is None:
            return None
        worst = max(worst, found)
    return worst


def allowed(user: User, spec: Spec, argv: list[bytes]) -> bool:
    """Whether `user` may run `spec` with `argv`."""
    return refusal(user, spec, argv) is None


def may_read_any_key(user: User, spec: Spec, argv: list[bytes]) -> bool:
    """Whether `user` may read keys that only data tell, as SORT does by BY and GET."""
    return any(
        (selector.all_keys or any(one.pattern == b"*" and one.access & READ for one in selector.keys))
        and _refusal_of(selector, spec, argv) is None
        for selector in user.selectors
    )


def may_listen(user: User, channels: Iterable[bytes], patterns: Iterable[bytes]) -> bool:
    """Whether `user` may go on listening to these, as one of the selectors permits all or each of them."""
    selectors = user.selectors
    if any(selector.all_channels for selector in selectors):
        return True
    return all(any(_permits_channel(one, channel, False) for one in selectors) for channel in channels) and all(
        any(_permits_channel(one, pattern, True) for one in selectors) for pattern in patterns
    )


def _refusal_of(selector: Selector, spec: Spec, argv: list[bytes]) -> Refusal | None:
    if not _permits_command(selector, spec, argv):
        return Refusal(COMMAND)
    if not selector.all_keys and (spec.syntax.keys or spec.key_finder is not None):
        for at, flags in keys_and_flags(spec, argv):
            if not _permits_key(selector, argv[at], flags):
                return Refusal(KEY, at)
    channels = CHANNELS.get(spec.name)
    if channels is not None and not selector.all_channels:
        end = len(argv) if channels.last < 0 else channels.last + 1
        for at in range(channels.first, end):
            if not _permits_channel(selector, argv[at], channels.are_patterns):
                return Refusal(CHANNEL, at)
    return None


def _permits_command(selector: Selector, spec: Spec, argv: list[bytes]) -> bool:
    if selector.all_commands or spec.flags & NO_AUTH or spec.name in selector.commands:
        return True
    words = selector.first_arguments.get(spec.name)
    return words is not None and len(argv) > 1 and argv[1].lower() in words


def _permits_key(selector: Selector, key: bytes, flags: str) -> bool:
    access = access_of(flags)
    return any(one.access & access == access and one.matches(key) for one in selector.keys)


def _permits_channel(selector: Selector, channel: bytes, is_pattern: bool) -> bool:
    # A pattern is permitted only as such: what it matches would be too much to ask.
    if is_pattern:
        return channel in selector.channels
    return any(glob.match(pattern, channel) for pattern in selector.channels)
