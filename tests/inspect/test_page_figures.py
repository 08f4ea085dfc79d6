"""The numbers of the page are those of the summary."""

from __future__ import annotations

import dataclasses

import pytest
from support.html_page import Element, parse_page
from support.summaries import START_NS, empty_summary, full_summary, one_file

pytest.importorskip("jinja2")

from cfdns_fast.inspect.page import render_page
from cfdns_fast.inspect.summary import Gap, Rate, Summary, Top

SUMMARY = full_summary()


@pytest.fixture(scope="module")
def page() -> Element:
    return parse_page(render_page(SUMMARY))


def table(page: Element, title: str) -> list[list[str]]:
    """Return the rows of the table whose caption begins with the title."""
    (found,) = (each for each in page.all("table") if each.one("caption").text.startswith(title))
    return found.rows()


def tile(page: Element, title: str) -> list[str]:
    """Return the figure below the title, and its detail."""
    (found,) = (each for each in page.one("dl").all("div") if each.one("dt").text == title)
    return [each.text for each in found.all("dd")]


def notes(page: Element) -> str:
    return page.one("section", id="totals").text


def test_tiles_have_the_totals(page: Element) -> None:
    assert tile(page, "Events") == ["17,100", "from 17,123 lines, 12 blank"]
    assert tile(page, "Time range") == ["3 min 59 s", "71.2 a second"]
    assert tile(page, "Peak per minute") == ["895", "from 2026-08-25 00:03"]
    assert tile(page, "NXDOMAIN") == ["10.8 %", "1,855 answers"]
    assert tile(page, "From the cache") == ["52.6 %", "9,001 answers"]
    assert tile(page, "Registered domains") == ["5,002", "different"]
    assert tile(page, "Clients") == ["5,006", "different"]
    assert tile(page, "Files") == ["123", "9.9 MB as stored"]
    assert tile(page, "Rejects")[0] == "13"
    assert tile(page, "Problems")[0] == "14"
    assert tile(page, "Detections")[0] == "28"


def test_header_has_the_time_range(page: Element) -> None:
    assert "2026-08-25 00:00:00 to 2026-08-25 00:03:59 UTC" in page.one("header").text


def test_interval_table_has_every_count(page: Element) -> None:
    rate = SUMMARY.rate
    assert rate is not None
    columns = list(zip(*rate.counts, strict=True))
    expected = [
        [f"2026-08-25 00:{minute:02}", str(sum(column)), *map(str, column)] for minute, column in enumerate(columns)
    ]
    assert table(page, "Events per minute") == expected


def test_bands_of_the_chart_name_every_count(page: Element) -> None:
    plot = page.one("svg", role="img")
    titles = ["".join(band.one("title").raw_texts()).strip() for band in plot.all("rect", **{"class": "band"})]
    assert titles[0] == "2026-08-25 00:00: 892\nNOERROR 801\nNXDOMAIN 91"
    assert titles[2] == "2026-08-25 00:02: 0"
    assert titles[4] == "No file covers 2026-08-25 00:02:00 to 2026-08-25 00:03:00"
    assert len(titles) == 5


def test_codes_have_their_totals_and_peaks(page: Element) -> None:
    expected = [["NOERROR", "2,406", "803"], ["NXDOMAIN", "183", "92"], ["(other)", "11", "11"]]
    assert table(page, "Response codes over time") == expected
    assert "21 events before the chart and 22 after it" in page.one("figcaption").text


@pytest.mark.parametrize("top", SUMMARY.tops, ids=lambda top: top.key)
def test_list_has_every_row(page: Element, top: Top) -> None:
    (found,) = (each for each in page.all("table") if each.one("caption").text == top.title)
    rows = [[value, f"{count:,}", f"{count / SUMMARY.events:.1%}".replace("%", " %")] for value, count in top.rows]
    assert found.rows() == rows
    widths = [float(bar.attributes["width"].rstrip("%")) for bar in found.all("rect", **{"class": "part"})]
    assert widths == [round(100 * count / top.rows[0][1], 2) for _, count in top.rows]


def test_list_counts_what_it_does_not_show(page: Element) -> None:
    shown = sum(count for _, count in SUMMARY.top("clients").rows)
    (card,) = (each for each in page.all("div", **{"class": "card"}) if each.all("h3")[0].text == "Clients")
    texts = [note.text for note in card.all("p")]
    assert texts == [f"5,003 other values have {10_006 - shown:,} events.", "7,006 events have no value."]


def test_approximate_list_says_its_greatest_error(page: Element) -> None:
    (card,) = (each for each in page.all("div", **{"class": "card"}) if each.all("h3")[0].text == "Names")
    expected = "Approximate: a count may be up to 43 too low, and there are at most 5,003 different values."
    assert card.all("p")[0].text == expected
    assert "Approximate counts, at most 43 too low: Names." in notes(page)


