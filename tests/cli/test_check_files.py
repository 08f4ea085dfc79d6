"""Files that Logpush writes to check a destination are skipped and counted, unless they hold a record."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.feeding import cut

from cfdns_fast import Normalizer
from cfdns_fast.cli.app import main
from cfdns_fast.cli.check_files import CheckFile, log_blocks
from cfdns_fast.cli.schema import Schema
from cfdns_fast.io.inputs import InputFault

SCHEMA = Schema("sekoia", "dns_logs", "auto")
RECORD = b'{"QueryName":"a.com","Timestamp":1}\n'
TOKEN = b"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJsb2dwdXNoIn0.c2lnbmF0dXJlLV8"
BODIES = [
    *(b"test", b"tests\n", b'{"content":"test"}', b'{"content":"tests"}\r\n', b'{"content": "tests"}\n\n'),
    *(TOKEN, TOKEN + b"\n"),
]
NAMES = [
    *("ownership-challenge.txt", "ownership-challenge-0a1b2c3d.txt", "a/b/ownership-challenge-f.txt"),
    *("test.txt.gz", "20240607/test.txt.gz", "logs/TEST.TXT.GZ", "Ownership-Challenge-0123456789ABCDEF01.txt"),
    *("C:\\logs\\test.txt.gz", "a\nb/test.txt.gz"),
]
OTHER_NAMES = ["atest.txt.gz", "test.txt", "test.txt.gz.old", "ownership-challenge-xyz.txt", "ownership-challenge-.txt"]


def outcome(name: str, *blocks: bytes, **options: Any) -> bytes | None:
    """Return the bytes of an input that are converted, None if the input is skipped."""
    given: dict[str, Any] = {"input_format": "auto", **options}
    try:
        return b"".join(log_blocks(name, iter(blocks), Normalizer(**given), SCHEMA))
    except CheckFile:
        return None


def convert(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(["convert", *arguments])
    return ended.value.code


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_known_body_is_skipped_under_any_name(body: bytes) -> None:
    for name in ("-", "any.ndjson", "test.txt.gz"):
        assert outcome(name, body) is None
        assert outcome(name, *cut(body, 1)) is None
        assert outcome(name, body, b"", b"", input_format="ndjson") is None


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_known_body_with_more_is_converted(body: bytes) -> None:
    for data in (body.rstrip() + b"!", body + b"\n" + RECORD, b" " + body, body[:3]):
        assert outcome("any", data) == data
    assert outcome("any", body, RECORD) == body + RECORD


@pytest.mark.parametrize("name", NAMES)
def test_name_is_enough_for_one_short_line(name: str) -> None:
    for content in (b"", b"\n", b"secret", b"0123abcd\r\n", b'{"content":"hello"}', b'"test"\n'):
        assert outcome(name, content) is None
    assert outcome(name) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "content",
    [
        RECORD,
        RECORD.rstrip(),
        b'{"Query\\u004eame":"a.com"}',
        b"[" + RECORD + b"]",
        b"QueryName,Timestamp\na.com,1\n",
        b'{"QueryName":"a.c',
        b"one\ntwo\n",
        b"x" * 5000,
        b"\xff\xfe",
        b"PK\x03\x04",
        "{}".encode("utf-16-le"),
    ],
    ids=lambda content: str(content[:20]),
)
def test_named_file_with_other_content_is_converted(name: str, content: bytes) -> None:
    assert outcome(name, content) == content


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_other_name_is_not_enough(name: str) -> None:
    assert outcome(name, b"secret") == b"secret"
    assert outcome(name, b"") == b""


def test_body_that_is_a_row_is_converted() -> None:
    options = {"input_format": "csv", "columns": ["QueryName"]}
    assert outcome("-", b"test\n", **options) == b"test\n"
    assert outcome("test.txt.gz", b"a.com\n", **options) == b"a.com\n"


def test_blocks_pass_once_they_differ_from_a_body() -> None:
    def blocks() -> Iterator[bytes]:
        yield b'{"co'
        yield b'lo":1}\n'
        raise AssertionError("asked for more than is needed")

    passed = log_blocks("-", blocks(), Normalizer(), SCHEMA)
    assert [next(passed), next(passed)] == [b'{"co', b'lo":1}\n']


@pytest.mark.parametrize("pause", [b"", b"\n"])
def test_records_of_named_file_do_not_wait(pause: bytes) -> None:
    def blocks() -> Iterator[bytes]:
        yield RECORD.rstrip()
        yield pause
        raise AssertionError("asked for more than is needed")

    assert next(log_blocks("test.txt.gz", blocks(), Normalizer(), SCHEMA)) == RECORD.rstrip()


def test_fault_comes_after_the_kept_blocks() -> None:
    def blocks() -> Iterator[bytes]:
        yield b'{"content":'
        raise InputFault("truncated gzip", 9)

    passed = log_blocks("test.txt.gz", blocks(), Normalizer(), SCHEMA)
    assert next(passed) == b'{"content":'
    with pytest.raises(InputFault):
        next(passed)


def test_convert_counts_check_files(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "20240607").mkdir()
    check = tmp_path / "20240607" / "test.txt.gz"
    check.write_bytes(gzip.compress(b'{"content":"tests"}'))
    (tmp_path / "any").write_bytes(TOKEN)
    (tmp_path / "logs").write_bytes(RECORD)
    names = [str(check), str(tmp_path / "any"), str(tmp_path / "logs"), str(check)]
    assert convert(*names, "-o", str(tmp_path / "out")) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "lines 1, events 1, blank 0, problems 0, rejects 0, " in line
    assert line.endswith(f", skipped 3 (Logpush's checks of a destination: {names[0]}, {names[1]})")
    assert (tmp_path / "out").read_bytes().count(b"\n") == 1


def test_convert_of_check_files_alone_exits_0(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "ownership-challenge-1.txt"
    path.write_bytes(b"secret")
    assert convert(str(path), "-q", "--strict", "-o", str(tmp_path / "out")) == 0
    assert capsys.readouterr().err == ""


def test_convert_of_missing_check_file_exits_1(tmp_path: Path, capsys: Any) -> None:
    assert convert(str(tmp_path / "test.txt.gz"), "-q") == 1
    assert "No such file" in capsys.readouterr().err


def test_convert_converts_check_file_with_records(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "test.txt.gz"
    path.write_bytes(gzip.compress(RECORD * 3))
    assert convert(str(path), "-o", str(tmp_path / "out")) == 0
    assert "events 3, " in capsys.readouterr().err
