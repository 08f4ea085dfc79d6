"""The journal of a stream: each object is in one step, and steps never change."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cfdns_fast.files import Entry, open_store
from cfdns_fast.spark.journal import Journal


def journal(folder: Path) -> Journal:
    return Journal(open_store(str(folder), create=True))


def entries(*numbers: int, size_bytes: int = 10, etag: str = "e") -> list[tuple[str, Entry]]:
    return [("s3://logs", Entry(f"k{number}", size_bytes, etag)) for number in numbers]


def test_journal_has_new_objects_in_steps(tmp_path: Path) -> None:
    made = journal(tmp_path)
    made.extend(entries(1, 2, 3), step_bytes=20)
    assert made.steps == 2
    assert list(made.objects(1, 1)) == entries(1, 2)
    assert list(made.objects(2, 2)) == entries(3)


def test_journal_ignores_known_objects(tmp_path: Path) -> None:
    journal(tmp_path).extend(entries(1, 2), 100)
    again = journal(tmp_path)
    again.extend(entries(0, 1, 2), 100)
    again.extend(entries(0, 1, 2), 100)
    assert again.steps == 2
    assert list(again.objects(1, 2)) == entries(1, 2, 0)


def test_journal_has_changed_objects_again(tmp_path: Path) -> None:
    made = journal(tmp_path)
    made.extend(entries(1), 100)
    made.extend(entries(1, etag="f"), 100)
    assert list(made.objects(2, 2)) == entries(1, etag="f")


def test_large_object_is_a_step(tmp_path: Path) -> None:
    made = journal(tmp_path)
    made.extend([*entries(1), *entries(2, size_bytes=1000), *entries(3)], 20)
    assert [len(list(made.objects(step, step))) for step in (1, 2, 3)] == [1, 1, 1]


def test_marks_tell_journals_apart(tmp_path: Path) -> None:
    """A mark is the same for every reader, and another one after other objects in any step before it."""
    made = journal(tmp_path / "one")
    made.extend(entries(1, 2, 3), 10)
    again = journal(tmp_path / "one")
    again.catch_up()
    other = journal(tmp_path / "other")
    other.extend(entries(4, 2, 3), 10)
    marks = [[each.mark(step) for step in range(4)] for each in (made, again, other)]
    assert marks[0] == marks[1]
    assert marks[0][0] == marks[2][0] == ""
    assert len({*marks[0], *marks[2]}) == 7


def test_empty_listing_adds_no_step(tmp_path: Path) -> None:
    made = journal(tmp_path)
    made.extend([], 100)
    assert made.steps == 0


def test_other_files_are_no_steps(tmp_path: Path) -> None:
    (tmp_path / "000000000001.txt").write_bytes(b"")
    made = journal(tmp_path)
    made.extend(entries(1), 100)
    (tmp_path / "readme").write_bytes(b"")
    made.extend(entries(1, 2), 100)
    again = journal(tmp_path)
    again.extend([], 100)
    assert again.steps == 2


def test_readers_at_once_share_the_steps(tmp_path: Path) -> None:
    readers = [journal(tmp_path) for _ in range(4)]
    threads = [threading.Thread(target=each.extend, args=(entries(*range(40)), 30)) for each in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = journal(tmp_path)
    last.extend([], 100)
    objects = list(last.objects(1, last.steps))
    assert len(objects) == len(set(objects)) == 40


@pytest.mark.parametrize("name", ["a b", "50%", "ü+=", "\\\"'"])
def test_any_key_is_kept(tmp_path: Path, name: str) -> None:
    made = journal(tmp_path)
    made.extend([("/logs", Entry(name, 1, "e"))], 100)
    assert list(made.objects(1, 1)) == [("/logs", Entry(name, 1, "e"))]
