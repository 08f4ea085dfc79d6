"""Run and write the cases of ``cfdns-fast mapping test``."""

from __future__ import annotations

from itertools import islice

import click

from .. import CfdnsError, Normalizer
from ..mapping_tools import Defaults, load_named, mismatches_of, name_parts, read_cases, written_cases
from .mapping_input import head_of, whole_of
from .report import printable, say, shown_name

__all__ = ["test_cases", "write_cases"]

_EXIT_FAILED = 1


def test_cases(name: str, file: str) -> int:
    """Print what differs from the cases of a file, and return the exit code; CasesError or InputFault for the file."""
    mapping = load_named(name)
    defaults = Defaults(mapping)
    schema, dataset = name_parts(name)
    found = read_cases(whole_of(file), shown_name(file), mapping)
    failed = 0
    for case in found:
        try:
            normalizer = Normalizer(schema, dataset=dataset, **case.options)
            result = normalizer.to_dicts(case.data)
            written = normalizer.to_ndjson(case.data).output if case.ndjson is not None else None
            lines = mismatches_of(case, result, written, defaults)
        except ValueError as error:
            lines = [str(error)]
        if lines:
            failed += 1
            click.echo(printable(f"{shown_name(file)}:{case.line}: {case.name}"))
            click.echo("\n".join(printable(f"  {line}") for line in lines))
    cases = f"{len(found):,} {'case' if len(found) == 1 else 'cases'}"
    say(f"{failed:,} of {cases} failed" if failed else f"{cases} passed")
    return _EXIT_FAILED if failed else 0


def write_cases(name: str, source: str, count: int) -> int:
    """Print cases made from the first records of an input, and return the exit code."""
    load_named(name)
    head = head_of(source)
    try:
        made = list(islice(written_cases(head.data, *name_parts(name)), count))
    except CfdnsError as error:
        say(f"{shown_name(source)}: {error}{head.note}")
        return _EXIT_FAILED
    if not made:
        say(f"{shown_name(source)}: the input has no record{head.note}")
        return _EXIT_FAILED
    click.echo("\n".join(made), nl=False)
    return 0
