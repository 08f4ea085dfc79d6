"""Tests of the run over files: its inputs, its checks and its judgement."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from benchmarks.files import command, inputs, table, targets
from benchmarks.files.checking import Checker
from benchmarks.files.engines import COLUMNS


@pytest.fixture(scope="module")
def checker() -> Checker:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "LINES", 300)
        return Checker()


@pytest.mark.parametrize("number", [0, 1])
def test_trees_have_equal_numbers_of_records(number: int) -> None:
    tree = inputs.trees(1_600_000)[number]
    names = list(tree.names())
    assert tree.total == 1_600_000
    assert len(set(names)) == tree.objects
    assert names == sorted(names)
    assert len({name[:20] for name in names}) == inputs.HOURS


def test_objects_have_distinct_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "LINES", 300)
    inputs.make(inputs.Tree("small", 16, 40), tmp_path)
    contents = [gzip.decompress(path.read_bytes()) for path in sorted(tmp_path.rglob("*.gz"))]
    assert len(set(contents)) == 16
    assert {content.count(b"\n") for content in contents} == {40}


def write(output: Path, rows: list[dict[str, Any]]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    output.mkdir()
    full = [{name: row.get(name) for name in COLUMNS} for row in rows]
    parquet.write_table(pyarrow.Table.from_pylist(full), output / "part.parquet")


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        (lambda rows: rows, 0),
        (lambda rows: rows[1:], 1),
        (lambda rows: [*rows, rows[0]], 1),
        (lambda rows: [{**rows[0], "dns_question_name": "wrong"}, *rows[1:]], 1),
        (lambda rows: [rows[1], *rows[1:]], 2),
    ],
    ids=["right", "missing", "twice", "wrong", "other"],
)
def test_checker_counts_wrong_rows(tmp_path: Path, checker: Checker, change: Any, differing: int) -> None:
    pytest.importorskip("pyarrow")
    tree = inputs.Tree("small", 8, 5)
    rows = [
        checker.rows[line.rstrip(b"\n").decode()] for lines in inputs.lines_of(tree, checker.lines) for line in lines
    ]
    write(tmp_path / "output", change(rows))
    assert checker.differing_rows(tree, tmp_path / "output") == differing


def round_of(**changes: Any) -> dict[str, Any]:
    good = {"wall_s": 1.0, "cpu_s": 1.1, "peak_mb": 200.0, "parts_s": {"gunzip": 0.5, "to_arrow": 0.25, "write": 0.25}}
    return {**good, **changes}


def outcome_of(name: str, rounds: dict[str, Any], **others: Any) -> dict[str, Any]:
    outcomes = targets.judge(rounds, others.get("differing", {}), others.get("absent", {}))
    return next(outcome for outcome in outcomes if outcome["name"] == name)


def test_ratios_are_of_the_same_round() -> None:
    rounds = {"large": [round_of(wall_s=1), round_of(wall_s=4)], "one_job": [round_of(wall_s=2), round_of(wall_s=8)]}
    outcome = outcome_of("two_jobs", rounds)
    assert (outcome["value"], outcome["low"], outcome["high"], outcome["pass"]) == (2, 2, 2, True)


def test_parts_are_added() -> None:
    outcome = outcome_of("cpu_over_parts", {"one_job": [round_of(cpu_s=1.2)], "parts": [round_of()]})
    assert (outcome["value"], outcome["pass"]) == (1.2, False)


def test_what_is_absent_is_not_measured() -> None:
    outcome = outcome_of("over_duckdb", {"large": [round_of()]}, absent={"duckdb": "duckdb is not installed"})
    assert (outcome["value"], outcome["pass"], outcome["reason"]) == (None, None, "duckdb is not installed")


def test_wrong_row_fails_only_for_cfdns_fast() -> None:
    differing = {"large": 1, "duckdb": 7}
    assert not outcome_of("exact_large", {}, differing=differing)["pass"]
    assert "exact_duckdb" not in {each["name"] for each in targets.judge({}, differing, {})}


def test_table_has_every_contender_and_target() -> None:
    rounds = {each.name: [round_of()] for each in command.CONTENDERS if each.job != "parts"}
    run = {
        "records": 1000,
        "rounds": rounds,
        "texts": {each.name: each.text for each in command.CONTENDERS},
        "differing_rows": dict.fromkeys(rounds, 0),
    }
    facts = dict.fromkeys(("cpu", "cpus", "system", "python", "date", "commit", "load_before"), "x")
    text = table.render({"machine": facts, "files": run, "targets": targets.judge(rounds, run["differing_rows"], {})})
    assert all(each.text in text for each in command.CONTENDERS if each.job != "parts")
    assert all(target.name in text for target in targets.targets())


def test_positions_go_round() -> None:
    """An object that is longer than the rest of the lines goes on with the first ones."""
    tree = inputs.Tree("large", 2, 25)
    for number, ranges in enumerate(inputs.positions_of(tree, 10)):
        positions = [position for start, end in ranges for position in range(start, end)]
        assert positions == [(number * inputs._STEP + index) % 10 for index in range(25)]
    lines = [bytes([48 + number]) for number in range(10)]
    assert b"".join(next(inputs.lines_of(tree, lines))) == b"0123456789" * 2 + b"01234"
