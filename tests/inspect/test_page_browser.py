"""The page of a day of logs in Chromium: nothing is requested, every number is right, and it fits on every screen."""

from __future__ import annotations

import datetime
import gzip
import http.server
import importlib.util
import json
import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import Cli
from support.html_page import Element, parse_page
from support.naive_counts import NaiveCounts, naive_counts

pytest.importorskip("jinja2")
pytest.importorskip("pyarrow")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SCRIPT = Path(__file__).parents[2] / "docs" / "inspect_picture.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed"),
    pytest.mark.skipif(not SCRIPT.exists(), reason="no documentation around the tests"),
]

WIDTHS = [320, 375, 768, 1280]
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def counter() -> Iterator[tuple[str, list[str]]]:
    """The URL of a server, and the paths that it was asked for."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()
        thread.join()


def hostile_records(url: str) -> list[bytes]:
    """Return records whose names would load something, or would change the page, if they were not escaped."""
    names = [
        f"<img src={url}/image>.example.com",
        f"<script src='{url}/script'></script>.example.com",
        f'"><link rel=stylesheet href="{url}/style">.example.com',
        f"</style><style>@import '{url}/import';",
        "<meta http-equiv=refresh content='0;" + url + "/refresh'>",
        "\u202egnp.exe.\x00\x1b[2J\n.example.com",
        "a" * 200,
        "zalgo" + "\u0301\u0335\u0489" * 60 + ".example.com",
    ]
    return [
        json.dumps(
            {
                "ColoCode": "<b>",
                "EDNSSubnet": "",
                "EDNSSubnetLength": 0,
                "QueryName": name,
                "QueryType": 1,
                "ResponseCached": False,
                "ResponseCode": 3,
                "SourceIP": "2001:db8::53",
                "Timestamp": 1_787_616_060_000_000_000,
            }
        ).encode()
        for name in names
        for _ in range(900)
    ]


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory, counter: tuple[str, list[str]]) -> tuple[Path, NaiveCounts]:
    """The page of a day of logs, and the independent counts of the logs."""
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    folder = tmp_path_factory.mktemp("inspect")
    logs = folder / "logs"
    logs.mkdir()
    script.write_logs(logs, per_file=100)
    hostile = b"".join(record + b"\n" for record in hostile_records(counter[0]))
    (logs / "20260825T000000Z_20260825T001500Z_hostile.log.gz").write_bytes(gzip.compress(hostile, 1, mtime=0))
    with Cli(folder).start("inspect", "logs", "--html", "page.html", "--top", "25") as process:
        assert process.communicate(timeout=300) == (b"", b"")
    assert process.returncode == 0
    return folder / "page.html", naive_counts(logs)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(chromium: Any, batch: tuple[Path, NaiveCounts]) -> Element:
    """The elements of the page as the browser has read them."""
    opened = chromium.new_page()
    opened.goto(batch[0].as_uri())
    content: str = opened.content()
    opened.close()
    return parse_page(content)


# Requests


def test_page_requests_nothing(chromium: Any, batch: tuple[Path, NaiveCounts], counter: tuple[str, list[str]]) -> None:
    url, paths = counter
    requested: list[str] = []
    messages: list[str] = []
    opened = chromium.new_page()
    opened.on("request", lambda request: requested.append(request.url))
    opened.on("console", lambda message: messages.append(message.text))
    opened.on("pageerror", lambda error: messages.append(str(error)))
    opened.goto(batch[0].as_uri(), wait_until="networkidle")
    opened.locator("summary").click()
    opened.mouse.wheel(0, 20_000)
    opened.locator("a").last.click()
    opened.wait_for_timeout(300)
    assert requested == [batch[0].as_uri()]
    assert messages == [] and paths == []
    # The same counter sees what a page without the policy requests.
    control = batch[0].with_name("control.html")
    control.write_text(f"<img src='{url}/control'>", encoding="utf-8")
    opened.goto(control.as_uri(), wait_until="networkidle")
    assert paths == ["/control"]
    opened.close()


def test_page_needs_no_script(chromium: Any, batch: tuple[Path, NaiveCounts], page: Element) -> None:
    context = chromium.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(batch[0].as_uri())
    assert parse_page(opened.content()).one("body").text == page.one("body").text
    assert opened.locator("svg.plot").bounding_box()["height"] > 200
    context.close()


# Numbers


def table(page: Element, title: str) -> list[list[str]]:
    (found,) = (each for each in page.all("table") if each.one("caption").text.startswith(title))
    return found.rows()


def whole(text: str) -> int:
    return int(text.replace(",", ""))


def visible(text: str) -> str:
    shown = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return re.sub("(?<=[\u0301\u0335\u0489]{4})[\u0301\u0335\u0489]+", lambda found: ascii(found[0])[1:-1], shown)


def share(part: int, all_parts: int) -> str:
    percent = 100 * part / all_parts
    return "<0.1 %" if percent < 0.05 else f"{percent:.1f} %"


def utc(time_ns: int) -> str:
    return f"{_EPOCH + datetime.timedelta(seconds=time_ns // 10**9):%Y-%m-%d %H:%M:%S}"


def test_totals_are_those_of_the_logs(page: Element, batch: tuple[Path, NaiveCounts]) -> None:
    counts = batch[1]
    tiles = {each.one("dt").text: [line.text for line in each.all("dd")] for each in page.one("dl").all("div")}
    times = [time_ns for time_ns, _ in counts.times]
    assert tiles["Events"] == [f"{counts.events:,}", f"from {counts.lines:,} lines"]
    assert tiles["NXDOMAIN"] == [
        share(counts.nxdomain.total(), counts.events),
        f"{counts.nxdomain.total():,} answers",
    ]
    assert tiles["From the cache"][0] == share(counts.cached["yes"], counts.events)
    assert tiles["Files"][0] == str(len(counts.files))
    assert tiles["Rejects"][0] == str(counts.rejects) != "0"
    assert tiles["Problems"][0] == str(counts.problems.total()) != "0"
    assert tiles["Registered domains"][0] == f"{len(counts.tops['registered_domains']):,}"
    assert tiles["Clients"][0] == f"{len(counts.tops['clients']):,}"
    assert f"{utc(min(times))} to {utc(max(times))} UTC" in page.one("header").text


def test_every_interval_has_its_counts(page: Element, batch: tuple[Path, NaiveCounts]) -> None:
    (found,) = (each for each in page.all("table") if each.one("caption").text.startswith("Events per "))
    codes = [cell.text for cell in found.one("thead").all("th")][2:]
    rows = found.rows()
    starts = [datetime.datetime.fromisoformat(row[0] + "+00:00") for row in rows]
    interval_s = (starts[1] - starts[0]).total_seconds()
    expected: Counter[tuple[int, str]] = Counter()
    for time_ns, code in batch[1].times:
        expected[int((time_ns // 10**9 - starts[0].timestamp()) // interval_s), code] += 1
    assert expected.total() == batch[1].events
    shown = Counter(
        {(at, code): whole(row[2 + column]) for at, row in enumerate(rows) for column, code in enumerate(codes)}
    )
    assert +shown == expected
    assert [whole(row[1]) for row in rows] == [sum(expected[at, code] for code in codes) for at in range(len(rows))]
    peaks = {code: max(expected[at, code] for at in range(len(rows))) for code in codes}
    totals = Counter(code for _, code in batch[1].times)
    over_time = table(page, "Response codes over time")
    assert {row[0]: (whole(row[1]), whole(row[2])) for row in over_time} == {
        code: (totals[code], peaks[code]) for code in codes
    }


def test_bands_of_the_chart_have_the_same_counts(page: Element) -> None:
    (found,) = (each for each in page.all("table") if each.one("caption").text.startswith("Events per "))
    codes = [cell.text for cell in found.one("thead").all("th")][2:]
    bands = page.one("svg", role="img").all("rect", **{"class": "band"})
    titles = ["".join(band.one("title").raw_texts()).strip() for band in bands]
    expected = [
        "\n".join([f"{row[0]}: {row[1]}", *(f"{code} {n}" for code, n in zip(codes, row[2:], strict=True) if n != "0")])
        for row in found.rows()
    ]
    assert titles[: len(expected)] == expected
    assert titles[len(expected) :] == ["No file covers 2026-08-25 09:15:00 to 2026-08-25 09:45:00"]


@pytest.mark.parametrize(
    ("key", "title"),
    [
        ("response_codes", "Response codes"),
        ("query_types", "Query types"),
        ("data_centres", "Data centres"),
        ("registered_domains", "Registered domains"),
        ("names", "Names"),
        ("clients", "Clients"),
        ("top_level_domains", "Top-level domains"),
    ],
)
def test_lists_are_those_of_the_logs(page: Element, batch: tuple[Path, NaiveCounts], key: str, title: str) -> None:
    counts = batch[1]
    (found,) = (each for each in page.all("table") if each.one("caption").text == title)
    rows = found.rows()
    expected = counts.most_common(key, 25)
    assert [row[0] for row in rows] == [visible(value) for value, _ in expected]
    assert [(whole(row[1]), row[2]) for row in rows] == [(n, share(n, counts.events)) for _, n in expected]
    bars = [float(bar.attributes["width"].rstrip("%")) for bar in found.all("rect", **{"class": "part"})]
    assert bars == [round(100 * n / expected[0][1], 2) for _, n in expected]


def test_shares_and_nxdomain_are_those_of_the_logs(page: Element, batch: tuple[Path, NaiveCounts]) -> None:
    counts = batch[1]
    for title, expected in (
        ("Answered from the cache", counts.cached),
        ("Address families", counts.families),
        ("Client subnet", counts.edns),
    ):
        assert {row[0]: whole(row[1]) for row in table(page, title) if row[1] != "0"} == dict(+expected)
    number = len(counts.nxdomain.keys() - {"(none)"})
    title = f"{counts.nxdomain.total():,} answers for {number:,} domains"
    domains = sorted(counts.nxdomain.items(), key=lambda row: (-row[1], row[0]))[:25]
    names = {domain: len(found) for domain, found in counts.nxdomain_names.items()}
    assert table(page, title) == [
        [visible(domain), f"{queries:,}", f"{names[domain]:,} {share(names[domain], queries)}"]
        for domain, queries in domains
    ]


def test_files_are_those_of_the_folder(page: Element, batch: tuple[Path, NaiveCounts]) -> None:
    counts = batch[1]
    rows = table(page, "All files")
    assert [row[0] for row in rows] == [f"logs/{name}" for name in counts.files]
    for row, file in zip(rows, counts.files.values(), strict=True):
        assert [*map(whole, row[3:6]), whole(row[8])] == [file.events, file.rejects, file.problems, file.late]
        assert row[6:8] == [utc(min(file.times)), utc(max(file.times))]
    late = {name: file for name, file in counts.files.items() if file.late}
    assert [row[:2] for row in table(page, "Late events")] == [
        [f"logs/{name}", str(f.late)] for name, f in late.items()
    ]
    assert table(page, "Gaps") == [["2026-08-25 09:15:00 to 2026-08-25 09:45:00", "30 min"]]


# Layout


@pytest.fixture(scope="module", params=WIDTHS)
def sized(request: pytest.FixtureRequest, chromium: Any, batch: tuple[Path, NaiveCounts]) -> Iterator[Any]:
    width = request.param
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, is_mobile=width < 700, device_scale_factor=1
    )
    opened = context.new_page()
    opened.goto(batch[0].as_uri())
    yield opened
    context.close()


OUTSIDE = """() => [...document.querySelectorAll('body *')].filter(each =>
    !each.closest('.scroll') && !each.closest('svg svg') && each.getBoundingClientRect().right > innerWidth + 0.5
).map(each => each.outerHTML.slice(0, 80))"""
CUT = """() => [...document.querySelectorAll('th, td, h1, h2, h3, dt, dd, p, li, caption, figcaption')].filter(each =>
    each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display != 'inline'
).map(each => each.outerHTML.slice(0, 120))"""
LABELS = """() => [...document.querySelectorAll('.axis text, .plot text')].filter(each =>
    getComputedStyle(each).display != 'none'
).map(each => { const box = each.getBoundingClientRect(), card = each.closest('.card').getBoundingClientRect();
    return [box.left, box.top, box.right, box.bottom, card.left, card.right]; })"""


def test_page_fits_on_the_screen(sized: Any) -> None:
    width = sized.viewport_size["width"]
    assert sized.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
    assert sized.evaluate(OUTSIDE) == []
    assert sized.evaluate(CUT) == []


def test_labels_of_the_chart_are_readable(sized: Any) -> None:
    labels = sized.evaluate(LABELS)
    assert len(labels) >= 7
    for number, (left, top, right, bottom, card_left, card_right) in enumerate(labels):
        assert card_left <= left and right <= card_right
        assert bottom - top >= 11
        for other_left, other_top, other_right, other_bottom, *_ in labels[:number]:
            assert right <= other_left or other_right <= left or bottom <= other_top or other_bottom <= top


def test_theme_follows_the_reader(sized: Any) -> None:
    style = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('.c0')).fill]"
    sized.emulate_media(color_scheme="light")
    light = sized.evaluate(style)
    sized.emulate_media(color_scheme="dark")
    dark = sized.evaluate(style)
    assert light[0] == "rgb(244, 246, 248)" and dark[0] == "rgb(16, 22, 28)"
    assert light[1] != dark[1]
    sized.emulate_media(color_scheme="light")


def test_print_shows_every_file_on_a_white_page(chromium: Any, batch: tuple[Path, NaiveCounts]) -> None:
    opened = chromium.new_page(viewport={"width": 720, "height": 1000}, color_scheme="dark")
    opened.emulate_media(media="print")
    opened.goto(batch[0].as_uri())
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert opened.evaluate("document.documentElement.scrollWidth") == 720
    files = opened.locator("[aria-label='Table of files']")
    assert files.evaluate("each => each.scrollHeight == each.clientHeight && each.scrollWidth == each.clientWidth")
    opened.close()


def test_detail_table_opens_without_script(sized: Any) -> None:
    rows = sized.locator("details tbody tr")
    assert not rows.first.is_visible()
    sized.locator("summary").click()
    assert rows.first.is_visible()
    assert re.fullmatch(r"2026-08-25 00:\d\d", rows.first.locator("th").inner_text())
    sized.locator("summary").click()
