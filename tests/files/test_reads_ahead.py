"""Reads of many objects: their order, their number at a time, and errors."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.backfills import fill

from cfdns_fast.files import convert, reads_ahead, status
from cfdns_fast.files.local_store import LocalStore
from cfdns_fast.files.reads_ahead import in_order
from cfdns_fast.files.workers import Workers


def test_results_are_in_order() -> None:
    """Items that come later are ready earlier."""

    def read(number: int) -> int:
        time.sleep(0.01 if number % 5 == 0 else 0)
        return -number

    assert list(in_order(read, range(200))) == [-number for number in range(200)]
    assert list(in_order(read, [])) == []


def test_reads_overlap() -> None:
    together = threading.Barrier(reads_ahead._THREADS, timeout=60)
    assert list(in_order(lambda _: together.wait() >= 0, range(reads_ahead._THREADS))) == [True] * 16


def test_items_are_taken_as_needed() -> None:
    taken = itertools.count()

    def items() -> Iterator[int]:
        while True:
            yield next(taken)

    found = in_order(lambda number: number, items())
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    found.close()  # type: ignore[attr-defined]
    assert next(taken) <= 3 + reads_ahead._MAX_AHEAD


def test_error_comes_in_its_turn() -> None:
    def read(number: int) -> int:
        if number == 7:
            raise ValueError("seven")
        return number

    found = in_order(read, range(100))
    assert list(itertools.islice(found, 7)) == [*range(7)]
    with pytest.raises(ValueError, match="seven"):
        next(found)


def test_error_drops_what_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    is_giving_up = threading.Event()
    give_up = Workers.give_up

    def noted(self: Workers[Any, Any]) -> Iterator[Any]:
        self._is_giving_up.set()
        is_giving_up.set()
        return give_up(self)

    def read(number: int) -> int:
        begun.append(number)
        if number == 0:
            raise ValueError("zero")
        return is_giving_up.wait(60)

    monkeypatch.setattr(Workers, "give_up", noted)
    with pytest.raises(ValueError, match="zero"):
        list(in_order(read, range(1000)))
    assert len(begun) <= 1 + reads_ahead._THREADS < reads_ahead._MAX_AHEAD


def test_status_of_a_bucket_has_all_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "logs", range(12))
    convert(tmp_path / "logs", tmp_path / "out", group_bytes=1)
    expected = status(tmp_path / "out")
    names = set()
    read = LocalStore.read

    def noted(self: LocalStore, key: str) -> bytes:
        names.add(threading.current_thread().name)
        return read(self, key)

    monkeypatch.setattr(LocalStore, "read", noted)
    monkeypatch.setattr(LocalStore, "is_local", False)
    assert status(tmp_path / "out") == expected
    assert "cfdns-task" in names and expected.tasks == 12
