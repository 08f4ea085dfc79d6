"""Faults of object stores: what is repeated, what is reported, and that no secret is in a message."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("obstore", reason="obstore is not installed")

from support.object_servers import Bucket, FaultyServer, bucket_environment, upload_to_gcs

from cfdns_fast.files import Store, StoreError, StoreOptions, object_reader, object_store, open_store

CONTENT = bytes(range(256)) * 4096
SECRET = "hush-secret"

Answers = Callable[[int, Any], bool]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for milliseconds where the program waits for seconds, and have credentials of a kind."""
    backoff = {"init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(milliseconds=5), "base": 2}
    monkeypatch.setattr(object_store, "_RETRIES", {**object_store._RETRIES, "backoff": backoff})
    monkeypatch.setattr(object_reader, "_PAUSE_S", 0.001)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "access")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture
def serve() -> Iterator[Callable[[Answers], tuple[Store, FaultyServer]]]:
    """Return a function that starts a server with these answers, and opens its bucket."""
    servers: list[FaultyServer] = []

    def serve(answers: Answers) -> tuple[Store, FaultyServer]:
        server = FaultyServer(CONTENT, answers).__enter__()
        servers.append(server)
        return open_store("s3://bucket/folder", StoreOptions(endpoint_url=server.endpoint)), server

    yield serve
    for server in servers:
        server.__exit__()


Serve = Callable[[Answers], tuple[Store, FaultyServer]]


def read_all(store: Store, etag: str | None = None) -> bytes:
    with store.open("x", etag) as reader:
        return b"".join(iter(lambda: reader.read(1 << 16), b""))


def fault_of(function: Callable[[], object]) -> StoreError:
    with pytest.raises(StoreError) as caught:
        function()
    error = caught.value
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, str(again)) == (error.code, str(error))
    assert "\n" not in str(error) and "hush" not in str(error) and "127.0.0.1" not in str(error)
    # The library's text has URLs and is long, so that it is not shown as the cause.
    assert error.__cause__ is None and (error.__context__ is None or error.__suppress_context__)
    return error


def test_a_busy_store_is_asked_again(serve: Serve) -> None:
    store, server = serve(lambda number, request: number % 3 < 2 and request.error(503, "SlowDown") is None)
    assert store.read("x") == CONTENT
    assert read_all(store) == CONTENT
    store.put("x", b"data")
    assert len(server.requests) == 9


def test_a_busy_store_is_given_up_at_last(serve: Serve) -> None:
    store, server = serve(lambda number, request: request.error(503, "SlowDown") is None)
    error = fault_of(lambda: store.put("a b", b""))
    assert error.code == "store.unavailable" and "503, SlowDown" in str(error)
    assert str(error).startswith("cannot write s3://bucket/folder/a b: ")
    assert len(server.requests) == 11


def test_a_reset_connection_is_opened_again(serve: Serve) -> None:
    store, server = serve(lambda number, request: number < 2 and request.abort() is None)
    assert store.read("x") == CONTENT and len(server.requests) == 3


@pytest.mark.parametrize("etag", [None, "one"])
def test_a_cut_object_is_read_on(serve: Serve, etag: str | None) -> None:
    def answers(number: int, request: Any) -> bool:
        start = number * 50_000
        return number < 15 and request.reply(206 if number else 200, CONTENT[start:], start, cut=50_000) is None

    store, server = serve(answers)
    assert read_all(store, etag) == CONTENT
    assert len(server.requests) == 16
    # obstore gives up after some time or some requests; the reader then asks with the condition.
    conditions = [headers.get("if-match") for _, _, headers in server.requests]
    assert conditions.count('"one"') >= (16 if etag else 1)


def test_a_cut_small_object_is_read_again(serve: Serve) -> None:
    """It is one piece, so after the last try of obstore it is read from its beginning."""
    small = CONTENT[:30_000]

    def answers(number: int, request: Any) -> bool:
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        return number < 15 and request.reply(206 if start else 200, small[start:], start, cut=1000) is None

    store, server = serve(answers)
    server.content = small
    assert read_all(store) == small
    ranges = [headers.get("range") for _, _, headers in server.requests]
    assert len(ranges) > 15 and ranges.count(None) == 2


