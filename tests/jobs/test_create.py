"""A job is created once, whatever happens to the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.fake_cloudflare import ACCOUNT, ZONE, FakeCloudflare, Handler

from cfdns_fast.jobs import Api, JobError, JobSettings, Secret, create_job, dataset_of, receiver_destination

DESTINATION = receiver_destination("https://logs.example.com/plain/batch", Secret("k3y"))


def body(name: str = "n", key: str = "k3y", **changes: Any) -> dict[str, Any]:
    destination = receiver_destination("https://logs.example.com/plain/batch", Secret(key))
    return JobSettings(**{"dataset": dataset_of("dns_logs"), "name": name, **changes}).body(destination)


def test_created_job_is_as_the_body_asks(api: Api, fake: FakeCloudflare) -> None:
    created = create_job(api, body(), pauses_s=())
    assert created.how == "created" and created.job["id"]
    (call,) = fake.made("POST", "/jobs")
    assert call.body == body()
    assert fake.all_jobs()[0]["output_options"]["field_names"] == body()["output_options"]["field_names"]


def test_present_job_is_kept(api: Api, fake: FakeCloudflare) -> None:
    first = create_job(api, body(), pauses_s=())
    again = create_job(api, body(), pauses_s=())
    assert (again.how, again.job["id"]) == ("present", first.job["id"])
    assert len(fake.made("POST", "/jobs")) == 1


@pytest.mark.parametrize(
    ("present", "wanted", "code", "named"),
    [
        (body(), body(max_upload_records=5000), "job.differs", "max_upload_records"),
        (body(), body(timestamp_format="rfc3339ns"), "job.differs", "timestamp_format"),
        (body(enabled=False), body(), "job.differs", "enabled"),
        (body(), body(fields=("QueryName", "Timestamp")), "job.differs", "field_names"),
        (body(), body(key="rotated"), "job.similar", "other parameters"),
    ],
)
def test_other_job_of_the_name_is_no_success(
    api: Api, fake: FakeCloudflare, present: dict[str, Any], wanted: dict[str, Any], code: str, named: str
) -> None:
    create_job(api, present, pauses_s=())
    with pytest.raises(JobError, match=named) as caught:
        create_job(api, wanted, pauses_s=())
    assert caught.value.code == code
    assert len(fake.all_jobs()) == 1


def test_second_job_has_another_name_or_place(api: Api, fake: FakeCloudflare) -> None:
    create_job(api, body(), pauses_s=())
    create_job(api, body(name="other", key="rotated"), pauses_s=())
    elsewhere = receiver_destination("https://other.example.com/plain/batch", Secret("k3y"))
    create_job(api, {**body(), "destination_conf": elsewhere.conf}, pauses_s=())
    assert len(fake.all_jobs()) == 3


LOSSES: dict[str, Callable[..., None]] = {
    "hang up": Handler.hang_up,
    "cut": Handler.cut,
    "html": Handler.html,
    "bad gateway": Handler.fail,
    "error 500": lambda handler, status, document: handler.send(500, {"success": False, "errors": []}),
    "error 524": lambda handler, status, document: handler.send(524, {"success": False, "errors": []}),
    "empty result": lambda handler, status, document: handler.send(200, {**document, "result": None}),
    "not an envelope": lambda handler, status, document: handler.send(200, ["?"]),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_lost_answer_makes_no_second_job(api: Api, fake: FakeCloudflare, loss: Callable[..., None]) -> None:
    fake.behave["POST /logpush/jobs"] = loss
    created = create_job(api, body(), pauses_s=(0,))
    assert created.how == "recovered" and created.job["id"] == fake.all_jobs()[0]["id"]
    assert len(fake.made("POST", "/jobs")) == len(fake.all_jobs()) == 1


def test_timeout_makes_no_second_job(api_of: Callable[..., Api], fake: FakeCloudflare) -> None:
    fake.behave["POST /logpush/jobs"] = Handler.stall
    created = create_job(api_of(timeout_s=0.5), body(), pauses_s=(0,))
    assert created.how == "recovered"
    assert len(fake.made("POST", "/jobs")) == len(fake.all_jobs()) == 1


def test_lost_call_is_not_repeated(api: Api, fake: FakeCloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "_create", lambda *arguments: {"id": 1})  # it had no effect
    fake.behave["POST /logpush/jobs"] = Handler.hang_up
    with pytest.raises(JobError, match="run the same command again") as caught:
        create_job(api, body(), pauses_s=(0, 0))
    assert caught.value.code == "job.unknown"
    assert len(fake.made("POST", "/jobs")) == 1 and len(fake.made("GET", "/jobs")) == 3


def test_denial_with_status_200_is_a_failure(api: Api, fake: FakeCloudflare) -> None:
    fake.behave["POST /logpush/jobs"] = Handler.deny
    with pytest.raises(JobError, match="1234 the dataset is on holiday") as caught:
        create_job(api, body(), pauses_s=(0,))
    assert caught.value.code == "api.refused"


def test_fifth_job_names_the_limit(api: Api, fake: FakeCloudflare) -> None:
    for number in range(4):
        create_job(api, body(name=f"n{number}"), pauses_s=())
    with pytest.raises(JobError, match=r"exceeded max jobs allowed.*at most 4 jobs") as caught:
        create_job(api, body(name="n5"), pauses_s=())
    assert caught.value.code == "job.limit"


def test_refused_destination_shows_the_text(api: Api, fake: FakeCloudflare) -> None:
    fake.refused_destinations[DESTINATION.conf] = f"error uploading to {DESTINATION.conf}: 415 no"
    with pytest.raises(JobError, match="error validating destination: error uploading to https") as caught:
        create_job(api, body(), pauses_s=())
    assert "415 no" in str(caught.value) and "k3y" not in str(caught.value)


def test_account_dataset_goes_to_the_account(api_of: Callable[..., Api], fake: FakeCloudflare) -> None:
    for name in ("dns_firewall_logs", "gateway_dns"):
        settings = JobSettings(dataset=dataset_of(name), name=name.replace("_", "-"))
        create_job(api_of("account"), settings.body(DESTINATION), pauses_s=())
    assert {each.path for each in fake.made("POST", "/jobs")} == {f"/client/v4/accounts/{ACCOUNT}/logpush/jobs"}
    assert not fake.jobs.get(f"zones/{ZONE}")
