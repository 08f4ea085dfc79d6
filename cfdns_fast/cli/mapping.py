"""The command ``cfdns-fast mapping``: list, show, check, explain, compare and test mapping files."""

from __future__ import annotations

import os

import click

from .. import CfdnsError, Normalizer
from ..io import STANDARD_STREAM, InputFault, read_plain
from ..options import DEFAULT_DATASET, DEFAULT_SCHEMA, INPUT_FORMATS, TIMESTAMP_UNITS, option
from .json_line import json_line
from .mapping_input import Head, head_of, is_record, whole_of
from .report import printable, say, shown_name
from .sections import NameOf
from .table import table_lines

__all__ = ["command"]

_EXIT_FAILED = 1
_EXIT_USAGE = 2

_HELP = """\
List, check, explain, compare and test mapping files.

A NAME is the path of a file (with a / in it, or ending in .toml), or a mapping that comes with the program, as `list`
shows it: dns_logs.ecs. The name of a schema alone stands for that of dns_logs.

\b
Exit codes:
  0  done; no fault and no difference was found
  1  a file has a fault, mappings or events differ, a case failed, or an input cannot be read
  2  wrong usage, a mapping that cannot be loaded, or a file of cases with a fault
"""
_LIST_HELP = "List the mappings that come with the program."
_SHOW_HELP = """\
Show the targets of a mapping: their kind, the keys that they come from, and their options.

With --toml it prints the file as it is, which is a beginning for a mapping of your own.
"""
_CHECK_HELP = """\
Print everything that is wrong with mapping files, one fault a line, after the file and the number of the line.

Warnings name keys that no dataset has; they do not change the exit code. - is standard input.
"""
_EXPLAIN_HELP = """\
Show for one record each target with its value, the key and the rule that it came from, what was left out and why, and
the keys of the record that nothing reads.

RECORD is JSON, a file, or - for standard input. A file may be compressed; its first 16 MiB are read. RULE is a section
of the specification.
"""
_DIFF_HELP = """\
Compare two mappings, target by target; with --input, also the events that they make of it.
"""
_TEST_HELP = """\
Convert the inputs of a file of cases, and print what differs from what they expect.

With --write the cases are made from the records of an input, and printed: what the mapping makes of them now is what
they expect. docs/mapping.md describes the form of the file.
"""

_FILE = click.Path(readable=False)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead, an object a line.")


@click.group(help=_HELP)
def command() -> None:
    """See `_HELP`; `python -OO` leaves docstrings out."""


@command.command("list", help=_LIST_HELP)
@_JSON
def list_mappings(as_json: bool) -> None:
    from ..mapping_tools import bundled_mappings

    found = bundled_mappings()
    if as_json:
        for each in found:
            click.echo(json_line(each._asdict()), nl=False)
        return
    rows: list[tuple[str, ...]] = [("NAME", "DATASET", "SCHEMA", "TARGETS", "SOURCE")]
    rows += [(each.name, each.dataset, each.schema, str(each.targets), each.source) for each in found]
    click.echo("\n".join(table_lines(rows)))


@command.command("show", help=_SHOW_HELP, short_help="Show the targets of a mapping, or its file.")
@click.argument("name", type=_FILE)
@click.option("--toml", "as_toml", is_flag=True, help="Print the bytes of the file.")
def show(name: str, as_toml: bool) -> None:
    from ..mapping_tools import load_named
    from ..mapping_tools.bundled import content_of
    from ..mapping_tools.description import options_text, sources_text

    mapping = load_named(name)
    if as_toml:
        click.echo(content_of(name), nl=False)
        return
    rows: list[tuple[str, ...]] = [("TARGET", "KIND", "FROM", "OPTIONS")]
    rows += [(field.to, field.kind, sources_text(field), options_text(field)) for field in mapping.fields]
    click.echo("\n".join(table_lines(rows)))


