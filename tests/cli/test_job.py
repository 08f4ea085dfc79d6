"""``cfdns-fast job``: the real command against the local stand-in of Cloudflare's API."""

from __future__ import annotations

import gzip
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from support.command import Cli
from support.fake_cloudflare import ACCOUNT, TEST_CONTENT, TOKEN, ZONE, FakeCloudflare, Handler, fake_cloudflare

from cfdns_fast.cli import app

pytest.importorskip("cloudflare", reason="the official SDK of Cloudflare")

KEY = "s3cr&t+key"
ENCODED = "s3cr%26t%2Bkey"
RECEIVER = ("--receiver", "https://logs.example.com/plain/batch", "--key-file", "key")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloudflare]:
    """Run the server for the command, in an empty folder with a file that holds the key."""
    with fake_cloudflare() as server:
        monkeypatch.setenv("NO_PROXY", "*")
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", server.url)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
        monkeypatch.setattr("cfdns_fast.jobs.create._PAUSES_S", (0.0,))
        monkeypatch.setattr("cfdns_fast.jobs.client._READ_RETRIES", 0)
        monkeypatch.chdir(tmp_path)
        (tmp_path / "key").write_text(KEY + "\n")
        yield server


class Run:
    """Runs the command in this process; `output` and `errors` of the last run hold no secret."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.output = self.errors = ""

    def __call__(self, *arguments: str, secrets: bool = False) -> int:
        with pytest.raises(SystemExit) as caught:
            app.main(["job", *arguments])
        self.output, self.errors = self._capsys.readouterr()
        shown = self.output + self.errors
        assert "Traceback" not in shown and TOKEN not in shown
        assert secrets or (KEY not in shown and ENCODED not in shown), shown
        return int(caught.value.code or 0)


@pytest.fixture
def job(fake: FakeCloudflare, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command with the server."""
    return Run(capsys)


def test_job_goes_through_its_life(job: Run, fake: FakeCloudflare) -> None:
    assert job("create", "--zone", "example.com", *RECEIVER) == 0
    number = str(fake.all_jobs()[0]["id"])
    assert job.output == f"created the job {number}\n"
    assert fake.all_jobs()[0]["destination_conf"].endswith(f"?header_X-SEKOIAIO-INTAKE-KEY={ENCODED}")
    assert job("create", "--zone", ZONE, *RECEIVER) == 0
    assert "exists already" in job.output
    assert job("list", "--zone", ZONE) == 0
    assert job.output.splitlines()[1].split()[:4] == [number, "dns-logs-logs.example.com", "dns_logs", "yes"]
    assert job("show", number, "--zone", ZONE) == 0
    assert "100000" in job.output and "header_X-SEKOIAIO-INTAKE-KEY=REDACTED" in job.output
    assert job("show", number, "--zone", ZONE, "--json") == 0
    assert json.loads(job.output)["output_options"]["timestamp_format"] == "unixnano"
    assert job("update", number, "--zone", ZONE, "--disable") == 0
    assert "enabled: true -> false" in job.errors
    assert job("update", number, "--zone", ZONE, "--disable") == 0
    assert "nothing to change" in job.errors and len(fake.made("PUT")) == 1
    assert job("delete", number, "--zone", ZONE) == 2
    assert "add --yes" in job.errors and len(fake.all_jobs()) == 1
    assert job("delete", number, "--zone", ZONE, "--yes") == 0
    assert job("list", "--zone", ZONE) == 0 and "there are no jobs" in job.errors


def test_update_rotates_the_key(job: Run, fake: FakeCloudflare, tmp_path: Path) -> None:
    assert job("create", "--zone", ZONE, *RECEIVER) == 0
    number = str(fake.all_jobs()[0]["id"])
    (tmp_path / "key").write_text("n3w-k3y\n")
    assert job("create", "--zone", ZONE, *RECEIVER) == 1
    assert f"job update {number}" in job.errors and len(fake.all_jobs()) == 1
    assert job("update", number, "--zone", ZONE, *RECEIVER) == 0
    assert "another secret" in job.errors and "n3w-k3y" not in job.errors
    assert fake.all_jobs()[0]["destination_conf"].endswith("=n3w-k3y")


