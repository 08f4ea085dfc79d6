"""The state: what is written once, what is replaced, and what its objects hold."""

from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path

import pytest
from support.command import needs_posix

from cfdns_fast import Normalizer
from cfdns_fast.files import (
    FilesError,
    InputReport,
    Layout,
    OutputFile,
    StoreError,
    TaskInput,
    TaskReport,
    dataset,
    open_store,
    status,
)
from cfdns_fast.files.head import head_of
from cfdns_fast.files.local_store import LocalStore
from cfdns_fast.files.plan_file import (
    Generation,
    PlannedTask,
    decode_generation,
    encode_generation,
    generation_of,
    id_of,
    unit_of,
)
from cfdns_fast.files.state import Root, State
from cfdns_fast.mapping import bundled_path

UNIT = "20260825-00000000"


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(open_store(str(tmp_path / "state"), create=True))


def generation(number: int = 0, keys: tuple[str, ...] = ("a", "ü \udcff")) -> Generation:
    inputs = tuple(TaskInput(key, 10, f"etag-{key}", "" if key == "a" else "out") for key in keys)
    tasks = tuple(
        PlannedTask(id_of(UNIT, number, index), id_of(UNIT, number, index), index, "20260825T12", (each,))
        for index, each in enumerate(inputs)
    )
    replacing = PlannedTask(id_of(UNIT, number, 2), "other", 2, "", inputs, (tasks[0].id, tasks[-1].id))
    return Generation(UNIT, number, 1, "folder", (*tasks, replacing), 3, ("a",), inputs[:1])


def report(task_id: str) -> TaskReport:
    inputs = (
        InputReport("a", 10, 1, {"json.syntax": 2}),
        InputReport("b", fault="truncated", reason="truncated gzip (at byte 5)"),
    )
    outputs = (OutputFile("date=2026-08-25/part-a.parquet", 10, 1000),)
    return TaskReport(task_id, task_id, inputs, outputs, OutputFile("r", 2, 50), {"field.type:X": 1}, {"v": "1"}, 0.5)


#: The header of gzip, and then a block that does not exist.
CORRUPT = gzip.compress(b"")[:10] + b"\xff" * 20


def test_generation_survives_its_file() -> None:
    assert decode_generation(encode_generation(generation()), "name") == generation()


def test_file_of_a_generation_is_always_the_same() -> None:
    assert encode_generation(generation()) == encode_generation(generation())


def test_generation_is_created_once(state: State) -> None:
    assert state.create_generation(generation())
    assert not state.create_generation(generation(keys=("c", "d")))
    assert state.generation(UNIT, 0) == generation()
    assert state.create_generation(generation(1))
    assert (state.units(), state.generations(UNIT), state.generations("other")) == ({UNIT: 2}, 2, 0)


@pytest.mark.parametrize("data", [b"", b"x", b"\x1f\x8b\x08\0", CORRUPT, encode_generation(generation())[:-5]])
def test_damaged_generation_is_named(data: bytes) -> None:
    with pytest.raises(FilesError, match=r"^plan/x: is damaged") as caught:
        decode_generation(data, "plan/x")
    assert caught.value.code == "files.state"


def test_id_has_unit_and_generation() -> None:
    task_id = id_of(UNIT, 7, 12)
    assert (unit_of(task_id), generation_of(task_id)) == (UNIT, 7)
    assert id_of(UNIT, 2, 9) < id_of(UNIT, 2, 10) < id_of(UNIT, 10, 0)


def test_head_is_created_by_one_run(state: State) -> None:
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(state.create_head({"x": 1}))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, False, False, True]
    assert state.head() == {"x": 1}


def test_new_state_has_no_head(state: State) -> None:
    assert state.head() is None and state.roots() == [] and state.units() == {}
    assert state.done(id_of(UNIT, 0, 0)) is None


def test_root_is_created_once(state: State) -> None:
    root = Root(0, "s3://bucket/a/", "s3://bucket", "/a/")
    assert state.create_root(root)
    assert not state.create_root(Root(0, "other", "file", "/"))
    assert state.roots() == [root]