def test_shares_have_counts_and_bars(page: Element) -> None:
    assert table(page, "Answered from the cache") == [
        ["yes", "9,001", "52.6 %"],
        ["no", "8,001", "46.8 %"],
        ["unknown", "98", "0.6 %"],
    ]
    assert [row[1] for row in table(page, "Address families")] == ["11,001", "6,001", "97"]
    assert [row[1] for row in table(page, "Client subnet")] == ["4,001", "13,099"]


def test_nxdomain_domains_have_their_names(page: Element) -> None:
    expected = [["victim.example", "1,801", "1,799 99.9 %"], ["(none)", "54", "1 1.9 %"]]
    assert table(page, "1,855 answers for 26 domains") == expected


def test_faults_gaps_and_examples_are_listed(page: Element) -> None:
    assert table(page, "Rejects") == [['json.syntax{"QueryName":in b.log.gz', "13"]]
    assert table(page, "Problems") == [['field.type:QueryType{"QueryType":"A"}in a.log.gz', "14"]]
    assert table(page, "Gaps") == [["2026-08-25 00:02:00 to 2026-08-25 00:03:00", "1 min"]]
    assert table(page, "Inputs with faults") == [["c.log.gz", "the gzip data ends early"]]
    assert table(page, "Detections by rule") == [["sliver.beacon highaa.bb.examplein a.log.gz", "27"]]
    section = page.one("section", id="problems").text
    assert "3 shorter ones are not shown" in section and "7 more are not shown" in section


def test_files_have_counts_and_lateness(page: Element) -> None:
    late = SUMMARY.files.latest[0]
    assert table(page, "Late events") == [[late.name, "31", "1 min 1 s"]]
    rows = table(page, "The first 2 of 123 files")
    times = ["2026-08-25 00:00:00"] * 2
    assert rows[1] == [late.name, "logs", "30.0 kB", "1,000", "2", "0", *times, "31"]
    assert "3 skipped: checks of a destination" in page.one("section", id="files").text


def test_notes_begin_with_what_is_serious(page: Element) -> None:
    texts = [item.text for item in page.one("section", id="totals").all("li")]
    assert texts[0].startswith("8 inputs with a fault, whose events may be missing.")
    for text in (
        "28 detections",
        "13 rejects",
        "14 problems",
        "4 gaps",
        "5 files",
        "6 files",
        "15 events",
        "43 events",
    ):
        assert any(each.startswith(text) for each in texts), text


def test_quiet_batch_says_that_nothing_is_wrong() -> None:
    page = parse_page(render_page(empty_summary(events=5)))
    assert "No input faults, rejects, problems, gaps, late events or equal files." in notes(page)
    assert "There are no rejects" in page.one("section", id="problems").text
    assert not page.all("section", id="detections")


def test_empty_batch_says_so() -> None:
    page = parse_page(render_page(empty_summary(detection_count=0)))
    assert "The inputs have no events." in notes(page)
    assert "No event has a time." in page.one("header").text
    assert "no event has a time" in page.one("section", id="rate").text
    assert "No answer is NXDOMAIN." in page.one("section", id="nxdomain").text
    assert "Nothing was detected." in page.one("section", id="detections").text
    assert not page.all("svg", role="img")


@pytest.mark.parametrize("counts", [((7,),), ((0,),), ((0, 0, 0), (0, 0, 0))])
def test_smallest_and_silent_rates_are_drawn(counts: tuple[tuple[int, ...], ...]) -> None:
    rate = Rate(60, START_NS, ("NOERROR", "NXDOMAIN")[: len(counts)], counts, 0, 0)
    page = parse_page(render_page(empty_summary(rate=rate)))
    assert [int(row[1]) for row in table(page, "Events per minute")] == [
        sum(each) for each in zip(*counts, strict=True)
    ]


def test_long_lists_are_cut_and_counted() -> None:
    def many(top: Top) -> Top:
        return dataclasses.replace(
            top, rows=tuple((f"{row}.example", 1) for row in range(250)), total=250, distinct=250, missing=0
        )

    gaps = tuple(Gap(START_NS + number, START_NS + number + 1) for number in range(250))
    listed = tuple(one_file(f"{number}.log") for number in range(250))
    files = dataclasses.replace(SUMMARY.files, gaps=gaps, gap_count=300, listed=listed, count=400)
    summary: Summary = dataclasses.replace(SUMMARY, tops=tuple(map(many, SUMMARY.tops)), files=files)
    page = parse_page(render_page(summary))
    assert len(table(page, "Clients")) == 100
    assert "150 other values have 150 events." in page.one("section", id="names").text
    assert len(table(page, "The first 100 of 400 files")) == 100
    assert "200 shorter ones" in page.one("section", id="problems").text
