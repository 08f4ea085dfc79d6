"""A driver of Spark with a query on the stream of the data source, for tests that kill it.

The raw records of each micro-batch are written to a file with its number, and its new objects are converted by the
package's own tasks. The argument is the name of a file. The query begins when that appears, so that a driver can start
while another one runs. The file holds ``forever``, or ``now``, which reads what exists and ends.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from cfdns_fast.spark import convert, register


def write(batch: Any, number: int) -> None:
    """Write a micro-batch. Spark repeats the last one after a restart, and then its file is replaced."""
    records = [row.message for row in batch.select("message").collect()]
    Path("batches", f"{number}.json").write_text(json.dumps(records))
    convert(batch.sparkSession, "logs", "converted", group_bytes=1)


def main(folder: Path, go: Path) -> None:
    """Start a session, wait for the file, and run the query."""
    (folder / "batches").mkdir(exist_ok=True)
    builder = SparkSession.builder.master("local[2]")
    for name, value in json.loads((folder / "settings.json").read_text()).items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    register(spark)
    while not go.exists():
        time.sleep(0.02)
    mode = go.read_text()
    trigger = {"availableNow": True} if mode == "now" else {"processingTime": "100 milliseconds"}
    source = spark.readStream.format("cloudflare_dns").option("max_bytes", "2000").option("group_bytes", "1000")
    rows = source.option("state", "journal").load("logs")
    query = rows.writeStream.foreachBatch(write).option("checkpointLocation", "checkpoint").trigger(**trigger).start()
    query.awaitTermination()
    spark.stop()


if __name__ == "__main__":
    main(Path.cwd(), Path(sys.argv[1]))