def test_files_of_others_are_no_part_of_a_state(state: State, tmp_path: Path) -> None:
    """NFS leaves names like .nfs0001, and file managers .DS_Store."""
    state.create_generation(generation())
    state.create_root(Root(0, "s3://b/", "s3://b", "/"))
    for path in [path for path in tmp_path.rglob("*") if path.is_dir()]:
        (path / ".DS_Store").write_bytes(b"x")
    assert state.units() == {generation().unit: 1}
    assert state.generations(generation().unit) == 1 and len(state.roots()) == 1
    assert state.done_tasks(generation().unit) == set()


def test_damaged_root_is_named(state: State, tmp_path: Path) -> None:
    open_store(str(tmp_path / "state")).put("roots/000000.json", b"{}")
    with pytest.raises(FilesError, match=r"000000\.json: is damaged"):
        state.roots()


def test_done_record_is_replaced(state: State) -> None:
    task_id = id_of(UNIT, 0, 1)
    state.put_done(report(task_id))
    assert state.done(task_id) == report(task_id)
    assert state.done_tasks(UNIT) == {task_id}
    state.put_done(report(task_id))
    assert [each.id for each in state.reports(UNIT)] == [task_id]


def test_counts_of_a_record_are_those_of_its_inputs() -> None:
    made = report("x")
    assert (made.events, made.rejects) == (10, {"json.syntax": 2})
    assert [each.key for each in made.faults] == ["b"]
    assert TaskReport.from_dict(json.loads(json.dumps(made.as_dict()))) == made


@pytest.mark.parametrize("name", ["head.json", "done"])
def test_damaged_record_is_named(state: State, tmp_path: Path, name: str) -> None:
    task_id = id_of(UNIT, 0, 1)
    state.put_done(report(task_id))
    state.create_head({})
    path = tmp_path / "state" / (name if name == "head.json" else f"done/{UNIT}/{task_id}.json")
    for content in (b"{", b"[]"):
        path.write_bytes(content)
        with pytest.raises(FilesError, match="is damaged"):
            state.head() if name == "head.json" else state.done(task_id)


def test_marks_of_attempts_count_up(state: State) -> None:
    for number in (1, 2, 10):
        state.put_attempt("a-1", number)
    state.put_attempt("a-2", 1)
    assert state.attempts() == {"a-1": 10, "a-2": 1}
    assert state.attempts("a-2.") == {"a-2": 1}
    state.delete_attempt("a-1", 10)
    state.delete_attempt("a-1", 99)
    assert state.attempts("a-1.") == {"a-1": 2}


def test_later_generation_replaces_a_task(state: State) -> None:
    state.create_generation(generation(0))
    made = generation(1)
    replacing = made.tasks[-1]
    old = id_of(UNIT, 0, 0)
    tasks = (*made.tasks[:-1], PlannedTask(replacing.id, old, 2, "", replacing.inputs, (old,)))
    state.create_generation(Generation(UNIT, 1, 1, "folder", tasks))
    assert state.is_replaced(old)
    assert not state.is_replaced(id_of(UNIT, 0, 1))


def test_store_without_conditions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalStore, "has_conditional_writes", lambda self: False)
    store = open_store(str(tmp_path))
    with pytest.raises(FilesError, match="--single-writer"):
        State(store).create_head({})
    promised = State(store, is_single_writer=True)
    assert promised.create_head({"x": 1}) and not promised.create_head({"x": 2})
    assert promised.head() == {"x": 1}


