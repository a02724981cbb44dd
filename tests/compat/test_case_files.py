import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.differential.__main__ import CASES
from compat.differential.comparators import comparator_for
from compat.differential.script import CaseError, fill_in, load_cases, parse_cases, split_words
from compat.wire import quote

TEXT = r"""
# A comment.
#protocol 2
=== First: a title
SET k "a b"
@b GET k
id := CLIENT ID
~near TTL k
@b> GET k
@b<
@b?
!wait 5
!raw @c "PING\r\n"
!split 2 "PING\r\n"
!close @b

=== Second
#oracle >=7.4
#protocol 3
#server requirepass=secret maxmemory=1mb
#fresh
PING
"""


def test_a_case_file_is_read() -> None:
    first, second = parse_cases(TEXT, "some.txt")
    assert (first.title, first.protocols, first.oracle, first.fresh) == ("First: a title", (2,), "", False)
    assert [step.action for step in first.steps] == [
        *["ask"] * 4, "send", "read", "peek", "wait", "raw", "raw", "close",
    ]  # fmt: skip
    assert [step.connection for step in first.steps] == [*"abaabbbacab"]
    assert (first.steps[2].keep, first.steps[3].comparator) == ("id", "near")
    assert (first.steps[7].size, first.steps[9].size) == (5, 2)
    assert second.protocols == (3,)
    assert second.directives == {"requirepass": "secret", "maxmemory": "1mb"}
    assert second.fresh


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('SET k "open', "unbalanced"),
        ('SET k "a"b', "closing quote"),
        ("#nosuch x", "no such directive"),
        ("!nosuch x", "no such action"),
        ("!raw two words", "one quoted word"),
        ("@b", "neither"),
    ],
)
def test_a_bad_line_is_named_with_file_and_number(line: str, complaint: str) -> None:
    with pytest.raises(CaseError, match=rf"^some\.txt:2: .*{complaint}"):
        parse_cases(f"=== A case\n{line}\n", "some.txt")


def test_a_command_before_the_first_case_is_refused() -> None:
    with pytest.raises(CaseError, match="begins with ==="):
        parse_cases("PING\n", "some.txt")


@pytest.mark.parametrize(
    ("requirement", "name", "behaves_as", "allowed"),
    [
        ("", "redis7", (7, 0), True),
        (">=7.4", "redis7", (7, 0), False),
        (">=7.4", "redis8", (8, 2), True),
        ("<7.4", "redis7", (7, 0), True),
        ("<7.4", "respkv", (7, 4), False),
        ("redis7", "redis7", (7, 0), True),
        ("redis7", "redis8", (8, 2), False),
    ],
)
def test_a_case_chooses_its_oracle(requirement: str, name: str, behaves_as: tuple[int, int], *, allowed: bool) -> None:
    case = parse_cases(f"=== A case\n#oracle {requirement}\n" if requirement else "=== A case\n", "some.txt")[0]
    assert case.oracle_allows(name, behaves_as) is allowed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  a  b ", [b"a", b"b"]),
        (r'"a\x00\n\r\t\"\\"', [b'a\x00\n\r\t"\\']),
        (r"'it\'s \n'", [rb"it's \n"]),
        ('""', [b""]),
        ("é", ["é".encode()]),
    ],
)
def test_words_are_split_as_redis_cli_does(text: str, words: list[bytes]) -> None:
    assert split_words(text) == words


@given(st.lists(st.binary(max_size=60)))
def test_quoted_words_are_read_back(words: list[bytes]) -> None:
    assert split_words(" ".join(map(quote, words))) == words


def test_places_are_filled_in() -> None:
    assert fill_in("{now} {now+5} {now_ms-1} {a*3} {id} {t}4", {"id": "7"}, 2500) == "2 7 2499 aaa 7 {t}4"


def test_the_cases_that_are_shipped_can_be_read_and_their_comparators_exist() -> None:
    cases = load_cases(CASES)
    assert len(cases) > 100
    for case in cases:
        assert case.steps, case.title
        for step in case.steps:
            if step.comparator is not None:
                comparator_for(step.comparator, [])


def test_every_case_has_a_title_of_its_own() -> None:
    titles = [case.title for case in load_cases(CASES)]
    assert len(titles) == len(set(titles))
