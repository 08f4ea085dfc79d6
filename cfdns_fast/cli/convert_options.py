"""The options of ``cfdns-fast convert``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from ..io.paths import STANDARD_STREAM
from ..options import MAX_THREADS, THREADS, Option, option
from .convert_parsers import (
    PARTITIONS,
    parse_fail_on,
    parse_names,
    parse_partitions,
    parse_shard,
    parse_size,
    parse_time,
)
from .detection_options import detection_options
from .sections import NameOf, Parsed

__all__ = ["INPUT_OPTIONS", "SECTIONS", "THREADS_OPTION", "apply_options", "convert_options", "store_options"]

#: Unlike click's default, this does not test whether an existing file can be read.
_PATH = click.Path(readable=False)
_NAMES = ("underscore", "nested", "dotted")
_FORMATS = ("parquet", "ndjson", "ndjson.gz", "ndjson.zst")


def library_option(
    name: str, taken: Option, metavar: str | None = None, *, default: object = None
) -> Callable[..., Any]:
    """Return click's option for an option of the library; `default` if the command has another one."""
    kind: Any = None
    if taken.choices:
        kind = click.Choice(taken.choices)
    elif taken.limits is not None:
        kind = click.IntRange(*taken.limits)
    default = taken.default if default is None else default
    return click.option(name, metavar=metavar, type=kind, default=default, show_default=True, help=taken.help)


#: What inputs are, how their records are read, and which of the listed ones are.
INPUT_OPTIONS = (
    click.argument("inputs", metavar="[INPUT]...", nargs=-1, type=_PATH),
    library_option("--schema", option("schema"), "NAME_OR_PATH"),
    library_option("--dataset", option("dataset"), "NAME"),
    click.option("--private-suffixes", is_flag=True, help=option("private_suffixes").help),
    library_option("--timestamp-unit", option("timestamp_unit")),
    library_option("--max-record-bytes", option("max_record_bytes"), "BYTES"),
    library_option("--input-format", option("input_format"), default="auto"),
    library_option("--columns", option("columns"), "NAME,NAME,..."),
    library_option("--record-delimiter", option("record_delimiter"), "TEXT"),
    click.option(
        "--since",
        metavar="DATE[Thh]",
        type=Parsed("time", parse_time),
        help="Of what is listed, only files and objects of this hour (UTC) or later, by their names.",
    ),
    click.option(
        "--until",
        metavar="DATE[Thh]",
        type=Parsed("time", parse_time),
        help="Only those before this hour (UTC), by their names.",
    ),
)

_OPTIONS = (
    click.option(
        "-o",
        "--output",
        metavar="FILE|DIR|URL",
        default=STANDARD_STREAM,
        type=_PATH,
        help="Write events here instead of standard output: a file, compressed if the name ends in .gz or .zst, or "
        "Parquet if it ends in .parquet; or a directory or prefix (ends in /), which can be resumed.",
    ),
    click.option(
        "--rejects",
        metavar="FILE|DIR|URL",
        type=_PATH,
        help="Write the rejects here, one JSON object a line: input, line, byte_offset, byte_length, "
        "code and all its bytes as raw, or as raw_base64 if they are not UTF-8. For a directory as output this is a "
        "directory or prefix too.",
    ),
    click.option(
        "--summary-json",
        metavar="FILE",
        type=_PATH,
        help="Write the summary here too, as one JSON object; - is standard output.",
    ),
    click.option("--no-message", is_flag=True, help="Leave the original record out of the events."),
    click.option(
        "--strict",
        is_flag=True,
        help="Exit with 1 if there are rejects, or records without a key that the mapping reads; the same as "
        "--fail-on rejects,unknown. The output is written all the same.",
    ),
    click.option(
        "--fail-on",
        metavar="WHAT,...",
        multiple=True,
        callback=lambda context, option, values: parse_fail_on(values),
        help="Exit with 1 if there is any of these: rejects, unknown (records without a key that the mapping reads), "
        "problems (these included). With none, not even an input in which no record has such a key is a failure.",
    ),
    click.option(
        "--format",
        type=NameOf(_FORMATS),
        default="parquet",
        show_default=True,
        help="What the directory holds. NDJSON has a file for each input, with its name.",
    ),
    click.option(
        "--jobs",
        metavar="N",
        type=click.IntRange(1, MAX_THREADS),
        help="Convert with N threads.  [default: the number of cores, at most 16]",
    ),
    click.option("--dry-run", is_flag=True, help="Show what there is to do, and do nothing."),
    click.option("--json", "as_json", is_flag=True, help="Print the summary on standard output, as one JSON object."),
    click.option(
        "--duplicates",
        type=NameOf(("report", "skip")),
        default="report",
        show_default=True,
        help="Objects of one day with equal size and ETag: report them, or leave out all but the first.",
    ),
    click.option(
        "--changed",
        type=NameOf(("fail", "reconvert")),
        default="fail",
        show_default=True,
        help="An object that has changed since it was planned: a fault, or convert it again, in the only run.",
    ),
    click.option(
        "--retry-faults",
        is_flag=True,
        help="Read objects again that were truncated, damaged, missing, or ended the process.",
    ),
    click.option(
        "--shard",
        metavar="I/N",
        type=Parsed("shard", parse_shard),
        default=(0, 1),
        help="Convert only this part, I from 0 to N - 1; other machines convert the others.",
    ),
    click.option(
        "--single-writer",
        is_flag=True,
        help="This is the only run that writes to the output: needed where a store cannot create without replacing.",
    ),
    click.option(
        "--group-bytes",
        metavar="SIZE",
        type=Parsed("size", parse_size),
        default="64MiB",
        show_default=True,
        help="The stored bytes that are converted together; inputs of different hours are not.",
    ),
    click.option("--state", metavar="DIR|URL", type=_PATH, help="Where the state is.  [default: OUTPUT/_cfdns/]"),
    click.option(
        "--table", type=NameOf(("delta",)), help="Keep a Delta table in the output too; needs cfdns-fast[delta]."
    ),
    click.option(
        "--partition-by",
        metavar="|".join(PARTITIONS),
        type=Parsed("partitions", parse_partitions),
        default="date,hour",
        show_default=True,
        help="Folders of a directory, by the time of the events (UTC).",
    ),
    click.option(
        "--names",
        type=NameOf(_NAMES),
        default="underscore",
        show_default=True,
        help="The names of columns: dns_question_name, dns.question.name as structs, or as one name with dots.",
    ),
    click.option(
        "--fields",
        metavar="NAME,...",
        type=Parsed("names", parse_names),
        help="Write only these fields (dns.question.name, for example).",
    ),
    click.option(
        "--without",
        metavar="NAME,...",
        type=Parsed("names", parse_names),
        default=(),
        help="Leave these fields out, for example related.hosts,related.ip,source.address.",
    ),
    click.option(
        "--compression-level",
        metavar="N",
        type=click.IntRange(1, 22),
        default=1,
        show_default=True,
        help="The level of zstd; 3 makes files 5 % smaller and takes 24 % more time.",
    ),
)

