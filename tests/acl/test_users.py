"""Users: passwords, flags, rules that are applied as a whole, and the registry."""

import pytest

from respkv.acl.users import DEFAULT, BadRule, BadRuleIn, User, Users, hash_of


def made_of(rules: str) -> User:
    user = User(b"u")
    user.apply_all(rules.encode().split())
    return user


def test_a_new_user_is_off_and_may_nothing() -> None:
    assert User(b"u").describe() == b"off sanitize-payload resetchannels -@all"


def test_a_password_is_accepted_only_while_the_user_is_on() -> None:
    assert made_of("on >p >q").accepts(b"q")
    assert not made_of("on >p").accepts(b"q")
    assert not made_of("on").accepts(b"")
    assert not made_of("off >p nopass").accepts(b"p")
    assert made_of("on nopass").accepts(b"whatever")


def test_a_password_ends_nopass_and_nopass_forgets_passwords() -> None:
    assert made_of("nopass >p").describe().startswith(b"off sanitize-payload #" + hash_of(b"p"))
    assert made_of(">p nopass").passwords == []
    assert made_of("nopass resetpass").flags() == [b"off", b"sanitize-payload"]


def test_a_hash_is_64_lower_case_digits() -> None:
    digits = hash_of(b"p").decode()
    assert made_of(f"#{digits} >p").passwords == [hash_of(b"p")]
    assert made_of(f">p !{digits}").passwords == []
    for bad in (digits.upper(), digits[1:], digits + "0", "x" * 64):
        with pytest.raises(BadRule, match="exactly 64"):
            made_of(f"#{bad}")
    with pytest.raises(BadRule, match="does not exist"):
        made_of("<p")


def test_reset_takes_everything_back() -> None:
    assert made_of("on >p +@all ~* &* skip-sanitize-payload (+get) reset").describe() == User(b"u").describe()


def test_the_name_of_a_wrong_rule_is_told() -> None:
    with pytest.raises(BadRuleIn) as caught:
        made_of("on +get +nosuch")
    assert caught.value.rule == b"+nosuch"
    assert caught.value.is_unknown_name


def test_staging_changes_nothing() -> None:
    users = Users()
    users.put(users.staged(b"u", [b"+get"]))
    with pytest.raises(BadRuleIn):
        users.staged(b"u", [b"+set", b"nosuch"])
    user = users.get(b"u")
    assert user is not None
    assert user.describe().endswith(b"-@all +get")
    staged = users.staged(b"u", [b"+set"])
    assert user.describe().endswith(b"-@all +get")
    assert users.put(staged) is user
    assert user.describe().endswith(b"-@all +get +set")


def test_all_users_come_in_the_order_of_their_names() -> None:
    users = Users()
    for name in (b"z", b"a"):
        users.put(users.new(name))
    assert [user.name for user in users.all()] == [b"a", DEFAULT, b"z"]
    assert users.remove(b"z") is not None
    assert users.remove(b"z") is None


def test_new_users_and_selectors_may_have_all_channels_by_default() -> None:
    users = Users()
    users.all_channels = True
    assert users.staged(b"u", [b"(+get)"]).describe() == b"off sanitize-payload &* -@all (&* -@all +get)"
    assert users.staged(b"u", [b"resetchannels", b"reset"]).describe() == b"off sanitize-payload &* -@all"
