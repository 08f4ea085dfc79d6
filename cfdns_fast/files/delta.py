"""Commit the files of finished tasks to a Delta table.

The names of files are keys of Delta's log, so a file that is committed twice is in the table once. A transaction with
the id of the task marks what is committed, also after the table was compacted.
"""

from __future__ import annotations

import json
import time
from typing import Any

try:
    from deltalake import CommitProperties, DeltaTable, Schema, Transaction
    from deltalake.exceptions import CommitFailedError, DeltaError
    from deltalake.transaction import AddAction, RemoveAction
except ImportError as error:
    raise ImportError("Delta tables need deltalake: pip install 'cfdns-fast[delta]'", name="deltalake") from error
import pyarrow

from .errors import StoreError
from .layout import DEFAULT_PARTITION
from .open_tasks import current_tasks
from .schema import schema_of
from .state import State
from .store import Store, StoreOptions
from .task_run import Settings
from .tasks import OutputFile, TaskReport

__all__ = ["DeltaCommitter", "table_of"]

#: A commit is made for this many tasks, or after this time.
_MAX_TASKS = 50
_INTERVAL_S = 30.0
#: Commits that other runs may refuse, one after the other.
_MAX_TRIES = 20
_PARTITION_TYPES = {"date": pyarrow.date32(), "hour": pyarrow.int32(), "eventDay": pyarrow.string()}


class DeltaCommitter:
    """The table in an output. One thread at a time.

    The constructor also commits tasks that an earlier run finished and did not commit.

    Parameters
    ----------
    state : State
    settings : Settings
    options : StoreOptions
        Of the output.
    """

    def __init__(self, state: State, settings: Settings, options: StoreOptions) -> None:
        self._state = state
        self._settings = settings
        self._pending: list[TaskReport] = []
        self._last_s = time.monotonic()
        schema = schema_of(settings.normalizer, settings.layout)
        for name in settings.layout.partition_by:
            schema = schema.append(pyarrow.field(name, _PARTITION_TYPES[name]))
        self._schema = Schema.from_arrow(schema)
        self._table = self._opened(options)
        self._again = state.uncommitted()
        self._catch_up()

    def add(self, report: TaskReport) -> None:
        """Commit a task that is done, at once or with later ones. Raises StoreError."""
        self._pending.append(report)
        if len(self._pending) >= _MAX_TASKS or time.monotonic() - self._last_s >= _INTERVAL_S:
            self._commit()

    def close(self) -> None:
        """Commit what is left. Raises StoreError."""
        self._commit()

    def _opened(self, options: StoreOptions) -> DeltaTable:
        url, _, stored = _address(self._settings.output, options)
        try:
            return DeltaTable.create(
                url,
                self._schema,
                mode="ignore",
                partition_by=list(self._settings.layout.partition_by) or None,
                storage_options=stored,
            )
        except (DeltaError, OSError) as error:
            raise self._fault("open", error) from None

    def _catch_up(self) -> None:
        """Commit tasks that are done and not in the table."""
        # Tasks that are written again now run first.
        rewriting = self._state.rewriting()
        for each in current_tasks(self._state, reads=self._is_missing):
            if each.report is not None and each.report.id not in rewriting:
                self.add(each.report)
        self._commit()

    def _is_missing(self, task_id: str) -> bool:
        return task_id in self._again or self._table.transaction_version(_application(task_id)) is None

    def _commit(self) -> None:
        pending, self._pending = self._pending, []
        self._last_s = time.monotonic()
        if not pending:
            return
        again = self._state.uncommitted()
        for left in reversed(range(_MAX_TRIES)):
            try:
                reports = self._commit_once(pending, again)
                break
            except CommitFailedError as error:
                # Another run has committed one of these tasks meanwhile.
                if not left:
                    raise self._fault("commit to", error) from None
            except (DeltaError, OSError) as error:
                raise self._fault("commit to", error) from None
        for each in reports:
            if each.id in again:
                self._state.delete_uncommitted(each.id)
        self._again = again - {each.id for each in reports}

    def _commit_once(self, pending: list[TaskReport], again: set[str]) -> list[TaskReport]:
        """Commit what the newest version of the table lacks, and return it."""
        self._table.update_incremental()
        reports = [each for each in pending if each.id in again or self._is_missing(each.id)]
        actions, transactions = self._actions(reports, again)
        if transactions:
            self._table.create_write_transaction(
                actions,
                "append",
                self._schema,
                partition_by=list(self._settings.layout.partition_by) or None,
                commit_properties=CommitProperties(app_transactions=transactions),
            )
        return reports

    def _actions(self, reports: list[TaskReport], again: set[str]) -> tuple[list[Any], list[Any]]:
        actions: list[Any] = []
        transactions = []
        now_ms = int(time.time() * 1000)
        for report in reports:
            version = self._table.transaction_version(_application(report.id)) or 0
            transactions.append(Transaction(_application(report.id), version + 1))
            actions += [self._added(file, now_ms) for file in report.outputs]
            if report.id in again:
                actions += self._removed(report, now_ms)
        return actions, transactions

    def _added(self, file: OutputFile, now_ms: int) -> AddAction:
        stats = json.dumps({"numRecords": file.rows})
        return AddAction(file.name, file.size_bytes, self._values_of(file.name), now_ms, True, stats)

    def _removed(self, report: TaskReport, now_ms: int) -> list[RemoveAction]:
        """Return the files of earlier runs of a task that this run has not written."""
        kept = {file.name for file in report.outputs}
        start = f"part-{report.name}"
        names = pyarrow.table(self._table.get_add_actions())["path"].to_pylist()
        old = [name for name in names if name.rpartition("/")[2].startswith((f"{start}.", f"{start}-"))]
        return [
            RemoveAction(name, True, now_ms, partition_values=self._values_of(name)) for name in old if name not in kept
        ]

    def _values_of(self, name: str) -> dict[str, str | None]:
        values: dict[str, str | None] = {}
        for column, folder in zip(self._settings.layout.partition_by, name.split("/"), strict=False):
            value = folder.partition("=")[2]
            number = value.lstrip("0") or "0" if column == "hour" else value
            values[column] = None if value == DEFAULT_PARTITION else number
        return values

    def _fault(self, what: str, error: Exception) -> StoreError:
        # The library's text may have URLs.
        return StoreError(
            "store.unavailable", f"cannot {what} the Delta table {self._settings.output.url} ({type(error).__name__})"
        )


