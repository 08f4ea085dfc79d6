"""Schema "ecs" has the names and types of the Elastic Common Schema, and agrees with Elastic's own events."""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import pytest
from golden import flatten
from support.records import DATASET_RECORDS

from cfdns_fast.mapping import bundled, load

FOLDER = Path(__file__).parent
DATASETS = [dataset for dataset, schemas in bundled().items() if "ecs" in schemas]

#: ECS field -> (type, whether it is an array). The head of the file names its origin.
FIELDS = {
    name: (kind, form == "array")
    for name, kind, form in (
        line.split("\t")
        for line in (FOLDER / "ecs_fields.tsv").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
}

#: ECS type -> check of a value.
LOOKS_LIKE: dict[str, Any] = {
    "keyword": lambda value: isinstance(value, str) and value != "",
    "match_only_text": lambda value: isinstance(value, str),
    "long": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "ip": lambda value: ipaddress.ip_address(value) is not None,
    "date": lambda value: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", value) is not None,
}


@pytest.mark.parametrize("dataset", DATASETS)
def test_ecs_targets_are_fields_of_ecs(dataset: str) -> None:
    """Each target is an array exactly if the field of ECS is one."""
    for field in load("ecs", dataset).fields:
        if field.to.startswith("cloudflare."):
            continue
        kind, is_array = FIELDS[field.to]
        holds_list = field.array or field.holds_list or isinstance(field.value, tuple)
        assert holds_list == is_array, field.to
        element = field.json_class.removeprefix("list of ")
        assert element == ("integer" if kind == "long" else "text") or field.kind == "constant", field.to
        if kind in ("ip", "date"):
            assert field.kind in ({"ip", "collect"} if kind == "ip" else {"timestamp"}), field.to


@pytest.mark.parametrize("dataset", DATASETS)
def test_ecs_event_values_have_ecs_types(dataset: str, implementation: Any) -> None:
    events = implementation.to_dicts("\n".join(DATASET_RECORDS).encode(), "ecs", dataset=dataset).output
    assert len(events) == len(DATASET_RECORDS)
    seen = set()
    for event in events:
        for name, value in flatten(event).items():
            if name.startswith("cloudflare."):
                continue
            kind, is_array = FIELDS[name]
            assert isinstance(value, list) == is_array, name
            assert all(LOOKS_LIKE[kind](item) for item in (value if is_array else [value])), (name, value)
            seen.add(name)
    assert seen == {field.to for field in load("ecs", dataset).fields if not field.to.startswith("cloudflare.")}


@pytest.mark.parametrize("dataset", DATASETS)
def test_keep_message_false_drops_only_the_original(dataset: str, native: Any) -> None:
    data = "\n".join(DATASET_RECORDS).encode()
    whole = native.to_dicts(data, "ecs", dataset=dataset).output
    bare = native.to_dicts(data, "ecs", dataset=dataset, keep_message=False).output
    for event, record in zip(whole, DATASET_RECORDS, strict=True):
        assert event["event"].pop("original") == record
    assert whole == bare


def test_typical_record_gives_this_ecs_event(implementation: Any) -> None:
    (event,) = implementation.to_dicts(DATASET_RECORDS[0].encode(), "ecs").output
    assert event == {
        "@timestamp": "2022-05-26T09:23:54.000000000Z",
        "ecs": {"version": "9.4.0"},
        "event": {
            "category": ["network"],
            "dataset": "dns_logs",
            "kind": "event",
            "original": DATASET_RECORDS[0],
            "type": ["info"],
        },
        "dns": {
            "question": {
                "name": "www.example.co.uk",
                "registered_domain": "example.co.uk",
                "subdomain": "www",
                "top_level_domain": "co.uk",
                "type": "AAAA",
            },
            "response_code": "NXDOMAIN",
            "type": "query",
        },
        "network": {"protocol": "dns"},
        "observer": {"type": "dns", "vendor": "Cloudflare"},
        "related": {"hosts": ["www.example.co.uk"], "ip": ["2001:db8::1"]},
        "cloudflare": {
            "ColoCode": "MRS",
            "EDNSSubnet": "1.128.0.0",
            "EDNSSubnetLength": 0,
            "ResponseCached": False,
        },
        "source": {"address": "2001:db8::1", "ip": "2001:db8::1"},
    }


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ('{"QueryType":65353}', {"dns.question.type": "TYPE65353"}),
        ('{"QueryType":255}', {"dns.question.type": "ANY"}),
        ('{"ResponseCode":0}', {"dns.response_code": "NOERROR"}),
        ('{"ResponseCode":16}', {"dns.response_code": "BADVERS"}),
        ('{"ResponseCode":12}', {}),
        ('{"Timestamp":1657233726004001999}', {"@timestamp": "2022-07-07T22:42:06.004001999Z"}),
        ('{"Timestamp":-1}', {"@timestamp": "1969-12-31T23:59:59.000000000Z"}),
    ],
)
def test_special_value_gives_this_ecs_value(record: str, expected: dict[str, Any], implementation: Any) -> None:
    (event,) = implementation.to_dicts(record.encode(), "ecs").output
    flat = flatten(event)
    names = ("@timestamp", "dns.question.type", "dns.response_code")
    assert {name: flat[name] for name in names if name in flat} == expected


