"""Selectors: what rules make of them, how they are shown, and rules that mean nothing."""

import pytest

from respkv.acl.selector import BadRule, Selector, join_selectors, selector_from
from respkv.commands.spec import COMMANDS, every_spec


def made_of(*rules: str) -> Selector:
    selector = Selector()
    for rule in rules:
        selector.apply(rule.encode())
    return selector


def test_a_new_selector_permits_nothing() -> None:
    assert Selector().describe() == b"resetchannels -@all"
    assert Selector(all_channels=True).describe() == b"&* -@all"
    assert not Selector().commands


@pytest.mark.parametrize(
    ("rules", "shown"),
    [
        ("+get +set -get", "-@all +set -get"),
        ("+@all -debug", "+@all -debug"),
        ("+client|id +client|list -client", "-@all -client"),
        ("+client +client|id", "-@all +client +client|id"),
        ("+select|0 +SELECT|1 -select", "-@all -select"),
        ("+@READ -@write +@read", "-@all -@write +@read"),
        ("+get nocommands", "-@all"),
    ],
)
def test_rules_on_commands_are_shown_in_order_without_those_made_void(rules: str, shown: str) -> None:
    assert made_of(*rules.split()).describe_commands() == shown.encode()


def test_a_container_stands_for_its_subcommands() -> None:
    selector = made_of("+config", "-config|set")
    assert {b"config", b"config|get"} <= selector.commands
    assert b"config|set" not in selector.commands


def test_to_forbid_one_command_ends_all_commands_but_not_those_to_come() -> None:
    selector = made_of("+@all", "-get")
    assert not selector.all_commands
    assert selector.has_future_commands
    assert len(selector.commands) == len(list(every_spec())) - 1


def test_the_access_of_one_pattern_adds_up() -> None:
    assert made_of("%R~a", "%W~b", "%W~a").describe_keys() == b"~a %W~b"
    assert made_of("%R~a", "%W~b", "%W~a", "%R").describe_keys() == b"~a %W~b %R~"


@pytest.mark.parametrize("rule", ["nosuch", "%~a", "%RR~a", "%X~a", "~a b", "&a b", "+get|", "", "~\0"])
def test_what_is_no_rule_is_a_syntax_error_and_changes_nothing(rule: str) -> None:
    selector = made_of("+get", "~a")
    with pytest.raises(BadRule, match="Syntax error"):
        selector.apply(rule.encode())
    assert selector.describe() == b"~a resetchannels -@all +get"


@pytest.mark.parametrize("rule", ["+nosuch", "-nosuch", "+@nosuch", "+config|nosuch", "-select|0", "+nosuch|x", "+@"])
def test_a_name_that_nothing_has_is_told_apart(rule: str) -> None:
    with pytest.raises(BadRule) as caught:
        made_of(rule)
    assert caught.value.is_unknown_name


def test_patterns_after_all_keys_or_channels_are_refused() -> None:
    with pytest.raises(BadRule, match="allkeys"):
        made_of("~*", "~a")
    with pytest.raises(BadRule, match="allchannels"):
        made_of("&*", "&a")


def test_a_selector_in_parentheses_may_come_in_several_words() -> None:
    assert join_selectors([b"on", b"(+get", b"~a", b"&b)", b"(+set)"]) == [b"on", b"(+get ~a &b)", b"(+set)"]
    with pytest.raises(BadRule) as caught:
        join_selectors([b"(+get", b"~a"])
    assert caught.value.reason == b"(+get"
    assert selector_from(b"(%R~a +get)", all_channels=False).describe() == b"%R~a resetchannels -@all +get"
    assert selector_from(b"(+get 'x)", all_channels=False).describe() == b"resetchannels -@all"


def test_a_copy_goes_its_own_way() -> None:
    selector = made_of("+get", "+select|0", "%R~a", "&c")
    shown = selector.describe()
    other = selector.copy()
    assert other.describe() == shown
    for rule in (b"+set", b"%W~a", b"&d", b"+select|1"):
        other.apply(rule)
    assert selector.describe() == shown
    assert selector.first_arguments == {b"select": [b"0"]}
    assert COMMANDS[b"set"].name not in selector.commands


@pytest.mark.parametrize("text", [b"(~a))", b"(%R~a) +get)", b"(&news) +get)", b'("~a\\"b" +get)', b'("~a\'b" +get)'])
def test_a_pattern_that_could_not_be_read_back_in_parentheses_is_refused(text: bytes) -> None:
    with pytest.raises(BadRule, match="Syntax error"):
        selector_from(text, all_channels=False)


def test_parentheses_within_a_pattern_are_read_back() -> None:
    selector = selector_from(b"(~a(b)c* &n)ews +get)", all_channels=False)
    assert selector_from(b"(" + selector.describe() + b")", all_channels=False).describe() == selector.describe()
