"""An output as the input of another run: the folders that runs keep beside the events are passed over."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from support.backfills import fill
from support.object_servers import Bucket, bucket_environment

from cfdns_fast import Normalizer
from cfdns_fast.files import Layout, StoreError, convert, open_store, preview
from cfdns_fast.files.head import head_of
from cfdns_fast.files.listing import entries, locate, sources
from cfdns_fast.files.local_store import LocalStore
from cfdns_fast.files.names import Hours
from cfdns_fast.files.own_folders import OwnFolders

HEAD = json.dumps(head_of(Normalizer(), "parquet", Layout())).encode()
OWN = [
    "out/_cfdns/attempts/a.1",
    "out/_cfdns/done/u/a.json",
    "out/_cfdns/head.json",
    "out/_delta_log/00000000000000000000.json",
    "out/_rejects/20260825-aa7f884f-0000-00000.ndjson.gz",
    "out/bad/undated-aa7f884f-0012-123456.ndjson.gz",
    "deep/er/_state/done/u/a.json",
    "deep/er/_state/head.json",
]
OTHERS = [
    "_logs/1.gz",
    "_logs/head.json",
    "_other/1.gz",
    # A user's logs may be beside a state.
    "out/_raw/20260825/20260825T120000Z_20260825T120030Z_9af500e2.log.gz",
    "out/_raw/a.ndjson.gz",
    "deep/er/_raw/1.gz",
    "out/date=2026-08-25/hour=12/part-a.parquet",
    "out/20260825/a.ndjson.gz",
    "deep/er/1.gz",
    "x_cfdns/1.gz",
    "20260825-aa7f884f-0000-00000.ndjson.gz",
]


@pytest.fixture(params=["local", "seaweed"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a folder or prefix that holds OWN and OTHERS."""
    if request.param == "local":
        name = str(tmp_path / "in")
    else:
        pytest.importorskip("obstore", reason="obstore is not installed")
        bucket: Bucket = request.getfixturevalue("seaweed")
        for variable, value in bucket_environment(bucket.endpoint).items():
            monkeypatch.setenv(variable, value)
        name = f"{bucket.url}/own {os.urandom(6).hex()}"
    store = open_store(name, create=True)
    for key in [*OWN, *OTHERS]:
        is_head = key.endswith("head.json") and key in OWN
        store.put(key, HEAD if is_head else b"" if "attempts" in key else b"[1]")
    return name


def keys_of(name: str, skipped: Counter[str] | None = None) -> list[str]:
    return sorted(entry.key for entry in entries(locate(name), Hours(), skipped))


def test_own_folders_are_skipped_and_counted(root: str) -> None:
    skipped: Counter[str] = Counter()
    assert keys_of(root, skipped) == sorted(OTHERS)
    assert skipped == {"state of an output": len(OWN)}
    assert keys_of(f"{root}/**/*.json", skipped) == ["_logs/head.json"]
    found = Counter[str]()
    assert len(list(sources([root], skipped=found))) == len(OTHERS) and found == {"state of an output": len(OWN)}


def test_state_that_a_shell_names_is_skipped(root: str) -> None:
    """A pattern that the shell expands gives the name of the folder itself."""
    for name in ("out/_cfdns", "deep/er/_state/", "out/_cfdns/*"):
        assert keys_of(f"{root}/{name}") == []
    assert keys_of(f"{root}/_logs") == ["1.gz", "head.json"]


def test_named_file_of_a_state_is_read(root: str) -> None:
    assert keys_of(f"{root}/out/_cfdns/head.json") == ["head.json"]


@pytest.mark.parametrize("format", ["parquet", "ndjson.gz"])
def test_output_as_an_input_gives_its_events_only(tmp_path: Path, format: str) -> None:
    fill(tmp_path / "logs", range(4))
    first = tmp_path / "logs" / "20260825"
    next(iter(sorted(first.iterdir()))).write_bytes(b"oops\n")
    one = tmp_path / "in" / "one"
    made = convert(tmp_path / "logs", one, format=format, rejects=one / "_rejects", state=one / "_own")
    convert(tmp_path / "logs", tmp_path / "in" / "two", format=format)
    assert made.rejects and made.files
    # Parquet is a format that is not read; records of events have no key that the mapping reads.
    report = convert(tmp_path / "in", tmp_path / "again", format="ndjson")
    assert report.objects == 2 * made.files and report.skipped["state of an output"] > 4
    assert {fault.fault for fault in report.faults} == ({"format.parquet"} if format == "parquet" else set())
    assert report.problems.get("record.unknown", 0) == report.events
    assert preview(tmp_path / "in", tmp_path / "again", format="ndjson").tasks_left == 0


@pytest.mark.parametrize("head", [b"[]", b"{", b"x" * (1 << 20), b"[" * 100_000])
def test_folder_with_another_head_is_read(tmp_path: Path, head: bytes) -> None:
    store = LocalStore(str(tmp_path / "in"), create=True)
    store.put("_own/head.json", head)
    assert not OwnFolders(store).has("_own/head.json")


def test_lookups_are_few_and_pass_errors_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(str(tmp_path / "in"), create=True)
    store.put("_a/1", b"")
    asked: list[str] = []
    monkeypatch.setattr(LocalStore, "size", lambda self, key: asked.append(key))
    own = OwnFolders(store)
    assert not any(own.has(f"_a/{number}") for number in range(100)) and not own.has("plain/1")
    assert asked == ["_a/head.json"]

    def unavailable(self: LocalStore, key: str) -> int:
        raise StoreError("store.unavailable", "no answer")

    monkeypatch.setattr(LocalStore, "size", unavailable)
    monkeypatch.setattr(LocalStore, "folders", None)
    with pytest.raises(StoreError, match="no answer"):
        OwnFolders(store).has("_a/1")


def test_missing_head_may_be_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 answers so if the credentials may list some prefixes only, and the input has to be read."""

    def denied(self: LocalStore, key: str) -> int:
        raise StoreError("store.denied", "denied")

    store = LocalStore(str(tmp_path / "_logs"), create=True)
    store.put("_a/1", b"1")
    store.put("_b/head.json", b"{}")
    monkeypatch.setattr(LocalStore, "size", denied)
    assert not OwnFolders(store).has("_a/1") and not OwnFolders(store).has("2")
    with pytest.raises(StoreError, match="denied"):
        OwnFolders(store).has("_b/head.json")
