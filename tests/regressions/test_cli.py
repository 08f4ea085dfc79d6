"""Public reports about other collectors that need a file and the command. Each test names its report."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from support.records import RAW_LIMIT, numbers, record, records

from cfdns_fast import Normalizer
from cfdns_fast.cli.app import main


class Run:
    """One run of `cfdns-fast convert` on one input, and its results."""

    def __init__(self, directory: Path, capsys: Any, name: str, content: bytes) -> None:
        (directory / name).write_bytes(content)
        arguments = ["-o", str(directory / "out"), "--rejects", str(directory / "rejects")]
        with pytest.raises(SystemExit) as ended:
            main(["convert", str(directory / name), *arguments])
        self.code = ended.value.code
        self.errors = capsys.readouterr().err
        self.output = (directory / "out").read_bytes()
        self.rejects = [json.loads(line) for line in (directory / "rejects").read_bytes().split(b"\n")[:-1]]


@pytest.fixture
def convert(tmp_path: Path, capsys: Any) -> Any:
    """Return a function that runs the command on an input of this name and content."""
    return lambda name, content: Run(tmp_path, capsys, name, content)


# Azure/Azure-Sentinel PR#3818
def test_unicode_line_separators_end_no_record(convert: Any) -> None:
    value = "a\u2028b\u2029c\u0085d".encode()
    line = b'{"QueryName":"n%d.example.com","ColoCode":"' + value + b'"}\n'
    run = convert("in", b"".join(line % number for number in range(3)))
    assert (run.code, numbers(run.output), run.rejects) == (0, [0, 1, 2], [])
    assert "lines 3, events 3," in run.errors


# logstash-plugins/logstash-input-http#110
@pytest.mark.parametrize("count", [1, 3])
def test_last_record_needs_no_newline(convert: Any, count: int) -> None:
    run = convert("in", records(count).rstrip(b"\n"))
    assert (run.code, numbers(run.output), run.rejects) == (0, list(range(count)), [])


# banso-labs/banso#1193
def test_rejects_file_holds_whole_malformed_lines(convert: Any) -> None:
    long = b'{"ColoCode":"' + b"A" * (2 * RAW_LIMIT)
    binary = b'{"ColoCode":"\xe4"}'
    lines = [record(0), b"oops\n", b"\n", long + b"\n", record(1), binary + b"\n", record(2) + b"[1]"]
    run = convert("in", b"".join(lines))
    assert (run.code, numbers(run.output)) == (0, [0, 1, 2])
    kept = [reject.get("raw", "").encode() or base64.b64decode(reject["raw_base64"]) for reject in run.rejects]
    assert kept == [b"oops", long, binary, b"[1]"]
    codes = ["json.syntax", "json.syntax", "json.utf8", "json.not_object"]
    assert [reject["code"] for reject in run.rejects] == codes
    content = b"".join(lines)
    for reject, raw in zip(run.rejects, kept, strict=True):
        assert content[reject["byte_offset"] :].startswith(raw) and reject["byte_length"] == len(raw)
        assert reject["line"] == 1 + content.count(b"\n", 0, reject["byte_offset"])


# tower-rs/tower-http#353, #354, #737; curl/curl#22156; tornadoweb/tornado#3560, #3654
@pytest.mark.parametrize("padding", [0, 512])
def test_gzip_members_may_split_lines(convert: Any, padding: int) -> None:
    content = records(200)
    members = [content[:1000], b"", content[1000:1020], content[1020:]]
    run = convert("in.gz", b"".join(gzip.compress(member) + bytes(padding) for member in members))
    assert (run.code, numbers(run.output), run.rejects) == (0, list(range(200)), [])
    assert "lines 200, events 200," in run.errors


# tornadoweb/tornado#3560, #3654: gzip.decompress() gives nothing of such a file
@pytest.mark.parametrize("members", [1, 2])
def test_truncated_gzip_is_reported_after_its_lines(convert: Any, members: int) -> None:
    cut = gzip.compress(records(2000))[:-100]
    compressed = gzip.compress(record(0)) * (members - 1) + cut
    run = convert("in.gz", compressed)
    assert run.code == 1
    assert f"truncated gzip (at byte {len(compressed)} of the compressed input)" in run.errors
    plain = zlib.decompressobj(31).decompress(cut)
    complete = len(plain.splitlines()) - (not plain.endswith((b"}", b"\n")))
    assert 1000 < complete < 2000
    assert numbers(run.output) == [0] * (members - 1) + list(range(complete))
    # The unfinished last line is not lost either.
    assert "".join(reject["raw"] for reject in run.rejects).encode() == plain[len(records(complete)) :]


# tornadoweb/tornado#3560, #3654
def test_bytes_after_gzip_are_reported_after_its_lines(convert: Any) -> None:
    member = gzip.compress(records(3))
    run = convert("in.gz", member + b"trailing")
    assert (run.code, numbers(run.output), run.rejects) == (1, [0, 1, 2], [])
    assert f"not gzip after the last member (at byte {len(member)} of the compressed input)" in run.errors


# cloudflare/cloudflare-docs#29117
def test_plain_file_named_gz_is_read(convert: Any) -> None:
    run = convert("20220707T224206Z.log.gz", records(3))
    assert (run.code, numbers(run.output), run.rejects) == (0, [0, 1, 2], [])


# cloudflare/cloudflare-docs#29117
@pytest.mark.parametrize("name", ["20220707T224206Z.log", "20220707T224206Z"])
def test_gzip_file_of_another_name_is_decompressed(convert: Any, name: str) -> None:
    run = convert(name, gzip.compress(records(3)))
    assert (run.code, numbers(run.output), run.rejects) == (0, [0, 1, 2], [])


# cloudflare/cloudflare-docs#8865: the body with which a destination is validated is counted as a bad line. The command
# skips an input that holds nothing else. To the library the text is a reject, and the object an event of constants.
def test_destination_check_files_are_skipped(convert: Any, tmp_path: Path) -> None:
    (tmp_path / "20240607").mkdir()
    for name, content in (
        ("20240607/test.txt.gz", gzip.compress(b'{"content":"tests"}')),
        ("ownership-challenge-0123abcd.txt", b"secret"),
    ):
        run = convert(name, content)
        assert (run.code, run.output, run.rejects) == (0, b"", [])
        assert "skipped" in run.errors and "lines 0, events 0, blank 0, problems 0, rejects 0" in run.errors
    assert Normalizer().to_ndjson(b'{"content":"tests"}').events == 1
    assert [reject.raw for reject in Normalizer().to_ndjson(b"test").rejects] == [b"test"]


# dmachard/DNS-collector#1219
def test_bytes_of_names_not_utf8_are_recoverable(convert: Any) -> None:
    lines = [b'{"QueryName":"%b.tunnel.example"}' % bytes([byte]) for byte in range(0x80, 0x100)]
    run = convert("in", b"\n".join(lines))
    assert run.output == b""
    assert [base64.b64decode(reject["raw_base64"], validate=True) for reject in run.rejects] == lines


# elastic/integrations#7762, #19085
def test_summary_counts_unreadable_times(convert: Any) -> None:
    run = convert("in", b'{"Timestamp":"26/May/2022"}\n{"Timestamp":1e30}\n{"Datetime":"2022-05-26T09:23:54Z"}\n')
    assert run.code == 0
    times = "field.missing:Timestamp 1; field.range:Timestamp 1; field.type:Timestamp 1"
    assert f"lines 3, events 3, blank 0, problems 4 ({times}; record.unknown 1), rejects 0" in run.errors
    assert [json.loads(line).get("@timestamp") for line in run.output.split(b"\n")[:-1]] == [None] * 3
