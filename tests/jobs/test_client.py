"""Calls of the API: their answers, refusals with the missing permission, and secrets that stay secret."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from support.fake_cloudflare import ACCOUNT, TOKEN, ZONE, FakeCloudflare, Handler, Token

from cfdns_fast.jobs import Api, JobError, JobSettingError, Secret, base_url_of

pytest.importorskip("cloudflare", reason="the official SDK of Cloudflare")

CONF = "https://logs.example.com/plain/batch?header_K=s3cret"


def refusal(call: Callable[[], Any]) -> JobError:
    with pytest.raises(JobError) as caught:
        call()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert TOKEN not in str(caught.value) and "s3cret" not in str(caught.value)
    return caught.value


def test_jobs_are_raw_answers(api: Api, fake: FakeCloudflare) -> None:
    number = fake.add_job(future_key={"a": 1}, output_options={"future_option": [1]})
    assert api.jobs()[0]["future_key"] == {"a": 1}
    assert api.job(number)["output_options"] == {"future_option": [1]}
    assert [job["id"] for job in api.jobs("dns_logs")] == [number] and api.jobs("gateway_dns") == []


def test_fields_and_deletion(api: Api, fake: FakeCloudflare) -> None:
    assert len(api.fields("dns_logs")) == 9
    api.delete(fake.add_job())
    assert api.jobs() == []


def test_zone_is_found_by_name_once(api_of: Callable[..., Api], fake: FakeCloudflare) -> None:
    api = api_of("zone", "Example.COM")
    assert api.jobs() == api.jobs() == []
    assert len(fake.made("GET", "/zones")) == 1 and fake.made("GET", f"/zones/{ZONE}/logpush/jobs")


def test_unknown_zone_name_is_a_sentence(api_of: Callable[..., Api], fake: FakeCloudflare) -> None:
    assert "sees no zone named other.example" in str(refusal(api_of("zone", "other.example").jobs))
    fake.tokens[TOKEN].permissions.discard(("zones", "Zone Read"))
    error = refusal(api_of("zone", "example.com").jobs)
    assert error.code == "api.permission" and "Zone / Zone / Read" in str(error) and "give the id" in str(error)
    assert refusal(api_of("zone", "f" * 32).jobs).code == "api.refused"


@pytest.mark.parametrize(("scope", "scope_id"), [("account", "example"), ("zone", "a/b"), ("zone", "")])
def test_scope_is_checked_before_a_call(fake: FakeCloudflare, scope: Any, scope_id: str) -> None:
    with pytest.raises(JobSettingError):
        Api(Secret(TOKEN), scope, scope_id, base_url=fake.url)
    assert fake.requests == []


PERMISSIONS = [
    ("zone", ("zones", "Logs Edit"), "dns_logs", "Zone / Logs / Edit for the zone"),
    ("account", ("accounts", "Logs Edit"), "dns_firewall_logs", "Account / Logs / Edit for the account"),
    ("account", ("accounts", "Logs Edit"), "gateway_dns", "Account / Logs / Edit and Account / Zero Trust: PII Read"),
]


@pytest.mark.parametrize(("scope", "lacking", "dataset", "named"), PERMISSIONS)
def test_missing_permission_is_named(
    api_of: Callable[..., Api], fake: FakeCloudflare, scope: Any, lacking: tuple[str, str], dataset: str, named: str
) -> None:
    fake.tokens[TOKEN].permissions.discard(lacking)
    error = refusal(lambda: api_of(scope).jobs(dataset))
    assert error.code == "api.permission"
    assert "10000 Authentication error" in str(error) and named in str(error)
    assert "Logs / Read is not enough" in str(error)


def test_missing_pii_permission_is_named(api_of: Callable[..., Api], fake: FakeCloudflare) -> None:
    fake.tokens[TOKEN].permissions.discard(("accounts", "Zero Trust: PII Read"))
    number = fake.add_job(f"accounts/{ACCOUNT}", dataset="gateway_dns")
    error = refusal(lambda: api_of("account").job(number))
    assert error.code == "api.permission"
    assert "1004 reading job for product 'gateway_dns' is not allowed" in str(error)
    assert "Zero Trust: PII Read" in str(error)


@pytest.mark.parametrize(
    ("status", "text"), [("expired", "the API token expired"), ("disabled", "the API token is disabled")]
)
def test_token_states_are_distinguished(api: Api, fake: FakeCloudflare, status: str, text: str) -> None:
    fake.tokens[TOKEN].status = status
    error = refusal(api.jobs)
    assert error.code == "api.token" and text in str(error)


def test_unknown_token_is_said(api_of: Callable[..., Api]) -> None:
    error = refusal(api_of(token="unknown-token").jobs)
    assert error.code == "api.token" and "does not know the API token" in str(error)
    assert "unknown-token" not in str(error)


def test_token_of_an_account_is_not_called_invalid(api_of: Callable[..., Api], fake: FakeCloudflare) -> None:
    fake.tokens[TOKEN] = Token(permissions=set(), is_of_account=True)
    assert refusal(api_of().jobs).code == "api.permission"
    assert refusal(api_of("account").jobs).code == "api.permission"
    fake.tokens[TOKEN].status = "expired"
    assert refusal(api_of("account").jobs).code == "api.token"


def test_invalid_destination_is_a_failure(api: Api, fake: FakeCloudflare) -> None:
    api.validate(CONF)
    fake.refused_destinations[CONF] = f"error uploading to {CONF}"
    error = refusal(lambda: api.validate(CONF))
    assert error.code == "destination.refused" and "error uploading to https://logs.example.com" in str(error)


def test_secret_in_a_text_is_recognised(api: Api, fake: FakeCloudflare) -> None:
    conf = "https://logs.example.com/x?header_K=s3cret%2Fkey"
    fake.refused_destinations[conf] = "the key s3cret/key is unknown"
    assert "the key REDACTED is unknown" in str(refusal(lambda: api.validate(conf)))
    body = {"dataset": "dns_logs", "name": "n", "destination_conf": conf}
    assert "the key REDACTED is unknown" in str(refusal(lambda: api.create(body)))


def test_redirection_is_not_followed(api: Api, fake: FakeCloudflare) -> None:
    def redirect(handler: Handler, status: int, document: Any) -> None:
        handler.send_response(307)
        handler.send_header("Location", f"{fake.url}/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    fake.behave["POST /logpush/jobs"] = redirect
    error = refusal(lambda: api.create({"dataset": "dns_logs", "name": "n", "destination_conf": CONF}))
    assert error.code == "api.answer"
    assert [each.path.rpartition("/")[2] for each in fake.requests] == ["jobs"]


def test_destination_in_use_is_known(api: Api, fake: FakeCloudflare) -> None:
    assert not api.is_in_use(CONF)
    fake.add_job(destination_conf=CONF)
    assert api.is_in_use(CONF)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Handler.html, "api.answer"),
        (Handler.deny, "api.refused"),
        (Handler.hang_up, "api.connection"),
        (lambda handler, status, document: handler.send(200, {**document, "result": {"a": 1}}), "api.answer"),
        (lambda handler, status, document: handler.send(200, {"success": "true"}), "api.refused"),
        (lambda handler, status, document: handler.send(404, {"success": False, "errors": "?"}), "api.refused"),
        (lambda handler, status, document: handler.send_bytes(200, "application/json", b"\xff{"), "api.answer"),
    ],
)
def test_wrong_answer_is_a_sentence(
    api: Api, fake: FakeCloudflare, monkeypatch: pytest.MonkeyPatch, answer: Any, code: str
) -> None:
    monkeypatch.setattr("cfdns_fast.jobs.client._READ_RETRIES", 0)
    fake.behave["GET /logpush/jobs"] = answer
    error = refusal(api.jobs)
    assert error.code == code and "\n" not in str(error)


def test_dead_server_is_a_sentence(api_of: Callable[..., Api], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfdns_fast.jobs.client._READ_RETRIES", 0)
    error = refusal(api_of(base_url="http://127.0.0.1:9/client/v4").jobs)
    assert error.code == "api.connection" and "connection to Cloudflare's API failed" in str(error)


def test_only_the_token_is_sent(
    api_of: Callable[..., Api], fake: FakeCloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_KEY", "global-key")
    monkeypatch.setenv("CLOUDFLARE_EMAIL", "a@example.com")
    api_of().jobs()
    sent = fake.requests[0].headers
    assert sent["authorization"] == f"Bearer {TOKEN}"
    assert "global-key" not in sent.values() and "a@example.com" not in sent.values()


def test_debug_log_of_the_sdk_has_no_secret(api: Api, fake: FakeCloudflare, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        api.validate(CONF)
        api.create({"dataset": "dns_logs", "name": "n", "destination_conf": CONF})
    assert "Request options" in caplog.text
    assert "s3cret" not in caplog.text and TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("", True),
        ("https://proxy.example/client/v4/", True),
        ("http://127.0.0.1:80/x", True),
        ("http://localhost/x", True),
        ("http://[::1]:1/x", True),
        ("http://api.example.com/x", False),
        ("http://127.0.0.1@evil.example/", False),
        ("https://user:pw@api.example.com/", False),
        ("ftp://127.0.0.1/", False),
        ("api.cloudflare.com", False),
    ],
)
def test_base_url_never_sends_a_token_in_clear(url: str, is_allowed: bool) -> None:
    environment = {"CLOUDFLARE_BASE_URL": url}
    if is_allowed:
        assert base_url_of(environment) == (url.rstrip("/") or "https://api.cloudflare.com/client/v4")
    else:
        with pytest.raises(JobSettingError, match="CLOUDFLARE_BASE_URL"):
            base_url_of(environment)
