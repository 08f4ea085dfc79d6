"""No secret is shown: not in destinations, jobs, texts of the API or log lines of the SDK."""

from __future__ import annotations

import logging

import pytest

from cfdns_fast.jobs import Redactor, redacted_destination
from cfdns_fast.jobs.redact import RedactingFilter


@pytest.mark.parametrize(
    ("conf", "expected"),
    [
        ("https://h/x?header_X-Key=s3cret&tags=s3cret", "https://h/x?header_X-Key=REDACTED&tags=REDACTED"),
        ("https://u:s3cret@h/x", "https://REDACTED@h/x"),
        ("https://h/receiver/v1/http/" + "s3cret" * 8, "https://h/receiver/v1/http/REDACTED"),
        ("https://h/plain/batch", "https://h/plain/batch"),
        ("https://h/x?s3cret", "https://h/x?REDACTED"),
        ("s3://b/p/{DATE}?region=eu-west-3&sse=AES256", "s3://b/p/{DATE}?region=eu-west-3&sse=AES256"),
        (
            "r2://b/{DATE}?account-id=1&access-key-id=s3cret&secret-access-key=s3cret",
            "r2://b/{DATE}?account-id=1&access-key-id=REDACTED&secret-access-key=REDACTED",
        ),
        ("azure://c/p?sv=s3cret&sig=s3cret", "azure://c/p?sv=REDACTED&sig=REDACTED"),
        ("splunk://h:8088/x?header_Authorization=s3cret", "splunk://h:8088/x?header_Authorization=REDACTED"),
        ("s3cret", "s3cret"),
    ],
)
def test_destination_is_shown_without_secrets(conf: str, expected: str) -> None:
    assert redacted_destination(conf) == expected


@pytest.mark.parametrize(
    "text",
    [
        "bad destination https://h/x?header_X-Key=s3cret%20x.",
        "bad destination 'https://u:s3cret@h/x'",
        'error: {"destination_conf":"https://h/x?header_K=s3cret"}',
        "header_X-SEKOIAIO-INTAKE-KEY=s3cret is not valid",
        "secret-access-key=s3cret",
        "Authorization: Bearer s3cretTokenOfSomeLength",
        "intake_key=s3cret",
    ],
)
def test_text_is_shown_without_unknown_secrets(text: str) -> None:
    assert "s3cret" not in Redactor().text(text)
    assert "s3cret" not in Redactor().lines(f"\n{text}\n")


def test_known_secret_is_found_in_every_encoding() -> None:
    redactor = Redactor(['a b"+/é'])
    for form in ('a b"+/é', "a%20b%22%2B%2F%C3%A9", "a+b%22%2B%2F%C3%A9", "a%20b%22%2b%2f%c3%a9", 'a b\\"+/\\u00e9'):
        assert redactor.text(f"<{form}>") == "<REDACTED>", form
    assert "a b" not in repr(redactor)


def test_job_is_shown_without_secrets() -> None:
    job = {
        "destination_conf": "https://h/x?header_K=s3cret%2Fk3y",
        "error_message": "error 401: https://h/x?header_K=s3cret, the key s3cret/k3y is unknown",
        "ownership_challenge": "s3cret",
        "output_options": {"field_names": ["A"], "batch_prefix": "header_K=s3cret"},
        "id": 1,
    }
    shown = Redactor().value([job])
    assert "s3cret" not in repr(shown)
    assert shown[0]["output_options"]["field_names"] == ["A"] and shown[0]["id"] == 1
    assert job["destination_conf"].endswith("s3cret%2Fk3y")


def test_text_of_the_api_is_one_bounded_line() -> None:
    shown = Redactor().text("a\n\x1b[2Jb" + "x" * 10_000)
    assert shown.startswith("a [2Jb") and shown.isprintable() and len(shown) <= 2001


def test_long_text_takes_linear_time() -> None:
    for piece in ("x", "a-", "http", "x://", "token", "Bearer ", "a="):
        assert Redactor().lines(piece * 60_000) is not None


def test_link_to_documentation_stays() -> None:
    link = "https://developers.cloudflare.com/changelog/2025-11-05-logpush-permissions-update/"
    assert Redactor().text(f"see {link}") == f"see {link}"


def test_log_record_has_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tests.jobs.redact")
    logger.addFilter(RedactingFilter(Redactor(["topsecret"])))
    with caplog.at_level("DEBUG", logger.name):
        logger.debug("Request options: %s", {"json_data": "https://h/?header_K=other", "t": "topsecret"})
    assert "topsecret" not in caplog.text and "other" not in caplog.text and "Request options" in caplog.text
