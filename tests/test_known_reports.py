"""Public reports about other collectors and parsers whose trigger is a file, a stream or a command line.

Those that one batch of bytes shows are golden cases, in golden/known_reports.toml. Each test names its report.

Not applicable to a converter, which has no request and no API:

- elastic/integrations#8342, PR#8446: a request without Content-Type application/json is refused
- cloudflare/terraform-provider-cloudflare#564, #1019, #1024, #1028, #2118, #2181, #5266: settings of a job are not
  checked before they are sent
- cloudflare/cloudflare-go#500: ownership that is refused inside an answer of success
"""

from __future__ import annotations

import base64
import gzip
import json
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from golden import CASES
from support import GOOD, every_writer, run_python

from cfdns_fast import Normalizer, RecordError, Reject, split_domain
from cfdns_fast.cli import main
from cfdns_fast.stream import NdjsonStream

RAW_LIMIT = 65536
REPORTED = [case for case in CASES if case.topic == "known_reports"]
#: What the parsers behind the reports about streams take at a time.
BATCH_BYTES = 1_000_000


def record(number: int) -> bytes:
    return b'{"QueryName":"n%d.example.com","Timestamp":1653557034}\n' % number


def records(count: int) -> bytes:
    return b"".join(map(record, range(count)))


def numbers(output: bytes) -> list[int]:
    """Return the numbers of the records that became these events."""
    return [int(json.loads(line)["dns"]["question"]["name"][1:].split(".")[0]) for line in output.split(b"\n")[:-1]]


class Run:
    """One run of `cfdns-fast convert` on one input, and what it left."""

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


def in_blocks(data: bytes, size: int) -> tuple[bytes, list[Reject], int]:
    """Convert data that arrives in blocks; return output, rejects and blank lines."""
    stream = NdjsonStream(Normalizer())
    results = [stream.feed(data[start : start + size]) for start in range(0, len(data), size)]
    results.append(stream.finish())
    rejects = [reject for result in results for reject in result.rejects]
    return b"".join(result.output for result in results), rejects, sum(result.blank for result in results)


# Every report that a batch shows, again where the batch arrives in pieces.
@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("case", [case for case in REPORTED if not case.options], ids=lambda case: case.id)
def test_reported_batch_when_it_arrives_in_blocks_then_same_events_and_positions(case, size):
    output, rejects, blank = in_blocks(case.data, size)
    whole = Normalizer().to_ndjson(case.data)
    assert output == whole.output
    assert [(r.line, r.byte_offset, r.byte_length, r.code) for r in rejects] == [
        (r.line, r.offset, r.length, r.code) for r in case.rejects
    ]
    assert blank == case.blank


# Azure/Azure-Sentinel#7576
def test_normalizer_when_a_batch_cannot_be_decoded_then_the_next_one_is_as_if_it_had_not_been():
    normalizer = Normalizer()
    broken = record(0) + b'{"QueryName":"\xff"}\n' + record(1)
    for _ in range(3):
        result = normalizer.to_ndjson(broken)
        assert (numbers(result.output), len(result.rejects)) == ([0, 1], 1)
    assert numbers(normalizer.to_ndjson(records(3)).output) == [0, 1, 2]


# Azure/Azure-Sentinel PR#3818
def test_convert_when_values_hold_unicode_line_separators_then_one_event_a_record(convert):
    value = "a\u2028b\u2029c\u0085d".encode()
    line = b'{"QueryName":"n%d.example.com","ColoCode":"' + value + b'"}\n'
    run = convert("in", b"".join(line % number for number in range(3)))
    assert (run.code, numbers(run.output), run.rejects) == (0, [0, 1, 2], [])
    assert "lines 3, events 3," in run.errors


# elastic/beats#49558
def test_stream_when_empty_lines_stand_at_block_edges_then_counted_as_blank():
    output, rejects, blank = in_blocks(record(0) + b"\n\n" + record(1) + b"\r\n", len(record(0)) + 1)
    assert (numbers(output), rejects, blank) == ([0, 1], [], 3)


# logstash-plugins/logstash-input-http#110
@pytest.mark.parametrize("count", [1, 3])
def test_convert_when_the_last_newline_is_missing_then_the_last_record_counts(convert, count):
    run = convert("in", records(count).rstrip(b"\n"))
    assert (run.code, numbers(run.output), run.rejects) == (0, list(range(count)), [])


