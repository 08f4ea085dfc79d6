"""The directory mode from and to buckets of a real server."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.backfills import content_hash, fill, messages_of, object_name, object_of, put_tree, records_of
from support.object_servers import Bucket, bucket_environment, rclone_bucket, seaweed_bucket

from cfdns_fast.files import FilesError, StoreError, convert, dataset, open_store, plan, run_task, status

pytest.importorskip("obstore", reason="buckets need obstore")
pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
# Starting the server takes longer.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with seaweed_bucket() as made, pytest.MonkeyPatch.context() as patch:
        for name, value in bucket_environment(made.endpoint).items():
            patch.setenv(name, value)
        yield made


def all_records(count: int) -> list[str]:
    return [line.decode() for number in range(count) for line in records_of(number, 20)]


def test_bucket_equals_a_folder(bucket: Bucket, tmp_path: Path) -> None:
    put_tree(f"{bucket.url}/equal/in/", range(9))
    fill(tmp_path / "in", range(9))
    report = convert(f"{bucket.url}/equal/in/", f"{bucket.url}/equal/out/")
    assert report.is_complete and report.events == 180
    convert(tmp_path / "in", tmp_path / "out")
    output = open_store(f"{bucket.url}/equal/out/")
    remote = sorted(entry.key.rpartition("/")[0] for entry in output.list() if entry.key.endswith(".parquet"))
    local = sorted(str(path.parent.relative_to(tmp_path / "out")) for path in (tmp_path / "out").glob("date=*/*/*"))
    assert remote == local
    assert content_hash(messages_of(output)) == content_hash(messages_of(tmp_path / "out"))
    found = dataset(f"{bucket.url}/equal/out/").to_table(columns=["message"])["message"].to_pylist()
    assert sorted(found) == sorted(all_records(9))
    assert status(f"{bucket.url}/equal/out/").events == 180
    assert convert(f"{bucket.url}/equal/in/", f"{bucket.url}/equal/out/").tasks == 0


def test_object_written_again_is_a_fault(bucket: Bucket) -> None:
    source, output = f"{bucket.url}/changed/in/", f"{bucket.url}/changed/out/"
    put_tree(source, range(3))
    tasks = plan(source, output)
    open_store(source).put(object_name(1), object_of(7))
    reports = [run_task(task) for task in tasks]
    assert [each.fault for each in reports[0].inputs] == ["", "changed", ""]
    report = convert(source, output, changed="reconvert")
    assert report.is_complete
    expected = [line.decode() for number in (0, 2, 7) for line in records_of(number, 20)]
    assert sorted(messages_of(open_store(output))) == sorted(expected)


def test_deleted_object_is_a_fault(bucket: Bucket) -> None:
    source, output = f"{bucket.url}/deleted/in/", f"{bucket.url}/deleted/out/"
    put_tree(source, range(3))
    (task,) = plan(source, output)
    open_store(source).delete(object_name(0))
    assert [each.fault for each in run_task(task).inputs] == ["missing", "", ""]


def test_equal_objects_have_equal_etags(bucket: Bucket) -> None:
    source = f"{bucket.url}/equal-objects/in/"
    put_tree(source, range(2))
    open_store(source).put(object_name(1).replace(".log.gz", "00.log.gz"), object_of(1))
    report = convert(source, f"{bucket.url}/equal-objects/out/", duplicates="skip")
    assert (report.equal, report.events) == (1, 40)


@pytest.mark.parametrize("format", ["parquet", "ndjson.gz"])
def test_strange_keys_are_converted(bucket: Bucket, format: str) -> None:
    source, output = f"{bucket.url}/strange {format}/in/", f"{bucket.url}/strange {format}/out/"
    names = ["a b/x y.log.gz", "ü/é.gz", "dt=2026-08-25/a+b.log.gz", "p%20q/%.log.gz", f"{'n' * 200}/" * 4 + "x.gz"]
    store = open_store(source)
    for number, name in enumerate(names):
        store.put(name, object_of(number))
    report = convert(source, output, format=format)
    assert report.is_complete and report.events == len(names) * 20
    if format == "parquet":
        assert sorted(messages_of(open_store(output))) == sorted(all_records(len(names)))
    else:
        target = open_store(output)
        keys = [entry.key for entry in target.list() if not entry.key.startswith("_cfdns/")]
        assert keys[:2] == sorted(["a b/x y.ndjson.gz", "dt=2026-08-25/a+b.ndjson.gz"])
        lines = [line for key in keys for line in gzip.decompress(target.read(key)).splitlines()]
        assert sorted(json.loads(line)["message"] for line in lines) == sorted(all_records(len(names)))
    assert convert(source, output, format=format).tasks == 0


def test_large_object_is_read_ahead(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outputs do not depend on how the network cuts the object."""
    monkeypatch.setattr("cfdns_fast.files.inputs_ahead._WHOLE_BYTES", 1000)
    monkeypatch.setattr("cfdns_fast.files.inputs_ahead._READ_BYTES", 777)
    put_tree(f"{bucket.url}/large/in/", range(2), 20_000)
    fill(tmp_path / "in", range(2), 20_000)
    report = convert(f"{bucket.url}/large/in/", tmp_path / "one")
    assert report.is_complete and report.events == 40_000
    convert(tmp_path / "in", tmp_path / "two")

    def contents(name: str) -> list[bytes]:
        return [path.read_bytes() for path in sorted((tmp_path / name).glob("date=*/*/*.parquet"))]

    # The names of files have a hash of the folder of the inputs, and so has the metadata.
    assert [len(each) for each in contents("one")] == [len(each) for each in contents("two")]
    assert content_hash(messages_of(tmp_path / "one")) == content_hash(messages_of(tmp_path / "two"))


def test_bucket_without_rights_is_an_error(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_tree(f"{bucket.url}/rights/in/", range(1))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    with pytest.raises(StoreError) as caught:
        convert(f"{bucket.url}/rights/in/", tmp_path / "out")
    assert caught.value.code == "store.denied"
    assert "another-secret" not in str(caught.value)


def test_prefix_without_objects_is_an_error(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        convert(f"{bucket.url}/nothing/", tmp_path / "out")
    assert caught.value.code == "store.missing"


def test_input_inside_a_bucket_output_is_refused(bucket: Bucket) -> None:
    put_tree(f"{bucket.url}/inside/in/", range(1))
    with pytest.raises(FilesError) as caught:
        convert(f"{bucket.url}/inside/in/", f"{bucket.url}/inside/")
    assert caught.value.code == "files.inside"


def test_server_without_conditions_needs_a_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "in", range(3))
    options: dict[str, Any] = {"group_bytes": 1}
    with rclone_bucket(tmp_path / "served") as made:
        for name, value in bucket_environment(made.endpoint).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(FilesError) as caught:
            convert(tmp_path / "in", f"{made.url}/out/", **options)
        assert caught.value.code == "files.single_writer"
        report = convert(tmp_path / "in", f"{made.url}/out/", single_writer=True, **options)
        assert report.is_complete and report.tasks == 3
        assert sorted(messages_of(open_store(f"{made.url}/out/"))) == sorted(all_records(3))
