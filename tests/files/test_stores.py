"""What folders and buckets have in common, on this disk and on servers."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.object_servers import AZURITE_ACCOUNT, AZURITE_KEY, Bucket, bucket_environment

from cfdns_fast.files import Store, StoreError, StoreOptions, open_store

slow = pytest.mark.slow
ALL = ["local", "seaweed", pytest.param("moto", marks=slow), "rclone", pytest.param("azure", marks=slow)]

KEYS = [
    "a/b c%/x=1.txt",
    "a%20b",
    "a+b",
    "a=b&c;d",
    "ü/ñ€😀.gz",
    "a-b",
    "a/z",
    "a0",
    "a~b,c",
    "a[1]#{x}@'y'",
    # Windows limits a path to 260 characters.
    "/".join([letter * (200 if os.name == "posix" else 20) for letter in "xyzu"] + ["v" * 196]),
]


@pytest.fixture
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[[Bucket], Store]
) -> Store:
    """Return an empty store; the test chooses its kind."""
    if request.param == "local":
        return open_store(str(tmp_path / "root dir"), create=True)
    pytest.importorskip("obstore", reason="obstore is not installed")
    if request.param == "azure":
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", AZURITE_ACCOUNT)
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", AZURITE_KEY)
    name = {"moto": "moto_store", "rclone": "rclone_store", "azure": "azure_store"}.get(request.param, request.param)
    return opened(request.getfixturevalue(name))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[Bucket], Store]:
    def opened(bucket: Bucket) -> Store:
        for name, value in bucket_environment(bucket.endpoint).items():
            monkeypatch.setenv(name, value)
        folder = f"{bucket.url}/root dir {os.urandom(6).hex()}"
        return open_store(folder, StoreOptions(endpoint_url=bucket.endpoint))

    return opened


def code_of(function: Callable[[], object]) -> str:
    with pytest.raises(StoreError) as caught:
        function()
    return caught.value.code


def pieces(store: Store, key: str, size: int, etag: str | None = None) -> Iterator[bytes]:
    with store.open(key, etag) as reader:
        while piece := reader.read(size):
            assert len(piece) <= size
            yield piece


def filled(store: Store, data: bytes) -> str:
    path = store.temporary()
    Path(path).write_bytes(data)
    return path


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_any_key_is_stored_under_its_name(store: Store) -> None:
    for key in KEYS:
        store.put(key, key.encode())
    found = list(store.list())
    assert sorted(entry.key for entry in found) == sorted(KEYS)
    assert [entry.key for entry in found] == sorted(KEYS) or not store.is_sorted
    for entry in found:
        data = entry.key.encode()
        assert entry.size_bytes == len(data) == store.size(entry.key)
        assert b"".join(pieces(store, entry.key, 7, entry.etag)) == data == store.read(entry.key)
    for key in KEYS:
        store.delete(key)
        store.delete(key)
        assert store.size(key) is None
    assert list(store.list()) == []


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_list_begins_anywhere(store: Store) -> None:
    for key in KEYS:
        store.put(key, b"1")
    for key in [*KEYS, "", "a", "a/", "a/b c", "b", "ü/", "zz"]:
        assert {entry.key for entry in store.list(key)} == {each for each in KEYS if each.startswith(key)}, key
        assert {entry.key for entry in store.list("", key)} == {each for each in KEYS if each > key}, key
        both = {each for each in KEYS if each.startswith("a/") and each > key}
        assert {entry.key for entry in store.list("a/", key)} == both, key
    assert store.folders() == ["a/", f"{KEYS[-1].partition('/')[0]}/", "ü/"]
    assert store.folders("a/") == ["a/b c%/"]
    assert store.folders("none/") == [] == list(store.list("none/"))


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_a_write_replaces_and_changes_the_etag(store: Store) -> None:
    store.put("x", b"old")
    (old,) = store.list()
    store.put("x", b"new")
    (new,) = store.list()
    assert new.etag != old.etag and store.read("x") == b"new"
    assert code_of(lambda: store.open("x", old.etag)) == "store.changed"
    assert b"".join(pieces(store, "x", 100, new.etag)) == b"new"


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_create_does_not_replace(store: Store, request: pytest.FixtureRequest) -> None:
    assert store.create("z", b"first") and not store.create("z", b"second")
    store.delete("z")
    has_conditions = store.has_conditional_writes()
    assert has_conditions is ("rclone" not in request.node.callspec.id)
    assert list(store.list()) == []
    assert store.create("a/x", b"first")
    assert not store.create("a/x", b"second")
    assert store.read("a/x") == b"first" and [entry.key for entry in store.list()] == ["a/x"]
    if has_conditions:
        results: list[bool] = []
        threads = [threading.Thread(target=lambda: results.append(store.create("y", os.urandom(9)))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == [False] * 2 + [True]


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_what_is_missing_is_said(store: Store) -> None:
    store.put("file", b"1")
    assert code_of(lambda: store.read("none")) == "store.missing"
    assert code_of(lambda: store.open("file/none")) == "store.missing"
    assert store.size("none") is None and store.size("file/none") is None
    for key in ("", "/x", "a//b", "../x", "a/./b"):
        assert code_of(lambda key=key: store.put(key, b"")) == "store.unsupported"  # type: ignore[misc]


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_empty_data_is_stored(store: Store) -> None:
    store.put("put", b"")
    assert store.create("create", b"")
    store.put_file("file", store.temporary())
    assert [entry.size_bytes for entry in store.list()] == [0, 0, 0]
    assert store.read("put") == b"" == b"".join(pieces(store, "file", 10))


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_a_large_file_is_stored_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if not store.is_local:
        from cfdns_fast.files import object_store

        monkeypatch.setattr(object_store, "_PART_BYTES", 5 << 20)
    data = os.urandom(1 << 16) * 176 + b"end"
    path = filled(store, data)
    store.put_file("a b/large", path)
    assert not os.path.exists(path)
    (entry,) = store.list()
    assert entry.size_bytes == len(data)
    assert b"".join(pieces(store, "a b/large", 100_000, entry.etag)) == data
    reader = store.open("a b/large")
    assert reader.read(10) == data[:10]
    reader.close()


@pytest.mark.parametrize("store", ALL, indirect=True)
def test_a_pickled_store_is_the_same(store: Store) -> None:
    store.put("x", b"1")
    again = pickle.loads(pickle.dumps(store))
    assert again.read("x") == b"1" and again.location == store.location and again.url == store.url
    for secret in ("test-secret-key", AZURITE_KEY):
        assert secret not in repr(store) and secret.encode() not in pickle.dumps(store)


@pytest.mark.slow
@pytest.mark.parametrize("store", ["local", "seaweed", "rclone", "moto"], indirect=True)
def test_more_than_a_page_is_listed(store: Store) -> None:
    keys = [f"20260825/{number:05}.gz" for number in range(1001)] + ["20260826/x"]
    threads = [
        threading.Thread(target=lambda part: [store.put(key, b"") for key in part], args=(keys[start::4],))
        for start in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.key for entry in store.list()] == keys
    assert [entry.key for entry in store.list("20260825/009")] == keys[900:1000]
    assert [entry.key for entry in store.list("", keys[999])] == keys[1000:]
    assert store.folders() == ["20260825/", "20260826/"]
