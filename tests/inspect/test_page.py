"""The page of an inspection: complete in itself, accessible, and safe for any text of the logs."""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import Any

import pytest
from support.html_page import Element, parse_page
from support.summaries import empty_summary, full_summary

pytest.importorskip("jinja2")

from cfdns_fast.inspect.page import render_page
from cfdns_fast.inspect.summary import Summary, Top

ABSENT = {"applet", "audio", "base", "embed", "form", "frame", "iframe", "image", "img", "link", "math", "object"}
ABSENT |= {"picture", "script", "source", "template", "use", "video"}
URL_ATTRIBUTES = {"action", "background", "cite", "data", "formaction", "href", "manifest", "ping", "poster", "src"}
URL_ATTRIBUTES |= {"srcset", "xlink:href"}
SUMMARIES = {"full": full_summary(), "empty": empty_summary()}


@pytest.fixture(scope="module", params=sorted(SUMMARIES))
def page(request: pytest.FixtureRequest) -> Element:
    return parse_page(render_page(SUMMARIES[request.param]))


# References


def test_page_has_no_script_and_loads_nothing(page: Element) -> None:
    assert not {element.tag for element in page.all()} & ABSENT
    identifiers = {element.attributes.get("id") for element in page.all()}
    for element in page.all():
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            assert "url(" not in value and "javascript:" not in value
            if name in URL_ATTRIBUTES:
                assert element.tag == "a"
                assert value.startswith("#") and value[1:] in identifiers


def test_style_refers_to_nothing(page: Element) -> None:
    style = "".join(page.one("style").raw_texts())
    assert not re.search(r"@import|url\(|image-set|expression|//", style)


def test_policy_forbids_loading_before_the_style(page: Element) -> None:
    head = [child for child in page.one("head").children if isinstance(child, Element)]
    policy = page.one("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy.attributes["content"].startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")
    assert head.index(policy) < head.index(page.one("style"))


def test_page_is_the_same_for_the_same_summary() -> None:
    assert render_page(full_summary()) == render_page(full_summary())


# Accessibility


def test_page_names_its_language_and_viewport(page: Element) -> None:
    assert page.one("html").attributes["lang"] == "en"
    assert page.one("head").one("title").text == page.one("h1").text
    assert page.one("meta", name="viewport").attributes["content"] == "width=device-width, initial-scale=1"
    assert page.one("meta", name="color-scheme").attributes["content"] == "light dark"


