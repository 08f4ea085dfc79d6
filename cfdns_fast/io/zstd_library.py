"""The library for zstd, imported on first use."""

from __future__ import annotations

from typing import Any

from ..errors import CfdnsError

__all__ = ["ZstdMissing", "zstd_library"]


class ZstdMissing(CfdnsError):
    """No library for zstd is installed."""

    def __init__(self) -> None:
        super().__init__("the library backports.zstd is missing: pip install 'cfdns-fast[zstd]'")


def zstd_library() -> Any:
    """Return the module `compression.zstd` of Python 3.14, or `backports.zstd`, which has the same interface.

    Raises
    ------
    ZstdMissing
        Neither is installed.
    """
    try:
        from compression import zstd
    except ImportError:
        try:
            from backports import zstd
        except ImportError as error:
            raise ZstdMissing from error
    return zstd
