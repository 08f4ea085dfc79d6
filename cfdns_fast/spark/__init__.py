"""Spark: DNS logs as a data source, and conversions that run on a cluster. Needs pyspark (``cfdns-fast[spark]``).

- `register`: the data source ``cloudflare_dns``, for batches and streams.
- `convert`: `cfdns_fast.files.convert`, with the tasks on the executors.
- `schema`: the columns of the events as a StructType.

The executors need this package as well. docs/clusters.md has recipes, also for Dask and Ray.
"""

from __future__ import annotations

from .conversion import convert
from .registration import register
from .types import schema

__all__ = ["convert", "register", "schema"]
