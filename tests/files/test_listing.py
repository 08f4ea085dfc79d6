"""The inputs of a conversion: what names mean, what is skipped, and ranges of hours."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.object_servers import Bucket, bucket_environment

from cfdns_fast.files import Entry, FilesError, StoreError
from cfdns_fast.files.listing import Place, check_apart, entries, locate, sources
from cfdns_fast.files.local_store import LocalStore
from cfdns_fast.files.names import Hours


def name_of(day: str, hour: int) -> str:
    return f"{day}T{hour:02}0000Z_{day}T{hour:02}0030Z_9af500e2.log.gz"


DAYS = ["20260823", "20260824", "20260825", "20260826", "20260827"]
#: Folders of days that have an object of the day before and of the next day.
TREE = [f"{day}/{name_of(day, hour)}" for day in DAYS for hour in (0, 12, 23)]
TREE += [f"20260826/{name_of('20260825', 23)}x", f"20260824/{name_of('20260825', 0)}x"]


@pytest.fixture(params=["local", "seaweed"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of an empty folder or prefix."""
    if request.param == "local":
        (tmp_path / "in put").mkdir()
        return str(tmp_path / "in put")
    pytest.importorskip("obstore", reason="obstore is not installed")
    bucket: Bucket = request.getfixturevalue("seaweed")
    for name, value in bucket_environment(bucket.endpoint).items():
        monkeypatch.setenv(name, value)
    return f"{bucket.url}/in put {os.urandom(6).hex()}"


