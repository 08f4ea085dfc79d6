"""What inputs are as files: gaps, late events and equal content."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from cfdns_fast import Normalizer
from cfdns_fast.inspect import Files, Gap, InputFile, Inspection
from cfdns_fast.inspect.file_counts import named_range

DAY_S = 1_787_616_000  # 2026-08-25


def at(minute: int) -> int:
    return (DAY_S + 60 * minute) * 10**9


def name(minute: int, end: int | None = None) -> str:
    end = minute + 1 if end is None else end
    texts = [f"20260825T{each // 60:02}{each % 60:02}00Z" for each in (minute, end)]
    return f"logs/20260825/{texts[0]}_{texts[1]}_9af500e2.log.gz"


def files_of(*files: InputFile, seconds: tuple[int, ...] = ()) -> Files:
    """Return the files of an inspection; each has events at these seconds of the day."""
    lines = b"".join(b'{"QueryName":"example.com","Timestamp":%d}\n' % (DAY_S + second) for second in seconds)
    with Inspection(Normalizer(keep_message=False)) as inspection:
        for file in files:
            assert inspection.read(file, iter([lines])) is None
        return inspection.summary(skipped=Counter({"empty": 2})).files


def test_names_of_logpush_have_a_range() -> None:
    assert named_range(name(3)) == (at(3), at(4))
    assert named_range("s3://bucket/20260825/" + name(3).rpartition("/")[2]) == (at(3), at(4))
    for other in ("logs.gz", "20260825T000000Z.log", "20261325T000000Z_20261325T000100Z_ab.log.gz", ""):
        assert named_range(other) is None


def test_gaps_are_longer_than_two_usual_intervals() -> None:
    found = files_of(*[InputFile(name(minute)) for minute in (0, 1, 2, 4, 5, 9, 10, 11, 20)])
    assert (found.usual_interval_s, found.gap_count) == (60.0, 2)
    assert found.gaps == (Gap(at(6), at(9)), Gap(at(12), at(20)))
    assert (found.named_from_ns, found.named_to_ns) == (at(0), at(21))
    assert (found.count, found.skipped) == (9, {"empty": 2})


def test_files_in_any_order_have_the_same_gaps() -> None:
    minutes = [9, 0, 11, 2, 1, 10]
    assert files_of(*[InputFile(name(minute)) for minute in minutes]).gaps == (Gap(at(3), at(9)),)


def test_longer_file_covers_a_gap() -> None:
    found = files_of(*[InputFile(name(minute)) for minute in (1, 2, 8, 9)], InputFile(name(0, 8)))
    assert found.gap_count == 0


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_files_have_no_gaps(count: int) -> None:
    found = files_of(*[InputFile(name(10 * minute)) for minute in range(count)])
    assert (found.gap_count, found.usual_interval_s) == (0, None)


def test_late_events_are_those_before_the_name() -> None:
    late, on_time = InputFile(name(2)), InputFile(name(0))
    found = files_of(late, on_time, InputFile("other.gz"), seconds=(30, 119, 120, 500))
    assert found.late_files == 1
    (file,) = found.latest
    assert (file.name, file.late, file.lateness_ns, file.events) == (name(2), 2, 90 * 10**9, 4)
    assert [each.late for each in found.listed] == [2, 0, 0]


def test_equal_files_are_found_by_content(tmp_path: Path) -> None:
    paths = [tmp_path / letter for letter in "abcd"]
    for path, content in zip(paths, (b"one", b"two", b"one", b"one"), strict=True):
        path.write_bytes(content)
    found = files_of(*[InputFile(str(path), path=str(path)) for path in paths])
    assert found.equal == (tuple(str(tmp_path / letter) for letter in "acd"),)
    assert found.equal_count == 2


def test_equal_files_of_different_times_are_found(tmp_path: Path) -> None:
    """A file that was delivered again has another name, so that its events are late by that name only."""
    paths = [tmp_path / name(minute).rpartition("/")[2] for minute in (0, 5)]
    for path in paths:
        path.write_bytes(b"one")
    found = files_of(*[InputFile(str(path), path=str(path)) for path in paths], seconds=(30,))
    assert (found.equal, found.late_files) == ((tuple(map(str, paths)),), 1)


def test_equal_objects_are_found_by_identity() -> None:
    found = files_of(InputFile("a", identity="3 x"), InputFile("b", identity="3 y"), InputFile("c", identity="3 x"))
    assert found.equal == (("a", "c"),)


def test_inputs_without_path_are_never_equal() -> None:
    assert files_of(InputFile("stdin"), InputFile("/dev/fd/3")).equal == ()


def test_removed_file_is_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    missing = str(tmp_path / "b")
    assert files_of(InputFile(str(path), path=str(path)), InputFile(missing, path=missing)).equal == ()
