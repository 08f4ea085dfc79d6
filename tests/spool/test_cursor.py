"""The position of a sink."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

pytest.importorskip("xxhash", reason="the extra receiver")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the receiver needs POSIX")

from support.spool import new_state, store_segments  # noqa: E402

from cfdns_fast.spool import Cursor, Replay, StateError, StateFolder  # noqa: E402
from cfdns_fast.spool import cursor as cursor_module  # noqa: E402
from cfdns_fast.spool.cursor import min_position, positions, request_replay  # noqa: E402
from cfdns_fast.spool.segment_file import list_segments  # noqa: E402


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return new_state(tmp_path)


@pytest.fixture
def segments(state: StateFolder) -> list[int]:
    """Store four segments of five batches, and return their first numbers."""
    store_segments(state, 4, 5)
    return [file.first for file in list_segments(state)]


def firsts(state: StateFolder) -> list[int]:
    return [file.first for file in list_segments(state)]


def test_position_is_kept(state: StateFolder) -> None:
    cursor = Cursor(state, "one")
    assert (cursor.after, cursor.pending) == (0, None)
    cursor.store(pending={"first": 1, "last": 7, "name": "a"})
    again = Cursor(state, "one")
    assert (again.after, again.pending) == (0, {"first": 1, "last": 7, "name": "a"})
    again.store(after=7)
    assert (again.after, again.pending) == (7, None)
    last = Cursor(state, "one")
    assert (last.after, last.pending) == (7, None)
    assert sorted(path.name for path in state.sinks.iterdir()) == [".one.spare", "one.json"]


def test_position_only_grows(state: StateFolder) -> None:
    cursor = Cursor(state, "one")
    cursor.store(after=7)
    with pytest.raises(ValueError, match="only grows"):
        cursor.store(after=6)
    cursor.store(after=7)


def test_all_sinks_must_pass_a_segment(state: StateFolder, segments: list[int]) -> None:
    one, two = Cursor(state, "one"), Cursor(state, "two")
    one.store(after=20)
    assert firsts(state) == segments
    two.store(after=4)
    assert firsts(state) == segments
    two.store(after=5)
    assert firsts(state) == [6, 11, 16]
    two.store(after=14)
    assert firsts(state) == [11, 16]
    # The newest may be open in the receiver.
    two.store(after=20)
    assert firsts(state) == [16]


def test_segments_go_before_the_position_is_written(
    state: StateFolder, segments: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk the position needs the space of the segments."""
    cursor = Cursor(state, "one")
    seen = []

    def replace(path: Path, content: bytes) -> None:
        seen.append(firsts(state))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cursor_module, "replace_file", replace)
    with pytest.raises(StateError) as error:
        cursor.store(after=10)
    assert error.value.code == "state.full"
    assert {tuple(each) for each in seen} == {(11, 16)}
    assert cursor.after == 0
    monkeypatch.undo()
    # A position before the first segment starts at the first segment.
    assert Cursor(state, "one").after == 0
    assert firsts(state) == [11, 16]


def test_delivered_segments_are_kept_for_a_time(state: StateFolder, segments: list[int]) -> None:
    cursor = Cursor(state, "one", keep_s=3600)
    cursor.store(after=20)
    assert firsts(state) == segments
    for file in list_segments(state)[:2]:
        os.utime(file.path, (1, 1))
    cursor.store(after=21)
    assert firsts(state) == [11, 16]
    for file in list_segments(state)[:1]:
        os.utime(file.path, (1 << 33, 1 << 33))
    cursor.store(after=22)
    assert firsts(state) == [16]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"after": -1}', b'{"after": "1"}', b'{"after": true}'])
def test_damaged_position_starts_at_the_oldest(state: StateFolder, segments: list[int], content: bytes) -> None:
    Cursor(state, "one").store(after=5)
    Cursor(state, "two").store(after=12)
    path = state.sinks / "two.json"
    path.write_bytes(content)
    # Until the sink starts, it holds everything.
    assert min_position(state) == 0
    assert Cursor(state, "two").after == 5
    assert (state.corrupt / "two.json").read_bytes() == content
    assert json.loads(path.read_bytes())["after"] == 5


def test_damaged_position_holds_all_until_replaced(
    state: StateFolder, segments: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another sink must not drop segments in between."""
    Cursor(state, "one").store(after=20)
    (state.sinks / "two.json").write_bytes(b"{")
    seen = []
    replace = cursor_module.replace_file

    def look(path: Path, content: bytes) -> None:
        seen.append(min_position(state))
        replace(path, content)

    monkeypatch.setattr(cursor_module, "replace_file", look)
    Cursor(state, "two")
    assert seen[:2] == [0, 0]


def test_new_sink_without_segments_starts_with_others(state: StateFolder) -> None:
    Cursor(state, "one").store(after=12)
    assert Cursor(state, "two").after == 12
    assert positions(state) == {"one": 12, "two": 12}


@pytest.mark.parametrize("name", ["", "../one", "One", "a" * 65, ".x", "one.json", "a/b"])
def test_name_of_a_sink_is_checked(state: StateFolder, name: str) -> None:
    for use in (lambda: Cursor(state, name), lambda: state.dead(name), lambda: state.lock_sink(name).__enter__()):
        with pytest.raises(StateError) as error:
            use()
        assert error.value.code == "state.name"


# Replay


def test_replay_moves_the_position(state: StateFolder, segments: list[int]) -> None:
    cursor = Cursor(state, "one")
    cursor.store(after=3)
    assert cursor.take_replay() is None
    assert cursor.replay_from is None
    request_replay(state, "one", Replay(1))
    assert cursor.replay_from == 1
    assert cursor.take_replay() == Replay(1)
    assert (cursor.after, cursor.pending) == (1, None)
    assert Cursor(state, "one").after == 1
    assert cursor.take_replay() is None
    assert firsts(state) == segments


def test_replay_requests_are_joined(state: StateFolder) -> None:
    cursor = Cursor(state, "one")
    cursor.store(after=9)
    request_replay(state, "one", Replay(None, True))
    assert cursor.replay_from is None
    request_replay(state, "one", Replay(4))
    assert cursor.take_replay() == Replay(4, True)
    request_replay(state, "one", Replay(dead_letters=True))
    assert cursor.take_replay() == Replay(None, True)
    assert cursor.after == 4


def test_request_during_a_replay_is_kept(state: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = Cursor(state, "one")
    cursor.store(after=9)
    request_replay(state, "one", Replay(4))
    second = threading.Thread(target=request_replay, args=(state, "one", Replay(2)))
    replace_file = cursor_module.replace_file

    def replace(path: Path, content: bytes) -> None:
        if path.name == "one.json":
            second.start()
            second.join(0.1)  # it waits for the end of the first one
        replace_file(path, content)

    monkeypatch.setattr(cursor_module, "replace_file", replace)
    assert cursor.take_replay() == Replay(4)
    monkeypatch.undo()
    second.join()
    assert cursor.take_replay() == Replay(2)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"after": -4}', b'{"after": "x", "dead_letters": 1}'])
def test_damaged_request_is_ignored(state: StateFolder, content: bytes) -> None:
    cursor = Cursor(state, "one")
    (state.sinks / "one.replay").write_bytes(content)
    assert cursor.take_replay() is None


def test_failed_replay_can_be_taken_again(state: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = Cursor(state, "one")
    cursor.store(after=9)
    request_replay(state, "one", Replay(4))

    def replace(path: Path, content: bytes) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(cursor_module, "replace_file", replace)
        with pytest.raises(StateError):
            cursor.take_replay()
    assert cursor.after == 9
    assert cursor.take_replay() == Replay(4)
