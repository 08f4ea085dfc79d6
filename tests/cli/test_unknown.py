"""The command on records without a key that the mapping reads, and the option --fail-on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.command import RECORD, Cli, CliHere, needs_posix, records

from cfdns_fast import Normalizer
from cfdns_fast.cli.check_files import log_blocks
from cfdns_fast.cli.schema import Schema
from cfdns_fast.cli.unknown_records import FirstRecord
from cfdns_fast.mapping import bundled_path

NDJSON = Schema("sekoia", "dns_logs", "ndjson")
AUTO = Schema("sekoia", "dns_logs", "auto")
EVENTS = "they are converted events, which inspect reads as NDJSON"
INNER = RECORD.decode().strip()


def explained(data: bytes, schema: Schema = AUTO, records: int = 1, unknown: int = 1) -> str | None:
    first = FirstRecord()
    first.feed(data)
    first.add(records, unknown)
    found = first.explain("in", schema)
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("data", "schema", "advice"),
    [
        (b'{"a":1,"b":2}', AUTO, "is it another dataset? see --dataset; for other names of keys see docs/mapping.md"),
        (b'{"RCode":0,"Email":""}', AUTO, "they are of --dataset gateway_dns"),
        (f'{{"event":{INNER}}}'.encode(), NDJSON, '"event" holds the records: --input-format json unwraps them'),
        (f'{{"t":1,"event":{INNER}}}'.encode(), AUTO, '"event" holds the records: jq -c .event unwraps them'),
        (f'{{"t":1,"all":[{INNER}]}}'.encode(), NDJSON, "\"all\" holds the records: jq -c '.all[]' unwraps them"),
        (f'{{"t":1,"a b":{INNER}}}'.encode(), AUTO, '"a b" holds the records: jq unwraps them'),
        (f'[{{"t":1,"r":{INNER}}}]'.encode(), AUTO, "\"r\" holds the records: jq -c '.[].r' unwraps them"),
        (f'[{{"x":[{INNER}]}}]'.encode(), AUTO, "\"x\" holds the records: jq -c '.[].x[]' unwraps them"),
        (f'{{"l":[{{"t":1,"r":{INNER}}}]}}'.encode(), AUTO, "\"r\" holds the records: jq -c '.l[].r' unwraps them"),
        (json.dumps({"log": INNER + "\n"}).encode(), AUTO, '"log" holds the records as text: jq -r .log unwraps them'),
        (Normalizer().to_ndjson(RECORD).output, AUTO, f"{EVENTS}; jq -r .message unwraps their records"),
        (Normalizer("ecs").to_ndjson(RECORD).output, AUTO, f"{EVENTS}; jq -r .event.original unwraps their records"),
        (
            b"[%s]" % Normalizer("ocsf").to_ndjson(RECORD).output,
            AUTO,
            f"{EVENTS}; jq -r '.[].raw_data' unwraps their records",
        ),
        (Normalizer("ocsf", keep_message=False).to_ndjson(RECORD).output, NDJSON, EVENTS),
        (b'{"class_uid":4003,"metadata":{},"event":5}', AUTO, EVENTS),
        (b"a,b\n1,2\n", AUTO, "see --columns for rows without a header, and docs/mapping.md"),
    ],
)
def test_advice_fits_the_first_record(data: bytes, schema: Schema, advice: str) -> None:
    text = explained(data, schema)
    assert text is not None and text.endswith(f" ({advice})")


def test_first_key_of_a_long_record_is_named() -> None:
    text = explained(b'{"hits":{"hits":["' + b"x" * (1 << 17))
    assert text is not None and 'its keys are "hits" (' in text


def test_keys_are_few_short_and_printable() -> None:
    record = {f"\x1b{number}" + 60 * "k": number for number in range(20)}
    text = explained(json.dumps(record).encode(), records=20, unknown=20)
    assert text is not None
    assert text.startswith(
        'in: none of 20 records has a key that the mapping reads; the first one has the keys "\\x1b0k'
    )
    assert text.count('"\\x1b') == 8 and "k" * 39 not in text and "\x1b" not in text


@pytest.mark.parametrize(
    "data", [b"", b"{", b'{"a":' + b"[" * 60_000, b'{"a":' + b"9" * 9000 + b"}", b'{"a":"\xff"}', b"{}"]
)
def test_unreadable_first_record_is_reported(data: bytes) -> None:
    text = explained(data)
    assert text is not None and text.startswith("in: the only record has no key that the mapping reads")


def test_one_known_record_prevents_the_line() -> None:
    assert explained(b'{"a":1}', records=3, unknown=2) is None
    assert explained(b"", records=0, unknown=0) is None


@pytest.mark.parametrize(
    ("options", "code"),
    [([], 1), (["--fail-on", "none"], 0), (["--fail-on", "rejects"], 1), (["--strict"], 1), (["--quiet"], 1)],
)
def test_input_without_known_records_fails(cli_here: CliHere, options: list[str], code: int) -> None:
    run = cli_here("convert", *options, "data", data=b'{"event":{"QueryName":"a.example.com"},"t":1}\n' * 3)
    assert (run.code, run.output.count(b"\n")) == (code, 3)
    expected = 'data: none of 3 records has a key that the mapping reads; the first one has the keys "event", "t"'
    assert run.lines[0] == f'cfdns-fast: {expected} ("event" holds the records: jq -c .event unwraps them)'


def test_standard_input_is_named_stdin(cli: Cli) -> None:
    run = cli("convert", "--quiet", "--strict", input=b'{"event":{"QueryName":"a.example.com"},"t":1}\noops\n')
    assert run.code == 1 and run.lines[0].startswith("cfdns-fast: stdin: the only record has no key")
    assert run.lines[1:] == ["cfdns-fast: 1 rejects, 1 unknown records (--strict allows none)"]


def test_each_input_is_checked_separately(cli: Cli) -> None:
    cli.write("known", RECORD)
    cli.write("unknown", b'{"a":1}\n')
    run = cli("convert", "known", "unknown", "--summary-json", "summary")
    assert run.code == 1 and run.lines[0].startswith("cfdns-fast: unknown: the only record has no key")
    summary = json.loads((cli.directory / "summary").read_bytes())
    assert summary["unknown_inputs"] == [{"input": "unknown", "records": 1, "keys": ["a"]}]
    assert (summary["unknown"], summary["problems"]["record.unknown"]) == (1, 1)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 0),
        (["--strict"], 1),
        (["--fail-on", "unknown"], 1),
        (["--fail-on", "rejects"], 0),
        (["--fail-on", "problems"], 1),
    ],
)
def test_some_unknown_records_fail_if_asked(cli_here: CliHere, options: list[str], code: int) -> None:
    assert cli_here("convert", *options, "data", data=RECORD + b'{"a":1}\n').code == code


@pytest.mark.parametrize(
    ("options", "code", "line"),
    [
        ([], 0, None),
        (["--strict"], 1, "1 rejects (--strict allows none)"),
        (["--fail-on", "rejects"], 1, "1 rejects (--fail-on allows none)"),
        (["--fail-on", "unknown"], 0, None),
        (["--fail-on", "problems"], 1, "1 problems (--fail-on allows none)"),
        (["--fail-on", "problems,rejects"], 1, "1 rejects, 1 problems (--fail-on allows none)"),
        (["--strict", "--fail-on", "problems"], 1, "1 rejects, 1 problems (--fail-on allows none)"),
        (["--fail-on", "none"], 0, None),
    ],
)
def test_fail_on_line_names_what_is_not_allowed(cli_here: CliHere, options: list[str], code: int, line: Any) -> None:
    run = cli_here("convert", "--quiet", *options, "data", data=b'{"QueryName":"a.example.com"}\noops\n')
    assert (run.code, run.output.count(b"\n")) == (code, 1)
    assert run.lines == ([] if line is None else [f"cfdns-fast: {line}"])


@pytest.mark.parametrize(
    "options", [["--fail-on", "all"], ["--fail-on", "none,rejects"], ["--strict", "--fail-on", "none"]]
)
def test_fail_on_rejects_other_words(cli_here: CliHere, options: list[str]) -> None:
    run = cli_here("convert", *options, "data", data=records(1))
    assert (run.code, len(run.lines)) == (2, 1)


@needs_posix
def test_mapping_of_a_pipe_is_read_once(cli_here: CliHere) -> None:
    """The advice on unknown records does not need it again."""
    cli_here.write("in", b'{"foo":1}\n')
    reader, writer = os.pipe()
    os.write(writer, Path(bundled_path("ecs", "dns_logs")).read_bytes())
    os.close(writer)
    run = cli_here("convert", "in", "-o", "out", "--schema", f"/dev/fd/{reader}")
    os.close(reader)
    assert run.code == 1 and 'its keys are "foo"' in run.errors
    assert "foo" in (cli_here.directory / "out").read_text()


@needs_posix
def test_mapping_that_cannot_be_read_again_has_no_keys(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.toml")
    (tmp_path / "broken.toml").write_text("x")
    for name in ("fifo.toml", "absent.toml", "broken.toml"):
        schema = Schema(str(tmp_path / name), "dns_logs", "auto")
        assert schema.known() == frozenset()
        # Without them, no file with the name of a check is skipped, because its line may be a damaged record.
        assert list(log_blocks("test.txt.gz", iter([b"text"]), Normalizer(), schema)) == [b"text"]