# elastic/logstash#3856
def test_parse_when_a_record_is_no_object_then_an_error_with_code_and_position(implementation):
    with pytest.raises(RecordError) as error:
        implementation.parse(b"[1,2]")
    assert (error.value.code, error.value.line, error.value.byte_offset) == ("json.not_object", 1, 0)
    assert error.value.raw == b"[1,2]"


# Wave-RF/WaveHouse#398
def test_parse_when_a_second_object_follows_then_an_error_and_not_the_first_alone(implementation):
    with pytest.raises(RecordError) as error:
        implementation.parse(b'{"ColoCode":"AMS"}{"ColoCode":"CDG"}')
    assert error.value.code == "record.multiple"


# Wave-RF/WaveHouse#398
@every_writer
def test_conversion_when_lines_hold_anything_then_every_byte_is_event_reject_or_white_space(write):
    for case in REPORTED:
        result = write(Normalizer(**case.options), case.data)
        output = result.output if isinstance(result.output, list) else map(json.loads, result.output.split(b"\n")[:-1])
        data = bytearray(case.data)
        for reject in result.rejects:
            span = slice(reject.byte_offset, reject.byte_offset + reject.byte_length)
            assert reject.raw == data[span]
            data[span] = bytes(reject.byte_length)
        end = 0
        rest = b""
        for event in output:
            message = event["message"].encode()
            start = data.index(message, end)
            rest += data[end:start]
            end = start + len(message)
        rest += data[end:]
        rejected = sum(reject.byte_length for reject in result.rejects)
        assert rest.count(b"\0") == rejected
        assert not rest.replace(b"\xef\xbb\xbf", b"").translate(None, b" \t\r\n\0")


# elastic/beats#5135
def test_conversion_when_a_bad_line_is_long_then_raw_is_bounded_and_its_position_whole(implementation):
    bad = b'{"ColoCode":"' + b"A" * (2 * RAW_LIMIT)
    data = record(0) + bad + b"\n" + record(1)
    (reject,) = implementation.to_dicts(data).rejects
    assert reject == Reject(2, len(record(0)), len(bad), "json.syntax", bad[:RAW_LIMIT])
    assert data[reject.byte_offset : reject.byte_offset + reject.byte_length] == bad


# elastic/beats#5135
def test_conversion_when_rejects_are_raised_then_the_error_has_the_line_but_its_message_does_not():
    with pytest.raises(RecordError) as error:
        Normalizer(on_reject="raise").to_ndjson(record(0) + b'{"QueryName":"private.example"\n')
    assert (error.value.line, error.value.byte_offset) == (2, len(record(0)))
    assert error.value.raw == b'{"QueryName":"private.example"'
    assert "private" not in str(error.value)


# banso-labs/banso#1193
def test_convert_when_lines_are_malformed_then_all_of_each_is_in_the_file_of_rejects(convert):
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
def test_convert_when_gzip_has_several_members_then_all_of_them_and_lines_may_cross(convert, padding):
    content = records(200)
    members = [content[:1000], b"", content[1000:1020], content[1020:]]
    run = convert("in.gz", b"".join(gzip.compress(member) + bytes(padding) for member in members))
    assert (run.code, numbers(run.output), run.rejects) == (0, list(range(200)), [])
    assert "lines 200, events 200," in run.errors


# tornadoweb/tornado#3560, #3654: gzip.decompress() gives nothing of such a file
@pytest.mark.parametrize("members", [1, 2])
def test_convert_when_gzip_is_truncated_then_complete_lines_and_it_is_said(convert, members):
    cut = gzip.compress(records(2000))[:-100]
    compressed = gzip.compress(record(0)) * (members - 1) + cut
    run = convert("in.gz", compressed)
    assert run.code == 1
    assert f"truncated gzip (at byte {len(compressed)} of the compressed input)" in run.errors
    plain = zlib.decompressobj(31).decompress(cut)
    complete = len(plain.splitlines()) - (not plain.endswith((b"}", b"\n")))
    assert 1000 < complete < 2000
    assert numbers(run.output) == [0] * (members - 1) + list(range(complete))
    # The beginning of a line where the input ends is not lost either.
    assert "".join(reject["raw"] for reject in run.rejects).encode() == plain[len(records(complete)) :]


# tornadoweb/tornado#3560, #3654
def test_convert_when_bytes_that_are_no_gzip_follow_then_every_record_and_it_is_said(convert):
    member = gzip.compress(records(3))
    run = convert("in.gz", member + b"trailing")
    assert (run.code, numbers(run.output), run.rejects) == (1, [0, 1, 2], [])
    assert f"not gzip after the last member (at byte {len(member)} of the compressed input)" in run.errors


