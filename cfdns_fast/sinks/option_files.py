"""Files that options of sinks name."""

from __future__ import annotations

from pathlib import Path

from ..io import read_regular
from .base import SinkSettingError

__all__ = ["check_file"]


def check_file(option: str, path: str) -> None:
    """Raise SinkSettingError if a file that a library will read is no regular file, or cannot be read.

    Opening a FIFO would wait for a writer, and its content could not be read again after a restart of the sink.
    """
    try:
        read_regular(Path(path), 1)
    except OSError as error:
        raise SinkSettingError(f"option {option}: cannot read {path}: {error.strerror or error}") from None
