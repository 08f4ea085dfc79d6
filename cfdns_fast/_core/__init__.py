"""The compiled core, and the error that says what to do where it is not built."""

from __future__ import annotations

import os

try:
    from .boundary import (
        DICT_PLACES,
        NO_COLUMN,
        ColumnForm,
        CompiledNetworks,
        CompiledPredicates,
        Converter,
        DetectionCollector,
        Detections,
        DictStepKind,
        DocumentReader,
        EventIterator,
        Kind,
        NameTable,
        NameTableBuilder,
        NdjsonReader,
        Plan,
        ReadingFlag,
        RejectBuilder,
        Rejects,
        SharedNameTable,
        SliverNames,
        StepKind,
        SuffixTable,
        TimeUnit,
        active_kernel,
        available_kernels,
        decode_sliver,
        first_bytes,
        may_be_foreign,
    )
except ModuleNotFoundError as error:
    if error.name != "cfdns_fast._core.boundary":
        raise
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    raise ImportError(
        f"the compiled core of cfdns_fast is not built in {package}: run `python -m pip install -e .` in the source "
        "folder, or run Python in another folder if the package is installed",
        name=error.name,
    ) from None

__all__ = [
    "DICT_PLACES",
    "NO_COLUMN",
    "ColumnForm",
    "CompiledNetworks",
    "CompiledPredicates",
    "Converter",
    "DetectionCollector",
    "Detections",
    "DictStepKind",
    "DocumentReader",
    "EventIterator",
    "Kind",
    "NameTable",
    "NameTableBuilder",
    "NdjsonReader",
    "Plan",
    "ReadingFlag",
    "RejectBuilder",
    "Rejects",
    "SharedNameTable",
    "SliverNames",
    "StepKind",
    "SuffixTable",
    "TimeUnit",
    "active_kernel",
    "available_kernels",
    "decode_sliver",
    "first_bytes",
    "may_be_foreign",
]
