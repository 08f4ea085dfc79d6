"""The command ``rules``: it lists rules, checks files, and writes a layer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("yaml", reason="rules are YAML")

from support.command import Cli
from support.sigma_rules import detection, rule_text

from cfdns_fast.cli.app import main
from cfdns_fast.detect.layer import layer_faults


class Run(NamedTuple):
    code: object
    lines: list[str]
    errors: str


@pytest.fixture
def rules(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Run:
        with pytest.raises(SystemExit) as ended:
            main(["rules", *arguments])
        captured = capsys.readouterr()
        return Run(ended.value.code or 0, captured.out.splitlines(), captured.err)

    return run


def test_list_shows_the_shipped_rules(rules: Any) -> None:
    run = rules("list")
    assert run.code == 0
    assert run.lines[0].split() == ["ID", "LEVEL", "STATUS", "TITLE", "TAGS", "FILE"]
    assert len(run.lines) == 4
    sliver = next(line for line in run.lines if "Sliver DNS Beaconing" in line)
    assert "attack.command-and-control attack.t1071.004" in sliver
    assert sliver.endswith("sliver_dns.yml")


def test_list_prints_json(rules: Any) -> None:
    Path("a.yml").write_text(
        rule_text("s:\n    query: a", "s", id="x-1", title="'Ü'", tags="[attack.t1071.004]"), "utf-8"
    )
    run = rules("list", "--json", "a.yml")
    assert run.code == 0
    assert [json.loads(line) for line in run.lines] == [
        {
            "id": "x-1",
            "title": "Ü",
            "level": "low",
            "status": None,
            "tags": ["attack.t1071.004"],
            "techniques": ["T1071.004"],
            "file": "a.yml",
            "line": 1,
        }
    ]


def test_list_of_rules_with_a_fault_fails(rules: Any) -> None:
    Path("a.yml").write_text(detection("Image: x"), "utf-8")
    run = rules("list", "a.yml")
    assert (run.code, run.lines) == (1, [])
    assert "a.yml:7: rule 'Test': field.unsupported: " in run.errors


def test_check_prints_all_findings_of_all_files(rules: Any) -> None:
    Path("good.yml").write_text(detection("query: a"), "utf-8")
    Path("bad.yml").write_text(detection("Image: x\n    query|gt: 1"), "utf-8")
    Path("doubtful.yml").write_text(detection("query|endswith: evil.com"), "utf-8")
    run = rules("check", "good.yml", "missing.yml", "doubtful.yml", "bad.yml")
    assert run.code == 1
    assert [line.split(": ")[:4] for line in run.lines] == [
        ["error", "bad.yml:7", "rule 'Test'", "field.unsupported"],
        ["error", "bad.yml:8", "rule 'Test'", "modifier.unsupported"],
        ["warning", "doubtful.yml:7", "rule 'Test'", "'query|endswith'"],
        ["error", "missing.yml", "file.unreadable", "No such file or directory"],
    ]
    assert run.errors == "cfdns-fast: 2 rules, 3 faults, 1 warning\n"


def test_check_accepts_warnings(rules: Any) -> None:
    Path("a.yml").write_text(detection("query|endswith: evil.com"), "utf-8")
    assert rules("check", "a.yml").code == 0


def test_check_counts_names_of_a_top_list(rules: Any) -> None:
    searches = "s:\n    query|endswith: .com\n    record_type: TXT\nf:\n    query|re: ^www[.]b"
    Path("a.yml").write_text(rule_text(searches, "s and not f"), "utf-8")
    Path("b.yml").write_text(detection("query: nothing.example"), "utf-8")
    Path("c.yml").write_text(detection("record_type: TXT"), "utf-8")
    Path("d.yml").write_text(rule_text("s:\n    record_type: TXT", "not s"), "utf-8")
    names = [
        "1,www.a.com",
        '2,"b.com"',
        "3,www.b.com",
        "# note",
        "",
        "c.org",
        "D.COM.",
        "e.com",
        "4,f.com\r",
        "x" * 9_000,
    ]
    Path("top.csv").write_text("\ufeff" + "\n".join(names) + "\n", "utf-8")
    run = rules("check", "a.yml", "b.yml", "c.yml", "d.yml", "--popular", "top.csv")
    assert run.code == 0
    counts = [line for line in run.lines if "names" in line]
    assert counts[0] == "a.yml:1: rule 'Test': 5 of 7 names: www.a.com, b.com, D.COM, ..."
    assert counts[1] == "b.yml:1: rule 'Test': 0 of 7 names"
    assert [line.split(": ")[2] for line in counts[2:]] == ["7 of 7 names", "7 of 7 names"]


def test_check_of_a_missing_top_list_fails(rules: Any) -> None:
    Path("a.yml").write_text(detection("query: a"), "utf-8")
    run = rules("check", "a.yml", "--popular", "missing.csv")
    assert run.code == 1
    assert "missing.csv: No such file or directory" in run.errors


def test_check_prints_control_characters_escaped(rules: Any) -> None:
    Path("a.yml").write_text(rule_text("s:\n    Image: x", "s", title='"\\e[31m"'), "utf-8")
    assert "\x1b" not in "".join(rules("check", "a.yml").lines)


@pytest.mark.parametrize("arguments", [["check"], ["unknown"], ["list", "--unknown"]])
def test_wrong_usage_has_its_own_code(rules: Any, arguments: list[str]) -> None:
    assert rules(*arguments).code == 2


def test_layer_is_written_to_a_file(rules: Any) -> None:
    run = rules("layer", "-o", "layer.json", "--name", "Ours")
    assert (run.code, run.lines) == (0, [])
    layer = json.loads(Path("layer.json").read_text("utf-8"))
    assert layer_faults(layer) == []
    assert layer["name"] == "Ours"


def test_layer_of_rules_with_a_fault_is_not_written(rules: Any) -> None:
    Path("a.yml").write_text(detection("Image: x"), "utf-8")
    Path("layer.json").write_text("before", "utf-8")
    assert rules("layer", "a.yml", "-o", "layer.json").code == 1
    assert Path("layer.json").read_text("utf-8") == "before"


def test_layer_is_written_to_standard_output(cli: Cli) -> None:
    run = cli("rules", "layer")
    assert run.code == 0
    assert layer_faults(json.loads(run.output)) == []


def test_missing_library_is_named(rules: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    run = rules("list")
    assert run.code == 1
    assert "install cfdns-fast[detect]" in run.errors
