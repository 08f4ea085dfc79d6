"""Datasets other than dns_logs, which differ only in their mapping files."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from golden import flatten
from support.command import Cli

from cfdns_fast import MappingError, Normalizer, parse

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "corpus" / "gateway_dns_events.jsonl").read_text("utf-8").splitlines()
]


def ordered(value: Any) -> Any:
    """Sort every list, because the platform promises no order and its own tests compare sorted lists."""
    if isinstance(value, dict):
        return {key: ordered(item) for key, item in value.items()}
    return sorted(map(ordered, value), key=repr) if isinstance(value, list) else value


@pytest.mark.parametrize("row", ROWS, ids=[row["test"] for row in ROWS])
def test_gateway_dns_event_equals_the_platform_event(row: dict[str, Any], implementation: Any) -> None:
    (event,) = implementation.to_dicts(row["message"].encode(), dataset="gateway_dns").output
    assert event.pop("message") == row["message"]
    assert event["event"].pop("kind") == "event"
    assert ordered(event) == ordered(row["expected"])


def gateway(implementation: Any, record: str, schema: str = "sekoia") -> tuple[dict[str, Any], dict[str, int]]:
    result = implementation.to_dicts(record.encode(), schema, dataset="gateway_dns", keep_message=False)
    (event,) = result.output
    return flatten(event), result.problems


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ('{"QueryTypeName":"TXT","QueryType":1}', "TXT"),
        ('{"QueryTypeName":"","QueryType":1}', "A"),
        ('{"QueryType":255}', "*"),
        ('{"QueryType":65353}', None),
    ],
)
def test_gateway_dns_prefers_the_type_name(record: str, expected: str | None, implementation: Any) -> None:
    """The number is looked up in the table only if the record has no type name."""
    assert gateway(implementation, record)[0].get("dns.question.type") == expected


def test_gateway_dns_sekoia_keeps_the_final_dot(implementation: Any) -> None:
    """The parts of the name have no final dot, and schema "ecs" removes it."""
    event, _ = gateway(implementation, '{"QueryName":"www.example.com.","Datetime":"2023-02-24T12:12:07Z"}')
    assert event["dns.question.name"] == "www.example.com."
    assert event["dns.question.registered_domain"] == "example.com"
    assert event["related.hosts"] == ["www.example.com."]
    event, _ = gateway(implementation, '{"QueryName":"www.example.com."}', "ecs")
    assert event["dns.question.name"] == "www.example.com"


def test_gateway_dns_omits_empty_lists(implementation: Any) -> None:
    """Schema "sekoia" keeps an empty list of resolved addresses."""
    record = '{"ResolvedIPs":[],"MatchedCategoryIDs":[],"MatchedCategoryNames":[],"RData":[],"QueryCategoryIDs":[]}'
    event, _ = gateway(implementation, record)
    assert event["dns.resolved_ip"] == []
    assert not [name for name in event if name.startswith("cloudflare.")]
    assert "dns.resolved_ip" not in gateway(implementation, record, "ecs")[0]


def test_gateway_dns_counts_problems_by_key(implementation: Any) -> None:
    _, problems = gateway(implementation, '{"ResolvedIPs":["x","::1"],"SrcPort":"y","RCode":70000,"Policy":[1]}')
    assert problems == {
        "field.missing:Datetime": 1,
        "field.type:ResolvedIPs": 1,
        "field.type:SrcPort": 1,
        "field.range:RCode": 1,
        "field.type:Policy": 1,
    }


@pytest.mark.parametrize(("tcp", "transport"), [("true", "tcp"), ("false", "udp"), ("null", None)])
@pytest.mark.parametrize("schema", ["sekoia", "ecs"])
def test_dns_firewall_event_has_the_client_answer(
    schema: str, tcp: str, transport: str | None, implementation: Any
) -> None:
    """The response code is the one that the client got."""
    record = f'{{"ClientResponseCode":3,"QueryTCP":{tcp},"SourceIP":"192.0.2.1","UpstreamIP":"2001:db8::1"}}'
    (event,) = implementation.to_dicts(record.encode(), schema, dataset="dns_firewall_logs").output
    flat = flatten(event)
    assert flat["dns.response_code"].upper() == "NXDOMAIN"
    assert flat.get("network.transport") == transport
    assert flat["related.ip"] == ["192.0.2.1", "2001:db8::1"]
    assert (flat["destination.ip"], flat["source.ip"]) == ("2001:db8::1", "192.0.2.1")
    assert flat["event.dataset"] == "dns_firewall_logs"


@pytest.mark.parametrize(
    ("codes", "ecs", "sekoia"),
    [
        ('"ResponseCode":0,"ClientResponseCode":3,"UpstreamResponseCode":2', "NOERROR", "NoError"),
        ('"ClientResponseCode":3,"UpstreamResponseCode":2', "NXDOMAIN", "NXDomain"),
        ('"ClientResponseCode":null,"UpstreamResponseCode":2', "SERVFAIL", None),
        ('"UpstreamResponseCode":2.0', "SERVFAIL", None),
    ],
)
def test_dns_firewall_code_is_the_first_present_one(
    codes: str, ecs: str, sekoia: str | None, implementation: Any
) -> None:
    for schema, expected in (("ecs", ecs), ("sekoia", sekoia)):
        (event,) = implementation.to_dicts(f"{{{codes}}}".encode(), schema, dataset="dns_firewall_logs").output
        assert flatten(event).get("dns.response_code") == expected


def test_gateway_dns_sekoia_keeps_the_policy_and_feeds(implementation: Any) -> None:
    record = '{"PolicyID":"1","PolicyName":"n","MatchedIndicatorFeedIDs":[2],"MatchedIndicatorFeedNames":["f"]}'
    event, problems = gateway(implementation, record)
    assert event["cloudflare.PolicyID"] == "1" and event["cloudflare.PolicyName"] == "n"
    assert event["cloudflare.MatchedIndicatorFeedIDs"] == [2] and event["cloudflare.MatchedIndicatorFeedNames"] == ["f"]
    assert problems == {"field.missing:Datetime": 1}


@pytest.mark.parametrize("dataset", ["dns_logs", "dns_firewall_logs", "gateway_dns"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (".", "."),
        ("..", None),
        ("www.example.com.", "www.example.com"),
        (r"a\tb\r\n\u0000\u007f\"c.example.com", r"a\tb\r\n\000\127\"c.example.com"),
        ("b\u00fccher.example.com", r"b\195\188cher.example.com"),
        (r"a\\.b\\\\\\032\\\".example.com", r"a\.b\\\032\".example.com"),
    ],
)
def test_ecs_name_is_as_ecs_defines_it(dataset: str, name: str, expected: str | None, implementation: Any) -> None:
    (event,) = implementation.to_dicts(f'{{"QueryName":"{name}"}}'.encode(), "ecs", dataset=dataset).output
    flat = flatten(event)
    assert flat.get("dns.question.name") == expected
    assert flat.get("related.hosts") == (None if expected is None else [expected])


def test_dataset_is_accepted_by_the_whole_api() -> None:
    record = b'{"Datetime":"2023-02-24T12:12:07Z"}'
    normalizer = Normalizer(dataset="gateway_dns")
    event = parse(record, dataset="gateway_dns")
    assert event["@timestamp"] == "2023-02-24T12:12:07Z"
    assert normalizer.to_dicts(record).output == list(normalizer.iter_dicts(record)) == [event]
    assert pickle.loads(pickle.dumps(normalizer)).to_dicts(record).output == [event]
    assert "dataset='gateway_dns'" in repr(normalizer)


def test_command_accepts_a_dataset(cli: Cli) -> None:
    run = cli("convert", "--dataset", "gateway_dns", input=b'{"Datetime":"2023-02-24T12:12:07Z"}')
    assert (run.code, json.loads(run.output)["@timestamp"]) == (0, "2023-02-24T12:12:07Z")


def test_command_rejects_a_dataset_with_a_mapping_file(cli: Cli) -> None:
    cli.write("my.toml", b"")
    run = cli("convert", "--dataset", "gateway_dns", "--schema", "./my.toml", input=b"")
    assert run.code == 2
    assert "--dataset goes with a bundled schema" in run.lines[-1]


@pytest.mark.parametrize(
    ("schema", "dataset", "words"),
    [
        ("sekoia", "dns_log", ["dns_log", "dns_logs", "dns_firewall_logs", "gateway_dns"]),
        ("elastic", "gateway_dns", ["elastic", "ecs", "sekoia"]),
        ("sekoia", "", ["dns_logs"]),
    ],
)
def test_unknown_dataset_error_lists_the_known_ones(schema: str, dataset: str, words: list[str]) -> None:
    with pytest.raises(MappingError) as caught:
        Normalizer(schema, dataset=dataset)
    assert all(word in str(caught.value) for word in words)


def test_dataset_with_a_file_raises_value_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one dataset already"):
        Normalizer(tmp_path / "my.toml", dataset="gateway_dns")
    with pytest.raises(TypeError):
        Normalizer(dataset=None)  # type: ignore[arg-type]