def test_ecs_event_names_problems_without_content(implementation: Any) -> None:
    record = '{"Timestamp":"secret","QueryType":70000,"SourceIP":["secret"],"QueryName":"a.com"}'
    (event,) = implementation.to_dicts(record.encode(), "ecs", keep_message=False).output
    assert event["event"]["kind"] == "pipeline_error"
    assert event["error"] == {"message": "field.type:Timestamp, field.range:QueryType, field.type:SourceIP"}
    assert "secret" not in json.dumps(event)
    (event,) = implementation.to_dicts(b"{}", "ecs").output
    assert event["error"] == {"message": "record.unknown, field.missing:Timestamp"}


# Elastic's own events. docs/differences.md gives the reasons of the differences.

CORPUS = FOLDER.parent / "corpus"
ELASTIC = [json.loads(line) for line in (CORPUS / "elastic_events.jsonl").read_text("utf-8").splitlines()]

#: Elastic's name -> our name for the same value, None if the names are equal.
SHARED = {
    "event.category": None,
    "event.kind": None,
    "event.type": None,
    "dns.question.name": None,
    "dns.question.type": None,
    "network.transport": None,
    "source.ip": None,
    "destination.ip": None,
    "cloudflare_logpush.dns.colo.code": "cloudflare.ColoCode",
    "cloudflare_logpush.dns.edns.subnet": "cloudflare.EDNSSubnet",
    "cloudflare_logpush.dns.edns.subnet_length": "cloudflare.EDNSSubnetLength",
    "cloudflare_logpush.dns.query.name": "dns.question.name",
    "cloudflare_logpush.dns.response.cached": "cloudflare.ResponseCached",
    "cloudflare_logpush.dns.source.ip": "source.ip",
    "cloudflare_logpush.dns_firewall.cluster_id": "cloudflare.ClusterID",
    "cloudflare_logpush.dns_firewall.colo.code": "cloudflare.ColoCode",
    "cloudflare_logpush.dns_firewall.edns.subnet": "cloudflare.EDNSSubnet",
    "cloudflare_logpush.dns_firewall.edns.subnet_length": "cloudflare.EDNSSubnetLength",
    "cloudflare_logpush.dns_firewall.question.dnssec_ok": "cloudflare.QueryDO",
    "cloudflare_logpush.dns_firewall.question.name": "dns.question.name",
    "cloudflare_logpush.dns_firewall.question.recursion_desired": "cloudflare.QueryRD",
    "cloudflare_logpush.dns_firewall.question.size": "cloudflare.QuerySize",
    "cloudflare_logpush.dns_firewall.question.tcp": "cloudflare.QueryTCP",
    "cloudflare_logpush.dns_firewall.response.cached": "cloudflare.ResponseCached",
    "cloudflare_logpush.dns_firewall.response.cached_stale": "cloudflare.ResponseCachedStale",
    "cloudflare_logpush.dns_firewall.source.ip": "source.ip",
    "cloudflare_logpush.dns_firewall.upstream.ip": "cloudflare.UpstreamIP",
    "cloudflare_logpush.dns_firewall.upstream.response_time_ms": "cloudflare.UpstreamResponseTimeMs",
}

#: Elastic's name -> check of our value.
DIFFERENT: dict[str, Any] = {
    # Elastic keeps milliseconds.
    "@timestamp": lambda value, ours: ours["@timestamp"].startswith(value.removesuffix("Z")),
    "ecs.version": lambda value, ours: ours["ecs.version"] == "9.4.0",
    # Elastic also lists EDNSSubnet, which is a network and not a host.
    "related.ip": lambda value, ours: set(ours["related.ip"]) == set(value) - {ours["cloudflare.EDNSSubnet"]},
    # Elastic keeps the number, as text.
    "dns.response_code": lambda value, ours: ours["dns.response_code"] == {"0": "NOERROR", "3": "NXDOMAIN"}[value],
    "cloudflare_logpush.dns_firewall.response.code": lambda value, ours: (
        str(ours["cloudflare.ClientResponseCode"]) == value
    ),
    "cloudflare_logpush.dns_firewall.upstream.response_code": lambda value, ours: (
        str(ours["cloudflare.UpstreamResponseCode"]) == value
    ),
    # Elastic keeps the number besides the name, or instead of one.
    "cloudflare_logpush.dns.response.code": lambda value, ours: ours["dns.response_code"] == {0: "NOERROR"}[value],
    "cloudflare_logpush.dns.query.type": lambda value, ours: ours["dns.question.type"] == {65535: "TYPE65535"}[value],
    "cloudflare_logpush.dns_firewall.question.type": lambda value, ours: (
        ours["dns.question.type"] == {1: "A", 28: "AAAA"}[value]
    ),
}


@pytest.mark.parametrize("row", ELASTIC, ids=lambda row: f"{row['dataset']} {row['message'][-60:]}")
def test_shared_fields_equal_the_elastic_event(row: dict[str, Any], implementation: Any) -> None:
    (event,) = implementation.to_dicts(row["message"].encode(), "ecs", dataset=row["dataset"]).output
    ours = flatten(event)
    for name, value in flatten(row["expected"]).items():
        if name in DIFFERENT:
            assert DIFFERENT[name](value, ours), name
        else:
            assert ours[SHARED[name] or name] == value, name