# cloudflare/cloudflare-docs#29117
def test_convert_when_a_gz_file_was_decompressed_in_transit_then_read_as_what_it_is(convert):
    run = convert("20220707T224206Z.log.gz", records(3))
    assert (run.code, numbers(run.output), run.rejects) == (0, [0, 1, 2], [])


# cloudflare/cloudflare-docs#29117
@pytest.mark.parametrize("name", ["20220707T224206Z.log", "20220707T224206Z"])
def test_convert_when_a_compressed_file_does_not_say_so_in_its_name_then_decompressed(convert, name):
    run = convert(name, gzip.compress(records(3)))
    assert (run.code, numbers(run.output), run.rejects) == (0, [0, 1, 2], [])


# simdjson/simdjson PR#913, #1205: documents longer than the batch of parse_many end it
@every_writer
def test_conversion_when_records_are_longer_than_a_parser_batch_then_neighbours_and_all(write):
    pad = b'{"QueryName":"n%d.example.com","ColoCode":"%b"}\n'
    data = record(0) + pad % (1, b"A" * BATCH_BYTES) + record(2) + pad % (3, b"B" * 40_000) + record(4)
    result = write(Normalizer(keep_message=False), data)
    output = result.output
    if isinstance(output, list):
        output = b"".join(json.dumps(event).encode() + b"\n" for event in output)
    assert (numbers(output), result.rejects) == ([0, 1, 2, 3, 4], ())


# simdjson/simdjson PR#913, #1310: an error in the middle of a stream of documents ends it silently
@every_writer
def test_conversion_when_errors_stand_all_over_a_long_batch_then_each_is_reported(write):
    data = b"".join(record(number) if number % 7 else b"{broken %d\n" % number for number in range(3000))
    result = write(Normalizer(), data)
    wrong = list(range(0, 3000, 7))
    assert [reject.raw for reject in result.rejects] == [b"{broken %d" % number for number in wrong]
    assert [reject.line for reject in result.rejects] == [number + 1 for number in wrong]
    assert result.events == 3000 - len(wrong)


# simdjson/simdjson PR#913, #570: what stands behind the end of the input is read and counts
@every_writer
def test_conversion_when_data_is_a_slice_then_what_stands_around_it_does_not_count(write):
    whole = b'{"ColoCode":"AMS"}' + GOOD.rstrip() + b'"}]}{"a":1}'
    start, stop = 18, 18 + len(GOOD.rstrip())
    for end in range(start, stop + 1):
        part = whole[start:end]
        assert write(Normalizer(), memoryview(whole)[start:end]) == write(Normalizer(), part)


_GUARDED = """
import ctypes, mmap
from golden import CASES
from support import GOOD, MIXED, WRITERS
from cfdns_fast import Normalizer

page = mmap.PAGESIZE
memory = mmap.mmap(-1, 3 * page)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
protect = ctypes.CDLL(None, use_errno=True).mprotect
for guard in (0, 2):
    assert protect(ctypes.c_void_p(address + guard * page), ctypes.c_size_t(page), 0) == 0
view = memoryview(memory)
inputs = [GOOD, MIXED, *(GOOD[:end] for end in range(len(GOOD)))]
inputs += [case.data for case in CASES if case.topic == "known_reports" and 0 < len(case.data) <= page]
normalizer = Normalizer()
for data in inputs:
    for start in (page, 2 * page - len(data)):
        memory[start : start + len(data)] = data
        for write in WRITERS.values():
            assert write(normalizer, view[start : start + len(data)]) == write(normalizer, data)
print("done", len(inputs))
"""


# simdjson/simdjson PR#913, #570: over-read past the buffer, crashes with wrong padding
@pytest.mark.skipif(sys.platform != "linux", reason="mprotect")
def test_conversion_when_memory_around_data_cannot_be_read_then_no_crash():
    run = run_python(_GUARDED)
    assert (run.returncode, run.stdout.split()[:1]) == (0, ["done"]), run.stderr


# cloudflare/cloudflare-docs#8865: the body with which a destination is validated is counted as a bad line. Text is one
# here too, because nothing is lost; the object is an object, so an event of constants. Files that hold them have names.
def test_convert_when_a_destination_was_checked_then_its_files_are_skipped(convert, tmp_path):
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


