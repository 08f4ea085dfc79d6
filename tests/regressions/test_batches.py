"""Public reports about other collectors that a golden case cannot show: blocks, rejects, errors, names.

Reports that one batch shows are golden cases, in golden/known_reports.toml. Reports that need the command are in
test_cli.py, and reports about parsers of JSON in test_parsers.py. Each test names its report.

These reports do not apply to a converter, which has no request and no API:

- elastic/integrations#8342, PR#8446: a request without Content-Type application/json is rejected
- cloudflare/terraform-provider-cloudflare#564, #1019, #1024, #1028, #2118, #2181, #5266: settings of a job are not
  checked before they are sent
- cloudflare/cloudflare-go#500: ownership that is rejected within an answer of success
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from golden import CASES
from support.feeding import feed
from support.records import RAW_LIMIT, numbers, record, records
from support.writers import every_writer

from cfdns_fast import Normalizer, RecordError, Reject, split_domain

REPORTED = [case for case in CASES if case.topic == "known_reports"]


def in_blocks(data: bytes, size: int) -> tuple[bytes, list[Reject], int]:
    """Convert data that arrives in blocks; return output, rejects and blank lines."""
    stream = Normalizer().stream()
    results = feed(stream, data, size)
    rejects = [reject for result in results for reject in result.rejects]
    return b"".join(result.output for result in results), rejects, sum(result.blank for result in results)


# Every report that a batch shows, with the batch in blocks.
@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("case", [case for case in REPORTED if not case.options], ids=lambda case: case.id)
def test_reported_batch_in_blocks_equals_one_call(case: Any, size: int) -> None:
    output, rejects, blank = in_blocks(case.data, size)
    whole = Normalizer().to_ndjson(case.data)
    assert output == whole.output
    assert [(r.line, r.byte_offset, r.byte_length, r.code) for r in rejects] == [
        (r.line, r.offset, r.length, r.code) for r in case.rejects
    ]
    assert blank == case.blank


# Azure/Azure-Sentinel#7576
def test_undecodable_batch_affects_no_later_batch() -> None:
    normalizer = Normalizer()
    broken = record(0) + b'{"QueryName":"\xff"}\n' + record(1)
    for _ in range(3):
        result = normalizer.to_ndjson(broken)
        assert (numbers(result.output), len(result.rejects)) == ([0, 1], 1)
    assert numbers(normalizer.to_ndjson(records(3)).output) == [0, 1, 2]


# elastic/beats#49558
def test_empty_lines_at_block_edges_are_blank() -> None:
    output, rejects, blank = in_blocks(record(0) + b"\n\n" + record(1) + b"\r\n", len(record(0)) + 1)
    assert (numbers(output), rejects, blank) == ([0, 1], [], 3)


# elastic/logstash#3856
def test_parse_error_of_a_list_has_code_and_position(implementation: Any) -> None:
    with pytest.raises(RecordError) as error:
        implementation.parse(b"[1,2]")
    assert (error.value.code, error.value.line, error.value.byte_offset) == ("json.not_object", 1, 0)
    assert error.value.raw == b"[1,2]"


# Wave-RF/WaveHouse#398
def test_parse_of_two_objects_raises_record_multiple(implementation: Any) -> None:
    with pytest.raises(RecordError) as error:
        implementation.parse(b'{"ColoCode":"AMS"}{"ColoCode":"CDG"}')
    assert error.value.code == "record.multiple"


# Wave-RF/WaveHouse#398
@every_writer
def test_every_byte_is_event_reject_or_white_space(write: Any) -> None:
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
def test_long_reject_has_bounded_raw_and_position(implementation: Any) -> None:
    bad = b'{"ColoCode":"' + b"A" * (2 * RAW_LIMIT)
    data = record(0) + bad + b"\n" + record(1)
    (reject,) = implementation.to_dicts(data).rejects
    assert reject == Reject(2, len(record(0)), len(bad), "json.syntax", bad[:RAW_LIMIT])
    assert data[reject.byte_offset : reject.byte_offset + reject.byte_length] == bad


# elastic/beats#5135
def test_raised_reject_text_omits_the_line() -> None:
    """The attribute `raw` of the error holds the line."""
    with pytest.raises(RecordError) as error:
        Normalizer(on_reject="raise").to_ndjson(record(0) + b'{"QueryName":"private.example"\n')
    assert (error.value.line, error.value.byte_offset) == (2, len(record(0)))
    assert error.value.raw == b'{"QueryName":"private.example"'
    assert "private" not in str(error.value)


# elastic/beats#19902: newline-delimited JSON labelled application/json is read as one document
@pytest.mark.parametrize("input_format", ["auto", "json", "ndjson"])
def test_ndjson_labelled_json_gives_every_record(input_format: str, implementation: Any) -> None:
    data = b"".join(map(record, range(5)))
    result = implementation.to_ndjson(data, input_format=input_format)
    assert (numbers(result.output), result.rejects) == ([0, 1, 2, 3, 4], ())


# Wave-RF/WaveHouse PR#217: the first half of a truncated array was stored before the array was rejected and sent again
@pytest.mark.parametrize("input_format", ["auto", "json"])
def test_truncated_array_gives_each_record_once(input_format: str, implementation: Any) -> None:
    """The rest of the array is a reject."""
    data = b"[" + b",\n".join(record(number).rstrip() for number in range(3)) + b',\n{"QueryName":"n'
    result = implementation.to_ndjson(data, input_format=input_format)
    assert numbers(result.output) == [0, 1, 2]
    (reject,) = result.rejects
    assert data[reject.byte_offset :] == reject.raw == b'{"QueryName":"n'
    # With on_reject="raise", the caller gets the error instead of the first events.
    if implementation.name == "native":
        with pytest.raises(RecordError):
            Normalizer(on_reject="raise", input_format=input_format).to_ndjson(data)


# DNS-OARC/PacketQ#91, dnsimple/dns_erlang PR#28, AdguardTeam/AdGuardHome#3686
def test_names_of_different_escapes_stay_different(implementation: Any) -> None:
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
def test_split_domain_of_no_host_name_raises_nothing(name: str, implementation: Any) -> None:
    parts = split_domain(name)
    (event,) = implementation.to_dicts(json.dumps({"QueryName": name}).encode()).output
    question = event.get("dns", {}).get("question", {})
    for part in ("top_level_domain", "registered_domain", "subdomain"):
        assert question.get(part) == getattr(parts, part) is None
    assert question.get("name") == (name.strip(".") or None)