def fill(root: str, keys: list[str], data: bytes = b"data") -> None:
    from cfdns_fast.files import open_store

    if "://" in root:
        store = open_store(root)
        for key in keys:
            store.put(key, data)
        return
    for key in keys:
        path = Path(root, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def keys_of(name: str, hours: Hours | None = None, skipped: Counter[str] | None = None) -> list[str]:
    return [entry.key for entry in entries(locate(name), hours or Hours(), skipped)]


def code_of(function: Callable[[], object]) -> str:
    with pytest.raises(FilesError) as caught:
        function()
    assert "\n" not in str(caught.value)
    return caught.value.code


def test_a_name_is_a_file_a_folder_or_a_pattern(root: str) -> None:
    fill(root, ["a/1.gz", "a/2.txt", "a-b/3.gz", "b[1].gz", "b1.gz"])
    assert sorted(keys_of(root)) == ["a-b/3.gz", "a/1.gz", "a/2.txt", "b1.gz", "b[1].gz"]
    assert keys_of(f"{root}/a/") == ["1.gz", "2.txt"] == keys_of(f"{root}/a")
    assert keys_of(f"{root}/a/1.gz") == ["1.gz"]
    assert keys_of(f"{root}/*.gz") == ["b1.gz", "b[1].gz"]
    assert sorted(keys_of(f"{root}/*/*.gz")) == ["a-b/3.gz", "a/1.gz"] == sorted(keys_of(f"{root}/a**.gz"))
    assert sorted(keys_of(f"{root}/a*")) == ["a-b/3.gz", "a/1.gz", "a/2.txt"] == sorted(keys_of(f"{root}/a*/"))
    assert keys_of(f"{root}/b[1].gz") == ["b[1].gz"]
    assert keys_of(f"{root}/b[0-9].gz") == ["b1.gz"]


def test_what_has_nothing_is_one_sentence(root: str) -> None:
    fill(root, ["a/1.gz"])
    for name in ("none", "none/", "*.txt", "none/*", "a/2.gz"):
        assert code_of(lambda name=name: keys_of(f"{root}/{name}")) == "store.missing"  # type: ignore[misc]
    assert keys_of(root, Hours(since="2026-08-25")) == []


def test_what_is_no_log_is_counted(root: str) -> None:
    fill(
        root,
        ["20260825/test.txt.gz", "ownership-challenge-1a2b3c4d.txt", "20260825/.x", f"20260825/{name_of(DAYS[2], 1)}"],
    )
    fill(root, ["20260825/empty", "20260825/zero"], b"")
    skipped: Counter[str] = Counter()
    assert keys_of(root, skipped=skipped) == [f"20260825/{name_of(DAYS[2], 1)}"]
    assert skipped == {"check file": 1, "ownership challenge": 1, "hidden": 1, "empty": 2}
    # What the user names is read.
    assert keys_of(f"{root}/20260825/test.txt.gz") == ["test.txt.gz"]


RANGES = [
    ("2026-08-25", None),
    ("2026-08-25", "2026-08-26"),
    (None, "2026-08-25"),
    ("2026-08-24T12", "2026-08-25T13"),
    ("2020-01-01", "2030-01-01"),
]


@pytest.mark.parametrize("layout", ["", "dt=", "dns/", "zone a/dt=", "year", "flat"])
@pytest.mark.parametrize(("since", "until"), RANGES)
def test_a_range_reads_its_hours(tmp_path: Path, layout: str, since: str | None, until: str | None) -> None:
    keys = TREE
    if layout == "year":
        keys = [f"year={key[:4]}/month={key[4:6]}/day={key[6:8]}/{key.partition('/')[2]}" for key in TREE]
    elif layout == "flat":
        keys = [key.partition("/")[2] for key in TREE]
    elif layout:
        keys = [f"{layout}{key}" for key in TREE] + [f"other/{key}" for key in TREE]
    fill(str(tmp_path), [*keys, "zz/undated.gz", "~undated.gz"])
    hours = Hours(since, until)
    wanted = [key for key in keys if hours.has(key.rpartition("/")[2][:11])]
    assert 0 < len(wanted) <= len(keys)
    assert keys_of(str(tmp_path), hours) == sorted(wanted)


@pytest.mark.parametrize(("since", "until"), RANGES)
def test_a_range_reads_its_hours_of_a_bucket(
    seaweed: Bucket, monkeypatch: pytest.MonkeyPatch, since: str | None, until: str | None
) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed")
    from cfdns_fast.files import object_store

    for name, value in bucket_environment(seaweed.endpoint).items():
        monkeypatch.setenv(name, value)
    keys = [f"{folder}{key}" for folder in ("dns/", "dns-fw/", "dns.x/") for key in TREE]
    root = f"{seaweed.url}/range"
    if since == RANGES[0][0]:
        fill(root, keys)
    hours = Hours(since, until)
    wanted = sorted(key for key in keys if hours.has(key.rpartition("/")[2][:11]))
    assert sorted(keys_of(root, hours)) == wanted
    assert sorted(keys_of(f"{root}/dns**", hours)) == wanted
    # In a folder of days, this server too lists in the order of keys.
    monkeypatch.setattr(object_store, "_SORTED_HOSTS", ("127.0.0.1",))
    assert keys_of(f"{root}/dns", hours) == [key.removeprefix("dns/") for key in wanted if key.startswith("dns/")]


@pytest.mark.parametrize(("since", "until"), RANGES)
def test_a_range_reads_dates_in_all_forms(tmp_path: Path, since: str | None, until: str | None) -> None:
    """The same days stand in the forms of several jobs, and names in the folders of the days next to theirs."""
    forms = ["{0}-{1}-{2}", "{0}/{1}/{2}", "{0}{1}{2}", "dt={0}-{1}-{2}", "dt={0}{1}{2}"]
    days = ["20251231", "20260823", "20260824", "20260825", "20260826", "20270101"]
    parts = {day: (day[:4], day[4:6], day[6:]) for day in days}
    folders = [form.format(*parts[day]) for form in forms for day in days]
    keys = [f"{folder}/{name_of(day, hour)}" for folder, day in zip(folders, days * 5, strict=True) for hour in (0, 12)]
    keys += [f"20260826/{name_of('20260825', 12)}", f"20260825/{name_of('20260826', 0)}"]
    fill(str(tmp_path), [*keys, "20260825/20270101-export.gz"])
    hours = Hours(since, until)
    wanted = [key for key in keys if hours.has(key.rpartition("/")[2][:11])]
    wanted += ["20260825/20270101-export.gz"] if hours.has("20260825") else []
    assert keys_of(str(tmp_path), hours) == sorted(wanted)


class CountingStore(LocalStore):
    """A folder that counts what it lists."""

    listed = 0

    def list(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        for entry in super().list(prefix, after):
            self.listed += 1
            yield entry


def test_an_object_is_found_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(str(tmp_path), ["a.gz", "a.gz-1"])
    place = locate(str(tmp_path / "a.gz"))
    listed = list(LocalStore.list(LocalStore(str(tmp_path)), "a.gz"))
    monkeypatch.setattr(LocalStore, "list", lambda *_: reversed(listed))
    assert [entry.key for entry in entries(place)] == ["a.gz"]


@pytest.mark.parametrize("lead", ["", "dt=", "zone/"])
def test_a_range_does_not_list_all(tmp_path: Path, lead: str) -> None:
    days = [f"2026{month:02}{day:02}" for month in range(1, 13) for day in range(1, 29)]
    fill(str(tmp_path), [f"{lead}{day}/{name_of(day, 1)}" for day in days] + ["zz/x"])
    store = CountingStore(str(tmp_path))
    found = list(entries(Place("x", store), Hours("2026-08-25", "2026-08-26")))
    assert len(found) == 1 and store.listed < 12


def test_names_without_a_time_are_counted(tmp_path: Path) -> None:
    fill(str(tmp_path), [name_of("20260825", 1), name_of("20260825", 2), "other.gz"])
    skipped: Counter[str] = Counter()
    assert keys_of(str(tmp_path), Hours("2026-08-25T02"), skipped) == [name_of("20260825", 2)]
    assert skipped["no time"] == 1


def test_a_folder_of_a_day_gives_the_day(tmp_path: Path) -> None:
    """The store may be the folder of a day itself, so that its name is not in the keys."""
    fill(str(tmp_path), ["20260825/part.gz", "20260826/part.gz"])
    hours = Hours("2026-08-25", "2026-08-26")
    assert keys_of(str(tmp_path / "20260825"), hours) == ["part.gz"]
    assert keys_of(str(tmp_path / "20260826"), hours) == []


def test_sources_keep_the_order_of_names(root: str, tmp_path: Path) -> None:
    fill(root, ["b", "a"], b"data")
    file = tmp_path / "file*"
    if os.name != "nt":
        file.write_bytes(b"data")
        found = list(sources([str(file), "-", root, f"{root}/a", str(tmp_path / "none")]))
        assert [source.name.rpartition("/")[2] for source in found] == ["file*", "-", "a", "b", "a", "none"]
        for source in (found[0], *found[2:5]):
            opened = source.open()
            with open(opened, "rb") if isinstance(opened, str) else opened as reader:
                assert reader.read(100) == b"data"
        assert found[1].open() == "-" and found[1].entry is None


def test_relative_names_are_those_of_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(str(tmp_path), ["a/1.gz", "2.gz"])
    monkeypatch.chdir(tmp_path)
    assert keys_of(".") == ["2.gz", "a/1.gz"] and keys_of("*.gz") == ["2.gz"] and keys_of("a/*") == ["1.gz"]
    assert keys_of("2.gz") == ["2.gz"] and keys_of("**") == ["2.gz", "a/1.gz"]
    assert keys_of(f"{tmp_path}/*.gz") == ["2.gz"] and keys_of((tmp_path / "a").as_uri()) == ["1.gz"]


@pytest.mark.parametrize(
    ("source", "output", "is_refused"),
    [
        ("logs", "logs", True),
        ("logs", "logs/out", True),
        ("logs", "logs/out.parquet", True),
        ("logs/a", "logs", True),
        ("logs/a/1.gz", "logs", True),
        ("logs/a/1.gz", "logs/a/2.gz", False),
        ("logs/a", "logs/b", False),
        ("logs/a", "logs/ab", False),
        ("logs/*.gz", "logs/out", False),
        ("logs/*/*.gz", "logs/out", True),
        ("logs/**/*.gz", "logs/out", True),
        ("logs/a**", "logs/out", False),
        ("logs/2*/*", "logs/out", False),
        ("logs/*", "logs/out", True),
        ("logs/o*/", "logs/out", True),
        ("logs/a*", "logs/out", False),
        ("link", "logs/out", True),
    ],
)
def test_an_output_is_apart_from_the_inputs(tmp_path: Path, source: str, output: str, is_refused: bool) -> None:
    fill(str(tmp_path), ["logs/a/1.gz", "logs/1.gz"])
    if os.name == "nt" and source == "link":
        pytest.skip("links need a right on Windows")
    if source == "link":
        (tmp_path / "link").symlink_to(tmp_path / "logs")
    place = locate(str(tmp_path / source))
    if is_refused:
        assert code_of(lambda: check_apart([place], [str(tmp_path / output)])) == "files.inside"
    else:
        check_apart([place], [str(tmp_path / output)])


def test_outputs_in_buckets_are_apart_too(seaweed: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed")
    for name, value in bucket_environment(seaweed.endpoint).items():
        monkeypatch.setenv(name, value)
    place = locate(f"{seaweed.url}/logs/")
    for output in ("logs", "logs/", "logs/out/", ""):
        assert code_of(lambda output=output: check_apart([place], [f"{seaweed.url}/{output}"])) == "files.inside"  # type: ignore[misc]
    check_apart([place], [f"{seaweed.url}/logs2/", f"{seaweed.url}/lo", "s3://other/logs", "/logs"])


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ftp://host/x",
        "s3://",
        "s3:///x",
        "https://example.com/x",
        "s3://user:hush@bucket/x",
        "s3://bucket/x.gz?X-Amz-Signature=hush",
        "a\0b",
        "file://host/x",
    ],
)
def test_a_wrong_name_is_refused(name: str) -> None:
    with pytest.raises(StoreError) as caught:
        locate(name)
    assert caught.value.code == "store.settings" and "hush" not in str(caught.value)