# elastic/beats#19902: newline-delimited JSON labelled application/json is read as one document
@pytest.mark.parametrize("input_format", ["auto", "json", "ndjson"])
def test_conversion_when_ndjson_is_called_json_then_every_record(input_format, implementation):
    data = b"".join(map(record, range(5)))
    result = implementation.to_ndjson(data, input_format=input_format)
    assert (numbers(result.output), result.rejects) == ([0, 1, 2, 3, 4], ())


# Wave-RF/WaveHouse PR#217: of a truncated array the first half was stored before it was refused, and came again
@pytest.mark.parametrize("input_format", ["auto", "json"])
def test_conversion_when_an_array_is_truncated_then_each_record_once_and_the_rest_a_reject(
    input_format, implementation
):
    data = b"[" + b",\n".join(record(number).rstrip() for number in range(3)) + b',\n{"QueryName":"n'
    result = implementation.to_ndjson(data, input_format=input_format)
    assert numbers(result.output) == [0, 1, 2]
    (reject,) = result.rejects
    assert data[reject.byte_offset :] == reject.raw == b'{"QueryName":"n'
    # Who wants all or nothing asks for it, before anything is stored.
    if implementation.name == "native":
        with pytest.raises(RecordError):
            Normalizer(on_reject="raise", input_format=input_format).to_ndjson(data)


# Parsers recurse, or have a limit of 1024, beyond which the whole document fails
def test_conversion_when_nesting_is_enormous_then_one_reject_and_neighbours(implementation):
    data = record(0) + b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n" + record(1)
    result = implementation.to_ndjson(data)
    assert numbers(result.output) == [0, 1]
    assert [(reject.line, reject.code) for reject in result.rejects] == [(2, "json.depth")]


# ultrajson/ultrajson#691: the string is accepted and cannot be encoded later
def test_conversion_when_surrogates_are_anywhere_then_all_output_can_be_encoded(implementation):
    for case in REPORTED:
        result = implementation.to_dicts(case.data, **case.options)
        for event in result.output:
            json.dumps(event, ensure_ascii=False).encode("utf-8")


# dmachard/DNS-collector#1219
def test_convert_when_names_are_not_utf8_then_their_bytes_can_be_had_back(convert):
    lines = [b'{"QueryName":"%b.tunnel.example"}' % bytes([byte]) for byte in range(0x80, 0x100)]
    run = convert("in", b"\n".join(lines))
    assert run.output == b""
    assert [base64.b64decode(reject["raw_base64"], validate=True) for reject in run.rejects] == lines


# DNS-OARC/PacketQ#91, dnsimple/dns_erlang PR#28, AdguardTeam/AdGuardHome#3686
def test_conversion_when_names_differ_in_escapes_only_then_they_stay_different(implementation):
    names = ["'", '"', "\\", '\\"', "\\\\", "\\000", "\0", "\\255", "ÿ", "\\195\\191", "\\.test", "\\\\.test", "test"]
    data = "\n".join(json.dumps({"QueryName": name}) for name in names).encode()
    output = implementation.to_dicts(data).output
    assert [event["dns"]["question"]["name"] for event in output] == names
    assert [event["related"]["hosts"] for event in output] == [[name] for name in names]


# TechnitiumSoftware/DnsServer#205, #320; john-kurkowski/tldextract#368, #370
@pytest.mark.parametrize(
    "name",
    [
        "https://host/path?x",
        "http://[::1",
        "//",
        "://",
        "http://",
        "[",
        "]",
        "@",
        "?",
        "#",
        "%",
        "a b",
        "..",
        "\\",
        "",
        "*",
    ],
)
def test_split_domain_when_the_name_is_no_host_name_then_nothing_is_raised(name, implementation):
    parts = split_domain(name)
    (event,) = implementation.to_dicts(json.dumps({"QueryName": name}).encode()).output
    question = event.get("dns", {}).get("question", {})
    for part in ("top_level_domain", "registered_domain", "subdomain"):
        assert question.get(part) == getattr(parts, part) is None
    assert question.get("name") == (name.strip(".") or None)


# elastic/integrations#7762, #19085
def test_convert_when_times_cannot_be_read_then_the_summary_counts_them(convert):
    run = convert("in", b'{"Timestamp":"26/May/2022"}\n{"Timestamp":1e30}\n{"Datetime":"2022-05-26T09:23:54Z"}\n')
    assert run.code == 0
    counted = "problems 3 (field.missing:Timestamp 1; field.range:Timestamp 1; field.type:Timestamp 1), rejects 0"
    assert f"lines 3, events 3, blank 0, {counted}" in run.errors
    assert [json.loads(line).get("@timestamp") for line in run.output.split(b"\n")[:-1]] == [None] * 3
