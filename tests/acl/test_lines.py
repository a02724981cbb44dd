"""ACL files: read as a whole or not at all, with every mistake named."""

import pytest

from respkv.acl.lines import BadFile, format_file, parse_file, parse_words
from respkv.acl.selector import BadRule
from respkv.acl.users import DEFAULT, Users

UNCHANGED = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"


def errors_in(content: str) -> str:
    with pytest.raises(BadFile) as caught:
        parse_file(content.encode(), b"f", Users())
    return caught.value.message.decode().removesuffix(UNCHANGED)


def test_what_is_written_reads_as_the_same() -> None:
    users = Users()
    for name, rules in ((b"a", [b"on", b">p", b"~x*", b"+get", b"(+set", b"~y)"]), (b"b", [b"nopass", b"&c"])):
        users.put(users.staged(name, rules))
    content = format_file(users.all())
    found = parse_file(content, b"f", Users())
    assert {name: user.describe() for name, user in found.items()} == {
        user.name: user.describe() for user in users.all()
    }


def test_without_a_line_the_default_user_is_as_ever() -> None:
    found = parse_file(b"\n \t\nuser a on\r\n", b"f", Users())
    assert sorted(found) == [b"a", DEFAULT]
    assert found[DEFAULT].describe() == Users().default.describe()


def test_a_line_is_words_between_single_spaces() -> None:
    found = parse_file(b'user a ~"x (+get  ~b)', b"f", Users())
    assert found[b"a"].describe() == b'off sanitize-payload ~"x resetchannels -@all (~b resetchannels -@all +get)'


@pytest.mark.parametrize(
    ("content", "errors"),
    [
        ("# x", "f:1 should start with user keyword followed by the username. "),
        ("\nuser", "f:2 should start with user keyword followed by the username. "),
        ("user a on\nuser a off", "WARNING: Duplicate user 'a' found on line 2. "),
        ("user a\tb on", "'f:1: username 'a\tb' contains invalid characters. "),
        ("user a (+get", "f:1: Unmatched parenthesis in selector definition."),
        ("user a +x >p bad bad", "f:1: Error in applying operation '+x': Unknown command or category name in ACL. "
         "f:1: Syntax error. "),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_line(content: str, errors: str) -> None:
    assert errors_in(content) == errors


def test_mistakes_of_all_lines_are_told_together() -> None:
    assert errors_in("user a bad\nfoo\nuser b #1").count("f:") == 3


def test_the_words_of_a_configuration_line() -> None:
    users = Users()
    assert parse_words([b"a", b"on", b"(+get", b"~x)"], users).selectors[1].describe() == b"~x resetchannels -@all +get"
    for words, reason in (([], "wrong number"), ([b"a b"], "spaces"), ([b"a", b"(+get"], "Unmatched")):
        with pytest.raises(BadRule, match=reason):
            parse_words(words, users)
