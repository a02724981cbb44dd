"""Users as lines, `user <name> <rule> ...`: in an ACL file and in the configuration file.

An ACL file holds all users, a line each, its words separated by single spaces, without quotes or comments. It is taken
over as a whole or not at all: what is wrong is told for all lines together.
"""

from collections.abc import Iterable, Sequence

from respkv.acl.selector import BadRule, join_selectors
from respkv.acl.users import DEFAULT, User, Users, has_spaces


class BadFile(Exception):
    """An ACL file that cannot be taken over; `message` says why, in Redis's words."""

    def __init__(self, message: bytes) -> None:
        super().__init__(message)
        self.message = message


def line_of(user: User) -> bytes:
    """The line that makes `user`."""
    return b"user %b %b" % (user.name, user.describe())


def format_file(users: Iterable[User]) -> bytes:
    """The content of an ACL file with these users."""
    return b"".join(line_of(user) + b"\n" for user in users)


def parse_file(content: bytes, name: bytes, users: Users) -> dict[bytes, User]:
    """The users in the content of an ACL file, `default` among them even if no line is about it.

    Args:
        content: what is in the file.
        name: how messages call it.
        users: makes new users as its server wants them.

    Raises: BadFile.
    """
    found: dict[bytes, User] = {}
    errors: list[bytes] = []
    for number, raw in enumerate(content.split(b"\n"), 1):
        line = raw.strip(b" \t\r\n")
        if line:
            errors += _read_line(line, b"%b:%d" % (name, number), number, users, found)
    if errors:
        errors.append(b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed")
        raise BadFile(b"".join(errors))
    found.setdefault(DEFAULT, Users().default)
    return found


def _read_line(line: bytes, where: bytes, number: int, users: Users, found: dict[bytes, User]) -> list[bytes]:
    """Add the user of a line to `found`; what is wrong with it."""
    words = line.split(b" ")
    if words[0] != b"user" or len(words) < 2:
        return [b"%b should start with user keyword followed by the username. " % where]
    if has_spaces(words[1]):
        return [b"'%b: username '%b' contains invalid characters. " % (where, words[1])]
    if words[1] in found:
        return [b"WARNING: Duplicate user '%b' found on line %d. " % (words[1], number)]
    user = found[words[1]] = users.new(words[1])
    try:
        rules = join_selectors(words[2:])
    except BadRule:
        return [b"%b: Unmatched parenthesis in selector definition." % where]
    errors: list[bytes] = []
    told = False
    for rule in rules:
        try:
            user.apply(rule.strip(b"\t\r\n"))
        except BadRule as error:
            if error.is_unknown_name:
                errors.append(b"%b: Error in applying operation '%b': %b. " % (where, rule, error.reason))
            elif not told:
                # It may hold a password: the rule is not shown. Those behind it may be wrong because of it.
                told = True
                errors.append(b"%b: %b. " % (where, error.reason))
    return errors


def parse_words(words: Sequence[bytes], users: Users) -> User:
    """The user of a `user` line of the configuration: `words` are its name and rules. Raises: BadRule."""
    if not words:
        raise BadRule(b"wrong number of arguments")
    if has_spaces(words[0]):
        raise BadRule(b"Usernames can't contain spaces or null characters")
    user = users.new(words[0])
    try:
        rules = join_selectors(list(words[1:]))
    except BadRule:
        raise BadRule(b"Unmatched parenthesis in selector definition") from None
    user.apply_all(rules)
    return user
