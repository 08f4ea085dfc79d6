"""The command ``mapping``: it lists, shows, checks, explains, compares and tests mapping files."""

from __future__ import annotations

import gzip
import json
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.command import Cli, CliHere
from support.mappings import field

from cfdns_fast import parse
from cfdns_fast.cli.app import main
from cfdns_fast.mapping import bundled, bundled_path

TEXT = field(**{"from": "ColoCode"}, to="colo", kind="text")
#: A name with an escape sequence of a terminal.
HOSTILE = "\x1b]0;x\x07\u202e"


class Run(NamedTuple):
    code: object
    lines: list[str]
    errors: str


@pytest.fixture
def mapping(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Run:
        with pytest.raises(SystemExit) as ended:
            main(["mapping", *arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Run(ended.value.code or 0, captured.out.splitlines(), captured.err)

    return run


def write(text: str, name: str = "my.toml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


# list and show


def test_list_names_every_bundled_mapping(mapping: Any) -> None:
    names = {f"{dataset}.{schema}" for dataset, schemas in bundled().items() for schema in schemas}
    run = mapping("list")
    assert run.lines[0].split() == ["NAME", "DATASET", "SCHEMA", "TARGETS", "SOURCE"]
    assert {line.split()[0] for line in run.lines[1:]} == names
    found = [json.loads(line) for line in mapping("list", "--json").lines]
    assert {each["name"] for each in found} == names
    assert all(each["targets"] > 5 and each["source"] for each in found)


@pytest.mark.parametrize("name", ["dns_logs.ecs", "ecs"])
def test_show_has_a_line_for_every_entry(name: str, mapping: Any) -> None:
    entries = tomllib.loads(Path(bundled_path("ecs", "dns_logs")).read_text(encoding="utf-8"))["field"]
    run = mapping("show", name)
    assert run.code == 0
    assert [line.split()[:3] for line in run.lines[1:]] == [
        [entry["to"], entry["kind"], entry.get("from", "-")] for entry in entries
    ]
    assert any('table = "rcode", naming = "standard"' in line for line in run.lines)


def test_show_prints_the_bytes_of_the_file(cli_here: CliHere) -> None:
    content = Path(bundled_path("ecs", "gateway_dns")).read_bytes()
    assert cli_here("mapping", "show", "gateway_dns.ecs", "--toml").output == content
    assert cli_here("mapping", "show", "./own", "--toml", own=content).output == content


@pytest.mark.parametrize(
    "arguments", [("show", "nope"), ("show", "nope.ecs"), ("show", "./nope"), ("diff", "ecs", "x")]
)
def test_unknown_mapping_is_wrong_usage(arguments: tuple[str, ...], mapping: Any) -> None:
    run = mapping(*arguments)
    assert (run.code, run.lines) == (2, [])
    assert len(run.errors.splitlines()) == 1


# check


def test_check_prints_every_fault_with_its_line(mapping: Any) -> None:
    write(TEXT + field(to="a", kind="texts") + 'x = "y"\n' + field(to="", kind="raw"))
    run = mapping("check", "my.toml")
    assert run.code == 1
    assert [line.split(": ")[:2] for line in run.lines] == [
        ["my.toml:7", "field 2 (a)"],
        ["my.toml:8", "field 2 (a)"],
        ["my.toml:10", "field 3 ()"],
    ]
    assert run.errors == "cfdns-fast: 3 faults, 0 warnings\n"


def test_check_reads_all_files(mapping: Any) -> None:
    write(TEXT.replace("ColoCode", "colocode"), "a.toml")
    write("x = [", "b.toml")
    run = mapping("check", "a.toml", "b.toml", "absent.toml", bundled_path("ecs", "dns_logs"))
    assert run.code == 1
    assert run.lines[0].startswith("a.toml:2: warning: field 1 (colo): ")
    assert [line.split(": ")[:2] for line in run.lines[1:]] == [
        ["b.toml:1", "not TOML"],
        ["absent.toml", "cannot be read (No such file or directory)"],
    ]
    assert run.errors == "cfdns-fast: 2 faults, 1 warning\n"


def test_check_of_warnings_alone_succeeds(mapping: Any) -> None:
    write(TEXT.replace("ColoCode", "colocode"))
    assert mapping("check", "my.toml").code == 0
    (members,) = map(json.loads, mapping("check", "my.toml", "--json").lines)
    assert (members["severity"], members["file"], members["line"]) == ("warning", "my.toml", 2)
    assert members["entry"] == "field 1 (colo)" and "did you mean ColoCode?" in members["reason"]


def test_check_escapes_names(mapping: Any) -> None:
    write(field(to=HOSTILE, kind=HOSTILE) + f'"\\u001b[{1}m" = 1\n')
    run = mapping("check", "my.toml")
    assert run.code == 1 and run.lines
    assert all(line.isprintable() for line in run.lines)


# explain


def test_explain_shows_values_reasons_and_unread_keys(mapping: Any) -> None:
    write(TEXT + field(**{"from": "QueryType"}, to="type", kind="enum", table="rr_type", naming="iana"))
    run = mapping("explain", '{"ColoCode":"AMS","QueryType":65353,"Other":1}', "--schema", "./my.toml")
    assert run.code == 0
    assert [line.split() for line in run.lines[:2]] == [
        ["TARGET", "VALUE", "KIND", "FROM", "RULE"],
        ["colo", '"AMS"', "text", "ColoCode", "7.4"],
    ]
    assert run.lines[4].split(maxsplit=1) == [
        "type",
        "the number has no name in the table  enum  QueryType  65353  7.5",
    ]
    assert run.lines[-2:] == ["not read: Other", "problems: -"]


def test_explain_as_json_holds_the_event(mapping: Any) -> None:
    record = '{"QueryName":"a.example.com","SourceIP":1,"x":2}'
    (line,) = mapping("explain", record, "--schema", "ecs", "--json").lines
    found = json.loads(line)
    assert found["event"] == parse(record.encode(), "ecs")
    assert found["problems"] == ["field.missing:Timestamp", "field.type:SourceIP"]
    assert found["not_read"] == ["x"]
    (source,) = (each for each in found["targets"] if each["target"] == "source.ip")
    assert (source["key"], source["sent"], source["reason"], source["value"]) == ("SourceIP", "1", "field.type", None)


def test_explain_reads_files_and_options(mapping: Any) -> None:
    records = b'{"ColoCode":"A"}\n{"Datetime":5,"QueryName":"x.github.io"}\n'
    Path("logs.gz").write_bytes(gzip.compress(records))
    options = ("--dataset", "gateway_dns", "--number", "2", "--timestamp-unit", "ms")
    run = mapping("explain", "logs.gz", *options, "--no-message", "--private-suffixes")
    assert run.code == 0
    text = "\n".join(run.lines)
    assert "1970-01-01T00:00:00.005000Z" in text and '"x.github.io"' in text
    assert "raw records are left out (keep_message=False, --no-message)" in text


def test_explain_cuts_a_long_input_at_a_line(mapping: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfdns_fast.cli.mapping_input._MAX_BYTES", 40)
    write('{"ColoCode":"A"}\n{"ColoCode":"B"}\n{"ColoCode":"C"}\n', "x.ndjson")
    assert any('"B"' in line for line in mapping("explain", "x.ndjson", "--number", "2").lines)
    run = mapping("explain", "x.ndjson", "--number", "3")
    note = "(whole lines of the first 0 MiB are read)"
    assert (run.code, run.errors) == (1, f"cfdns-fast: x.ndjson: the input has fewer than 3 records {note}\n")
    write('{"ColoCode":"' + "A" * 40 + '"}\n', "long.ndjson")
    for arguments in (("explain", "long.ndjson"), ("test", "ecs", "--write", "long.ndjson")):
        run = mapping(*arguments)
        assert (run.code, run.errors) == (1, f"cfdns-fast: long.ndjson: the input has no record {note}\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("absent",), 1, "absent: No such file"),
        (("{",), 1, "the record: json.syntax"),
        (("{}{",  "--number", "2"), 1, "json.syntax"),
        (("",), 2, "empty name"),
        (("{}", "--number", "0"), 2, "--number"),
        (("{}", "--number", "9" * 30), 2, "--number"),
        (("{}", "--number", "2"), 1, "fewer than 2 records"),
        (("{}", "--schema", "x"), 2, "no such schema"),
        (("{}", "--schema", "./x", "--dataset", "gateway_dns"), 2, "dataset"),
        (("{}", "--input-format", "jso"), 2, "did you mean json?"),
        (("{}", "--dataset", "x"), 2, "no such dataset"),
    ],
)  # fmt: skip
def test_explain_says_what_is_wrong(arguments: tuple[str, ...], code: int, words: str, mapping: Any) -> None:
    run = mapping("explain", *arguments)
    assert (run.code, run.lines) == (code, [])
    assert words in run.errors and len(run.errors.splitlines()) == 1


def test_explain_escapes_content(mapping: Any) -> None:
    record = json.dumps({"ColoCode": HOSTILE, HOSTILE: 1, "SourceIP": HOSTILE}, ensure_ascii=False)
    run = mapping("explain", record)
    assert run.code == 0
    assert all(line.isprintable() for line in run.lines)


def test_explain_bounds_the_names(mapping: Any) -> None:
    run = mapping("explain", json.dumps({f"{number}{'k' * 1000}": 1 for number in range(900)}))
    assert run.lines[-2].endswith("…, and 850 more")
    assert len(run.lines[-2]) < 50 * 70


# diff


def test_diff_of_equal_mappings_prints_nothing(mapping: Any) -> None:
    run = mapping("diff", "ecs", bundled_path("ecs", "dns_logs"))
    assert run == (0, [], "")


def test_diff_prints_targets_that_differ(mapping: Any) -> None:
    write(TEXT, "a.toml")
    write(TEXT.replace('"text"', '"integer"') + field(to="x", kind="raw"), "b.toml")
    run = mapping("diff", "a.toml", "b.toml")
    assert run.code == 1
    assert run.lines == [
        "--- a.toml",
        "+++ b.toml",
        "- colo: text from ColoCode",
        "+ colo: integer from ColoCode",
        "+ x: raw",
    ]


def test_diff_escapes_names_and_values(mapping: Any) -> None:
    write(field(**{"from": HOSTILE}, to=HOSTILE, kind="text"), "a.toml")
    write(field(**{"from": HOSTILE}, to="x", kind="text"), "b.toml")
    write(json.dumps({HOSTILE: HOSTILE}, ensure_ascii=False), "x.ndjson")
    run = mapping("diff", "a.toml", "b.toml", "--input", "x.ndjson")
    assert run.code == 1 and len(run.lines) == 8
    assert all(line.isprintable() for line in run.lines)


def test_diff_compares_the_events_of_an_input(mapping: Any) -> None:
    write(TEXT, "a.toml")
    write(TEXT.replace('"text"', '"integer"'), "b.toml")
    write('{"ColoCode":"1"}\n{"ColoCode":"x"}\n{}\n', "x.ndjson")
    run = mapping("diff", "a.toml", "b.toml", "--input", "x.ndjson")
    assert run.code == 1
    assert run.lines[4] == "events: 3 compared, 2 differ"
    assert [line.split() for line in run.lines[5:]] == [
        ["TARGET", "REMOVED", "ADDED", "CHANGED", "FIRST", "BEFORE", "AFTER"],
        ["colo", "1", "0", "1", "event", "1", '"1"', "1"],
    ]
    run = mapping("diff", "a.toml", "a.toml", "--input", "x.ndjson")
    assert (run.code, run.lines) == (0, ["--- a.toml", "+++ a.toml", "events: 3 compared, 0 differ"])


def test_diff_of_a_broken_input_fails(mapping: Any) -> None:
    Path("broken.gz").write_bytes(gzip.compress(b"{}\n" * 99)[:-9])
    run = mapping("diff", "ecs", "sekoia", "--input", "broken.gz")
    assert (run.code, run.lines) == (1, [])
    assert run.errors.startswith("cfdns-fast: broken.gz: ")


# test


CASES = """
[[case]]
name = "colo"
input = '{"ColoCode":"AMS"}'
events = [{ colo = "AMS" }]

[[values]]
name = "numbers"
source = "ColoCode"
targets = ["colo"]
rows = [['28', "28"], ['1.5', { problem = "field.type" }]]
"""


def test_cases_that_hold_pass(mapping: Any) -> None:
    write(TEXT)
    write(CASES, "cases.toml")
    assert mapping("test", "my.toml", "cases.toml") == (0, [], "cfdns-fast: 3 cases passed\n")
    write(CASES.partition("[[values]]")[0], "one.toml")
    assert mapping("test", "my.toml", "one.toml").errors == "cfdns-fast: 1 case passed\n"


def test_failed_cases_are_shown_as_a_diff(mapping: Any) -> None:
    write(TEXT.replace('"text"', '"integer"'))
    write(CASES, "cases.toml")
    run = mapping("test", "my.toml", "cases.toml")
    assert run.code == 1
    assert run.lines == [
        "cases.toml:2: colo",
        "  event 1, colo:",
        '    - "AMS"',
        "    + (none)",
        "  problems:",
        "    - {}",
        '    + {"field.type:ColoCode": 1}',
        "cases.toml:7: numbers 28",
        "  event 1, colo:",
        '    - "28"',
        "    + 28",
    ]
    assert run.errors == "cfdns-fast: 2 of 3 cases failed\n"


def test_option_that_cannot_be_fails_the_case(mapping: Any) -> None:
    write(TEXT)
    write(CASES.replace("events", 'options = { timestamp_unit = "h" }\nevents'), "cases.toml")
    run = mapping("test", "my.toml", "cases.toml")
    assert run.code == 1
    assert run.lines[1].startswith("  timestamp_unit must be one of ")


def test_written_cases_pass(mapping: Any) -> None:
    write('{"QueryName":"a.com","SourceIP":"x"}\noops\n{"Timestamp":5}\n{"ColoCode":"AMS"}\n', "x.ndjson")
    for name in ("sekoia", "ecs"):
        run = mapping("test", name, "--write", "x.ndjson", "--count", "2")
        assert run.code == 0
        assert sum(line == "[[case]]" for line in run.lines) == 2
        write("\n".join(run.lines), "cases.toml")
        assert mapping("test", name, "cases.toml").errors == "cfdns-fast: 2 cases passed\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("ecs",), 2, "give a file of cases"),
        (("ecs", "a", "--write", "b"), 2, "give a file of cases"),
        (("ecs", "absent"), 1, "absent: No such file"),
        (("ecs", "--write", "absent"), 1, "absent: No such file"),
        (("ecs", "empty"), 2, "at least one [[case]]"),
        (("ecs", "--write", "empty"), 1, "no record"),
    ],
)
def test_test_says_what_is_wrong(arguments: tuple[str, ...], code: int, words: str, mapping: Any) -> None:
    write("", "empty")
    run = mapping("test", *arguments)
    assert (run.code, run.lines) == (code, [])
    assert words in run.errors and len(run.errors.splitlines()) == 1


# the command


def test_group_alone_shows_its_help(mapping: Any) -> None:
    run = mapping()
    assert run.code == 2
    assert run.errors.startswith("Usage: cfdns-fast mapping ") and "\\n" not in run.errors


def test_standard_input_is_read(cli: Cli) -> None:
    assert (
        cli("mapping", "check", "-", input=b"x = [").output
        == b"stdin:1: not TOML: Invalid value (at end of document)\n"
    )
    assert b'"AMS"' in cli("mapping", "explain", "-", input=b'{"ColoCode":"AMS"}').output


def test_fault_of_standard_input_has_a_name(cli: Cli) -> None:
    run = cli("mapping", "check", "-", input=b"#" * (17 << 20))
    assert (run.code, run.output, run.errors) == (1, b"", "cfdns-fast: stdin: has more than 16 MiB\n")
