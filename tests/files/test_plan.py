"""Planning: what is new becomes tasks, once, in any number of runs at the same time."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from support.backfills import fill, object_name, object_of

from cfdns_fast.files import FilesError, Task, convert, open_store, plan, preview, status
from cfdns_fast.files.mirrored_names import mirrored_name
from cfdns_fast.files.state import State

FORMAT: dict[str, Any] = {"format": "ndjson"}


def keys_of(tasks: list[Task]) -> list[str]:
    return [each.key for task in tasks for each in task.inputs]


def test_plan_groups_inputs_of_an_hour(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(9))
    tasks = plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert [len(task.inputs) for task in tasks] == [3, 3, 3]
    assert [task.hour for task in tasks] == ["20260825T22", "20260825T23", "20260826T00"]
    assert keys_of(tasks) == [object_name(number) for number in range(9)]
    assert len({task.id for task in tasks}) == 3


def test_group_bytes_bounds_a_task(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(3))
    size_bytes = len(object_of(0))
    tasks = plan(tmp_path / "in", tmp_path / "out", group_bytes=int(2.5 * size_bytes), **FORMAT)
    assert [len(task.inputs) for task in tasks] == [2, 1]


def test_plan_of_a_known_listing_is_the_same(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(5))
    first = plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert plan(tmp_path / "in", tmp_path / "out", **FORMAT) == first
    # What is planned stays, whatever the options for new tasks are.
    assert plan(tmp_path / "in", tmp_path / "out", group_bytes=1, **FORMAT) == first


def test_late_object_makes_a_generation(tmp_path: Path) -> None:
    fill(tmp_path / "in", [1, 4])
    convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    # Names before, between and after those that are planned.
    fill(tmp_path / "in", [0, 2, 5])
    tasks = plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert keys_of(tasks) == [object_name(number) for number in (0, 2, 5)]
    assert {task.id.rsplit("-", 2)[1] for task in tasks} == {"0001"}


def test_folder_within_a_planned_prefix_is_known(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(9))
    convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert plan(tmp_path / "in" / "20260826", tmp_path / "out", **FORMAT) == []


def test_prefix_around_a_planned_folder_is_known(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(9))
    convert(tmp_path / "in" / "20260826", tmp_path / "out", **FORMAT)
    tasks = plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert keys_of(tasks) == [object_name(number) for number in range(6)]
    assert {task.source for task in tasks} == {f"{tmp_path}/in/"}


def test_plans_at_once_have_each_input_once(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(12))
    found: list[list[Task]] = []
    barrier = threading.Barrier(4)

    def run() -> None:
        barrier.wait()
        found.append(plan(tmp_path / "in", tmp_path / "out", group_bytes=300, **FORMAT))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert sorted(keys_of(every)) == [object_name(number) for number in range(12)]
    assert all(set(each) <= set(every) for each in found)


def test_lost_race_plans_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run plans a part between the reading of the plan and the writing."""
    fill(tmp_path / "in", range(3))
    real = State.create_generation
    is_first = True

    def create_generation(self: State, generation: Any) -> bool:
        nonlocal is_first
        if is_first:
            is_first = False
            # Through a pattern, so that it sees one object only.
            plan(tmp_path / "in" / "*" / "*T222000Z_*", tmp_path / "out", **FORMAT)
        return real(self, generation)

    monkeypatch.setattr(State, "create_generation", create_generation)
    tasks = plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert sorted(keys_of(tasks)) == [object_name(number) for number in range(3)]
    assert len(tasks) == 2


def test_shards_have_each_task_once(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(24))
    every = plan(tmp_path / "in", tmp_path / "out", group_bytes=1, **FORMAT)
    shards = [plan(tmp_path / "in", tmp_path / "out", shard=(index, 3), **FORMAT) for index in range(3)]
    assert sorted(task.id for shard in shards for task in shard) == sorted(task.id for task in every)
    assert all(len(shard) >= 6 for shard in shards)


