"""Make a normalizer from the options of a command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from .. import MappingError, Normalizer
from .convert_values import ConvertOptions

__all__ = ["normalizer_of"]


def normalizer_of(options: ConvertOptions, detectors: Sequence[Any]) -> Normalizer:
    """Return the normalizer that the options describe; raises MappingError, and click.UsageError."""
    names = None if options.columns is None else options.columns.split(",")
    try:
        return Normalizer(
            options.schema,
            dataset=options.dataset,
            keep_message=not options.no_message,
            private_suffixes=options.private_suffixes,
            timestamp_unit=options.timestamp_unit,
            max_record_bytes=options.max_record_bytes,
            input_format=options.input_format,
            columns=names,
            record_delimiter=options.record_delimiter,
            detect=detectors,
            on_detection="annotate" if options.annotate else "collect",
        )
    except MappingError:
        raise
    except ValueError as error:
        raise click.UsageError(str(error)) from error
