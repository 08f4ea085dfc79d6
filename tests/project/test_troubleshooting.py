"""The page of messages: it quotes what the code says, and has every message of a run that a user may see."""

from __future__ import annotations

import re

import pytest
from support.documentation import ROOT
from support.messages import matches, quotes, raised, templates

PAGE = ROOT / "docs" / "troubleshooting.md"
PACKAGE = ROOT / "cfdns_fast"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="no documentation around the tests")

QUOTES = quotes(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else []

#: Errors of a run. Those of options and settings say themselves what to give.
OF_A_RUN = frozenset({"FilesError", "InputFault", "OutputFault", "SinkFault", "StateError", "StoreError"})


def test_page_has_many_messages() -> None:
    assert len(QUOTES) > 120
    assert len(QUOTES) == len(set(QUOTES))
    # A quote without a word of its own would match every message.
    assert all(re.search("[a-z]{3}", quote) for quote in QUOTES)


@pytest.fixture(scope="module")
def texts() -> set[str]:
    return templates(PACKAGE)


@pytest.mark.slow
def test_quoted_messages_are_in_the_code(texts: set[str]) -> None:
    missing = [quote for quote in QUOTES if not any(matches(quote, text) for text in texts)]
    assert missing == []


@pytest.mark.slow
def test_messages_of_a_run_are_on_the_page() -> None:
    # Decoders raise by a method, whose name has other meanings in other packages.
    found = [*raised(PACKAGE, OF_A_RUN), *raised(PACKAGE / "io", frozenset({"fault"}))]
    missing = [
        f"{path.relative_to(PACKAGE)}: {text}"
        for path, text in found
        if not any(matches(quote, text) for quote in QUOTES)
    ]
    assert missing == [], "add rows to docs/troubleshooting.md"


def test_other_words_do_not_match() -> None:
    assert matches("cannot … it: …", "cannot read it: no space")
    assert not matches("cannot … it: …", "cannot read: no space")
    assert not matches("out of memory", "out of memory again")
