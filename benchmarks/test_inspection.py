"""Tests of the measurement of inspect."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from benchmarks import inspection

MACHINE = {
    "cpu": "C",
    "cpus": 2,
    "system": "S",
    "python": "P",
    "date": "2026-12-01T00",
    "commit": "c",
    "load_before": 0,
}


def rounds(wall_s: float, cpu_s: float) -> dict[str, list[dict[str, Any]]]:
    parts = {"gunzip": 1.0, "to_arrow": 2.0, "counts": 3.0}
    return {"command": [{"wall_s": wall_s, "cpu_s": cpu_s, "peak_mb": 100}], "parts": [{"parts_s": parts}]}


@pytest.mark.parametrize(
    ("wall_s", "cpu_s", "passed"), [(1.0, 7.8, [True, True, True]), (1.01, 7.9, [False, False, True])]
)
def test_targets_are_judged_for_ten_million(wall_s: float, cpu_s: float, passed: list[bool]) -> None:
    outcomes = inspection.judge(rounds(wall_s, cpu_s), 1_000_000)
    assert [each["pass"] for each in outcomes] == passed
    assert outcomes[0]["value"] == pytest.approx(10 * wall_s)


def test_tables_have_parts_and_targets() -> None:
    measured = rounds(1.0, 7.8)
    targets = inspection.judge(measured, 1_000_000)
    text = inspection.render(
        {"machine": MACHINE, "inspection": {"records": 1_000_000, "rounds": measured}, "targets": targets}
    )
    assert "1,000 (gunzip) + 2,000 (to_arrow) + 3,000 (counts)" in text
    assert "| cfdns-fast inspect | 1.0 | 7,800 |" in text and text.count("| yes |") == 3


@pytest.mark.slow
def test_small_batch_is_measured(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    options = argparse.Namespace(inspect_records=2500, inspect_rounds=1, folder=str(tmp_path))
    found = inspection.run(options, lambda text: None)
    assert found["complete"] and len(found["targets"]) == 3
    assert found["inspection"]["rounds"]["parts"][0]["parts_s"].keys() == {"gunzip", "to_arrow", "counts"}


def test_wrong_count_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"command": {"wall_s": 1.0, "cpu_s": 1.0, "peak_mb": 1, "names": []}, "parts": {"parts_s": {"gunzip": 1.0}}}
    monkeypatch.setattr(inspection, "_job", lambda job, path: dict(one[job]))
    options = argparse.Namespace(inspect_records=100, inspect_rounds=1, folder=str(tmp_path))
    with pytest.raises(RuntimeError, match="other names"):
        inspection.run(options, lambda text: None)