def test_equal_objects_are_reported(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(2))
    copy = tmp_path / "in" / object_name(0).replace(".log.gz", "ff.log.gz")
    copy.hardlink_to(tmp_path / "in" / object_name(0))
    report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert (report.objects, report.equal) == (3, 1)
    assert report.equal_examples == (object_name(0).replace(".log.gz", "ff.log.gz"),)
    assert status(tmp_path / "out").equal == 1


def test_equal_objects_are_left_out_on_request(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(2))
    copy = tmp_path / "in" / object_name(0).replace(".log.gz", "ff.log.gz")
    copy.hardlink_to(tmp_path / "in" / object_name(0))
    report = convert(tmp_path / "in", tmp_path / "out", duplicates="skip", **FORMAT)
    assert (report.objects, report.events, report.equal) == (2, 40, 1)
    # It stays left out, because it is not new any more.
    assert plan(tmp_path / "in", tmp_path / "out", **FORMAT) == []


def test_preview_writes_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(6))
    (tmp_path / "in" / "test.txt.gz").write_bytes(b"x")
    found = preview(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert (found.objects, found.tasks, found.tasks_left, found.objects_left) == (6, 2, 2, 6)
    assert found.skipped == {"check file": 1}
    assert not (tmp_path / "out").exists()


def test_preview_says_what_is_left(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(3))
    convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    fill(tmp_path / "in", range(6))
    before = sorted(tmp_path.rglob("*"))
    found = preview(tmp_path / "in", tmp_path / "out", **FORMAT)
    # The first objects were written again, so they have changed.
    assert (found.tasks, found.tasks_left, found.objects_left, len(found.changed)) == (2, 1, 3, 3)
    assert sorted(tmp_path.rglob("*")) == before


def test_since_and_until_select_hours(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(9))
    tasks = plan(tmp_path / "in", tmp_path / "out", since="2026-08-25T23", until="2026-08-26", **FORMAT)
    assert keys_of(tasks) == [object_name(number) for number in range(3, 6)]
    # Tasks of other hours are planned later, and not given for this range.
    plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    again = plan(tmp_path / "in", tmp_path / "out", since="2026-08-25T23", until="2026-08-26", **FORMAT)
    assert again == tasks


def test_task_survives_json(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(2))
    for task in plan(tmp_path / "in", tmp_path / "out", **FORMAT):
        assert Task.from_dict(task.as_dict()) == task


def test_damaged_plan_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(2))
    plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    (path,) = (tmp_path / "out" / "_cfdns" / "plan").rglob("*.gz")
    path.write_bytes(b"not gzip")
    with pytest.raises(FilesError, match=r"000000\.plan\.gz: is damaged") as caught:
        plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert caught.value.code == "files.state"


def test_unit_is_a_day_of_a_folder(tmp_path: Path) -> None:
    """The plan is read unit by unit, which bounds the memory."""
    fill(tmp_path / "in" / "zone-a", range(9))
    fill(tmp_path / "in" / "zone-b", range(3))
    plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    units = State(open_store(f"{tmp_path}/out/_cfdns")).units()
    assert sorted(unit[:8] for unit in units) == ["20260825", "20260825", "20260826"]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("20260825/a.log.gz", "20260825/a"),
        ("a.ndjson.zst", "a"),
        ("a", "a"),
        (".log.gz", ".log.gz"),
        ("a b/ü+%.json", "a b/ü+%"),
    ],
)
def test_mirrored_name_has_no_suffix(key: str, name: str) -> None:
    assert mirrored_name(key, 0, lambda taken: False) == name
    assert mirrored_name(key, 2, lambda taken: False) == f"source-2/{name}"


def test_mirrored_names_differ() -> None:
    taken: set[str] = set()
    for key in ("a.log", "a.log.gz", "a.gz", "a.json", "a"):
        name = mirrored_name(key, 0, taken.__contains__)
        assert name not in taken
        taken.add(name)


@pytest.mark.parametrize(
    "key", ["a//b.gz", "../b.gz", "_cfdns/head.json", "x" * 300 + ".gz", "a\udcff.gz", "a\nb", "a:b"]
)
def test_mirrored_name_is_always_usable(key: str) -> None:
    assert mirrored_name(key, 0, lambda taken: False).isalnum()