def table_of(output: Store, options: StoreOptions) -> DeltaTable:
    """Return the Delta table in an output; raises DeltaError if there is none."""
    return DeltaTable(*_address(output, options))


def _address(output: Store, options: StoreOptions) -> tuple[str, int | None, dict[str, str] | None]:
    """Return the URL, the version (None is the newest) and the options of a table."""
    if output.is_local:
        return output.location[1], None, None
    return _url_of(output), None, _storage_options(output, options)


def _application(task_id: str) -> str:
    return f"cfdns/{task_id}"


def _url_of(output: Store) -> str:
    authority, path = output.location
    scheme, _, rest = authority.partition("://")
    return f"{scheme}://{rest.rpartition('/')[2]}{path}"


def _storage_options(output: Store, options: StoreOptions) -> dict[str, str]:
    """Return the options of a bucket for the library, which reads credentials in the environment as obstore does."""
    if options.profile is not None:
        raise StoreError("store.settings", "a Delta table needs credentials in the environment, not a profile")
    authority = output.location[0]
    endpoint = authority.partition("://")[2].rpartition("/")[0]
    found = {}
    if authority.startswith("s3://"):
        if endpoint:
            found["aws_endpoint_url"] = endpoint
            found["allow_http"] = str(endpoint.startswith("http://")).lower()
        if options.region is not None:
            found["aws_region"] = options.region
        if options.anonymous:
            found["aws_skip_signature"] = "true"
    return found
