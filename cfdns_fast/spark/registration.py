"""Make the data source known to a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["PUSHDOWN", "register"]

#: The session's setting for filters of Python data sources. It is off by default, and then Spark refuses every reader
#: that takes filters.
PUSHDOWN = "spark.sql.python.filterPushdown.enabled"


def register(spark: SparkSession) -> None:
    """Register the data source ``cloudflare_dns`` in a session, for ``spark.read`` and ``spark.readStream``.

    The session's setting ``spark.sql.python.filterPushdown.enabled`` becomes true, because filters on the timestamp
    select objects by their names. To keep it off, set it to false afterwards and read with the option
    ``pushdown=false``.

    Parameters
    ----------
    spark : pyspark.sql.SparkSession
        The session. Its executors must be able to import this package.

    Raises
    ------
    ImportError
        pyspark or pyarrow is not installed.
    """
    from .source import CloudflareDns

    spark.conf.set(PUSHDOWN, "true")
    spark.dataSource.register(CloudflareDns)