_DETECTION_OPTIONS = (
    *detection_options(_PATH),
    click.option(
        "--alerts",
        metavar="FILE",
        type=_PATH,
        help="Write what was found here, one alert a line, with a count for each window of 10 minutes.",
    ),
    click.option(
        "--annotate",
        is_flag=True,
        help="Add what was found to the events: rule, threat and cfdns; enrichments in OCSF.",
    ),
)

#: The threads of one conversion.
THREADS_OPTION = library_option("--threads", THREADS, "N")
_RUN_OPTIONS = (
    THREADS_OPTION,
    click.option("--no-progress", is_flag=True, help="Show no progress, even on a terminal."),
    click.option("-q", "--quiet", is_flag=True, help="Show neither progress nor the summary; errors are still shown."),
)

_STORE_OPTIONS = (
    click.option("--endpoint-url", metavar="URL", help="The server of an S3-compatible store (AWS_ENDPOINT_URL)."),
    click.option("--region", metavar="NAME", help="The region of S3 (AWS_REGION)."),
    click.option("--profile", metavar="NAME", help="A profile of AWS's configuration files (AWS_PROFILE)."),
    click.option("--anonymous", is_flag=True, help="Read a public bucket without credentials."),
)

#: The headings of the help, and their options.
SECTIONS = {
    "Output": ("--output", "--rejects", "--summary-json"),
    "Events": ("--schema", "--dataset", "--no-message", "--private-suffixes", "--timestamp-unit"),
    "Input": ("--input-format", "--columns", "--record-delimiter", "--max-record-bytes", "--since", "--until"),
    "Failures": ("--strict", "--fail-on"),
    "A directory or prefix as output": (
        *("--format", "--jobs", "--dry-run", "--json", "--duplicates", "--changed", "--retry-faults", "--shard"),
        *("--single-writer", "--group-bytes", "--state", "--table"),
    ),
    "Parquet": ("--partition-by", "--names", "--fields", "--without", "--compression-level"),
    "Object stores": ("--endpoint-url", "--region", "--profile", "--anonymous"),
    "Detection, for one output file": (
        *(
            "--detect",
            "--indicators",
            "--allow",
            "--min-confidence",
            "--addresses",
            "--rules",
            "--alerts",
            "--annotate",
        ),
    ),
    "Other options": ("--threads", "--no-progress", "--quiet", "--help"),
}


def convert_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add all options of the command."""
    return apply_options(function, (*INPUT_OPTIONS, *_OPTIONS, *_DETECTION_OPTIONS, *_STORE_OPTIONS, *_RUN_OPTIONS))


def store_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add the options of object stores."""
    return apply_options(function, _STORE_OPTIONS)


def apply_options(function: Callable[..., int], options: Sequence[Callable[..., Any]]) -> Callable[..., int]:
    for each in reversed(options):
        function = each(function)
    return function
