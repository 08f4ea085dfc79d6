"""Where stores are, and where their credentials come from."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("obstore", reason="obstore is not installed")

from support.object_servers import Bucket, bucket_environment

from cfdns_fast.files import StoreError, StoreOptions, object_settings, open_store
from cfdns_fast.files.locations import parse_location, redacted
from cfdns_fast.files.object_settings import BucketSettings, bucket_settings

KEYS = {"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "hush-secret"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have an empty home, no variables of clouds, and no metadata service."""
    for name in os.environ:
        if name.startswith(("AWS_", "GOOGLE_", "AZURE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr(object_settings, "_METADATA_ADDRESS", ("127.0.0.1", 9))
    return tmp_path


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a metadata service that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(object_settings, "_METADATA_ADDRESS", server.getsockname())
        yield


def settings(url: str = "s3://bucket", options: StoreOptions | None = None, **environment: str) -> BucketSettings:
    return bucket_settings(parse_location(url), options or StoreOptions(), {**KEYS, **environment})


def refused(function: Callable[[], object]) -> StoreError:
    with pytest.raises(StoreError) as caught:
        function()
    assert "hush" not in str(caught.value) and "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("url", "options", "environment", "expected"),
    [
        ("s3://bucket/x", StoreOptions(), {}, {}),
        ("s3://bucket/x", StoreOptions(region="eu-west-1"), {"AWS_REGION": "x"}, {"region": "eu-west-1"}),
        ("s3://bucket/x", StoreOptions(), {"AWS_DEFAULT_REGION": "eu-west-1"}, {"region": "eu-west-1"}),
        ("s3://bucket/x", StoreOptions(), {"AWS_ENDPOINT_URL": "http://h:1/"}, {"endpoint": "http://h:1"}),
        ("s3://bucket/x", StoreOptions("https://o"), {"AWS_ENDPOINT_URL": "http://h:1"}, {"endpoint": "https://o"}),
        (
            "https://0a1b.r2.cloudflarestorage.com/bucket/x",
            StoreOptions(),
            {"AWS_ENDPOINT_URL": "http://h:1"},
            {"endpoint": "https://0a1b.r2.cloudflarestorage.com", "region": "auto"},
        ),
        (
            "https://0a1b.eu.r2.cloudflarestorage.com/bucket",
            StoreOptions(region="weur"),
            {},
            {"endpoint": "https://0a1b.eu.r2.cloudflarestorage.com", "region": "weur"},
        ),
        (
            "gs://bucket",
            StoreOptions("http://h:1", anonymous=True),
            {},
            {"base_url": "http://h:1", "skip_signature": True},
        ),
        (
            "az://bucket",
            StoreOptions("http://h:1/account"),
            {"AZURE_STORAGE_ACCOUNT_KEY": "x"},
            {"endpoint": "http://h:1/account"},
        ),
    ],
)
def test_a_url_and_options_make_settings(
    url: str, options: StoreOptions, environment: dict[str, str], expected: dict[str, object]
) -> None:
    found = settings(url, options, **environment)
    config = dict(found.config)
    assert config.pop("disable_bulk_delete", True) is True
    assert config == expected and found.credentials is None
    endpoint = str(config.get("endpoint") or config.get("base_url") or "https:")
    assert found.client_options["allow_http"] == endpoint.startswith("http:")


def test_credentials_are_not_in_settings() -> None:
    assert "hush" not in repr(settings()) and "access" not in repr(settings().config)


def test_no_credentials_are_one_sentence() -> None:
    for url, word in (("s3://b", "AWS_ACCESS_KEY_ID"), ("gs://b", "GOOGLE_"), ("az://b", "AZURE_")):
        error = refused(lambda url=url: bucket_settings(parse_location(url), StoreOptions(), {}))  # type: ignore[misc]
        assert error.code == "store.denied" and word in str(error) and "--anonymous" in str(error)
    error = refused(lambda: bucket_settings(parse_location("s3://b"), StoreOptions(), {"AWS_ACCESS_KEY_ID": "hush"}))
    assert error.code == "store.denied" and "both" in str(error)


def test_anonymous_needs_no_credentials() -> None:
    found = bucket_settings(parse_location("s3://b"), StoreOptions(anonymous=True), {})
    assert found.config["skip_signature"] is True


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "x", "AWS_ROLE_ARN": "y"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"},
        {"AWS_SKIP_SIGNATURE": "true"},
    ],
)
def test_credentials_of_the_library_are_left_to_it(environment: dict[str, str]) -> None:
    assert bucket_settings(parse_location("s3://b"), StoreOptions(), environment).credentials is None


def test_a_machine_of_a_cloud_has_credentials(metadata: None) -> None:
    for url in ("s3://b", "gs://b", "az://b"):
        assert bucket_settings(parse_location(url), StoreOptions(), {}).credentials is None
    error = refused(
        lambda: bucket_settings(parse_location("s3://b"), StoreOptions(), {"AWS_EC2_METADATA_DISABLED": "true"})
    )
    assert error.code == "store.denied"


def write_profiles(home: Path) -> None:
    (home / ".aws").mkdir()
    (home / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = d\naws_secret_access_key = hush-d\n"
        "[other]\naws_access_key_id = o\naws_secret_access_key = hush-o\naws_session_token = hush-t\n"
    )
    (home / ".aws" / "config").write_text("[profile other]\nregion = eu-west-3\n[profile empty]\nregion = x\n")


