"""Indicators that follow their files."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from support.feeds import found, write

from cfdns_fast import Normalizer
from cfdns_fast.detect import FeedError, Indicators, IndicatorsFile, Limits

RECORD = b'{"QueryName":"%s","QueryType":1,"Timestamp":1657233726}\n'


def replace(folder: Path, content: str | bytes, name: str = "feed") -> None:
    """Replace a file as publishers do: write beside it and rename."""
    os.replace(write(folder, content, name + ".new"), folder / name)


def test_poll_follows_a_file(tmp_path: Path) -> None:
    file = IndicatorsFile(write(tmp_path, "old.example\n"))
    assert not file.poll()
    replace(tmp_path, "new.example\n")
    assert file.poll()
    assert not file.poll()
    assert (file.loads, file.failures, file.report.names) == (2, 0, 1)
    assert found(file.current, "new.example") is not None
    assert found(file.current, "old.example") is None


def test_poll_follows_an_allow_list(tmp_path: Path) -> None:
    feed = write(tmp_path, "evil.example\n")
    file = IndicatorsFile(feed, allow=write(tmp_path, "# none yet\n", "allow"))
    assert found(file.current, "x.evil.example") is not None
    replace(tmp_path, "x.evil.example\n", "allow")
    assert file.poll()
    assert found(file.current, "x.evil.example") is None


BROKEN = [b"", b"<html>", b"not one name\n", b'{"objects": [', b"\x1f\x8b\x08broken", b"a\0b"]


@pytest.mark.parametrize("content", BROKEN)
def test_failed_load_keeps_the_old_table(tmp_path: Path, content: bytes) -> None:
    file = IndicatorsFile(write(tmp_path, "old.example\n"))
    before = file.current
    replace(tmp_path, content)
    assert not file.poll()
    assert (file.failures, file.current) == (1, before)
    assert isinstance(file.last_error, FeedError)
    # A broken file that does not change is not read again, but one that cannot be read is.
    assert not file.poll()
    assert file.failures == (2 if file.last_error.code == "feed.unreadable" else 1)
    replace(tmp_path, "new.example\n")
    assert file.poll()
    assert file.last_error is None
    assert found(file.current, "new.example") is not None


def test_failed_load_holds_no_memory(tmp_path: Path) -> None:
    """The error that is kept has no frames, which would keep the table that was begun."""
    file = IndicatorsFile(write(tmp_path, "old.example\n"))
    replace(tmp_path, "new.example\n" + "x" * 100_000)
    assert not file.poll()
    assert file.last_error is not None
    assert (file.last_error.code, file.last_error.line) == ("feed.line_too_long", 2)
    assert (file.last_error.__traceback__, file.last_error.__context__, file.last_error.__cause__) == (None, None, None)


def test_too_little_memory_keeps_the_old_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = IndicatorsFile(write(tmp_path, "old.example\n"))
    replace(tmp_path, "new.example\n")

    def load(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Indicators, "load", load)
    assert not file.poll()
    assert file.last_error is not None
    assert file.last_error.code == "feed.memory"
    assert found(file.current, "old.example") is not None


def test_missing_file_keeps_the_old_table(tmp_path: Path) -> None:
    path = write(tmp_path, "old.example\n")
    file = IndicatorsFile(path)
    os.remove(path)
    assert not file.poll()
    assert file.failures == 1
    write(tmp_path, "old.example\nnew.example\n")
    assert file.poll()
    assert file.report.names == 2


def test_file_that_comes_back_is_no_fault(tmp_path: Path) -> None:
    """As it was, for example because its file system was away."""
    path = write(tmp_path, "old.example\n")
    file = IndicatorsFile(path)
    # The folder, because renaming the file would change its times.
    os.rename(tmp_path, away := tmp_path.with_name("away"))
    assert not file.poll()
    assert file.last_error is not None
    os.rename(away, tmp_path)
    file.poll()
    assert file.last_error is None
    assert found(file.current, "old.example") is not None


def test_larger_file_than_the_limit_is_refused(tmp_path: Path) -> None:
    file = IndicatorsFile(write(tmp_path, "a.example\n"), limits=Limits(max_indicators=1))
    replace(tmp_path, "a.example\nb.example\n")
    assert not file.poll()
    assert file.last_error is not None
    assert file.last_error.code == "feed.too_many"


def test_first_load_raises(tmp_path: Path) -> None:
    with pytest.raises(FeedError):
        IndicatorsFile(tmp_path / "missing")


def test_detection_is_resolved_by_its_version(tmp_path: Path) -> None:
    """Also after two later versions; a third one replaces it."""
    file = IndicatorsFile(write(tmp_path, "old.example\n"))
    normalizer = Normalizer(detect=[file])
    detection = normalizer.to_ndjson(RECORD % b"x.old.example").detections[0]
    versions = [file.current.version]
    for number in range(3):
        value = file.resolve(detection)
        assert value is not None
        assert (value.value, value.version) == ("old.example", versions[0])
        replace(tmp_path, f"n{number}.example\n")
        assert file.poll()
        versions.append(file.current.version)
    assert len(set(versions)) == 4
    assert file.resolve(detection) is None
    assert file.annotation(detection, {}) is None
    assert normalizer.to_ndjson(RECORD % b"n2.example").detections


def test_reload_under_load_loses_nothing(tmp_path: Path) -> None:
    """Each call sees one version, whichever, and each of its records once."""
    names = {"one": b"a.one.example", "two": b"b.two.example"}
    file = IndicatorsFile(write(tmp_path, "one.example\n"))
    normalizer = Normalizer(detect=[file])
    data = b"".join(RECORD % name for name in names.values()) * 500
    seen: list[set[str]] = []
    faults: list[object] = []
    stop = threading.Event()

    def convert() -> None:
        while not stop.is_set():
            result = normalizer.to_ndjson(data)
            values = [file.resolve(each) for each in result.detections]
            found_names = {"" if value is None else value.value for value in values}
            versions = {value.version for value in values if value is not None}
            if (result.events, len(values), len(found_names), len(versions)) != (1_000, 500, 1, 1):
                faults.append((result.events, len(values), found_names, versions))
            seen.append(found_names)

    threads = [threading.Thread(target=convert) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(30):
        name = "one" if number % 2 else "two"
        replace(tmp_path, f"# version {number}\n{name}.example\n" if number % 5 else "broken\n")
        file.poll()
    stop.set()
    for thread in threads:
        thread.join()
    # A call may last longer than two changes of the file; its version is unknown then, and resolves to None.
    assert [fault for fault in faults if "" not in fault[2]] == []  # type: ignore[index]
    assert {name for names_seen in seen for name in names_seen} - {""} <= {"one.example", "two.example"}
    assert (file.loads, file.failures) == (25, 6)


def test_one_thread_loads_at_a_time(tmp_path: Path) -> None:
    file = IndicatorsFile(write(tmp_path, "one.example\n"))
    replace(tmp_path, "".join(f"n{number}.example\n" for number in range(20_000)))
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(file.poll())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(True) == 1
    assert file.loads == 2