def test_a_read_after_an_error_is_no_end(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = serve(lambda number, request: request.reply(200, CONTENT[:30_000]) is None)
    failures = iter([StoreError("store.denied", "denied")] * 2)

    def fails_at_first(answer: Any) -> Iterator[Any]:
        if (failure := next(failures, None)) is not None:
            raise failure
        yield answer.bytes()

    monkeypatch.setattr(object_reader, "_whole", fails_at_first)
    with store.open("x") as reader:
        for _ in range(2):
            with pytest.raises(StoreError, match="denied"):
                reader.read(1 << 16)
        assert reader.read(1 << 16) == CONTENT[:30_000]


def test_a_small_object_that_google_grows_is_streamed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size in the answer may be that of the compressed bytes, so one call could fill the memory."""
    store, _ = serve(lambda number, request: request.reply(200, CONTENT[:30_000]) is None)
    monkeypatch.setattr(object_reader, "_whole", None)
    with pytest.raises(TypeError):
        read_all(store)
    monkeypatch.setattr(type(store), "delivers_stored_bytes", False)
    assert read_all(store) == CONTENT[:30_000]


@pytest.mark.parametrize("has_conditions", [True, False])
def test_an_object_that_changes_midway_is_not_mixed(serve: Serve, has_conditions: bool) -> None:
    def answers(number: int, request: Any) -> bool:
        if number == 0:
            return request.reply(200, CONTENT, cut=100_000) is None
        request.etag = '"two"'
        return has_conditions and request.error(412, "PreconditionFailed") is None

    store, _ = serve(answers)
    reader = store.open("x")
    with reader:
        assert fault_of(lambda: b"".join(iter(lambda: reader.read(1 << 16), b""))).code == "store.changed"


@pytest.mark.parametrize(
    ("status", "code", "expected", "words"),
    [
        (400, "ExpiredToken", "store.denied", "have expired"),
        (403, "InvalidAccessKeyId", "store.denied", "are wrong"),
        (403, "AccessDenied", "store.denied", "access is denied"),
        (403, "RequestTimeTooSkewed", "store.denied", "the clock of this machine"),
        (301, "PermanentRedirect", "store.settings", "another region"),
        (400, "AuthorizationHeaderMalformed", "store.settings", "another region"),
        (404, "NoSuchBucket", "store.missing", "no such bucket"),
        (412, "PreconditionFailed", "store.changed", "has changed"),
        (400, "KeyTooLongError", "store.unsupported", "too long"),
        (507, "InsufficientStorage", "store.full", "full"),
        (400, "Unknown", "store.unavailable", "400, Unknown"),
    ],
)
def test_an_answer_is_one_sentence(serve: Serve, status: int, code: str, expected: str, words: str) -> None:
    store, _ = serve(lambda number, request: request.error(status, code) is None)
    for function in (lambda: store.read("x"), lambda: store.put_file("x", store.temporary()), lambda: [*store.list()]):
        error = fault_of(function)
        assert error.code == expected and words in str(error)


def test_a_failed_upload_leaves_its_file(serve: Serve) -> None:
    store, _ = serve(lambda number, request: request.error(403, "AccessDenied") is None)
    path = store.temporary()
    assert fault_of(lambda: store.put_file("x", path)).code == "store.denied"
    assert os.path.exists(path)
    os.unlink(path)
    assert fault_of(lambda: store.put_file("x", path)).code == "store.missing"


def test_a_missing_temporary_folder_is_no_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "system_folder", lambda: str(tmp_path / "none"))
    error = fault_of(open_store("s3://bucket").temporary)
    assert error.code == "store.missing" and "none: No such file" in str(error)


def test_no_server_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "_RETRIES", {"max_retries": 1})
    store = open_store("s3://bucket", StoreOptions(endpoint_url="http://127.0.0.1:9"))
    assert fault_of(lambda: store.read("x")).code == "store.unavailable"


def test_a_silent_server_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(object_store, "_RETRIES", {"max_retries": 0})
    monkeypatch.setattr(object_store, "_TIMEOUTS", {"read_timeout": timedelta(milliseconds=50)})
    store, _ = serve(lambda number, request: gate.wait(30) and request.abort() is None)
    error = fault_of(lambda: store.read("x"))
    gate.set()
    assert error.code == "store.unavailable" and "in time" in str(error)


def test_a_slow_reader_loses_nothing(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is for a wait for the server, not for a pause of the reader."""
    monkeypatch.setattr(object_store, "_TIMEOUTS", {"read_timeout": timedelta(milliseconds=80)})
    store, _ = serve(lambda number, request: False)
    with store.open("x") as reader:
        data = reader.read(10)
        threading.Event().wait(0.3)
        data += b"".join(iter(lambda: reader.read(1 << 16), b""))
    assert data == CONTENT


def test_credentials_are_read_again_after_a_denial(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    store, server = serve(lambda number, request: number == 0 and request.error(400, "ExpiredToken") is None)
    assert fault_of(lambda: store.read("x")).code == "store.denied"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "renewed")
    assert store.read("x") == CONTENT
    first, second = (headers["authorization"] for _, _, headers in server.requests)
    assert "Credential=access/" in first and "Credential=renewed/" in second


def test_a_refused_create_is_tried_again(serve: Serve) -> None:
    """S3 answers 409 if another request for the key is not complete, also if the object does not exist then."""

    puts = []

    def answers(number: int, request: Any) -> bool:
        if request.command == "PUT":
            puts.append(request.path)
        if request.command == "HEAD":
            return request.reply(404) is None
        if puts.count(request.path) == 1:
            return request.error(409, "ConditionalRequestConflict") is None
        return request.reply(200) is None

    store, _ = serve(answers)
    assert store.create("x", b"data")
    assert puts.count("/bucket/folder/x") == 2


@pytest.mark.usefixtures("interrupts")
def test_the_program_reacts_while_a_store_is_silent(tmp_path: Path) -> None:
    """The call of the library itself cannot be interrupted."""
    if os.name != "posix":
        pytest.skip("POSIX signals")
    gate = threading.Event()
    begun = threading.Event()

    def answers(number: int, request: Any) -> bool:
        begun.set()
        return gate.wait(30) and request.abort() is None

    with FaultyServer(CONTENT, answers) as server:
        code = (
            "from cfdns_fast.files import StoreOptions, open_store\n"
            f"open_store('s3://bucket', StoreOptions(endpoint_url={server.endpoint!r})).read('x')"
        )
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
        assert begun.wait(30)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=30)
        gate.set()
    assert b"KeyboardInterrupt" in error and process.returncode != 0


