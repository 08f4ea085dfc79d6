"""A normalizer that fails once, in whichever other process converts first."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from cfdns_fast import Normalizer
from cfdns_fast.files import StoreError

__all__ = ["DENIED", "FaultyNormalizer", "KillingNormalizer", "RefusedNormalizer"]

HANG_S = 120.0
DENIED = "s3://logs: access is denied"


class FaultyNormalizer(Normalizer):
    """A Normalizer whose first conversions fail, in any process but the one that made it; the others are as usual.

    Parameters
    ----------
    folder : Path
        Holds a file for each fault that is left: ``kill``, the process is killed, or ``hang``, it waits for two
        minutes. A fault that happened is renamed, with the process id.
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(**options)
        object.__setattr__(self, "folder", folder)
        object.__setattr__(self, "maker", os.getpid())

    def stream(self, **options: Any) -> Any:
        """Return a stream, unless a fault is left."""
        self._fail()
        return super().stream(**options)

    def to_arrow(self, data: Any, **options: Any) -> Any:
        """Return a batch, unless a fault is left."""
        if len(data):
            self._fail()
        return super().to_arrow(data, **options)

    def _fail(self) -> None:
        folder: Path = self.folder  # type: ignore[attr-defined]
        if os.getpid() == self.maker:  # type: ignore[attr-defined]
            return
        for fault in ("kill", "hang"):
            try:
                (folder / fault).rename(folder / f"{fault}.{os.getpid()}")
            except FileNotFoundError:
                continue
            if fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(HANG_S)


class KillingNormalizer(Normalizer):
    """A Normalizer that kills every process it is sent to."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _kill, ()


class RefusedNormalizer(Normalizer):
    """A Normalizer that raises what a store raises that refuses the credentials, in every process it is sent to."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse, ()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _refuse() -> None:
    raise StoreError("store.denied", DENIED)
