"""The compiled core, and the error that says what to do where it is missing. Other modules import `_core` from here."""

from __future__ import annotations

import os

__all__ = ["Rejects", "_core"]

try:
    # Not `from . import _core`: where the core is missing, the error of that statement speaks of a circular import.
    import cfdns_fast._core as _core
except ModuleNotFoundError as error:
    if error.name != "cfdns_fast._core":
        raise
    raise ImportError(
        f"the compiled core of cfdns_fast is not built in {os.path.dirname(os.path.abspath(__file__))}: run `python -m "
        "pip install -e .` in the source folder, or run Python in another folder if the package is installed",
        name=error.name,
    ) from None

Rejects = _core.Rejects