@command.command("check", help=_CHECK_HELP, short_help="Print everything that is wrong with mapping files.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
@_JSON
def check(files: tuple[str, ...], as_json: bool) -> int:
    from ..mapping_tools import check_content, check_file
    from .mapping_text import finding_line

    counts = {"fault": 0, "warning": 0}
    for file in files:
        is_stream = file == STANDARD_STREAM
        try:
            findings = check_content(whole_of(file), shown_name(file)) if is_stream else check_file(file)
        except InputFault as fault:
            say(f"{shown_name(file)}: {fault}")
            return _EXIT_FAILED
        for severity, errors in (("fault", findings.faults), ("warning", findings.warnings)):
            counts[severity] += len(errors)
            for error in errors:
                members = {"severity": severity, "file": error.file, "line": error.line}
                members |= {"entry": error.entry, "reason": error.reason}
                click.echo(json_line(members) if as_json else finding_line(severity, error), nl=not as_json)
    say(", ".join(f"{count:,} {word}{'' if count == 1 else 's'}" for word, count in counts.items()))
    return _EXIT_FAILED if counts["fault"] else 0


@command.command("explain", help=_EXPLAIN_HELP, short_help="Show why the event of a record is what it is.")
@click.argument("record", type=click.Path(readable=False))
@click.option("--schema", default=DEFAULT_SCHEMA, show_default=True, metavar="NAME_OR_PATH", help=option("schema").help)
@click.option("--dataset", default=DEFAULT_DATASET, show_default=True, metavar="NAME", help=option("dataset").help)
@click.option(
    "--number", default=1, show_default=True, type=click.IntRange(1, 10**9), help="Explain the record of this number."
)
@click.option(
    "--input-format", default="auto", show_default=True, type=NameOf(INPUT_FORMATS), help=option("input_format").help
)
@click.option("--no-message", is_flag=True, help="Leave the original record out of the event.")
@click.option("--private-suffixes", is_flag=True, help=option("private_suffixes").help)
@click.option(
    "--timestamp-unit",
    default="auto",
    show_default=True,
    type=NameOf(TIMESTAMP_UNITS),
    help=option("timestamp_unit").help,
)
@_JSON
def explain(
    record: str,
    schema: str,
    dataset: str,
    number: int,
    input_format: str,
    no_message: bool,
    private_suffixes: bool,
    timestamp_unit: str,
    as_json: bool,
) -> int:
    from .. import MappingError
    from ..mapping_tools import explain
    from .mapping_text import explanation_lines, explanation_members

    if not record:
        raise click.UsageError("the record has an empty name")
    is_text = is_record(record)
    try:
        head = Head(os.fsencode(record)) if is_text else head_of(record)
    except InputFault as error:
        say(f"{shown_name(record)}: {error}")
        return _EXIT_FAILED
    try:
        found = explain(
            head.data,
            schema,
            record=number,
            dataset=dataset,
            input_format=input_format,
            keep_message=not no_message,
            private_suffixes=private_suffixes,
            timestamp_unit=timestamp_unit,
        )
    except MappingError:
        raise
    except CfdnsError as error:
        say(f"{'the record' if is_text else shown_name(record)}: {error}{head.note}")
        return _EXIT_FAILED
    except ValueError as error:
        # Options that do not go together raise it, such as a dataset and the path of a mapping.
        raise click.UsageError(str(error)) from None
    if as_json:
        click.echo(json_line({"format": 1, **explanation_members(found)}), nl=False)
    else:
        click.echo("\n".join(explanation_lines(found)))
    return 0


@command.command("diff", help=_DIFF_HELP, short_help="Compare two mappings, and the events that they make.")
@click.argument("before", metavar="A", type=_FILE)
@click.argument("after", metavar="B", type=_FILE)
@click.option(
    "--input", "source", metavar="FILE", type=_FILE, help="Compare the events of this input too; - is standard input."
)
@click.option(
    "--input-format", default="auto", show_default=True, type=NameOf(INPUT_FORMATS), help=option("input_format").help
)
def diff(before: str, after: str, source: str | None, input_format: str) -> int:
    from ..mapping_tools import changes_between, compare_events, load_named, name_parts
    from .mapping_text import change_lines, event_difference_lines

    changes = changes_between(load_named(before), load_named(after))
    lines = list(change_lines(changes))
    if source is not None:
        normalizers = []
        for schema, dataset in (name_parts(before), name_parts(after)):
            normalizers.append(Normalizer(schema, dataset=dataset, input_format=input_format))
        try:
            found = compare_events(read_plain(source), *normalizers)
        except CfdnsError as error:
            say(f"{shown_name(source)}: {error}")
            return _EXIT_FAILED
        lines += event_difference_lines(found)
    if lines:
        click.echo("\n".join([printable(f"--- {before}"), printable(f"+++ {after}"), *lines]))
    # Equal mappings make equal events.
    return _EXIT_FAILED if changes else 0


@command.command("test", help=_TEST_HELP, short_help="Test a mapping with a file of cases.")
@click.argument("name", metavar="NAME", type=_FILE)
@click.argument("cases", metavar="[CASES]", required=False, type=_FILE)
@click.option("--write", "source", metavar="INPUT", type=_FILE, help="Print cases made from the records of this input.")
@click.option(
    "--count", default=10, show_default=True, type=click.IntRange(1, 1000), help="The maximum number of these cases."
)
def test(name: str, cases: str | None, source: str | None, count: int) -> int:
    if (cases is None) == (source is None):
        raise click.UsageError("give a file of cases, or --write with an input")
    file = str(cases if source is None else source)
    from ..mapping_tools import CasesError
    from .mapping_cases import test_cases, write_cases

    try:
        return write_cases(name, file, count) if cases is None else test_cases(name, file)
    except CasesError as error:
        say(str(error))
        return _EXIT_USAGE
    except InputFault as error:
        say(f"{shown_name(file)}: {error}")
        return _EXIT_FAILED
