"""One Parquet file as the output of a run."""

from __future__ import annotations

from typing import Any

from .. import Normalizer
from ..files.layout import Layout
from ..files.parquet import ParquetOutput
from ..io.outputs import Output

__all__ = ["ParquetFile"]


class ParquetFile:
    """The events of a run as one Parquet file, which is complete or absent as its output is.

    Parameters
    ----------
    output : Output
        Not open yet.
    normalizer : Normalizer
        Makes the record batches.
    layout : Layout
    """

    def __init__(self, output: Output, normalizer: Normalizer, layout: Layout) -> None:
        self._output = output
        self._normalizer = normalizer
        self._layout = layout
        self._parquet: ParquetOutput | None = None

    def start(self) -> None:
        """Begin the file, after the output was opened; raises OutputFault."""
        self._parquet = ParquetOutput(self._output, self._normalizer, self._layout)

    def write(self, batch: Any) -> None:
        """Append a record batch; raises OutputFault."""
        assert self._parquet is not None
        self._parquet.write(batch)

    def finish(self) -> None:
        """Write the rest of the file, which is then complete; raises OutputFault."""
        assert self._parquet is not None
        self._parquet.close()

    def discard(self) -> None:
        """Drop what is not written."""
        if self._parquet is not None:
            self._parquet.discard()