def test_errors_of_the_store_are_passed_on(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(self: LocalStore, key: str) -> bytes:
        raise StoreError("store.denied", "denied")

    monkeypatch.setattr(LocalStore, "read", read)
    with pytest.raises(StoreError, match="denied"):
        state.head()
    with pytest.raises(StoreError, match="denied"):
        state.done(id_of(UNIT, 0, 0))


def of_head(**members: object) -> dict[str, object]:
    return {**head_of(Normalizer(), "parquet", Layout()), **members}


@pytest.mark.parametrize(
    "head",
    [
        of_head(format=1),
        of_head(layout=[]),
        of_head(layout={"names": 1}),
        of_head(layout={"columns": "a"}),
        of_head(normalizer={"schema": 1}),
        of_head(normalizer=None),
        of_head(mapping_sha256=False),
    ],
)
def test_head_with_wrong_types_is_named(tmp_path: Path, head: dict[str, object]) -> None:
    store = open_store(str(tmp_path / "out" / "_cfdns"), create=True)
    store.put("head.json", json.dumps(head).encode())
    for function in (status, dataset):
        with pytest.raises(FilesError, match=r"_cfdns/head\.json: is damaged") as caught:
            function(tmp_path / "out")
        assert caught.value.code == "files.state"


@needs_posix
def test_mapping_of_a_pipe_is_refused(tmp_path: Path) -> None:
    """Its content is gone after the first read, so that all such mappings would be equal."""
    reader, writer = os.pipe()
    os.write(writer, Path(bundled_path("ecs", "dns_logs")).read_bytes())
    os.close(writer)
    try:
        normalizer = Normalizer(f"/dev/fd/{reader}")
        with pytest.raises(FilesError, match="not a regular file") as caught:
            head_of(normalizer, "parquet", Layout())
    finally:
        os.close(reader)
    assert caught.value.code == "files.options"


def test_head_of_a_later_version_may_differ(state: State) -> None:
    head = {"format_version": 2, "layout": 1}
    assert state.create_head(head) and state.head() == head


@pytest.mark.parametrize(
    "change",
    [
        {"number": "0"},
        {"url": None},
        {"place": 1},
        {"path": ["/"]},
        {"more": 1},
    ],
)
def test_root_with_wrong_types_is_named(state: State, tmp_path: Path, change: dict[str, object]) -> None:
    members = {"number": 0, "url": "s3://b/", "place": "s3://b", "path": "/", **change}
    open_store(str(tmp_path / "state")).put("roots/000000.json", json.dumps(members).encode())
    with pytest.raises(FilesError, match=r"000000\.json: is damaged"):
        state.roots()


@pytest.mark.parametrize(
    "change",
    [
        {"id": 1},
        {"inputs": None},
        {"inputs": [None]},
        {"inputs": [{"key": 1, "events": 1}]},
        {"inputs": [{"key": "a", "events": "1"}]},
        {"inputs": [{"key": "a", "events": True}]},
        {"inputs": [{"key": "a", "rejects": {"json.syntax": "1"}}]},
        {"inputs": [{"key": "a", "other": 1}]},
        {"outputs": {}},
        {"outputs": [["a", 1]]},
        {"outputs": [["a", 1, "1"]]},
        {"outputs": [[1, 1, 1]]},
        {"reject_file": [1]},
        {"problems": []},
        {"problems": {"a": None}},
        {"versions": {"a": 1}},
        {"seconds": "1"},
        {"other": 1},
    ],
)
def test_record_with_wrong_types_is_named(state: State, tmp_path: Path, change: dict[str, object]) -> None:
    task_id = id_of(UNIT, 0, 1)
    members = {**report(task_id).as_dict(), **change}
    open_store(str(tmp_path / "state")).put(f"done/{UNIT}/{task_id}.json", json.dumps(members).encode())
    with pytest.raises(FilesError, match=rf"{task_id}\.json: is damaged"):
        state.done(task_id)


@pytest.mark.parametrize(
    ("line", "change"),
    [
        (0, {"number": "0"}),
        (0, {"root": None}),
        (0, {"equal_examples": [1]}),
        (0, {"left_out": [["a", 1, 2]]}),
        (1, {"number": 1.5}),
        (1, {"hour": 12}),
        (1, {"inputs": {"a": 1}}),
        (1, {"inputs": [["a", "10", "etag"]]}),
        (1, {"inputs": [["a", 10, "etag", 1]]}),
        (1, {"inputs": [["a", 10]]}),
        (1, {"replaces": [1]}),
        (1, {"name": 1}),
    ],
)
def test_plan_with_wrong_types_is_named(line: int, change: dict[str, object]) -> None:
    lines = [json.loads(each) for each in gzip.decompress(encode_generation(generation())).splitlines()]
    lines[line] |= change
    with pytest.raises(FilesError, match=r"^plan/x: is damaged"):
        decode_generation(gzip.compress("\n".join(map(json.dumps, lines)).encode()), "plan/x")


@pytest.mark.parametrize("text", [b"[" * 100_000, b"1", b'{"number":1}', b"null"])
def test_state_of_other_json_is_named(state: State, tmp_path: Path, text: bytes) -> None:
    with pytest.raises(FilesError, match=r"^plan/x: is damaged"):
        decode_generation(gzip.compress(text), "plan/x")
    store = open_store(str(tmp_path / "state"))
    store.put(f"done/{UNIT}/{id_of(UNIT, 0, 0)}.json", text)
    with pytest.raises(FilesError, match="is damaged"):
        state.done(id_of(UNIT, 0, 0))
