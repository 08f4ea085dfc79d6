"""Numbers and times of the page, and the contrast of its colours."""

from __future__ import annotations

import itertools
import re
from importlib import resources

import pytest

pytest.importorskip("jinja2")

from cfdns_fast.inspect.figures import duration_text
from cfdns_fast.inspect.page import text

CSS = (resources.files("cfdns_fast.inspect.page") / "templates" / "page.css").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("interval_s", "expected"), [(1, "second"), (60, "minute"), (300, "5 min"), (3600, "hour"), (86_400, "day")]
)
def test_interval_is_named_after_per(interval_s: int, expected: str) -> None:
    assert text.interval_text(interval_s) == expected


def test_short_time_is_never_zero() -> None:
    assert [duration_text(seconds) for seconds in (0, 1e-9, 0.001, 0.5)] == ["0 s", "<1 ms", "1 ms", "500 ms"]


def test_compact_number_is_exact_for_ticks() -> None:
    texts = [text.compact_text(count) for count in (0, 5, 800, 1000, 1500, 20_000, 2_000_000, 5 * 10**20)]
    assert texts == ["0", "5", "800", "1k", "1.5k", "20k", "2M", "500E"]


def test_time_is_floored_before_1970_too() -> None:
    assert text.utc_text(-1) == "1969-12-31 23:59:59"
    assert text.utc_text(-(2**63)) == "1677-09-21 00:12:43"
    assert text.utc_text(None) == "–"


# Colours


def colours(dark: bool) -> dict[str, str]:
    """Return the variables of the style; the dark ones replace those of the light theme."""
    light, _, night = CSS.partition("@media screen and (prefers-color-scheme: dark)")
    found = light + (night.partition("* {")[0] if dark else "")
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", found))


def luminance(colour: str) -> float:
    """Return the relative luminance as WCAG 2 defines it."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    bright, faint = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (faint + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_colours_have_enough_contrast(dark: bool) -> None:
    found = colours(dark)
    grounds = [found[name] for name in ("page", "card", "mark")]
    for name, ground in itertools.product(("ink", "faint", "link", "serious"), grounds):
        assert contrast(found[name], ground) >= 4.5, (name, ground)
    for name, ground in itertools.product(("bar", "gap", *(f"c{number}" for number in range(10))), grounds):
        assert contrast(found[name], ground) >= 3, (name, ground)


def test_dark_theme_replaces_every_colour() -> None:
    assert colours(dark=True).keys() == colours(dark=False).keys()
    assert not set(colours(dark=True).values()) & set(colours(dark=False).values())
