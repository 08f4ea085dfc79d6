"""A session of Spark on two cores, for the tests that need its Java process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.clusters import spark_settings


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session on two cores, whose tasks may fail three times. Java and all workers end with the tests."""
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    folder = tmp_path_factory.mktemp("spark")
    environment, settings = spark_settings(folder)
    # Java hands its variables on to the workers, and needs none of them afterwards.
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        builder = sql.SparkSession.builder.master("local[2,4]")
        for name, value in settings.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
    context = type(session.sparkContext)
    gateway = context._gateway
    session.sparkContext.setLogLevel("OFF")
    try:
        yield session
    finally:
        session.stop()
        gateway.shutdown()
        # Java ends when its standard input is closed.
        gateway.proc.stdin.close()
        gateway.proc.wait(timeout=60)
        context._gateway = context._jvm = None


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the objects and outputs of a test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