def test_profiles_are_read_by_boto3(home: Path) -> None:
    pytest.importorskip("boto3", reason="boto3 is not installed")
    write_profiles(home)

    def found(options: StoreOptions, **environment: str) -> BucketSettings:
        return bucket_settings(parse_location("s3://b"), options, environment)

    default = found(StoreOptions())
    assert default.credentials is not None and default.credentials()["access_key_id"] == "d"
    for other in (
        found(StoreOptions(profile="other")),
        found(StoreOptions(profile="other"), **KEYS),
        found(StoreOptions(), AWS_PROFILE="other"),
    ):
        assert other.credentials is not None and other.config["region"] == "eu-west-3"
        answer = other.credentials()
        assert (answer["access_key_id"], answer["token"]) == ("o", "hush-t")
        assert "hush" not in repr(other)
    # Keys in the environment come before a profile in the environment.
    assert found(StoreOptions(), AWS_PROFILE="other", **KEYS).credentials is None
    assert refused(lambda: found(StoreOptions(profile="none"))).code == "store.settings"
    assert refused(lambda: found(StoreOptions(profile="empty"))).code == "store.denied"


def test_a_profile_is_used_for_requests(home: Path, seaweed: Bucket) -> None:
    pytest.importorskip("boto3", reason="boto3 is not installed")
    from support.servers import ACCESS_KEY, SECRET_KEY

    (home / ".aws").mkdir()
    file = home / ".aws" / "credentials"
    file.write_text(f"[test]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = wrong\n")
    store = open_store(f"{seaweed.url}/profile", StoreOptions(seaweed.endpoint, "us-east-1", "test"))
    assert refused(lambda: store.put("x", b"1")).code == "store.denied"
    file.write_text(f"[test]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n")
    store.put("x", b"1")
    assert store.read("x") == b"1"


def test_a_profile_that_fails_is_one_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example because the session of a single sign-on has ended."""
    credentials = pytest.importorskip("botocore.credentials", reason="botocore is not installed")
    write_profiles(home)

    def fails(self: object) -> None:
        raise RuntimeError("hush-hush")

    monkeypatch.setattr(credentials.Credentials, "get_frozen_credentials", fails)
    store = open_store("s3://b", StoreOptions("http://127.0.0.1:9", "us-east-1", "other"))
    error = refused(lambda: store.read("x"))
    assert error.code == "store.denied" and "the profile gives no credentials (RuntimeError)" in str(error)


def test_an_option_comes_before_the_environment(seaweed: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in bucket_environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("AWS_BUCKET", "AWS_BUCKET_NAME"):
        monkeypatch.setenv(name, "other")
    store = open_store(f"{seaweed.url}/option", StoreOptions(seaweed.endpoint))
    store.put("x", b"1")
    assert store.read("x") == b"1"


def test_a_profile_without_boto3_says_so(home: Path) -> None:
    write_profiles(home)
    code = (
        "import sys\nsys.modules['boto3'] = None\nfrom cfdns_fast.files import *\n"
        "try:\n    open_store('s3://b').read('x')\nexcept StoreError as error:\n    sys.exit(f'{error.code} {error}')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.startswith("store.settings ") and "pip install boto3" in done.stderr


def test_a_missing_library_is_one_sentence() -> None:
    code = (
        "import sys\nsys.modules['obstore'] = None\nfrom cfdns_fast.files import *\n"
        "try:\n    open_store('s3://b')\nexcept StoreError as error:\n    sys.exit(f'{error.code} {error}')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.startswith("store.settings s3://b/: buckets need the library obstore")


def test_folders_do_not_import_libraries(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom cfdns_fast.files import open_store\n"
        f"open_store({str(tmp_path)!r}).put('x', b'1')\n"
        "sys.exit(' '.join(set(sys.modules) & {'obstore', 'pyarrow', 'boto3', 'cfdns_fast._core.boundary'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(
    "endpoint",
    [
        "host:9000",
        "ftp://host",
        "http://",
        "http://user:hush@host",
        "http://host?key=hush",
        "http://host:port",
        "http://[::1",
    ],
)
def test_a_wrong_endpoint_is_refused(endpoint: str) -> None:
    assert refused(lambda: open_store("s3://b", StoreOptions(endpoint))).code == "store.settings"


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/x?access_key=hush",
        "s3://access:hush@bucket/x",
        "s3://access:hu/sh@bucket/x",
        "gs://",
        "az:///x",
        "https://host/bucket",
        "https://a:hush@0a1b.r2.cloudflarestorage.com/bucket",
        "https://0a1b.r2.cloudflarestorage.com/bucket?X-Amz-Signature=hush",
        "https://0a1b.r2.cloudflarestorage.com/",
        "s3a://bucket/x",
        "",
    ],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    assert refused(lambda: open_store(url)).code == "store.settings"
    assert "hush" not in redacted(url)


@pytest.mark.parametrize("url", ["s3://b/a//b", "s3://b//x", "s3://b/x//", "s3://b/./x", "s3://b/../x"])
def test_a_prefix_that_cannot_be_used_is_refused(url: str) -> None:
    assert refused(lambda: open_store(url)).code == "store.unsupported"


def test_a_url_says_where_a_store_is() -> None:
    for url, shown in (
        ("s3://b/x/", "s3://b/x"),
        ("S3://b", "s3://b"),
        ("s3://b/a b%20+", "s3://b/a b%20+"),
        ("https://0a1b.r2.cloudflarestorage.com/b/a%20b/", "https://0a1b.r2.cloudflarestorage.com/b/a b"),
    ):
        assert open_store(url).url == shown
    r2 = open_store("https://0a1b.r2.cloudflarestorage.com/b/x")
    assert r2.location == open_store("s3://b/x/", StoreOptions("https://0a1b.r2.cloudflarestorage.com/")).location
    assert r2.location != open_store("s3://b/x").location
    assert r2.is_sorted and open_store("s3://b").is_sorted and not open_store("s3://b--x-s3").is_sorted
    assert not open_store("s3://b", StoreOptions("http://localhost")).is_sorted
