"""The sink of objects against two S3 servers, moto and rclone, and with every step cut on a store of the test."""

from __future__ import annotations

import gzip
import io
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

if sys.platform == "win32":
    pytest.skip("the receiver and its sinks need POSIX", allow_module_level=True)
pytest.importorskip("obstore", reason="obstore is not installed")

import obstore
from obstore.store import S3Store
from support.deliveries import Caller, batches_of, events_of, lines_in, record_line
from support.servers import ACCESS_KEY, SECRET_KEY, Server, moto, rclone_s3
from support.sinks import Record, batch_id, ndjson_batch, wait_until

from cfdns_fast.sinks import Piece, SinkFault, SinkSettingError, check_sink, object_store, objects, open_sink

BUCKET = "dns-logs"


class Killed(BaseException):
    """Stands for the end of the process: no handler of the program catches it."""


@pytest.fixture(scope="module", params=[pytest.param("moto", marks=pytest.mark.slow), "rclone"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("buckets")
    (folder / BUCKET).mkdir()
    with moto() if request.param == "moto" else rclone_s3(folder) as server:
        if request.param == "moto":
            urlopen(Request(f"{server.url}/{BUCKET}", method="PUT", data=b"")).close()
        yield server


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def stored(server: Server, folder: str) -> dict[str, bytes]:
    """Return the objects in a folder of the bucket by key."""
    store: Any = S3Store(
        BUCKET, endpoint=server.url, access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY, region="us-east-1",
        client_options={"allow_http": True},
    )  # fmt: skip
    keys = [each["path"] for page in obstore.list(store, folder) for each in page]
    return {key: bytes(obstore.get(store, key).bytes()) for key in sorted(keys)}


def url_of(server: Server, folder: str, options: str = "") -> str:
    return f"s3://{BUCKET}/{folder}?endpoint={server.url}&rotate_bytes=1KiB{options}"


def plain(content: Mapping[str, bytes]) -> Counter[bytes]:
    return Counter(line for data in content.values() for line in gzip.decompress(data).splitlines())


def some_batches(count: int = 6, events: int = 60, per_piece: int = 25) -> list[list[Piece]]:
    data = {seq: events_of(b"".join(record_line(seq, i) for i in range(events))) for seq in range(1, count + 1)}
    return batches_of(data, per_piece)


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.tmp")]


def test_each_event_is_in_one_object(server: Server, tmp_path: Path) -> None:
    batches = some_batches()
    record = Record(tmp_path)
    caller = Caller(record, url_of(server, "whole/{date}"))
    caller.run(batches[:2])
    caller.run(batches)
    assert caller.after == 6 and caller.faults == []
    content = stored(server, "whole")
    assert plain(content) == Counter(lines_in(batches))
    ranges = [key.rpartition("/")[2].removesuffix(".ndjson.gz").split("-")[2:] for key in content]
    batches_in_keys = [seq for first, last in ranges for seq in range(int(first), int(last) + 1)]
    assert batches_in_keys == [1, 2, 3, 4, 5, 6] and len(ranges) == 2
    assert leftovers(tmp_path) == [] and record.counts()["events"] == 360


def test_parquet_objects_hold_each_event(server: Server, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    from cfdns_fast import Normalizer

    records = [b"".join(record_line(seq, number) for number in range(40)) for seq in range(1, 4)]
    tables = [pa.Table.from_batches([Normalizer().to_arrow(data).output]) for data in records]
    batches = [
        [Piece(seq, batch_id(seq), 0, 0, 40, table.to_batches()[0], True)] for seq, table in enumerate(tables, 1)
    ]
    Caller(Record(tmp_path), url_of(server, "parquet", "&format=parquet&names=dotted")).run(batches)
    content = stored(server, "parquet")
    found = pa.concat_tables([pq.read_table(io.BytesIO(data)) for data in content.values()])
    wanted = pa.concat_tables(tables)
    assert found.equals(wanted.cast(found.schema, safe=False))
    assert all(key.endswith(".parquet") for key in content)


def test_a_large_object_is_uploaded_in_parts(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "_PART_BYTES", 5 << 20)
    path = tmp_path / "large"
    data = bytes(range(256)) * (11 << 12)
    path.write_bytes(data)
    sink = open_sink(url_of(server, "large"), Record(tmp_path).context)
    assert isinstance(sink, objects.ObjectsSink)
    sink._store.upload("large/object", str(path))
    assert sink._store.size_of("large/object") == len(data)
    assert stored(server, "large") == {"large/object": data}
    assert sink._store.size_of("large/none") is None


@pytest.mark.parametrize("step", ["stored", "uploaded", "lost"])
def test_a_cut_upload_is_repeated_to_its_key(server: Server, tmp_path: Path, step: str) -> None:
    batches = some_batches(3)
    record = Record(tmp_path)
    caller = Caller(record, url_of(server, step))
    sink = open_sink(url_of(server, step), record.context)
    for piece in batches[0]:
        sink.write(piece)

    def keep(pending: Mapping[str, Any]) -> None:
        caller.pending = dict(pending)
        if step != "uploaded":
            raise Killed

    with pytest.raises(Killed):
        sink.commit(keep)
        raise Killed
    # The process has ended: the sink is not closed, and its file stays.
    assert caller.pending is not None
    assert list(stored(server, step)) == ([caller.pending["key"]] if step == "uploaded" else [])
    if step == "lost":
        Path(caller.pending["temporary"]).unlink()
    key = caller.pending["key"]
    caller.run(batches)
    content = stored(server, step)
    assert caller.after == 3 and key in content
    assert plain(content) == Counter(lines_in(batches))
    if step == "uploaded":
        sink.close()
    assert leftovers(tmp_path) == []


def test_a_server_that_starts_again_gets_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "buckets"
    (folder / BUCKET).mkdir(parents=True)
    server = rclone_s3(folder)
    record = Record(tmp_path / "sink")
    record.context.folder.mkdir()
    batches = some_batches(6)
    caller = Caller(record, url_of(server, "rest"))
    with server:
        caller.run(batches[:2])
        server.kill()
        sink = open_sink(url_of(server, "rest"), record.context)
        for piece in batches[2]:
            sink.write(piece)
        pending: list[Any] = []
        for _ in range(2):
            with pytest.raises(SinkFault) as caught:
                sink.commit(pending.append)
            assert caught.value.reason == "connect"
        assert len(pending) == 1 and sink.is_due()
        with pytest.raises(SinkFault):
            sink.write(batches[3][0])
        server.start()
        assert sink.commit(pending.append) == 3
        sink.close()
        caller.after = 3
        caller.run(batches)
        assert plain(stored(server, "rest")) == Counter(lines_in(batches))


def test_a_refused_key_is_a_fault_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "buckets"
    (folder / BUCKET).mkdir(parents=True)
    monkeypatch.setenv("HUSH", "hush-hush")
    with rclone_s3(folder) as server:
        for bucket, options, reason in (
            (BUCKET, "&access_key=env:HUSH&secret_key=env:HUSH", "403"),
            ("other", "", "404"),
        ):
            sink = open_sink(f"s3://{bucket}/x?endpoint={server.url}{options}", Record(tmp_path).context)
            for piece in ndjson_batch(1, 10):
                sink.write(piece)
            with pytest.raises(SinkFault) as caught:
                sink.commit(lambda pending: None, final=True)
            sink.close()
            assert caught.value.reason == reason
            assert "hush" not in str(caught.value) and ACCESS_KEY not in str(caught.value)
    assert list((folder / BUCKET).iterdir()) == []


class PutOnly:
    """An S3 server for credentials that may write but not look, as AWS answers without the right to list."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.refused = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.answer(403)

            def do_PUT(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                if server.refused:
                    server.refused -= 1
                    self.answer(403)
                else:
                    server.content[self.path] = data
                    self.answer(200)

            def answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.send_header("ETag", '"x"')
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def put_only() -> Iterator[PutOnly]:
    server = PutOnly()
    yield server
    server.close()


@pytest.mark.parametrize("has_file", [True, False])
def test_recovery_needs_no_right_to_look(put_only: PutOnly, tmp_path: Path, has_file: bool) -> None:
    batches = [list(ndjson_batch(seq, 20)) for seq in (1, 2, 3)]
    record = Record(tmp_path)
    url = f"s3://{BUCKET}/x?endpoint={put_only.url}"
    sink = open_sink(url, record.context)
    caller = Caller(record, url)
    for piece in batches[0] + batches[1]:
        sink.write(piece)

    def killed(pending: Mapping[str, Any]) -> None:
        caller.pending = pending
        raise Killed

    with pytest.raises(Killed):
        sink.commit(killed)
    if not has_file:
        for path in leftovers(tmp_path):
            path.unlink()
    caller.run(batches)
    assert caller.after == 3 and caller.faults == []
    assert plain(put_only.content) == Counter(lines_in(batches))
    assert len(put_only.content) == 2


def test_secrets_are_read_again_after_a_403(put_only: PutOnly, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("old")
    put_only.refused = 1
    options = f"access_key=env:AWS_ACCESS_KEY_ID&secret_key_file={secret}"
    sink = open_sink(f"s3://{BUCKET}/x?endpoint={put_only.url}&{options}", Record(tmp_path).context)
    sink.write(next(ndjson_batch(1, 10)))
    secret.write_text("new")
    with pytest.raises(SinkFault, match="403"):
        sink.commit(lambda pending: None)
    assert sink._store._store.config["secret_access_key"] == "new"  # type: ignore[attr-defined]
    assert sink.commit(lambda pending: None) == 1
    sink.close()


def test_a_long_upload_shows_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor ends a process that counts nothing for minutes, which a slow upload must not meet each time."""
    monkeypatch.setattr(object_store, "_POLL_S", 0.005)
    gate = threading.Event()
    monkeypatch.setattr(object_store.obstore, "head", lambda store, key: gate.wait(30) and {"size": 1})
    record = Record(tmp_path)
    sink = open_sink(f"s3://{BUCKET}/x", record.context)
    pending = {"kind": "objects", "key": "x", "bytes": 1, "temporary": str(tmp_path / "gone")}
    caller = threading.Thread(target=sink.recover, args=(pending,))
    caller.start()
    wait_until(lambda: record.counts().get("loops", 0) > 3)
    gate.set()
    caller.join(30)
    sink.close()


class MemoryStore:
    """A store in memory; the process can be killed before and after each call."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.uploads: list[str] = []
        self.steps = -1

    def step(self) -> None:
        if self.steps == 0:
            self.steps = -1
            raise Killed
        self.steps -= 1

    def size_of(self, key: str) -> int | None:
        self.step()
        data = self.content.get(key)
        return None if data is None else len(data)

    def upload(self, key: str, path: str) -> None:
        self.step()
        self.content[key] = Path(path).read_bytes()
        self.uploads.append(key)
        self.step()


def sink_in(store: MemoryStore, record: Record) -> objects.ObjectsSink:
    return objects.ObjectsSink(
        record.context, store, template="logs/{date}", prefix="dns", suffix="ndjson.gz", rotate_s=0, rotate_bytes=300
    )


@pytest.mark.parametrize("removes_files", [False, True])
def test_each_cut_leaves_each_event_once(tmp_path: Path, removes_files: bool) -> None:
    batches = [list(ndjson_batch(seq, 60, 25)) for seq in range(1, 6)]
    for cut in range(24):
        folder = tmp_path / str(cut)
        folder.mkdir()
        store = MemoryStore()
        record = Record(folder)

        caller = KilledCaller(record, partial(sink_in, store, record))
        remaining = [cut, cut // 2]
        while True:
            store.steps = remaining.pop(0) if remaining else -1
            caller.step = store.step
            try:
                caller.run(batches)
                break
            except Killed:
                if removes_files:
                    for path in leftovers(folder):
                        path.unlink()
        assert plain(store.content) == Counter(lines_in(batches))
        assert leftovers(folder) == []
        assert all(key.endswith(".ndjson.gz") and key.startswith("logs/2") for key in store.content)


class KilledCaller(Caller):
    """A caller that can be killed before and after it stores something; a killed process closes nothing."""

    step: Callable[[], None]

    def _keep(self, pending: Mapping[str, Any]) -> None:
        self.step()
        super()._keep(pending)
        self.step()

    def _store(self, seq: int) -> None:
        self.step()
        super()._store(seq)


def test_two_receivers_do_not_replace_objects(tmp_path: Path) -> None:
    store = MemoryStore()
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        sink = objects.ObjectsSink(
            Record(folder).context, store, template="", prefix="dns", suffix="ndjson.gz", rotate_s=60, rotate_bytes=300
        )
        for piece in ndjson_batch(1, 10):
            sink.write(piece)
        assert sink.commit(lambda pending: None, final=True) == 1
        sink.close()
    assert len(store.content) == 2


def test_what_another_kind_stored_is_written(tmp_path: Path) -> None:
    store = MemoryStore()
    record = Record(tmp_path)
    caller = Caller(record, partial(sink_in, store, record))
    caller.pending = {"kind": "files", "first": 1, "last": 2, "path": "x"}
    batches = [list(ndjson_batch(seq, 20)) for seq in range(1, 4)]
    caller.run(batches)
    assert caller.after == 3 and plain(store.content) == Counter(lines_in(batches))


def test_batches_without_events_make_no_object(tmp_path: Path) -> None:
    store = MemoryStore()
    sink = objects.ObjectsSink(
        Record(tmp_path).context, store, template="", prefix="dns", suffix="ndjson.gz", rotate_s=0, rotate_bytes=300
    )
    for seq in (1, 2):
        sink.write(Piece(seq, batch_id(seq), 0, 0, 0, b"", True))
    assert sink.is_due()
    assert sink.commit(lambda pending: pytest.fail("stored"), final=True) == 2
    assert not sink.is_due() and store.content == {}
    sink.close()


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("s3:///prefix", "names a bucket"),
        ("s3://bucket:9000/prefix", "names a bucket"),
        ("s3://bucket/{day}", "can have"),
        ("s3://bucket/a//b", "empty part"),
        ("s3://bucket/../b", "of dots only"),
        ("s3://bucket/x?endpoint=ftp://host", "option endpoint"),
        ("s3://bucket/x?endpoint=http://me:secret@host", "option endpoint"),
        ("s3://bucket/x?access_key=env:P", "belong together"),
        ("s3://bucket/x?access_key=secret", "cannot be in the URL"),
        ("s3://bucket/x?account=me", "not for s3"),
        ("gs://bucket/x?region=eu", "not for gs"),
        ("az://bucket/x?secret_key=env:P", "not for az"),
        ("s3://key:secret@bucket/x", "cannot be in the URL"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, part: str) -> None:
    with pytest.raises(SinkSettingError, match=part) as caught:
        check_sink(url, environment={"P": "hush"})
    assert ":secret@" not in str(caught.value) and "hush" not in str(caught.value)


def test_other_providers_are_opened_without_a_call(tmp_path: Path) -> None:
    context = Record(tmp_path).context
    environment = {"K": "a2V5"}
    account = tmp_path / "account.json"
    account.write_text('{"disable_oauth":true,"client_email":"","private_key":"","private_key_id":""}')
    for url in (
        "az://container/x?account=me&access_key=env:K",
        "s3://bucket/x?region=eu-west-1",
        f"gs://bucket/x?service_account_file={account}",
    ):
        open_sink(url, context, environment=environment).close()
    account.write_text("not JSON with a secret")
    with pytest.raises(SinkSettingError) as caught:
        open_sink(f"gs://bucket/x?service_account_file={account}", context)
    assert "secret" not in str(caught.value)
