"""Settings of a job: datasets, fields, limits and filters are checked before any call."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

import cfdns_fast
from cfdns_fast.jobs import (
    DATASETS,
    JobSettingError,
    JobSettings,
    Secret,
    check_name,
    dataset_of,
    default_name,
    receiver_destination,
)
from cfdns_fast.jobs.filters import check_filter

DESTINATION = receiver_destination("https://logs.example.com/plain/batch", Secret("k3y"))
DATA = Path(cfdns_fast.__file__).parent / "data"


def settings(**changes: Any) -> JobSettings:
    return JobSettings(**{"dataset": dataset_of("dns_logs"), "name": "n", **changes})


def test_default_job_keeps_everything() -> None:
    assert settings().body(DESTINATION) == {
        "name": "n",
        "dataset": "dns_logs",
        "enabled": True,
        "destination_conf": "https://logs.example.com/plain/batch?header_X-SEKOIAIO-INTAKE-KEY=k3y",
        "output_options": {
            "field_names": [
                "ColoCode",
                "EDNSSubnet",
                "EDNSSubnetLength",
                "QueryName",
                "QueryType",
                "ResponseCached",
                "ResponseCode",
                "SourceIP",
                "Timestamp",
            ],
            "output_type": "ndjson",
            "timestamp_format": "unixnano",
        },
        "max_upload_records": 100_000,
        "max_upload_interval_seconds": 30,
    }


@pytest.mark.parametrize("name", DATASETS)
def test_default_fields_are_all_that_mappings_read(name: str) -> None:
    read: set[str] = set()
    for path in DATA.glob(f"{name}.*.toml"):
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["field"]:
            source = entry.get("from", [])
            read |= {source} if isinstance(source, str) else set(source)
    assert len(read) > 5
    # An older name of ClientResponseCode, which the API does not have any more.
    assert read - {"ResponseCode" if name == "dns_firewall_logs" else ""} <= set(DATASETS[name].fields)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("dns_log", "dns_logs"),
        ("firewalls_events", "firewall_events"),
        ("DNS_LOGS", "dns_logs"),
        ("dns-logs", "dns_logs"),
        ("dnslogs", "dns_logs"),
        ("gateway_dn", "gateway_dns"),
        ("http_request", "http_requests"),
    ],
)
def test_wrong_dataset_is_answered_with_the_right_one(wrong: str, right: str) -> None:
    with pytest.raises(JobSettingError, match=f"called {right}$"):
        check_name(wrong)


def test_unknown_dataset_is_answered_with_a_list() -> None:
    with pytest.raises(JobSettingError, match="datasets of DNS are dns_logs"):
        check_name("quux")
    with pytest.raises(JobSettingError, match="http_requests has no DNS logs"):
        dataset_of("http_requests")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"fields": ("queryname",)}, "it is called QueryName"),
        ({"fields": ("QueryName", "QueryName")}, "twice"),
        ({"fields": ("Query Name",)}, "not the name of a field"),
        ({"name": "a b"}, "letters, digits"),
        ({"name": ""}, "letters, digits"),
        ({"timestamp_format": "unixmilli"}, "unixnano"),
        ({"sample_rate": 0}, "above 0"),
        ({"sample_rate": 1.5}, "at most 1"),
        ({"sample_rate": float("nan")}, "above 0"),
        ({"max_upload_records": 999}, "between 1000 and 1000000"),
        ({"max_upload_records": 1_000_001}, "between 1000 and 1000000"),
        ({"max_upload_interval_seconds": 29}, "between 30 and 300"),
        ({"max_upload_bytes": 4_999_999}, "between 5000000"),
        ({"max_upload_bytes": -1}, "between 5000000"),
        ({"filter": "{}"}, "where"),
    ],
)
def test_setting_out_of_range_is_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(JobSettingError, match=fault):
        settings(**changes)


def test_limits_can_be_turned_off() -> None:
    body = settings(max_upload_records=0, max_upload_interval_seconds=0, max_upload_bytes=0).body(DESTINATION)
    assert [body[name] for name in ("max_upload_records", "max_upload_interval_seconds", "max_upload_bytes")] == [0] * 3


def test_default_name_has_the_dataset_and_the_host() -> None:
    assert default_name(dataset_of("dns_logs"), DESTINATION) == "dns-logs-logs.example.com"
    six = receiver_destination("https://[2001:db8::1]:8443/x", None)
    assert settings(name=default_name(dataset_of("dns_logs"), six)).name == "dns-logs-2001-db8-1-8443"


CONDITION: dict[str, Any] = {"key": "QueryType", "operator": "eq", "value": 28}


def test_filter_is_sent_without_spaces() -> None:
    where = {"where": {"and": [CONDITION, {"or": [CONDITION, {**CONDITION, "operator": "!in", "value": [1, 2]}]}]}}
    assert check_filter(json.dumps(where, indent=4)) == json.dumps(where, separators=(",", ":"))


@pytest.mark.parametrize(
    "wrong",
    [
        "QueryType eq 28",
        "[" * 100_000,
        json.dumps(CONDITION),
        json.dumps({"where": []}),
        json.dumps({"where": {"and": []}}),
        json.dumps({"where": {"and": [CONDITION], "or": [CONDITION]}}),
        json.dumps({"where": {**CONDITION, "operator": "=="}}),
        json.dumps({"where": {**CONDITION, "operator": "in"}}),
        json.dumps({"where": {**CONDITION, "value": [1]}}),
        json.dumps({"where": {**CONDITION, "value": None}}),
        json.dumps({"where": {**CONDITION, "more": 1}}),
        json.dumps({"where": CONDITION, "more": 1}),
        json.dumps({"where": {"and": [CONDITION] * 31}}),
        json.dumps({"where": {**CONDITION, "value": "x" * 1000}}),
    ],
    ids=range(14),
)
def test_filter_is_refused(wrong: str) -> None:
    with pytest.raises(JobSettingError, match=r"filter|condition|in and !in"):
        check_filter(wrong)
