"""The values of the options of ``cfdns-fast convert``, and which options go together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click

from ..io.paths import STANDARD_STREAM
from ..mapping import is_path
from ..options import DEFAULT_DATASET
from .targets import is_parquet, is_url

__all__ = ["ConvertOptions"]

#: What stands for the day in a destination of Logpush.
_DATE_FOLDER = "{DATE}"
#: Options that need a directory or a prefix as output, by their names in click.
_FOR_A_DIRECTORY = {
    "format": "--format",
    "partition_by": "--partition-by",
    "jobs": "--jobs",
    "group_bytes": "--group-bytes",
    "shard": "--shard",
    "state": "--state",
    "duplicates": "--duplicates",
    "changed": "--changed",
    "retry_faults": "--retry-faults",
    "single_writer": "--single-writer",
    "table": "--table",
    "dry_run": "--dry-run",
    "as_json": "--json",
}
#: Options that need one output file.
_FOR_A_FILE = {
    "threads": "--threads",
    "detect": "--detect",
    "indicators": "--indicators",
    "allow": "--allow",
    "min_confidence": "--min-confidence",
    "addresses": "--addresses",
    "rules": "--rules",
    "alerts": "--alerts",
    "annotate": "--annotate",
}
_FOR_PARQUET = {
    "names": "--names",
    "fields": "--fields",
    "without": "--without",
    "partition_by": "--partition-by",
    "compression_level": "--compression-level",
}
_FOR_STORES = {
    "endpoint_url": "--endpoint-url",
    "region": "--region",
    "profile": "--profile",
    "anonymous": "--anonymous",
}
_FOR_LISTS = {"since": "--since", "until": "--until"}


class ConvertOptions:
    """The values of all options, by the names that click gives them."""

    inputs: tuple[str, ...]
    output: str
    schema: str
    dataset: str
    rejects: str | None
    strict: bool
    fail_on: frozenset[str] | None
    summary_json: str | None
    no_message: bool
    private_suffixes: bool
    timestamp_unit: str
    max_record_bytes: int
    input_format: str
    columns: str | None
    record_delimiter: str | None
    since: str | None
    until: str | None
    threads: int
    detect: tuple[str, ...]
    indicators: tuple[str, ...]
    allow: tuple[str, ...]
    min_confidence: int
    addresses: bool
    rules: tuple[str, ...]
    alerts: str | None
    annotate: bool
    format: str
    partition_by: str
    names: str
    fields: tuple[str, ...] | None
    without: tuple[str, ...]
    compression_level: int
    jobs: int | None
    group_bytes: int
    shard: tuple[int, int]
    state: str | None
    duplicates: str
    changed: str
    retry_faults: bool
    single_writer: bool
    table: str | None
    dry_run: bool
    as_json: bool
    endpoint_url: str | None
    region: str | None
    profile: str | None
    anonymous: bool
    no_progress: bool
    quiet: bool

    def __init__(self, **values: Any) -> None:
        # A dataclass with as many fields would slow each start down.
        self.__dict__.update(values)

    def check_together(self, given: frozenset[str], *, to_directory: bool, is_listed: bool) -> None:
        """Raise click.UsageError if options that were given make no sense together.

        Parameters
        ----------
        given : frozenset of str
            The names of the options that are on the command line.
        to_directory : bool
            Whether the output is a directory or a prefix.
        is_listed : bool
            Whether an input is a directory, a pattern or a prefix.
        """
        if self.strict and self.fail_on == frozenset():
            raise click.UsageError("--strict and --fail-on none exclude each other")
        self._check_schema()
        if self.summary_json is not None and is_url(self.summary_json):
            raise click.UsageError("--summary-json is a file, and not a URL")
        if any(is_url(name) and _DATE_FOLDER in name for name in (*self.inputs, self.output)):
            raise click.UsageError(f"{_DATE_FOLDER} is a folder for each day: name the prefix without it")
        if to_directory:
            self._check_for_directory(given)
        else:
            self._check_for_file(given)
        if not is_parquet(self.output) and not (to_directory and self.format == "parquet"):
            for flag in _given(_FOR_PARQUET, given):
                where = "--format parquet" if to_directory else "-o FILE.parquet, or a directory as output"
                raise click.UsageError(f"{flag} is for Parquet: {where}")
        self._check_lists(given, (*self.inputs, self.output, self.state or "", self.rejects or ""), is_listed=is_listed)

    def check_inputs(self, given: frozenset[str], *, is_listed: bool) -> None:
        """Raise click.UsageError if options of the inputs alone make no sense together; see `check_together`."""
        self._check_schema()
        if any(is_url(name) and _DATE_FOLDER in name for name in self.inputs):
            raise click.UsageError(f"{_DATE_FOLDER} is a folder for each day: name the prefix without it")
        self._check_mapping_is_a_file()
        self._check_lists(given, self.inputs, is_listed=is_listed)
        self._check_indicators()

    def _check_schema(self) -> None:
        if is_path(self.schema) and self.dataset != DEFAULT_DATASET:
            raise click.UsageError("--dataset goes with a bundled schema; a mapping file is for one dataset already")

    def _check_mapping_is_a_file(self) -> None:
        if is_path(self.schema) and os.path.exists(self.schema) and not os.path.isfile(self.schema):
            raise click.UsageError(f"the mapping {self.schema} is not a regular file, and it is read several times")

    def _check_lists(self, given: frozenset[str], names: Sequence[str], *, is_listed: bool) -> None:
        if not any(map(is_url, names)):
            for flag in _given(_FOR_STORES, given):
                raise click.UsageError(f"{flag} is for object stores, and no input or output is a URL such as s3://…/")
        if not is_listed:
            for flag in _given(_FOR_LISTS, given):
                raise click.UsageError(f"{flag} selects from what is listed: give a directory, a pattern or a prefix")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise click.UsageError("--since must be before --until")

    def _check_indicators(self) -> None:
        if (self.allow or self.min_confidence or self.addresses) and not self.indicators:
            raise click.UsageError("--allow, --min-confidence and --addresses go with --indicators")

    def _check_for_file(self, given: frozenset[str]) -> None:
        if is_url(self.output):
            raise click.UsageError(
                "-o names one object of a store; name a prefix, which ends in / (with --partition-by none it has no "
                "folders), or a file"
            )
        for flag, name in (("--rejects", self.rejects), ("--alerts", self.alerts)):
            if name is not None and is_url(name):
                raise click.UsageError(f"{flag} is a file if the output is a file, and not a URL")
            if name is not None and is_parquet(name):
                raise click.UsageError(f"{flag} is NDJSON, also if the output is Parquet: name a file *.ndjson")
        for flag in _given(_FOR_A_DIRECTORY, given):
            if flag == "--json":
                raise click.UsageError("--json is for a directory as output; --summary-json - is that of one file")
            raise click.UsageError(
                f"{flag} is for a directory or a prefix as output, which ends in /: -o DIR/ or -o s3://BUCKET/PREFIX/"
            )
        looks_for = (*self.detect, *self.indicators, *self.rules)
        if looks_for and self.alerts is None and not self.annotate:
            raise click.UsageError("nothing would be done with what is found; give --alerts FILE, --annotate or both")
        if not looks_for and (self.alerts is not None or self.annotate):
            raise click.UsageError(
                "--alerts and --annotate need something to look for: --detect, --indicators or --rules"
            )
        self._check_indicators()
        if self.annotate and is_parquet(self.output):
            raise click.UsageError("--annotate is for NDJSON; a Parquet file has the columns of the mapping alone")

    def _check_for_directory(self, given: frozenset[str]) -> None:
        for flag in _given(_FOR_A_FILE, given):
            if flag == "--threads":
                raise click.UsageError("--threads is for one output file; --jobs is the number of threads here")
            raise click.UsageError(f"{flag} is for one output file, and is not supported for a directory as output")
        self._check_mapping_is_a_file()
        if STANDARD_STREAM in self.inputs:
            raise click.UsageError(
                "standard input cannot be read a second time, as a directory as output may need; give files, "
                "directories or prefixes"
            )
        if self.as_json and self.summary_json is not None:
            raise click.UsageError("--json and --summary-json both ask for the summary; give one of them")


def _given(flags: dict[str, str], given: frozenset[str]) -> list[str]:
    return [flag for name, flag in flags.items() if name in given]
