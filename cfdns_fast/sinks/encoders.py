"""Encoders of files, by format. An encoder turns pieces into bytes, which its owner writes."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Protocol

from ..files.layout import NAMES
from ..io import GzipCompressor
from .base import SinkSettingError, Wants
from .urls import Option

__all__ = ["NAMES_OPTION", "Encoder", "GzipEncoder", "PlainEncoder", "check_format", "encoder_of", "wants_of"]

#: An option of sinks that write Parquet.
NAMES_OPTION = Option("names", "choice", NAMES[0], "names of the columns of Parquet", choices=NAMES)


class Encoder(Protocol):
    """Makes the content of one file. `encode` and `finish` return bytes that follow the earlier ones."""

    def encode(self, data: Any) -> bytes:
        """Add the data of a piece."""

    def finish(self) -> bytes:
        """End the content."""


class PlainEncoder:
    """NDJSON as it is."""

    def encode(self, data: bytes) -> bytes:
        """Return the data."""
        return data

    def finish(self) -> bytes:
        """Return no bytes."""
        return b""


class GzipEncoder:
    """NDJSON as one gzip member (RFC 1952)."""

    def __init__(self) -> None:
        self._compressor = GzipCompressor()

    def encode(self, data: bytes) -> bytes:
        """Return compressed bytes, which may be none."""
        return self._compressor.compress(data)

    def finish(self) -> bytes:
        """Return the remaining bytes with the trailer."""
        return self._compressor.finish()


def encoder_of(format: str, names: str) -> Encoder:
    """Return a new encoder for ``"ndjson"``, ``"ndjson.gz"`` or ``"parquet"``; `names` is for columns of Parquet."""
    if format == "parquet":
        from .parquet import ParquetEncoder

        return ParquetEncoder(names)
    return GzipEncoder() if format == "ndjson.gz" else PlainEncoder()


def wants_of(format: str) -> Wants:
    """Return what the encoder of a format takes."""
    return "arrow" if format == "parquet" else "ndjson"


def check_format(format: str) -> None:
    """Raise SinkSettingError if the library of a format is missing."""
    if format == "parquet" and find_spec("pyarrow") is None:
        raise SinkSettingError("the library pyarrow is missing: pip install 'cfdns-fast[arrow]'")