def test_a_forked_process_is_told(serve: Serve) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("no fork")
    store, _ = serve(lambda number, request: False)
    assert store.read("x") == CONTENT
    code = (
        "import os, sys\n"
        "from cfdns_fast.files import StoreError, object_store\n"
        "object_store._process = os.getppid()\n"
        "from cfdns_fast.files import open_store\n"
        "try:\n    open_store('s3://bucket').read('x')\n"
        "except StoreError as error:\n    sys.exit(error.code + ' ' + str(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.startswith("store.unsupported ") and "spawn or forkserver" in done.stderr


def test_an_object_of_gcs_is_read_as_it_is_stored(gcs_store: Bucket) -> None:
    """Google Cloud Storage decompresses objects with a Content-Encoding for clients that do not accept gzip."""
    import gzip

    data = gzip.compress(CONTENT)
    keys = ["20260825/a b%20+=ü.log.gz", "20260826/x"]
    for key in keys:
        upload_to_gcs(gcs_store, f"gcs/{key}", data, "gzip")
    store = open_store(f"{gcs_store.url}/gcs", StoreOptions(endpoint_url=gcs_store.endpoint, anonymous=True))
    found = list(store.list())
    assert [entry.key for entry in found] == keys and store.folders() == ["20260825/", "20260826/"]
    for entry in found:
        with store.open(entry.key, entry.etag) as reader:
            assert b"".join(iter(lambda: reader.read(1 << 16), b"")) == data
    assert [entry.key for entry in store.list("", keys[0])] == keys[1:]
    assert fault_of(lambda: store.open(keys[0], "other")).code == "store.changed"


def listing_of(sizes: dict[str, int]) -> Answers:
    """Return answers with a listing of these keys and their sizes."""
    time = "<LastModified>2026-08-25T12:00:00.000Z</LastModified>"
    contents = (f"<Contents><Key>{key}</Key>{time}<Size>{size}</Size></Contents>" for key, size in sizes.items())
    text = f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(contents)}</ListBucketResult>"
    return lambda number, request: request.reply(200, text.encode()) is None


@pytest.mark.parametrize("key", ["a//b", "a/./b", "..", "a\tb", 'a"//b'])
def test_an_unlistable_key_is_named(serve: Serve, key: str) -> None:
    """The library cannot name keys with an empty part; the listing must not leave them out without a word."""
    store, _ = serve(listing_of({"folder/a": 1, f"folder/{key}": 1}))
    error = fault_of(lambda: [*store.list()])
    assert error.code == "store.unsupported" and f"({f'folder/{key}'!r})" in str(error)


def test_the_probe_removes_its_object(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "_has_conditions", {})
    store, server = serve(lambda number, request: number == 1 and request.error(412, "PreconditionFailed") is None)
    assert store.has_conditional_writes() and store.has_conditional_writes()
    assert [command for command, _, _ in server.requests] == ["PUT", "PUT", "DELETE"]
    assert len({path for _, path, _ in server.requests}) == 1


def test_the_object_of_the_root_is_no_entry(serve: Serve) -> None:
    """Consoles make an empty object with a slash at its end when the user creates a folder."""
    store, _ = serve(listing_of({"folder/": 0, "folder/new/": 0, "folder/x": 4}))
    assert [entry[:2] for entry in store.list()] == [("new", 0), ("x", 4)]


def test_a_prefix_without_rights_is_one_sentence(seaweed: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in bucket_environment(seaweed.endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    store = open_store(f"{seaweed.url}/x")
    monkeypatch.setattr(object_store, "_has_conditions", {})
    for function in (lambda: [*store.list()], lambda: store.put("x", b""), store.has_conditional_writes):
        with pytest.raises(StoreError) as caught:
            function()
        assert caught.value.code == "store.denied" and SECRET not in str(caught.value)
