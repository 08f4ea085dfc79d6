"""A run on an output: its stores, its state, and the checks before anything is written."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator, Set

from .backfill_plan import Planner
from .errors import FilesError, StoreError
from .head import check_head, head_of
from .listing import Place, check_apart, entries, locate
from .names import Hours
from .ndjson_files import check_format
from .open_tasks import OpenTask, known_faults, open_tasks
from .reports import FaultyInput
from .run_inputs import RunInputs
from .run_options import RunOptions, state_url
from .state import STATE_FOLDER, State, root_of
from .store import Store
from .stores import open_store
from .task_run import Settings
from .tasks import Task
from .totals import Totals

__all__ = ["OpenedRun"]


class OpenedRun:
    """What `convert`, `plan` and `preview` have in common. One thread at a time.

    Parameters
    ----------
    options : RunOptions
    writes : bool
        False writes nothing: a dry run.

    Attributes
    ----------
    planner : Planner
    inputs : RunInputs
    settings : Settings
    state : State

    Raises
    ------
    StoreError, FilesError, MappingError, ValueError, ImportError
        The run cannot begin.
    """

    settings: Settings
    state: State

    def __init__(self, options: RunOptions, *, writes: bool = True) -> None:
        self._options = options
        head = head_of(options.normalizer, options.format, options.layout)
        if options.format == "parquet":
            from .schema import check_layout

            check_layout(options.normalizer, options.layout)
        else:
            check_format(options.format)
        hours = Hours(options.since, options.until)
        places = [locate(name, options.store_options) for name in options.src]
        self._state_url = _absolute(state_url(options.dst, options.state))
        self._output_url = _absolute(options.dst)
        written = [options.dst, *(each for each in (options.state, options.rejects) if each is not None)]
        check_apart(places, written, options.output_store_options)
        self.is_begun = self._open(head, places, writes=writes)
        state = self.state if self.is_begun else None
        self.inputs = RunInputs(places, hours, state, writes=writes)
        self.planner = Planner(
            state,
            group_bytes=options.group_bytes,
            has_mirrored_names=options.format != "parquet",
            skips_equal=options.duplicates == "skip",
            reconverts=options.changed == "reconvert",
            shard=options.shard,
            writes=writes,
        )

    def plan(self, stop: threading.Event | None = None) -> None:
        """Add what is new to the plan, until `stop` is set. Raises StoreError and FilesError."""
        for listed in self.inputs.listed():
            self.planner.add(listed if stop is None else itertools.takewhile(lambda _: not stop.is_set(), listed))

    def open_tasks(self) -> Iterator[OpenTask]:
        """Return an iterator over the tasks of this run that are not done."""
        if not self.is_begun:
            return iter(())
        options = self._options
        return open_tasks(
            self.state,
            self.inputs.selects(),
            shard=options.shard,
            retries_faults=options.retry_faults,
            fresh=self.planner.fresh,
        )

    def add_known_faults(self, totals: Totals, reported: Set[str]) -> None:
        """Add the faults of tasks that earlier runs have done, without tasks that are reported already.

        Raises StoreError and FilesError.
        """
        for task_id, root, each in known_faults(self.state, self.inputs.selects(), self._options.shard):
            if task_id not in reported:
                url = root_of(self.inputs.roots, root).url
                totals.add_known_fault(FaultyInput(f"{url}{each.key}", each.fault, each.reason))

    def task_of(self, each: OpenTask) -> Task:
        """Return a planned task with all that another process needs to run it."""
        planned, root = each.task, self.inputs.roots[each.root]
        return Task(
            planned.id,
            planned.name,
            root.url,
            self._output_url,
            self._state_url,
            planned.hour,
            planned.inputs,
            planned.replaces,
        )

    def changed(self) -> list[FaultyInput]:
        """Return the first thousand inputs that have changed since they were planned, as faults."""
        return [
            FaultyInput(f"{self.inputs.roots[root].url}{key}", "changed", "it has changed since it was planned")
            for root, key in self.planner.totals.changed
        ]

    def _open(self, head: dict[str, object], places: list[Place], *, writes: bool) -> bool:
        """Open the output and its state; return whether the output has one now."""
        options = self._options
        stored = options.output_store_options
        try:
            output = open_store(options.dst, stored, create=writes)
            state_store = open_store(self._state_url, stored, create=writes)
        except StoreError as error:
            if writes or error.code != "store.missing":
                raise
            return False
        rejects = None if options.rejects is None else open_store(options.rejects, stored, create=writes)
        if rejects is not None:
            _check_hidden(rejects, output, "rejects")
        _check_hidden(state_store, output, "state")
        if writes:
            for store in (output, state_store, *([] if rejects is None else [rejects])):
                store.remove_stale()
        if writes and options.shard[1] > 1 and not state_store.has_conditional_writes():
            raise FilesError(
                "files.single_writer",
                f"{state_store.url}: this store ignores conditions of writes, so shards cannot share it",
            )
        self.state = State(state_store, is_single_writer=options.single_writer)
        metadata = {"mapping_sha256": str(head["mapping_sha256"])} if head["mapping_sha256"] else {}
        self.settings = Settings(
            options.normalizer, options.format, options.layout, output, self.state, rejects, metadata
        )
        if not _is_inside(state_store, output):
            # Another output would lack all that this one has.
            head = {**head, "output": _name_of(output)}
        found = self.state.head()
        if found is None:
            foreign = _foreign(output, [state_store, *([] if rejects is None else [rejects])])
            # Another run may have begun since, and written outputs.
            found = self.state.head() if foreign else None
            if found is None and foreign:
                raise FilesError(
                    "files.foreign",
                    f"{output.url}: holds files of other programs ({foreign}), so it cannot be an output; "
                    "use an empty folder or prefix",
                )
        if found is None:
            if not writes:
                return False
            for place in places:
                if place.pattern is None:
                    # A wrong name of an input must not begin an output.
                    next(entries(place), None)
            if self.state.create_head(head):
                return True
            found = self.state.head()
        check_head(found or {}, head, output.url)
        if (found or {}).get("output") != head.get("output"):
            raise FilesError("files.options", f"{state_store.url}: is the state of another output than {output.url}")
        return True


def _check_hidden(store: Store, output: Store, what: str) -> None:
    """Raise FilesError if readers of the output would take the files of a store for outputs."""
    name = store.location[1].removeprefix(output.location[1])
    if _is_inside(store, output) and not name.startswith(("_", ".")):
        raise FilesError(
            "files.inside",
            f"{store.url} for the {what} is inside the output; a folder there must have a name that begins with _",
        )


def _name_of(output: Store) -> str:
    """Return the bucket and the path of an output. Its endpoint may have several names."""
    place, path = output.location
    return f"{place.rpartition('/')[2]}:{path}"


def _is_inside(store: Store, output: Store) -> bool:
    (place, path), (root_place, root) = store.location, output.location
    return place == root_place and path.startswith(root)


def _foreign(output: Store, own: list[Store]) -> str | None:
    """Return the first key in a new output that is none of ours."""
    place, root = output.location
    inside = [
        path[len(root) :].replace(os.sep, "/")
        for other, path in (each.location for each in own)
        if other == place and path.startswith(root)
    ]
    for entry in output.list():
        is_hidden = any(part.startswith(".") for part in entry.key.split("/"))
        is_own = any(entry.key.startswith(path) for path in (*inside, f"{STATE_FOLDER}/") if path)
        # Tools make empty objects as folders.
        if not is_hidden and not is_own and entry.size_bytes:
            return entry.key
    return None


def _absolute(name: str) -> str:
    """Return a path that another working directory does not change; URLs stay as they are."""
    return name if "://" in name else f"{os.path.abspath(name)}/"
