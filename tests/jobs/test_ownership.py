"""Ownership challenges: given as text or file, or read from the bucket."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.fake_cloudflare import TOKEN, ZONE, FakeCloudflare, fake_cloudflare

from cfdns_fast.jobs import (
    Api,
    JobError,
    JobSettingError,
    JobSettings,
    Secret,
    create_job,
    dataset_of,
    given_challenge,
    given_destination,
    prove_ownership,
    s3_destination,
)

DESTINATION = s3_destination("my-bucket/dns/{DATE}", "eu-west-3")


def body(challenge: str | None) -> dict[str, Any]:
    return JobSettings(dataset=dataset_of("dns_logs"), name="n").body(DESTINATION, challenge)


class Store:
    """An S3 store whose objects are bytes in a dictionary."""

    objects: dict[tuple[str, str], bytes] = {}  # noqa: RUF012

    def __init__(self, bucket: str, region: str, retry_config: dict[str, Any]) -> None:
        assert retry_config["max_retries"] < 5, "without credentials, each try can take as long as a connection"
        self.bucket = bucket

    def get(self, key: str) -> Any:
        if (self.bucket, key) not in self.objects:
            raise FileNotFoundError(key)
        data = self.objects[self.bucket, key]

        class Result:
            def bytes(self) -> bytes:
                return data

        return Result()


def test_challenge_is_given_as_text_or_file(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("eyJ.x\n")
    assert given_challenge(" eyJ.x ") == given_challenge(f"@{tmp_path}/c.txt") == "eyJ.x"
    for wrong in ("", "a b", f"@{tmp_path}/absent"):
        with pytest.raises(JobSettingError):
            given_challenge(wrong)


def test_challenge_is_required_and_checked(api: Api, fake: FakeCloudflare) -> None:
    with pytest.raises(JobError, match="ownership_challenge is invalid"):
        create_job(api, body(None), pauses_s=())
    filename = api.challenge(DESTINATION.conf)
    assert filename.startswith("dns/")
    challenge = fake.challenges[DESTINATION.conf]
    api.validate_challenge(DESTINATION.conf, challenge)
    with pytest.raises(JobError, match="not valid"):
        api.validate_challenge(DESTINATION.conf, "other")
    assert create_job(api, body(challenge), pauses_s=()).how == "created"


def test_challenge_is_read_from_the_bucket(api: Api, fake: FakeCloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    store = pytest.importorskip("obstore.store", reason="the library for object stores")
    monkeypatch.setattr(store, "S3Store", Store)
    monkeypatch.setattr(Store, "objects", {})
    fake.write_object = lambda bucket, key, data: Store.objects.update({(bucket, key): data})
    challenge = prove_ownership(api, DESTINATION, pauses_s=(0,))
    assert create_job(api, body(challenge), pauses_s=()).how == "created"


def test_unreadable_challenge_names_the_file(api: Api, fake: FakeCloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    store = pytest.importorskip("obstore.store", reason="the library for object stores")
    monkeypatch.setattr(store, "S3Store", Store)
    monkeypatch.setattr(Store, "objects", {})
    with pytest.raises(JobError, match=r"ownership-challenge-\w+\.txt: give its text with --challenge"):
        prove_ownership(api, DESTINATION, pauses_s=(0,))
    google = given_destination(Secret("gs://bucket/dns", is_encoded=True))
    with pytest.raises(JobError, match=r"ownership-challenge-\w+\.txt: give its text with --challenge"):
        prove_ownership(api, google)


def test_reason_of_a_store_is_one_line(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    store = pytest.importorskip("obstore.store", reason="the library for object stores")

    def get(self: Store, key: str) -> None:
        raise OSError("no credentials\n\nDebug source:\nRetryError(")

    monkeypatch.setattr(store, "S3Store", Store)
    monkeypatch.setattr(Store, "get", get)
    with pytest.raises(JobError, match=r"failed: no credentials\)$"):
        prove_ownership(api, DESTINATION, pauses_s=(0,))


def test_refused_challenge_shows_the_text(api: Api) -> None:
    https = given_destination(Secret("https://h.example/x", is_encoded=True))
    with pytest.raises(JobError, match="has no ownership challenge"):
        prove_ownership(api, https)


@pytest.mark.slow
def test_challenge_is_read_from_a_real_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cloudflare", reason="the official SDK of Cloudflare")
    obstore = pytest.importorskip("obstore", reason="the library for object stores")
    pytest.importorskip("moto", reason="an S3 server")
    from obstore.store import S3Store

    code = (
        "from moto.server import ThreadedMotoServer\n"
        "server = ThreadedMotoServer(ip_address='127.0.0.1', port=0); server.start()\n"
        "print('port', server.get_host_and_port()[1], flush=True); input()"
    )
    moto = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert moto.stdin is not None and moto.stdout is not None
        port = next(line.split()[1] for line in moto.stdout if line.startswith("port "))
        url = f"http://127.0.0.1:{port}"
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }.items():
            monkeypatch.setenv(name, value)
        import urllib.request

        urllib.request.urlopen(urllib.request.Request(f"{url}/my-bucket", method="PUT"), timeout=30).close()

        def write(bucket: str, key: str, data: bytes) -> None:
            obstore.put(S3Store(bucket, region="eu-west-3"), key, data)

        with (
            fake_cloudflare(write) as fake,
            Api(Secret(TOKEN), "zone", ZONE, base_url=fake.url) as api,
        ):
            challenge = prove_ownership(api, DESTINATION, pauses_s=(0,))
            assert create_job(api, body(challenge), pauses_s=()).how == "created"
            fake.write_object = lambda bucket, key, data: None
            with pytest.raises(JobError, match="reading it from the bucket failed"):
                prove_ownership(api, s3_destination("absent-bucket", "eu-west-3"), pauses_s=(0,))
    finally:
        moto.kill()
        moto.communicate()
