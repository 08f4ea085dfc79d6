"""A dry run prints what is sent, in a form that a shell takes, without secrets."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.fake_cloudflare import TOKEN, ZONE, FakeCloudflare

from cfdns_fast.jobs import (
    Destination,
    JobSettings,
    Secret,
    access_keys,
    curl_command,
    dataset_of,
    file_secret,
    given_destination,
    key_of_environment,
    key_of_file,
    r2_destination,
    receiver_destination,
    request_shown,
)

needs_curl = pytest.mark.skipif(
    os.name != "posix" or shutil.which("curl") is None, reason="the program curl and a POSIX shell"
)
FILTER = '{"where":{"key":"QueryName","operator":"contains","value":"it\'s $HOME `id`"}}'


def body(destination: Destination) -> dict[str, Any]:
    return JobSettings(dataset=dataset_of("dns_logs"), name="n", filter=FILTER).body(destination)


def destinations(folder: Path) -> dict[str, Destination]:
    """Return destinations whose secrets come from everywhere."""
    url = "https://logs.example.com/it's"
    (folder / "bare key").write_text("abc-123\n")
    (folder / "keys").write_text("a.b = first-1\nother=second-2\n")
    (folder / "conf").write_text("azure://c/p?sig=s3cret\n")
    (folder / "access").write_text("access-key-id = AKIA\nsecret-access-key = s3cret/=\n")
    return {
        "bare": receiver_destination(url, key_of_file(folder / "bare key")),
        "named": receiver_destination(url, key_of_file(folder / "keys", "other")),
        "environment": receiver_destination(url, key_of_environment("INTAKE_KEY", {"INTAKE_KEY": "third-3"})),
        "whole": given_destination(file_secret(folder / "conf")),
        "encoded": receiver_destination(url, Secret("needs encoding", "$(cat x)")),
        "r2": r2_destination("bucket/{DATE}", "a" * 32, access_keys(folder / "access")),
    }


@needs_curl
@pytest.mark.parametrize("kind", ["bare", "named", "environment", "whole", "encoded", "r2"])
def test_printed_command_sends_the_same_call(fake: FakeCloudflare, tmp_path: Path, kind: str) -> None:
    destination = destinations(tmp_path)[kind]
    made = body(destination)
    shows = kind in ("encoded", "r2")
    command = curl_command(
        "POST", f"{fake.url}/zones/{ZONE}/logpush/jobs", "$TOKEN", made, destination, show_secrets=shows
    )
    environment = {"PATH": os.environ["PATH"], "TOKEN": TOKEN, "INTAKE_KEY": "third-3"}
    subprocess.run(["sh", "-e", "-c", command], env=environment, check=True, capture_output=True, timeout=30)
    sent = fake.requests[-1].body
    assert sent == made


def test_printed_command_has_no_secret(tmp_path: Path) -> None:
    for kind, destination in destinations(tmp_path).items():
        made = {**body(destination), "ownership_challenge": "s3cret"}
        command = curl_command("PUT", "https://api/x", "$TOKEN", made, destination)
        shown = repr(request_shown("PUT", "https://api/x", made, destination))
        for secret in (*destination.secrets, "s3cret"):
            assert secret not in command and secret not in shown, kind
        assert ("REDACTED" in command) and "REDACTED" in shown
    bare = destinations(tmp_path)["bare"]
    assert "$(cat" in curl_command("PUT", "https://api/x", "$TOKEN", body(bare), bare)


def test_header_in_the_url_is_a_secret() -> None:
    made = receiver_destination("https://h/x?tags=dns&header_X-Other=s3cret", Secret("key-1", "$KEY"))
    command = curl_command("POST", "https://api/x", "$TOKEN", body(made), made)
    assert "s3cret" not in command
    assert "https://h/x?tags=dns&header_X-Other=REDACTED&header_X-SEKOIAIO-INTAKE-KEY='\"$KEY\"'" in command


def test_secrets_are_shown_on_request(tmp_path: Path) -> None:
    for destination in destinations(tmp_path).values():
        made = body(destination)
        command = curl_command("POST", "https://api/x", "$TOKEN", made, destination, show_secrets=True)
        assert destination.conf in command
        assert request_shown("POST", "u", made, destination, show_secrets=True)["body"] == made


def test_destination_of_the_api_is_redacted() -> None:
    made = {"destination_conf": "https://h/x?header_K=s3cret"}
    assert "s3cret" not in curl_command("PUT", "https://api/x", "$TOKEN", made, None)