def test_dry_run_is_what_is_sent(job: Run, fake: FakeCloudflare) -> None:
    create = ("create", "--zone", ZONE, *RECEIVER, "--sample-rate", "0.5", "--fields", "QueryName,Timestamp")
    assert job(*create, "--dry-run", "--show-secrets", "--json", secrets=True) == 0
    shown = json.loads(job.output)
    assert fake.requests == []
    assert job(*create) == 0
    (sent,) = fake.made("POST", "/jobs")
    assert shown["body"] == sent.body and shown["method"] == "POST" and shown["url"].endswith(sent.path)
    assert job(*create, "--dry-run") == 0
    assert "REDACTED" in job.output and "--show-secrets" in job.errors


def test_dry_run_needs_neither_token_nor_sdk(job: Run, fake: FakeCloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN")
    monkeypatch.setitem(__import__("sys").modules, "cloudflare", None)
    assert job("create", "--zone", "example.com", *RECEIVER, "--dry-run") == 0
    assert "zones/ID_OF_example.com/logpush/jobs" in job.output and "$CLOUDFLARE_API_TOKEN" in job.output
    assert job("list", "--zone", ZONE) == 2 and "CLOUDFLARE_API_TOKEN" in job.errors
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    assert job("list", "--zone", ZONE) == 1
    assert job.errors == "cfdns-fast: managing jobs needs the package cloudflare: pip install 'cfdns-fast[logpush]'\n"


def test_dry_run_of_an_update_changes_nothing(job: Run, fake: FakeCloudflare) -> None:
    number = fake.add_job(output_options={"field_names": ["QueryName"], "future": 1})
    assert job("update", str(number), "--zone", ZONE, "--timestamp-format", "rfc3339ns", "--dry-run", "--json") == 0
    shown = json.loads(job.output)
    assert shown["method"] == "PUT" and shown["url"].endswith(f"/jobs/{number}")
    assert shown["body"]["output_options"]["future"] == 1
    assert {each.method for each in fake.requests} == {"GET"}


USAGE = [
    (("create", "--zone", ZONE), "give a destination"),
    (("create", *RECEIVER), "either --zone"),
    (("create", "--zone", ZONE, "--account", ACCOUNT, *RECEIVER), "either --zone"),
    (("create", "--account", ACCOUNT, *RECEIVER), "belongs to a zone"),
    (("create", "--zone", "a b", *RECEIVER, "--dry-run"), "a zone is given by"),
    (("create", "--account", "x", "--dataset", "gateway_dns", *RECEIVER, "--dry-run"), "an account is given by"),
    (("create", "--zone", ZONE, "--dataset", "gateway_dns", *RECEIVER), "belongs to an account"),
    (("create", "--zone", ZONE, "--dataset", "dns_log", *RECEIVER), "the dataset is called dns_logs"),
    (("list", "--zone", ZONE, "--dataset", "firewalls_events"), "the dataset is called firewall_events"),
    (("create", "--zone", ZONE, *RECEIVER, "--sekoia"), "exclude each other"),
    (("create", "--zone", ZONE, *RECEIVER, "--key-env", "X"), "exclude each other"),
    (("create", "--zone", ZONE, "--sekoia"), "needs the intake key"),
    (("create", "--zone", ZONE, "--s3", "b"), "needs --region"),
    (("create", "--zone", ZONE, "--r2", "b"), "--r2-account"),
    (("create", "--zone", ZONE, *RECEIVER, "--region", "fra1"), "--region needs"),
    (("create", "--zone", ZONE, *RECEIVER, "--filter", "{}"), "where"),
    (("create", "--zone", ZONE, *RECEIVER, "--max-upload-records", "10"), "between 1000"),
    (("create", "--zone", ZONE, "--receiver", "http://h/x", "--key-file", "key"), "https://"),
    (("create", "--zone", ZONE, "--receiver", "https://h/x", "--key-file", "absent"), "No such file"),
    (("create", "--zone", ZONE, "--receiver", "https://h/x", "--key-env", "ABSENT"), "ABSENT is not set"),
    (("list", "--zone", ZONE, "--token-file", "absent"), "No such file"),
    (("show", "x", "--zone", ZONE), "by its number"),
    (("update", "1", "--zone", ZONE, "--key-file", "key"), "--key-file needs"),
    (("update", "1", "--zone", ZONE, "--filter", "{}", "--no-filter"), "exclude each other"),
]


@pytest.mark.parametrize(("arguments", "text"), USAGE, ids=range(len(USAGE)))
def test_wrong_usage_is_found_before_a_call(
    job: Run, fake: FakeCloudflare, arguments: tuple[str, ...], text: str
) -> None:
    assert job(*arguments) == 2
    assert text in job.errors and len(job.errors.splitlines()) == 1
    assert fake.requests == []


def test_sekoia_is_the_destination_of_the_page(job: Run, fake: FakeCloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTAKE_KEY", "abc")
    assert job("create", "--zone", ZONE, "--sekoia", "--key-env", "INTAKE_KEY") == 0
    conf = fake.all_jobs()[0]["destination_conf"]
    assert conf == "https://intake.sekoia.io/plain/batch?header_X-SEKOIAIO-INTAKE-KEY=abc"


def test_r2_and_given_destinations(job: Run, fake: FakeCloudflare, tmp_path: Path) -> None:
    (tmp_path / "access").write_text(f"access-key-id = AKIA\nsecret-access-key = {KEY}\n")
    r2 = ("--r2", "bucket/{DATE}", "--r2-account", ACCOUNT, "--access-key-file", "access")
    assert job("create", "--zone", ZONE, *r2) == 0
    assert f"secret-access-key={ENCODED}" in fake.all_jobs()[0]["destination_conf"]
    (tmp_path / "conf").write_text(f"splunk://h:8088/x?header_Authorization={ENCODED}\n")
    assert job("create", "--zone", ZONE, "--destination-file", "conf") == 0
    assert job("list", "--zone", ZONE, "--json") == 0
    assert len(json.loads(job.output)) == 2


def test_challenge_is_given_by_file(job: Run, fake: FakeCloudflare, tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("gs://bucket/dns\n")
    create = ("create", "--zone", ZONE, "--destination-file", "conf")
    assert job(*create) == 1 and "give its text with --challenge @FILE" in job.errors
    (tmp_path / "challenge").write_text(fake.challenges["gs://bucket/dns"])
    assert job(*create, "--challenge", "@challenge") == 0


def test_missing_permission_is_one_sentence(job: Run, fake: FakeCloudflare) -> None:
    fake.tokens[TOKEN].permissions.discard(("zones", "Logs Edit"))
    assert job("create", "--zone", ZONE, *RECEIVER) == 1
    assert "Zone / Logs / Edit" in job.errors and len(job.errors.splitlines()) == 1


@pytest.mark.parametrize("answer", [Handler.html, Handler.deny, Handler.hang_up, Handler.fail])
def test_broken_answer_is_one_sentence(job: Run, fake: FakeCloudflare, answer: Callable[..., None]) -> None:
    fake.behave["GET /logpush/jobs"] = answer
    assert job("list", "--zone", ZONE) == 1
    assert len(job.errors.splitlines()) == 1 and "internal error" not in job.errors


def test_lost_answer_is_said(job: Run, fake: FakeCloudflare) -> None:
    fake.once["POST /logpush/jobs"] = Handler.hang_up
    assert job("create", "--zone", ZONE, *RECEIVER) == 0
    assert "the answer to the call was lost" in job.output and len(fake.all_jobs()) == 1


def test_job_of_the_reference_page_is_noted(job: Run, fake: FakeCloudflare) -> None:
    number = fake.add_job(logpull_options="fields=QueryName&timestamps=unix", max_upload_records=1000)
    assert job("show", str(number), "--zone", ZONE) == 0
    notes = [line for line in job.output.splitlines() if line.startswith("note: ")]
    assert [any(word in note for note in notes) for word in ("deprecated", "whole seconds", "not enabled", "CPU")] == [
        True
    ] * 4


def test_fields_mark_the_defaults(job: Run, fake: FakeCloudflare) -> None:
    assert job("fields", "--account", ACCOUNT, "--dataset", "gateway_dns") == 0
    assert "* QueryName " in job.output and "  AccountID " in job.output and job.errors == ""


def test_question_before_a_deletion(job: Run, fake: FakeCloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    number = str(fake.add_job())
    for answer, code, left in (("n", 1, 1), ("y", 0, 0)):
        terminal = io.StringIO(f"{answer}\n")
        terminal.isatty = lambda: True  # type: ignore[method-assign]
        monkeypatch.setattr("sys.stdin", terminal)
        assert job("delete", number, "--zone", ZONE) == code
        assert "Delete the job" in job.errors and len(fake.all_jobs()) == left


def test_group_without_a_command_shows_its_help(job: Run) -> None:
    assert job() == 2
    assert "\n  create " in job.errors and job.output == ""


def test_control_characters_do_not_reach_a_terminal(job: Run, fake: FakeCloudflare) -> None:
    number = fake.add_job(name="\x1b[2Jx", error_message="a\x07b")
    for arguments in (("list",), ("show", str(number))):
        assert job(*arguments, "--zone", ZONE) == 0
        assert "\x1b" not in job.output and "\x07" not in job.output


# Processes


def test_receiver_is_really_validated(cli: Cli, fake: FakeCloudflare) -> None:
    received: list[tuple[str, str | None, bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            key = self.headers["X-SEKOIAIO-INTAKE-KEY"]
            received.append((self.path, key, gzip.decompress(body)))
            self.send_response(200 if key == KEY else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *values: object) -> None:
            pass

    environment = {"CLOUDFLARE_BASE_URL": fake.url, "CLOUDFLARE_API_TOKEN": TOKEN, "GOOD": KEY, "WRONG": "wrong-key"}
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        target = [
            "job",
            "create",
            "--zone",
            ZONE,
            "--receiver",
            f"https://127.0.0.1:{server.server_port}/plain/batch?t=1",
        ]
        refused = cli(*target, "--key-env", "WRONG", env=environment)
        made = cli(*target, "--key-env", "GOOD", env=environment)
        server.shutdown()
        thread.join()
    assert (refused.code, made.code) == (1, 0), refused.errors + made.errors
    assert "error uploading to https: 401" in refused.errors and "wrong-key" not in refused.errors
    assert received[-1] == ("/plain/batch?t=1", KEY, TEST_CONTENT)


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["html", "deny", "hang_up", "cut", "fail"])
def test_debugging_shows_no_secret(cli: Cli, fake: FakeCloudflare, answer: str) -> None:
    cli.write("key", KEY.encode())
    environment = {
        "CLOUDFLARE_BASE_URL": fake.url,
        "CLOUDFLARE_API_TOKEN": TOKEN,
        "CLOUDFLARE_LOG": "debug",
        "CFDNS_DEBUG": "1",
    }
    fake.behave["POST /logpush/jobs"] = getattr(Handler, answer)
    fake.behave["POST /validate/destination"] = getattr(Handler, answer)
    for arguments in (("create", *RECEIVER), ("validate", *RECEIVER), ("create", *RECEIVER, "--name", "other")):
        process = cli.start("job", arguments[0], "--zone", ZONE, *arguments[1:], env=environment)
        output, errors = process.communicate(timeout=60)
        shown = (output + errors).decode()
        assert "DEBUG" in shown and ("Traceback" in shown or arguments[0] == "create")
        assert TOKEN not in shown and KEY not in shown and ENCODED not in shown


def test_help_imports_no_sdk(cli: Cli) -> None:
    code = (
        "import sys; from cfdns_fast.cli import app\n"
        "try: app.main(['job', 'create', '--help'])\n"
        "except SystemExit: print('cloudflare' in sys.modules, 'httpx' in sys.modules)"
    )
    cli.write("run.py", code.encode())
    cli.prefix = ["-OO"]
    finished = cli(str(cli.directory / "run.py"))
    assert finished.output.decode().splitlines()[-1] == "False False"
    assert b"a job with the same name" in finished.output
    assert os.environ.get("CLOUDFLARE_API_TOKEN") is None
