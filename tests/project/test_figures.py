"""Figures that pages quote are those of the published run, which benchmarks/RESULTS.md names first."""

from __future__ import annotations

import importlib
import json
import re
import statistics
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "RESULTS.md"

pytestmark = pytest.mark.skipif(not RESULTS.exists(), reason="no benchmarks around the tests")

NDJSON, DICTS = "NDJSON to NDJSON", "NDJSON to dicts, one by one"
_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def published() -> dict[str, Any]:
    """Return the raw data of the published run."""
    found = re.search(r"`(benchmarks/results/[^`]+\.json)`", text("benchmarks/RESULTS.md"))
    assert found is not None
    result: dict[str, Any] = json.loads(text(found[1]))
    return result


def made_by(name: str) -> Callable[[dict[str, Any]], str]:
    """Return what a module of benchmarks renders results with."""
    sys.path.insert(0, str(ROOT))
    try:
        render: Callable[[dict[str, Any]], str] = importlib.import_module(f"benchmarks.{name}").render
    finally:
        sys.path.remove(str(ROOT))
    return render


def seconds(library: str, task: str) -> float:
    """Return the median seconds of a record."""
    (found,) = (
        each
        for each in published()["contenders"]
        if (each["library"], each["name"].endswith("tuned"), each["task"], each["variant"])
        == (library, False, task, "typical")
    )
    return statistics.median(found["wall_seconds"]) / float(found["records"])


def times(library: str, task: str) -> float:
    """Return the time of a library over ours."""
    return seconds(library, task) / seconds("cfdns_fast", task)


def missed() -> int:
    return sum(each["stage"] == "now" and each["pass"] is False for each in published()["targets"])


def target(name: str) -> float:
    (found,) = (each["value"] for each in published()["targets"] if each["name"] == name)
    return float(found)


#: A page, the words around a figure, and the figure; digits are compared as far as the page has them.
QUOTED: list[tuple[str, str, Callable[[], float]]] = [
    ("README.md", r"([\d.]+) million events a second to NDJSON", lambda: 1e-6 / seconds("cfdns_fast", NDJSON)),
    ("README.md", r"([\d.]+) times as fast as orjson in Python", lambda: times("orjson", NDJSON)),
    ("README.md", r"([\d.]+) times as fast as chdb", lambda: times("chdb", NDJSON)),
    ("README.md", r"made dicts ([\d.]+) times as fast as orjson", lambda: times("orjson", DICTS)),
    ("README.md", r"(\w+) of our own targets were missed", missed),
    ("benchmarks/RESULTS.md", r"NDJSON \(([\d.]+) floors\)", lambda: target("to_ndjson_of_floor")),
    ("benchmarks/RESULTS.md", r"the message \(([\d.]+)\)", lambda: target("to_ndjson_without_message_of_floor")),
    ("benchmarks/RESULTS.md", r"two threads \(([\d.]+)\)", lambda: target("two_threads_of_two_processes")),
]


@pytest.mark.parametrize(("page", "words", "figure"), QUOTED, ids=[words for _, words, _ in QUOTED])
def test_quoted_figure_is_of_the_published_run(page: str, words: str, figure: Callable[[], float]) -> None:
    found = re.findall(words.replace(" ", r"\s+"), text(page))
    assert len(found) == 1, "not quoted once"
    value = figure()
    digits = len(found[0].partition(".")[2])
    assert found[0] == (_WORDS[value] if isinstance(value, int) else f"{value:.{digits}f}")


def test_readme_quotes_no_other_speed() -> None:
    speeds = re.findall(r"[\d.]+\s+(?:times as|million events|ns a record)", text("README.md"))
    assert len(speeds) == sum(page == "README.md" for page, _, _ in QUOTED) - 1  # the targets are no speed


def test_chart_is_of_the_published_run() -> None:
    assert text("docs/throughput.svg").rstrip() == made_by("chart")(published()).rstrip()


#: The headings in RESULTS.md of other runs, and what prints their tables.
OTHER_RUNS = {
    "## The receiver under load": "receiver.table",
    "## Folders and buckets to Parquet": "files.table",
    "## Inspecting a batch": "inspection",
}


def rows(page: str) -> list[str]:
    """Return the rows of the tables of a page, and its bold headings, without the lines below the heads."""
    return sorted(line for line in page.splitlines() if line.startswith(("| ", "**")) and "---" not in line)


def parts() -> dict[str, str]:
    """Return the parts of RESULTS.md by their headings; that of the libraries has the key ""."""
    pieces = re.split(rf"^({'|'.join(map(re.escape, OTHER_RUNS))})$", text("benchmarks/RESULTS.md"), flags=re.MULTILINE)
    return {"": pieces[0], **dict(zip(pieces[1::2], pieces[2::2], strict=True))}


def test_results_tables_are_of_the_published_run() -> None:
    assert rows(parts()[""]) == [row for row in rows(made_by("table")(published())) if row != "**Targets**"]


@pytest.mark.parametrize("heading", OTHER_RUNS, ids=lambda heading: heading.split()[2])
def test_other_tables_are_of_their_published_run(heading: str) -> None:
    part = parts().get(heading)
    if part is None:
        pytest.skip("no such run is published")
    found = re.search(r"`(benchmarks/results/[^`]+\.json)`", part)
    assert found is not None
    result = json.loads(text(found[1]))
    assert rows(part) == rows(made_by(OTHER_RUNS[heading])(result))
