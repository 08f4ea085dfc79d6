"""Every golden case names a section of docs/specification.md that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from golden import CASES, DETECTIONS, SPLITS

from cfdns_fast.errors import PARSE_CODES, REJECT_CODES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "specification.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="no documentation around the tests")

#: Section numbers, and a detail or a standard in words after them.
_RULE = re.compile(r"(\d+(?:\.\d+)?(?:, \d+(?:\.\d+)?)*)(?:, [A-Za-z].*)?")
RULES = sorted({each.rule for group in (CASES, SPLITS, DETECTIONS) for each in group})


def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def headings() -> list[str]:
    """Return the numbers of the sections, in the order of the page."""
    return re.findall(r"^##+ (\d+(?:\.\d+)?)\.? ", text(), re.MULTILINE)


@pytest.mark.parametrize("rule", RULES)
def test_golden_rule_names_a_section(rule: str) -> None:
    match = _RULE.fullmatch(rule)
    assert match is not None, "a rule is section numbers, then words"
    assert set(match[1].split(", ")) <= set(headings())


def test_sections_are_numbered_in_order() -> None:
    numbers = [tuple(map(int, number.split("."))) for number in headings()]
    expected: list[tuple[int, ...]] = []
    for number in numbers:
        chapter = expected[-1][0] if expected else 0
        if len(number) == 1:
            expected.append((chapter + 1,))
        else:
            expected.append((chapter, expected[-1][1] + 1 if len(expected[-1]) == 2 else 1))
    assert numbers == expected
    assert len(re.findall(r"^##+ ", text(), re.MULTILINE)) == len(numbers), "a section without a number"


def test_sections_in_parentheses_exist() -> None:
    groups = re.findall(r"\((\d+\.\d+(?:(?:, | to )\d+\.\d+)*)\)", text())
    assert len(groups) > 5
    assert {number for group in groups for number in re.split(", | to ", group)} <= set(headings())


@pytest.mark.parametrize("code", [*REJECT_CODES, *PARSE_CODES])
def test_reject_code_is_in_the_specification(code: str) -> None:
    assert f"`{code}`" in text()
