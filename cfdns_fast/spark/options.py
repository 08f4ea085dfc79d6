"""The options of the data source."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from .. import Normalizer
from ..files import FilesError, Layout, StoreOptions

__all__ = ["ROWS", "Settings", "settings_of"]

#: The allowed values of the option ``rows``.
ROWS = ("events", "rejects", "objects")
_FAULTS = ("fail", "keep")

_MIB = 1 << 20
#: A century; a larger number is a mistake, and a timedelta has a limit.
_MAX_SECONDS = 100 * 366 * 86400


@dataclass(frozen=True)
class Settings:
    """The options of one read, checked. All options are text, since Spark hands on text; names ignore case.

    Attributes
    ----------
    paths : tuple of str
        Files, folders, globs or URLs: ``path``, or several with ``load([…])``.
    mapping, dataset, private_suffixes, timestamp_unit, max_record_bytes, input_format, input_columns
        As ``schema``, ``dataset`` … ``columns`` of `Normalizer`; ``message=false`` is its ``keep_message=False``.
    names, columns, without
        As in `Layout`; lists have commas.
    rows : {"events", "rejects", "objects"}
        What a row is: an event, a reject, or an object with its counts and its fault.
    faults : {"fail", "keep"}
        An object that is truncated, damaged, changed or missing fails the query, or gives the events before the fault.
    since, until : str, optional
        As in `convert`: by the names of the objects.
    slack_s : int
        How far, in seconds, the times of events may be outside the times of their object's name; for ``pushdown``.
    pushdown : bool
        Filters on the event's time select objects by their names.
    group_bytes : int
        Stored bytes of a partition, at least one object.
    state : str, optional
        Streams only: a folder or prefix for the journal of objects.
    max_bytes : int
        Streams only: stored bytes of a micro-batch, at least one object.
    endpoint_url, region, profile, anonymous
        As in `StoreOptions`. Credentials are those that obstore finds on the driver and on every executor.
    """

    paths: tuple[str, ...]
    mapping: str = "sekoia"
    dataset: str = "dns_logs"
    message: bool = True
    private_suffixes: bool = False
    timestamp_unit: str = "auto"
    max_record_bytes: int | None = None
    input_format: str = "ndjson"
    input_columns: tuple[str, ...] | None = None
    names: str = "underscore"
    columns: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    rows: str = "events"
    faults: str = "fail"
    since: str | None = None
    until: str | None = None
    slack_s: int = 3600
    pushdown: bool = True
    group_bytes: int = 16 * _MIB
    state: str | None = None
    max_bytes: int = 4096 * _MIB
    store_options: StoreOptions = field(default_factory=StoreOptions)

    @property
    def slack(self) -> timedelta:
        return timedelta(seconds=self.slack_s)

    def layout(self) -> Layout:
        """Return the layout of the columns; ValueError if an option has a value that it cannot have."""
        return Layout(self.names, (), self.columns, self.without)

    def normalizer(self) -> Normalizer:
        """Return the converter; MappingError or ValueError as `Normalizer` raises them."""
        limit: dict[str, Any] = {} if self.max_record_bytes is None else {"max_record_bytes": self.max_record_bytes}
        return Normalizer(
            self.mapping,
            dataset=self.dataset,
            keep_message=self.message,
            private_suffixes=self.private_suffixes,
            timestamp_unit=self.timestamp_unit,
            input_format=self.input_format,
            columns=self.input_columns,
            **limit,
        )


def _flag(text: str) -> bool:
    known = {"true": True, "false": False}
    if text.lower() not in known:
        raise ValueError("must be true or false")
    return known[text.lower()]


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ValueError("must be a whole number of at least 1")
    return int(text)


def _seconds(text: str) -> int:
    if not text.isdecimal() or int(text) > _MAX_SECONDS:
        raise ValueError(f"must be a whole number of seconds, at most {_MAX_SECONDS}")
    return int(text)


def _texts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _one_of(allowed: tuple[str, ...]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text

    return check


_READ: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("message", "private_suffixes", "pushdown"), _flag),
    **dict.fromkeys(("max_record_bytes", "group_bytes", "max_bytes"), _whole),
    **dict.fromkeys(("input_columns", "columns", "without"), _texts),
    "slack_s": _seconds,
    "rows": _one_of(ROWS),
    "faults": _one_of(_FAULTS),
}
_STORE = {each.name for each in fields(StoreOptions)}
_OWN = {each.name for each in fields(Settings)} - {"paths", "store_options"}


def settings_of(options: Mapping[str, str]) -> Settings:
    """Return the options that Spark hands on.

    Raises
    ------
    FilesError
        An option is unknown, has a value that it cannot have, or there is no path.
    """
    given: dict[str, Any] = {}
    store: dict[str, Any] = {}
    options = {name.lower(): text for name, text in options.items()}
    for name, text in options.items():
        if name in ("path", "paths"):
            continue
        if name not in _OWN | _STORE:
            raise FilesError(
                "spark.option", f"cloudflare_dns has no option {name}; it has path, {', '.join(sorted(_OWN | _STORE))}"
            )
        read = _flag if name == "anonymous" else _READ.get(name, str)
        try:
            (store if name in _STORE else given)[name] = read(text)
        except ValueError as error:
            raise FilesError("spark.option", f"option {name} of cloudflare_dns {error}") from None
    return Settings(_paths_of(options), store_options=StoreOptions(**store), **given)


def _paths_of(options: Mapping[str, str]) -> tuple[str, ...]:
    """Return the inputs: Spark hands on one as ``path``, and several as a JSON list in ``paths``."""
    several = json.loads(options["paths"]) if "paths" in options else []
    paths = (*([options["path"]] if "path" in options else []), *several)
    if not paths or not all(paths):
        raise FilesError("spark.option", "cloudflare_dns needs a path: load(PATH) or the option path")
    return paths
