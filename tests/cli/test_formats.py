"""The command on inputs of every format."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.command import CliHere
from support.processes import SANITIZED, run_python

RECORDS = [b'{"ColoCode":"AMS","QueryType":1}', b'{"ColoCode":"CDG","QueryType":28}']
FORMATS = {
    "ndjson": b"\n".join(RECORDS),
    "json": b'{"events":[\n  {"info":' + RECORDS[0] + b'},\n  {"info":' + RECORDS[1] + b"}\n]}\n",
    "array": b"[" + b",".join(RECORDS) + b"]",
    "csv": b"ColoCode,QueryType\n" + b'"AMS",1\n"CDG",28\n',
    "tsv": b"ColoCode\tQueryType\r\nAMS\t1\r\nCDG\t28\r\n",
}


@pytest.fixture
def convert(cli_here: CliHere) -> Any:
    """Return a function that runs the command on files and returns (code, output, lines of errors)."""

    def run(*arguments: str, **files: bytes) -> tuple[object, bytes, list[str]]:
        done = cli_here("convert", *arguments, **files)
        return done.code, done.output, done.lines

    return run


def colos(output: bytes) -> list[str]:
    return [json.loads(line)["cloudflare"]["ColoCode"] for line in output.splitlines()]


@pytest.mark.parametrize("content", FORMATS.values(), ids=FORMATS)
def test_convert_detects_the_format(convert: Any, content: bytes) -> None:
    code, output, lines = convert("plain", "packed", "--no-message", plain=content, packed=gzip.compress(content))
    assert (code, colos(output)) == (0, ["AMS", "CDG"] * 2)
    assert f"lines {2 * len(content.splitlines())}, events 4, blank 0, problems 4" in lines[0]
    assert ", rejects 0," in lines[0]


def test_convert_detects_the_format_of_each_input(convert: Any) -> None:
    code, output, _ = convert(*FORMATS, **FORMATS)
    assert (code, colos(output)) == (0, ["AMS", "CDG"] * len(FORMATS))


def test_convert_of_unknown_format_exits_1(convert: Any) -> None:
    """One line names the input, and the other inputs are converted."""
    code, output, lines = convert("bad", "csv", bad=b"secret,stuff\n1,2\n", csv=FORMATS["csv"])
    assert (code, colos(output)) == (1, ["AMS", "CDG"])
    assert lines[0].startswith("cfdns-fast: bad: format.unknown: ")
    assert "--input-format" in lines[0] and "--columns" in lines[0] and "secret" not in "".join(lines)
    assert lines[1].startswith("cfdns-fast: lines 3, events 2, ") and len(lines) == 2


def test_unknown_format_alone_leaves_outputs_unchanged(convert: Any, tmp_path: Path) -> None:
    code, _, lines = convert("bad", "-o", "out", "--rejects", "rejects", "-q", bad=b"oops\n", out=b"before")
    assert (code, len(lines)) == (1, 1)
    assert (tmp_path / "out").read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "out"]


def test_truncated_input_of_unknown_format_is_reported(convert: Any) -> None:
    code, _, lines = convert("bad", "-q", bad=gzip.compress(b"oops\n" * 9)[:-9])
    assert code == 1
    assert len(lines) == 1 and "truncated gzip" in lines[0]


def test_convert_of_empty_or_blank_input_exits_0(convert: Any) -> None:
    code, output, lines = convert("empty", "blank", empty=b"", blank=b"\n \r\n")
    assert (code, output) == (0, b"")
    assert lines[0].startswith("cfdns-fast: lines 2, events 0, blank 2, problems 0, rejects 0, ")


def test_columns_option_replaces_the_header(convert: Any) -> None:
    content = FORMATS["csv"].partition(b"\n")[2]
    for arguments in ((), ("--input-format", "csv")):
        code, output, _ = convert("in", "--columns", "ColoCode,QueryType", *arguments, **{"in": content})
        assert (code, colos(output)) == (0, ["AMS", "CDG"])
    code, _, lines = convert("in", "--input-format", "csv", **{"in": content})
    assert code == 1 and lines[0].startswith("cfdns-fast: in: format.no_header: ")


def test_record_delimiter_ends_records(convert: Any) -> None:
    content = b"|".join(RECORDS) + b"|oops|" + RECORDS[0]
    code, output, lines = convert("in", "--record-delimiter", "|", **{"in": content})
    assert (code, colos(output)) == (0, ["AMS", "CDG", "AMS"])
    assert "rejects 1 (json.syntax 1, first at in:1 byte offset 67)" in lines[0]


def test_rejects_file_holds_every_byte(convert: Any, tmp_path: Path) -> None:
    rest = b'oops "' + b"\xff" * 200_000
    files = {"a": FORMATS["array"][:-1] + b",1," + rest, "b": FORMATS["csv"] + b"x\n" + b"y" * 200_000 + b"\n"}
    code, output, _ = convert("a", "b", "--rejects", "rejects", "--strict", **files)
    assert (code, colos(output)) == (1, ["AMS", "CDG"] * 2)
    rejects = [json.loads(line) for line in (tmp_path / "rejects").read_bytes().splitlines()]
    codes = ["json.not_object", "json.syntax", "csv.columns", "csv.columns"]
    assert [(reject["input"], reject["code"]) for reject in rejects] == list(zip("aabb", codes, strict=True))
    assert [reject["byte_length"] for reject in rejects] == [1, len(rest), 1, 200_000]
    assert rejects[3]["raw"] == "y" * 200_000
    assert "raw_base64" in rejects[1]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--input-format", "xml"], "--input-format"),
        (["--input-format", "json", "--columns", "a"], "columns"),
        (["--columns", "QueryName, QueryName"], "columns"),
        (["--columns", "a,b"], "known are: ColoCode, "),
        (["--columns", "a,b", "--schema", "ecs"], "(see cfdns-fast convert --help)"),
        (["--record-delimiter", "{"], "record_delimiter"),
        (["--input-format", "tsv", "--record-delimiter", "|"], "record_delimiter"),
    ],
)
def test_conflicting_options_are_one_line_and_exit_2(convert: Any, arguments: list[str], word: str) -> None:
    code, output, lines = convert(*arguments)
    assert (code, output, len(lines)) == (2, b"", 1)
    assert word in lines[0]


def test_convert_names_unused_columns_once(convert: Any) -> None:
    other = b"ColoCode,QueryType,Bar, Foo\nCDG,1,,\n"
    files = {"a": b"Foo ,ColoCode,QueryType\n,AMS,1\n", "b": other, "c": other}
    code, output, lines = convert(*files, **files)
    assert (code, colos(output), len(lines)) == (0, ["AMS", "CDG", "CDG"], 1)
    assert lines[0].endswith(" events/s, columns not used: Foo, Bar")
    assert convert("a", "-q", **files)[2] == []


def test_convert_bounds_unused_columns(convert: Any) -> None:
    names = ["\x1b[31mred", "", "x" * 5000, *(f"c{number}" for number in range(20))]
    header = ",".join(["ColoCode", "QueryType", *names])
    code, _, lines = convert("in", **{"in": header.encode() + b"\n"})
    shown = ", ".join(["\\x1b[31mred", '""', "x" * 200 + "…", *(f"c{number}" for number in range(7))])
    assert (code, len(lines)) == (0, 1)
    assert lines[0].endswith(f", columns not used: {shown} and 13 more")


SLOW_INPUTS = ("csv", "json", "a line", "delimited", "broken", "broken line")


# AddressSanitizer keeps freed memory for a while, so the size of the process is meaningless.
@pytest.mark.skipif(sys.platform != "linux" or SANITIZED, reason="reads the process's size from /proc")
@pytest.mark.parametrize(
    "kind",
    ["lines", *(pytest.param(each, marks=pytest.mark.slow) for each in SLOW_INPUTS)],
)
def test_memory_stays_flat_for_large_input(kind: str) -> None:
    parts = {
        "json": ('{"events":[', '{"info":{"ColoCode":"AMS"}},\\n', "{}]}"),
        "lines": ('{"info":{}}\\n{"info":{"ColoCode"\\n', '{"info":{"ColoCode":"AMS"}}\\n', ""),
        "a line": ('[{}]\\n{"events":[{}', ',{"info":{"ColoCode":"AMS"}}', "]}\\n"),
        "csv": ("ColoCode,QueryType\\n", '"AMS",1\\n', ""),
        "delimited": ("", '{"ColoCode":"AMS"}|', ""),
        "broken": ("[{},\\n{}oops", "x" * 40, ""),
        "broken line": ("[{}]\\n[{},{}oops", "x" * 40, "\\n{}\\n"),
    }
    before, piece, after = parts[kind]
    times = 30 if kind == "csv" else 300
    producer = f"""
import sys
write = sys.stdout.write
write({before!r}.encode().decode("unicode_escape"))
piece = {piece!r}.encode().decode("unicode_escape") * 5000
for _ in range({times}): write(piece)
write({after!r})
"""
    consumer = """
import re, sys
from cfdns_fast.cli.app import main
try: main(["convert", "--fail-on", "none", "-o", "/dev/null", "--record-delimiter", "|", "--no-message"])
finally: print(int(re.search(r"VmHWM:\\s+([0-9]+)", open("/proc/self/status").read())[1]) // 1024)
"""
    with subprocess.Popen([sys.executable, "-c", producer], stdout=subprocess.PIPE) as process:
        done = run_python(consumer, stdin=process.stdout)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 100, "MiB"
