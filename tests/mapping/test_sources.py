"""How a mapping reads its sources: keys, kinds, missing values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from golden import flatten
from support.mappings import field, write_mapping
from support.records import event_of


@pytest.mark.parametrize(
    "source",
    ['quo"te', "back\\slash", "\x00", "\n", "é", "😀", "a b", "Query Name", "x" * 300, "\x7f", "/", ".", "a.b"],
)
def test_source_key_matches_every_spelling(source: str, tmp_path: Path, implementation: Any) -> None:
    """The key needs escapes in JSON, and each record writes them in another way."""
    path = write_mapping(tmp_path, field(**{"from": source}, to="out", kind="text"))
    units = source.encode("utf-16-be")
    spelt_out = "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    for written in (json.dumps(source)[1:-1], json.dumps(source, ensure_ascii=False)[1:-1], spelt_out):
        assert event_of(implementation, b'{"%s":"v"}' % written.encode(), path) == {"out": "v"}
        problems = implementation.to_ndjson(b'{"%s":[]}' % written.encode(), path).problems
        assert problems == {f"field.type:{source}": 1}
    assert event_of(implementation, b'{"%s_":"v","_%s":"v"}' % ((json.dumps(source)[1:-1].encode(),) * 2), path) == {}


def test_source_is_read_separately_by_each_kind(tmp_path: Path, implementation: Any) -> None:
    kinds = (
        "text",
        "integer",
        "boolean",
        "timestamp",
        "ip",
        "name",
        "subdomain",
        "top_level_domain",
        "registered_domain",
    )
    text = "".join(field(**{"from": "K"}, to=kind, kind=kind) for kind in kinds)
    text += field(**{"from": "K"}, to="type", kind="enum", table="rr_type", naming="standard")
    text += field(**{"from": "K"}, to="rcode", kind="enum", table="rcode", naming="standard")
    path = write_mapping(tmp_path, text)
    for token, expected, problems in (
        (
            "1",
            {
                "text": "1",
                "integer": 1,
                "boolean": True,
                "timestamp": "1970-01-01T00:00:01Z",
                "type": "A",
                "rcode": "FORMERR",
            },
            {"field.type": 1},
        ),
        (
            '"1"',
            {
                "text": "1",
                "integer": 1,
                "boolean": True,
                "timestamp": "1970-01-01T00:00:01Z",
                "name": "1",
                "type": "A",
                "rcode": "FORMERR",
            },
            {"field.type": 1},
        ),
        ("255", {"text": "255", "integer": 255, "timestamp": "1970-01-01T00:04:15Z", "type": "ANY"}, {"field.type": 1}),
        ('"192.0.2.1"', {"text": "192.0.2.1", "ip": "192.0.2.1", "name": "192.0.2.1"}, {"field.type": 1}),
        (
            '"a.b.com."',
            {
                "text": "a.b.com.",
                "name": "a.b.com",
                "subdomain": "a",
                "top_level_domain": "com",
                "registered_domain": "b.com",
            },
            {"field.type": 1},
        ),
        (
            "70000",
            {"text": "70000", "integer": 70000, "timestamp": "1970-01-01T19:26:40Z"},
            {"field.type": 1, "field.range": 1},
        ),
        ("18446744073709551616", {"timestamp": "2554-07-21T23:34:33.709551Z"}, {"field.range": 1}),
        ("1e400", {}, {"field.range": 1}),
        ("1.5", {"timestamp": "1970-01-01T00:00:01.500000Z"}, {"field.type": 1}),
        ("true", {"boolean": True}, {"field.type": 1}),
        ("[]", {}, {"field.type": 1}),
        ("null", {}, {}),
        ('""', {}, {}),
    ):
        data = b'{"K":%s}' % token.encode()
        assert flatten(event_of(implementation, data, path)) == expected, token
        counted = {f"{code}:K": count for code, count in problems.items()}
        assert implementation.to_ndjson(data, path).problems == counted, token
        assert implementation.to_ndjson(data * 3, path).problems == {key: 3 for key in counted}, token


def test_required_source_is_counted_missing_once(tmp_path: Path, implementation: Any) -> None:
    """The source feeds several fields."""
    text = "".join(field(**{"from": "K"}, to=f"out{n}", kind="text", required=n == 1) for n in range(3))
    path = write_mapping(tmp_path, text)
    assert implementation.to_ndjson(b"{}{}", path).problems == {"field.missing:K": 2, "record.unknown": 2}


def test_enums_of_one_source_use_their_own_naming(tmp_path: Path, implementation: Any) -> None:
    text = "".join(
        field(**{"from": "ResponseCode"}, to=naming, kind="enum", table="rcode", naming=naming)
        for naming in ("iana", "sekoia", "standard")
    )
    path = write_mapping(tmp_path, text)
    assert event_of(implementation, b'{"ResponseCode":16}', path) == {
        "iana": "BADVERS",
        "sekoia": "BADVERS OR BADSIG",
        "standard": "BADVERS",
    }
    assert event_of(implementation, b'{"ResponseCode":3}', path) == {
        "iana": "NXDomain",
        "sekoia": "NXDomain",
        "standard": "NXDOMAIN",
    }
