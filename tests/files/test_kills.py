"""Kill conversions at random moments: at no moment is a record in the outputs twice, and at the end each is there once.

`CFDNS_KILLS` sets the number of kills of all modes together, which is 20 without it; 200 take some minutes.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.backfills import Children, children, content_hash, fill, messages_of, put_tree
from support.object_servers import bucket_environment, seaweed_bucket

from cfdns_fast.files import Store, StoreOptions, convert, open_store, status

pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

RECORDS = 40
KILLS = int(os.environ.get("CFDNS_KILLS", "20"))
MANY_KILLS = 100
#: Small tasks, so that there are many: at most three objects.
OPTIONS: dict[str, Any] = {"group_bytes": 2000, "jobs": 2}


class World:
    """An input, the place of outputs, and what a conversion without a kill gives."""

    def __init__(self, source: str, outputs: str, processes: Children, objects: int = 18) -> None:
        self.events = objects * RECORDS
        self.source = source
        self.outputs = outputs
        self.processes = processes
        report = convert(source, f"{outputs}/whole/", **OPTIONS)
        assert report.is_complete and report.events == self.events
        self.expected = messages_of(open_store(f"{outputs}/whole/"))
        assert len(set(self.expected)) == self.events
        self.outputs_made = 0


def kill_often(world: World, kills: int, seed: int, runs_at_once: int = 1, table: str | None = None) -> int:
    """Start and kill conversions until there were enough kills; return the number of partial states that were seen."""
    rnd = random.Random(seed)
    options = {"src": world.source, **OPTIONS, "table": table}
    done = partial = 0
    while done < kills:
        world.outputs_made += 1
        name = f"{world.outputs}/{world.outputs_made}/"
        output = open_store(name, create=True)
        is_complete = False
        while not is_complete:
            running = []
            for _ in range(runs_at_once):
                # A conversion makes about eight calls of stores for each object, and one that goes on fewer.
                kill_at = rnd.randrange(1, 9 * world.events // RECORDS) if done < kills else 0
                delay_s = rnd.choice((0.0, rnd.uniform(0, 0.01)))
                running.append(world.processes.start(kill_at=kill_at, delay_s=delay_s, dst=name, **options))
            codes = [world.processes.wait(process) for process in running]
            assert set(codes) <= {0, -9}
            done += codes.count(-9)
            is_complete = 0 in codes
            found = messages_of(output)
            assert len(found) == len(set(found)), "a reader sees a record twice"
            assert set(found) <= set(world.expected)
            partial += 0 < len(found) < len(world.expected)
        assert content_hash(messages_of(output)) == content_hash(world.expected)
        state = status(name)
        assert (state.tasks_left, state.events, state.fault_count) == (0, world.events, 0)
        if table is not None:
            assert content_hash(delta_messages(output)) == content_hash(world.expected)
    return partial


def delta_messages(output: Store) -> list[str]:
    from deltalake import DeltaTable

    from cfdns_fast.files.delta import table_of

    table: DeltaTable = table_of(output, StoreOptions())
    found: list[str] = table.to_pyarrow_table(columns=["message"]).column("message").to_pylist()
    return found


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("kills")
    fill(folder / "in", range(18), RECORDS)
    with children() as processes:
        yield World(str(folder / "in"), str(folder / "out"), processes)


@pytest.fixture(scope="module")
def bucket() -> Iterator[World]:
    pytest.importorskip("obstore", reason="buckets need obstore")
    with seaweed_bucket() as made, pytest.MonkeyPatch.context() as patch:
        environment = bucket_environment(made.endpoint)
        for name, value in environment.items():
            patch.setenv(name, value)
        put_tree(f"{made.url}/in/", range(18), RECORDS)
        with children(**environment) as processes:
            yield World(f"{made.url}/in/", f"{made.url}/out", processes)


def test_killed_runs_of_folders_are_exact(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(6), RECORDS)
    with children() as processes:
        kill_often(World(str(tmp_path / "in"), str(tmp_path / "out"), processes, 6), 3, seed=0)


@pytest.mark.slow
def test_killed_runs_in_isolation_are_exact(local: World) -> None:
    with children(isolates=True) as processes:
        world = World(local.source, f"{local.outputs}-isolated", processes)
        kill_often(world, 3 + KILLS // 20, seed=100)


@pytest.mark.slow
@pytest.mark.parametrize("runs_at_once", [1, 2])
def test_many_killed_runs_of_folders_are_exact(local: World, runs_at_once: int) -> None:
    partial = kill_often(local, KILLS // 5, seed=1000 * runs_at_once, runs_at_once=runs_at_once)
    # A few kills may all come before the first output, or after the last one.
    assert partial or KILLS < MANY_KILLS


@pytest.mark.slow
@pytest.mark.parametrize("runs_at_once", [1, 2])
def test_many_killed_runs_of_buckets_are_exact(bucket: World, runs_at_once: int) -> None:
    partial = kill_often(bucket, KILLS // 5, seed=1000 * runs_at_once, runs_at_once=runs_at_once)
    # A few kills may all come before the first output, or after the last one.
    assert partial or KILLS < MANY_KILLS


@pytest.mark.slow
@pytest.mark.parametrize("runs_at_once", [1, 2])
@pytest.mark.parametrize("place", ["local", "bucket"])
def test_killed_runs_with_delta_are_exact(place: str, runs_at_once: int, request: pytest.FixtureRequest) -> None:
    pytest.importorskip("deltalake", reason="Delta tables need deltalake")
    world = request.getfixturevalue(place)
    kill_often(world, KILLS // 20, seed=5000 + 1000 * runs_at_once, runs_at_once=runs_at_once, table="delta")
