"""What the commands that read logs make of their options: the inputs, and what to look for in them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click

from ..io.paths import PathError, check_outputs, real_path
from ..mapping import is_path
from .convert_values import ConvertOptions
from .detection import detectors_of
from .sources import Sources
from .targets import is_standard_input

__all__ = ["check_names", "detectors_for", "given_options", "sources_of"]

#: The names of files that are rules if they are in a folder of rules.
_RULE_SUFFIXES = (".yml", ".yaml")


def given_options(context: click.Context) -> frozenset[str]:
    """Return the names of the parameters that the command line has."""
    given = click.core.ParameterSource.COMMANDLINE
    return frozenset(name for name in context.params if context.get_parameter_source(name) is given)


def sources_of(options: ConvertOptions, *, is_listed: bool) -> Sources:
    """Return the inputs of a run; `is_listed` if a directory, a pattern or a prefix is among them."""
    if not is_listed:
        return Sources(options.inputs)
    # Imported here, because it needs the room of files.
    from .listed_sources import ListedSources

    return ListedSources(options)


def check_names(options: ConvertOptions, sources: Sources, outputs: Sequence[str]) -> None:
    """Check the names of a run before any file is opened.

    Raises click.UsageError if standard input would be read twice, and PathError or FilesError if an output is also an
    input, a list, a rule, the mapping or another output.
    """
    lists = (*options.indicators, *options.allow)
    if any(map(is_standard_input, lists)) and sum(map(is_standard_input, (*options.inputs, *lists))) > 1:
        raise click.UsageError("standard input can be read once; name files for the records or the indicators")
    mapping = options.schema if is_path(options.schema) else None
    check_outputs((*sources.names, *lists, *options.rules), outputs, mapping=mapping)
    for folder in filter(os.path.isdir, options.rules):
        for output in outputs:
            if output.endswith(_RULE_SUFFIXES) and real_path(output).startswith(os.path.join(real_path(folder), "")):
                raise PathError(f"{output}: is among the rules in {folder}")
    sources.check(outputs)


def detectors_for(options: ConvertOptions) -> tuple[tuple[Any, ...], list[str]]:
    """Return the detectors of a run, and lines that say what was loaded; raises DetectionError."""
    return detectors_of(
        options.detect,
        options.indicators,
        options.rules,
        allow=options.allow,
        min_confidence=options.min_confidence,
        addresses=options.addresses,
    )
