"""Regular expressions of rules: they mean what they mean to `re`, need linear time, and have literals."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfdns_fast.detect.sigma.automaton import MAX_NAME_LENGTH, Automaton
from cfdns_fast.detect.sigma.regex_literals import literals_of
from cfdns_fast.detect.sigma.regex_parser import MAX_PATTERN_LENGTH, RegexFault, parse

PLAIN = st.sampled_from([*"ab.Z1-_", r"\.", r"\-", r"\d", r"\W", r"\s", "[ab]", "[^a.]", "[a-c1]", "[]x]", "[b-]", "."])
EXPRESSIONS = st.recursive(
    PLAIN | st.sampled_from(["^", "$", ""]),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=4).map("".join)
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})")
        | st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,3}", "*?", "+?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        )
    ),
    max_leaves=8,
)
TEXTS = st.text("abcZz1.-_\N{LATIN SMALL LETTER U WITH DIAERESIS}", max_size=12)


def expected(pattern: str, text: str, flags: re.RegexFlag = re.ASCII) -> bool:
    """Return what `re` finds; ``$`` is the end of the text only."""
    return re.search(re.sub(r"(?<!\\)\$", r"\\Z", pattern), text, flags) is not None


@given(pattern=EXPRESSIONS, texts=st.lists(TEXTS, min_size=1, max_size=8), ignores_case=st.booleans())
def test_expression_finds_what_re_finds(pattern: str, texts: list[str], ignores_case: bool) -> None:
    automaton = Automaton(pattern, ignores_case)
    flags = re.ASCII | (re.IGNORECASE if ignores_case else re.ASCII)
    for text in ["", *texts]:
        assert automaton.matches(text) == expected(pattern, text, flags), text


@given(pattern=EXPRESSIONS, text=TEXTS)
def test_every_match_contains_a_literal_of_each_set(pattern: str, text: str) -> None:
    long_enough = f"{pattern}(abc|Zz1.)"
    text = f"{text}abc"
    for literals in literals_of(parse(long_enough)):
        if expected(long_enough, text):
            lower = text.lower()
            tests = {"startswith": lower.startswith, "endswith": lower.endswith, "contains": lower.__contains__}
            assert any(tests[operator](literal) for operator, literal in literals)


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("evil", {("contains", "evil")}),
        (r"^evil\.", {("startswith", "evil.")}),
        ("(^|[.])evil[.]com$", {("endswith", ".evil.com"), ("endswith", "evil.com")}),
        ("^(abc|de[fg])x", {("startswith", "abcx"), ("startswith", "defx"), ("startswith", "degx")}),
        ("a+bcd", {("contains", "bcd")}),
        ("(abc)+", {("contains", "abc")}),
        ("x?abc", {("contains", "xabc"), ("contains", "abc")}),
        ("[^.]+abcd.*efg", {("contains", "abcd")}),
        ("(abc|def)[0-9]+(ghij|klmn)", {("contains", "ghij"), ("contains", "klmn")}),
        ("ABC", {("contains", "abc")}),
        ("abcd$", {("endswith", "abcd")}),
        ("^abcd", {("startswith", "abcd")}),
        ("abc$", {("contains", "abc")}),
        ("^ab", {("startswith", "ab")}),
        ("^ab.cdef", {("startswith", "ab")}),
        ("^a.cdef", {("contains", "cdef")}),
        ("^[a-h][a-h]xyz", {("contains", f"{letter}xyz") for letter in "abcdefgh"}),
        ("^[0-9]+(abcd[0-9]+|efgh[0-9]+)", {("contains", "abcd"), ("contains", "efgh")}),
        ("^(abcd[0-9]+|efgh[0-9]+)", {("startswith", "abcd"), ("startswith", "efgh")}),
        ("abcdef.[.]ghi", {("contains", ".ghi")}),
        ("^(abc|defg)", {("startswith", "abc"), ("startswith", "defg")}),
        ("a{3}[0-9]", {("contains", "aaa")}),
    ],
)
def test_best_literals_are_found(pattern: str, literals: set[tuple[str, str]]) -> None:
    assert set(literals_of(parse(pattern))[0]) == literals


def test_short_text_at_the_end_is_a_second_literal() -> None:
    best, other = literals_of(parse("^_[a-z]{6}[.]_domainkey[.]"))
    assert (best, other) == ((("contains", "._domainkey."),), (("startswith", "_"),))


@pytest.mark.parametrize(
    "pattern",
    ["", "a", "ab", "^a", "ab$", "[a-z]+", "(abc)?", "(abc)*", "abc|", "abc|[0-9]{8}", ".*", "a.b.c", "[^a]bc"],
)
def test_expression_without_literal_has_none(pattern: str) -> None:
    assert literals_of(parse(pattern)) == ()


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?=a)b", "lookahead"),
        ("(?!a)b", "lookahead"),
        ("(?<=a)b", "lookbehind"),
        ("(?<!a)b", "lookbehind"),
        ("(?P<x>a)", "named group"),
        ("(?<x>a)", "named group"),
        ("(?>a)", "atomic group"),
        ("(?#x)a", "comment"),
        ("(?(1)a)", "condition"),
        ("a(?i)b", "flags"),
        ("(?s)b", "flags"),
        (r"(a)\1", r"escape \\1"),
        (r"\ba", r"escape \\b"),
        (r"\x41", r"escape \\x"),
        ("a\\", r"escape \\"),
        ("a++", "possessive"),
        ("a**", "two quantifiers"),
        ("a{2}{3}", "two quantifiers"),
        ("a{1}{3}", "two quantifiers"),
        ("*a", "repeat"),
        ("a|+", "repeat"),
        ("a{", "n,m"),
        ("{2}", "not count"),
        ("a{,3}", "{n}"),
        ("a{x}", "{n}"),
        ("a{3,2}", "3 to 2"),
        ("(a", "closing"),
        ("a)", "opening"),
        ("[a", "closing"),
        ("[b-a]", "range"),
        (r"[\d-z]", "range"),
        ("[[:alpha:]]", r"write \\\["),
        ("é", "ASCII"),
    ],
)
def test_other_construct_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(RegexFault, match=reason.replace("{n}", r"\{n\}")) as caught:
        parse(pattern)
    assert caught.value.code == "regex.unsupported"


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*b", "(a|aa)+$", "(a*)*b", "(.*)*x", "(.*a){20}", "([a-z]+)+[.]com$", "(x+x+)+y", "(a?){30}a{30}"],
)
def test_hostile_expression_needs_linear_time(pattern: str) -> None:
    looked_up = 0

    class Counting(list[tuple[int, ...]]):
        def __getitem__(self, index: Any) -> Any:
            nonlocal looked_up
            looked_up += 1
            return super().__getitem__(index)

    automaton = Automaton(pattern)
    automaton.table = Counting(automaton.table)
    for text in ("a" * MAX_NAME_LENGTH, "a" * (MAX_NAME_LENGTH - 1) + "!", "x" * MAX_NAME_LENGTH):
        looked_up = 0
        automaton.matches(text)
        assert 0 < looked_up <= len(text)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a|b)*a(a|b){20}",
        "a.{20}xyz",
        "a{1000}{1}" + "b{1000}" * 20,
        "((a{1000}){1000}){1000}",
        "((((a?){1000}){1000}){1000}){1000}",
        "(((|){1000}){1000}){1000}",
        "(" * 100 + ")" * 100,
        "a{1001}",
        "a{99999}",
        "a" * (MAX_PATTERN_LENGTH + 1),
        "(a?){3900}",
    ],
)
def test_expression_beyond_a_limit_is_refused(pattern: str) -> None:
    with pytest.raises(RegexFault) as caught:
        Automaton(pattern)
    assert caught.value.code in ("regex.limit", "regex.unsupported")


def test_longer_text_does_not_match() -> None:
    assert Automaton("a").matches("a" * MAX_NAME_LENGTH)
    assert not Automaton("a").matches("a" * (MAX_NAME_LENGTH + 1))


def test_case_is_that_of_ascii() -> None:
    assert Automaton("k", ignores_case=True).matches("K")
    assert not Automaton("k", ignores_case=True).matches("\N{KELVIN SIGN}")
    assert not Automaton("k").matches("K")
    assert Automaton("(?i)k").matches("K")


def test_character_outside_ascii_is_one_character() -> None:
    assert Automaton("^a.b$").matches("a\N{LATIN SMALL LETTER U WITH DIAERESIS}b")
    assert Automaton("^[^a]$").matches("\N{SNOWMAN}")
    assert not Automaton(r"^\w$").matches("\N{SNOWMAN}")
