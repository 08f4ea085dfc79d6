"""Changes of a job keep everything else, although the API replaces output_options as a whole."""

from __future__ import annotations

from typing import Any

import pytest
from support.fake_cloudflare import FakeCloudflare

from cfdns_fast.jobs import (
    Api,
    Changes,
    JobError,
    JobSettingError,
    Redactor,
    Secret,
    changed_body,
    changes_shown,
    receiver_destination,
)
from cfdns_fast.jobs.legacy import output_options_of

OPTIONS = {
    "field_names": ["QueryName"],
    "timestamp_format": "unix",
    "CVE-2021-44228": True,
    "future": {"a": [1]},
}
PAGE = "fields=ColoCode,QueryName,Timestamp&timestamps=unix"


def test_update_keeps_unknown_output_options(api: Api, fake: FakeCloudflare) -> None:
    rest = {"enabled": True, "name": "n", "filter": '{"where":{}}', "max_upload_records": 1000}
    number = fake.add_job(output_options=OPTIONS, **rest)
    body = changed_body(api.job(number), Changes(timestamp_format="unixnano"))
    job = api.replace(number, body)
    assert job["output_options"] == {
        **OPTIONS,
        "timestamp_format": "unixnano",
        "output_type": "ndjson",
        "sample_rate": 1,
    }
    assert {key: job[key] for key in rest} == rest
    sent = fake.made("PUT")[0].body
    assert not {"dataset", "kind", "destination_conf", "id", "last_error"} & set(sent)
    assert sent["output_options"]["CVE-2021-44228"] is True


def test_changed_destination_is_sent() -> None:
    destination = receiver_destination("https://h.example/x", Secret("n3w"))
    job = {"destination_conf": "https://h.example/x?header_X-SEKOIAIO-INTAKE-KEY=0ld", "output_options": OPTIONS}
    changes = Changes(destination=destination, challenge="c")
    body = changed_body(job, changes)
    assert body["destination_conf"] == destination.conf and body["ownership_challenge"] == "c"
    (line,) = changes_shown(job, body, Redactor(destination.secrets))
    assert line.endswith("(another secret)") and "n3w" not in line and "0ld" not in line


def test_filter_is_removed_by_null() -> None:
    job = {"filter": '{"where":{}}'}
    assert changed_body(job, Changes(filter=""))["filter"] is None
    assert changed_body(job, Changes())["filter"] == '{"where":{}}'


def test_nothing_changes_without_changes() -> None:
    job = {"output_options": OPTIONS, "enabled": False, "name": "n", "dataset": "dns_logs"}
    assert changes_shown(job, changed_body(job, Changes()), Redactor()) == []
    same = Changes(enabled=False, timestamp_format="unix")
    assert changes_shown(job, changed_body(job, same), Redactor()) == []


def test_changes_are_shown_one_a_line() -> None:
    job = {"output_options": OPTIONS, "enabled": False, "dataset": "dns_logs"}
    changes = Changes(enabled=True, fields=("QueryName", "Timestamp"), max_upload_records=0)
    assert changes_shown(job, changed_body(job, changes), Redactor()) == [
        "enabled: false -> true",
        "max_upload_records: null -> 0",
        'output_options.field_names: ["QueryName"] -> ["QueryName", "Timestamp"]',
    ]


def test_job_of_the_reference_page_is_repaired(api: Api, fake: FakeCloudflare) -> None:
    number = fake.add_job(logpull_options=PAGE)
    job = api.replace(number, changed_body(api.job(number), Changes(timestamp_format="unixnano")))
    assert job["logpull_options"] is None
    assert job["output_options"]["field_names"] == ["ColoCode", "QueryName", "Timestamp"]
    assert job["output_options"]["timestamp_format"] == "unixnano"


def test_old_options_stay_if_others_change() -> None:
    body = changed_body({"logpull_options": PAGE}, Changes(enabled=True))
    assert body == {"enabled": True, "logpull_options": PAGE}


def test_old_options_become_output_options() -> None:
    text = f"https://api.example/received?{PAGE}&sample=0.1&CVE-2021-44228=true"
    assert output_options_of(text) == {
        "field_names": ["ColoCode", "QueryName", "Timestamp"],
        "output_type": "ndjson",
        "timestamp_format": "unix",
        "sample_rate": 0.1,
        "CVE-2021-44228": True,
    }
    for wrong in ("", "timestamps=unix", "fields=A&timestamps=rfc3339,B", "fields=A&sample=x", "fields=A&new=1"):
        with pytest.raises(JobError, match="cannot be changed one by one"):
            output_options_of(wrong)


@pytest.mark.parametrize(
    "changes",
    [{"name": "a b"}, {"sample_rate": 0}, {"max_upload_records": 1}, {"filter": "x"}, {"timestamp_format": "x"}],
)
def test_change_out_of_range_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(JobSettingError):
        Changes(**changes)


def test_changed_fields_are_checked_by_dataset() -> None:
    with pytest.raises(JobSettingError, match="called QueryName"):
        changed_body({"dataset": "dns_logs"}, Changes(fields=("queryname",)))
