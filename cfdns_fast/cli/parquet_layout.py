"""The layout of Parquet that the options name."""

from __future__ import annotations

import click

from .. import MappingError, Normalizer
from ..files.layout import Layout
from ..files.schema import schema_of
from .convert_values import ConvertOptions

__all__ = ["layout_of"]


def layout_of(options: ConvertOptions, normalizer: Normalizer, partition_by: tuple[str, ...]) -> Layout:
    """Return the layout; raises click.UsageError or MappingError if it does not fit the mapping of the normalizer."""
    try:
        layout = Layout(
            names=options.names,
            partition_by=partition_by,
            columns=options.fields,
            without=options.without,
            compression_level=options.compression_level,
        )
        schema_of(normalizer, layout)
    except MappingError:
        raise
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return layout
