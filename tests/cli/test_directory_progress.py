"""The progress of a conversion to a directory."""

from __future__ import annotations

import io
import sys
import time
from dataclasses import replace

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from cfdns_fast.cli import directory_progress
from cfdns_fast.cli.directory_progress import DirectoryProgress, size_text
from cfdns_fast.files import Progress

HALF = Progress(
    tasks=2,
    total_tasks=4,
    objects=20,
    total_objects=40,
    size_bytes=1_000_000,
    total_bytes=3_000_000,
    events=5000,
    rejects=0,
    faults=0,
    failures=0,
    seconds=10.0,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines_of(
    monkeypatch: pytest.MonkeyPatch, *states: Progress, shown: bool = True, interval_s: float = 0
) -> list[str]:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(directory_progress, "_LINE_INTERVAL_S", interval_s)
    progress = DirectoryProgress(shown=shown)
    for state in states:
        progress(state)
    progress.close()
    return stream.getvalue().splitlines()


def test_line_has_what_is_done_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    faulty = replace(HALF, size_bytes=2_999_000, faults=3, failures=1)
    assert lines_of(monkeypatch, HALF, faulty, replace(HALF, size_bytes=0, events=0, seconds=0.0)) == [
        "cfdns-fast: objects 20 of 40, 1.0 MB of 3.0 MB, events 5000, 500 events/s, 20 s left",
        "cfdns-fast: objects 20 of 40, 3.0 MB of 3.0 MB, events 5000, 500 events/s, faults 3, failed tasks 1, 0 s left",
        "cfdns-fast: objects 20 of 40, 0 B of 3.0 MB, events 0, 0 events/s",
    ]


def test_no_line_comes_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines_of(monkeypatch, HALF, HALF, interval_s=30) == []
    assert lines_of(monkeypatch, HALF, shown=False) == []


def test_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    progress = DirectoryProgress(shown=True)
    # The bar is drawn at most ten times a second.
    progress(replace(HALF, size_bytes=0, events=0))
    time.sleep(0.2)
    progress(replace(HALF, size_bytes=3_000_000))
    progress.close()
    progress(HALF)
    text = stream.getvalue()
    assert "3.00M/3.00M" in text and "20/40 objects, 500 events/s" in text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1.55e9, "1.6 GB"), (2e15, "2.0 PB"), (5e18, "5000.0 PB")],
)
def test_size_has_a_unit(size_bytes: float, text: str) -> None:
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(("left_s", "text"), [(59, "59 s left"), (61, "1 min 01 s left"), (7261, "2 h 01 min left")])
def test_duration_has_two_units(monkeypatch: pytest.MonkeyPatch, left_s: int, text: str) -> None:
    (line,) = lines_of(monkeypatch, replace(HALF, size_bytes=1_500_000, seconds=float(left_s)))
    assert line.endswith(text)