def test_headings_leave_out_no_level(page: Element) -> None:
    levels = [int(element.tag[1]) for element in page.all() if re.fullmatch("h[1-6]", element.tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_identifiers_are_unique(page: Element) -> None:
    identifiers = [element.attributes["id"] for element in page.all() if "id" in element.attributes]
    assert len(identifiers) == len(set(identifiers))
    for element in page.all():
        if "aria-labelledby" in element.attributes:
            assert element.attributes["aria-labelledby"] in identifiers


def test_tables_have_captions_and_scopes(page: Element) -> None:
    assert page.all("table")
    for table in page.all("table"):
        assert table.one("caption").text
        assert all(cell.attributes.get("scope") == "col" for cell in table.one("thead").all("th"))
        for row in table.one("tbody").all("tr"):
            first = next(child for child in row.children if isinstance(child, Element))
            assert first.attributes.get("scope") == "row" or first.text == "There are none."


def test_pictures_have_a_title_or_are_hidden(page: Element) -> None:
    inner = [element for picture in page.all("svg") for element in picture.all("svg")]
    for picture in page.all("svg"):
        if picture not in inner and picture.attributes.get("aria-hidden") != "true":
            assert picture.attributes["role"] == "img"
            assert picture.one("title", id=picture.attributes["aria-labelledby"]).text


def test_chart_stands_in_a_figure_with_a_caption() -> None:
    figure = parse_page(render_page(full_summary())).one("figure")
    assert figure.one("figcaption").text
    assert figure.all("svg", role="img")


def test_scrolled_tables_can_be_reached_by_keys(page: Element) -> None:
    scrolled = [element for element in page.all() if "scroll" in element.attributes.get("class", "").split()]
    for element in scrolled:
        assert element.attributes["tabindex"] == "0"
        assert element.attributes["role"] == "region" and element.attributes["aria-label"]
    labels = [element.attributes["aria-label"] for element in scrolled]
    assert not {*labels} & {heading.text for heading in page.all("h2")} and len(labels) == len({*labels})


# Texts of the logs


def with_text(text: str) -> Summary:
    """Return a summary with the text in every place that logs, file names and mappings can reach."""
    summary = full_summary()

    def example(each: Any) -> Any:
        return dataclasses.replace(each, code=text, example=text, input=text)

    def file(each: Any) -> Any:
        return dataclasses.replace(each, name=text)

    assert summary.rate is not None
    return dataclasses.replace(
        summary,
        version=text,
        schema=text,
        dataset=text,
        rate=dataclasses.replace(summary.rate, codes=(text, text, text)),
        tops=tuple(dataclasses.replace(top, rows=((text, 3), (text, 2), (text, 1))) for top in summary.tops),
        nxdomain=tuple(dataclasses.replace(domain, domain=text) for domain in summary.nxdomain),
        problem_examples=tuple(map(example, summary.problem_examples)),
        reject_examples=tuple(map(example, summary.reject_examples)),
        detections=tuple(dataclasses.replace(example(each), level=text) for each in summary.detections),
        files=dataclasses.replace(
            summary.files,
            skipped={text: 3},
            latest=tuple(map(file, summary.files.latest)),
            listed=tuple(map(file, summary.files.listed)),
            equal=((text, text),),
            faults=tuple(dataclasses.replace(fault, name=text, reason=text) for fault in summary.files.faults),
        ),
    )


def skeleton(page: Element) -> list[tuple[str, ...]]:
    """Return the elements and the names of their attributes, without the marks of escapes."""
    return [
        (element.tag, *element.attributes)
        for element in page.all()
        if element.attributes.get("class") != "escape" and element.tag != "bdi"
    ]


PLAIN = skeleton(parse_page(render_page(with_text("plain"))))
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": "\"><img src=x onerror='alert(1)'>",
    "quotes": "' onmouseover='alert(1)' \"",
    "entity": "&lt;b&gt;&#60;&quot;",
    "comment": "<!-- --> <![CDATA[ ]]>",
    "style": "</style><style>@import 'http://192.0.2.1/'",
    "title": "</title></svg></table><h1>",
    "template": "{{ 7 * 7 }}{% raw %}{# #}",
    "direction": "\u202egnp.exe\u2066\u200f",
    "control": "a\x00b\x1b[31m\x7f\x85c",
    "lines": "a\nb\r\tc\u2028d",
    "invisible": "\u200b\u00ad\ufeff\U000e0041\u2800\u3164",
    "surrogate": "a\udcff\ud800",
    "right to left": "אבג.example",
    "marks": "e\u0301" + "a" + "\u0301\u0335\u0489" * 60 + "b",
    "long": "<" * 1000,
}


def shown_as(text: str) -> str:
    """Return the text with escapes for what cannot be seen, and for all but four combining marks in a row."""
    shown = "".join(
        each
        if each.isprintable() and each not in "\u2800\u3164"
        else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text
    )
    return re.sub("(?<=[\u0301\u0335\u0489]{4})[\u0301\u0335\u0489]+", lambda found: ascii(found[0])[1:-1], shown)


@pytest.mark.parametrize("name", HOSTILE)
def test_text_is_shown_and_changes_no_element(name: str) -> None:
    text = HOSTILE[name]
    rendered = render_page(with_text(text))
    rendered.encode("utf-8")
    assert {each for each in rendered if not each.isprintable()} <= {"\n"}
    page = parse_page(rendered)
    assert skeleton(page) == PLAIN
    names = ["".join(bdi.raw_texts()) for bdi in page.all("bdi")]
    assert set(names) - {"yes", "no", "unknown", "IPv4", "IPv6", "none"} == {shown_as(text)}
    assert names.count(shown_as(text)) > 40
    assert shown_as(text) in "".join(page.one("svg", role="img").raw_texts())


def test_very_long_text_is_cut_and_said_so() -> None:
    cut = next(bdi for bdi in parse_page(render_page(with_text("a" * 5000))).all("bdi"))
    assert cut.text == "a" * 1024 + "… 5,000 characters"


def test_empty_text_is_named() -> None:
    rows = parse_page(render_page(with_text(""))).all("table")[2].rows()
    assert rows[0][0].startswith("empty")


# Size


def test_page_of_a_day_is_small() -> None:
    codes = tuple(f"CODE{number}" for number in range(8))
    counts = tuple(tuple((number * 7919 + code) % 100_003 for number in range(300)) for code in range(8))
    summary = full_summary()
    assert summary.rate is not None
    rate = dataclasses.replace(summary.rate, codes=codes, counts=counts)
    assert len(render_page(dataclasses.replace(summary, rate=rate)).encode("utf-8")) < 400_000


def test_page_of_the_longest_names_is_bounded() -> None:
    def longest(top: Top) -> Top:
        return dataclasses.replace(top, rows=tuple(("\x00" * 512, 10 - row) for row in range(10)))

    summary = with_text("\x00" * 512)
    files = dataclasses.replace(summary.files, listed=summary.files.listed * 1000, latest=summary.files.latest * 1000)
    summary = dataclasses.replace(summary, files=files, tops=tuple(map(longest, summary.tops)))
    assert len(render_page(summary).encode("utf-8")) < 1_500_000
