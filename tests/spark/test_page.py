"""The recipes of docs/clusters.md run on the engines that are installed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if find_spec("pyarrow") is None:
    pytest.skip("pyarrow is not installed", allow_module_level=True)

from support.clusters import java_home, records_of, spark_settings, write_object
from support.documentation import ROOT, blocks
from support.processes import run_python

from cfdns_fast import files

PAGE = ROOT / "docs" / "clusters.md"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PAGE.exists(), reason="no documentation around the tests"),
    pytest.mark.skipif(os.name != "posix", reason="a POSIX shell"),
]

#: Runs the blocks of an engine as one program. The page's folder is the second argument.
RUN = """
import contextlib, sys
from pathlib import Path
from support.documentation import Page, blocks

with contextlib.closing(Page(Path(sys.argv[2]))) as page:
    page.names["__name__"] = "__main__"
    for block in blocks(Path(sys.argv[1])):
        if block.engine == sys.argv[3]:
            page.run(block)
"""


def of_engine(name: str) -> list[Any]:
    return [block for block in blocks(PAGE) if block.engine == name]


@pytest.mark.parametrize(("engine", "module"), [("spark", "pyspark"), ("dask", "distributed"), ("ray", "ray")])
def test_recipe_prints_what_the_page_says(engine: str, module: str, tmp_path: Path) -> None:
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    environment: dict[str, str] = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    if engine == "spark":
        environment, settings = spark_settings(tmp_path)
        options = shlex.join(f"--conf={name}={value}" for name, value in settings.items())
        environment["PYSPARK_SUBMIT_ARGS"] = f"--master local[2] {options} pyspark-shell"
    environment.pop("PYTHONPATH", None)
    ended = run_python(RUN, str(PAGE), str(tmp_path), engine, **environment)
    assert ended.returncode == 0, ended.stderr[-3000:]


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_recipe_is_short(engine: str) -> None:
    (block,) = of_engine(engine)
    assert len(block.text.splitlines()) <= 20


def test_every_block_has_a_known_engine() -> None:
    engines = {block.engine for block in blocks(PAGE)}
    assert engines == {"spark", "archive", "submit", "dask", "ray", "kubernetes"}


def test_indexed_job_converts_everything(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    for hour in range(8):
        write_object(tmp_path / "logs", hour, 0, records_of(hour, 0, 10))
    (block,) = of_engine("kubernetes")
    job = yaml.safe_load(block.text)["spec"]
    program, *arguments = job["template"]["spec"]["containers"][0]["command"]
    code = arguments[-1].replace("s3://bucket/dns_logs/", "logs/").replace("s3://lake/events/", "events/")
    command = tmp_path / "bin" / "cfdns-fast"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cfdns_fast "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(files.__file__).parents[2]),
    }
    for index in range(job["completions"]):
        subprocess.run(
            [program, arguments[0], code],
            check=True,
            cwd=tmp_path,
            env={**environment, "JOB_COMPLETION_INDEX": str(index)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
    assert files.status(tmp_path / "events").tasks_left == 0
    assert files.dataset(tmp_path / "events").count_rows() == 80


def test_archive_brings_the_package_to_executors(tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    archive(tmp_path)
    job, *_ = of_engine("spark")
    (tmp_path / "job.py").write_text(job.text, encoding="utf-8")
    write_object(tmp_path / "logs", 9, 0, records_of(9, 0, 6))
    environment, settings = spark_settings(tmp_path)
    defaults = "".join(f"{name} {value}\n" for name, value in settings.items())
    (tmp_path / "spark-defaults.conf").write_text(defaults, encoding="utf-8")
    for name in ("PYTHONPATH", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
        environment.pop(name)
    submit = Path(sys.executable).with_name("spark-submit")
    if not submit.exists():
        pytest.skip("spark-submit is not installed")
    (block,) = of_engine("submit")
    ended = subprocess.run(
        ["sh", "-e", "-c", block.text],
        cwd=tmp_path,
        env={
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            **environment,
            "JAVA_HOME": java_home(),
            "MASTER": "local-cluster[1,1,1024]",
            "PATH": f"{submit.parent}{os.pathsep}{os.environ['PATH']}",
            "SPARK_CONF_DIR": str(tmp_path),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    # PySpark warns of newer versions of pandas before it.
    assert ended.stdout.splitlines()[-1] == "6 1 True"


def archive(folder: Path) -> None:
    """Make the archive of the page, without installing anything: a link stands for the installed packages."""
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    paths = [str(Path(files.__file__).parents[2]), *(path for path in sys.path if path.endswith("site-packages"))]
    (packages / "installed.pth").write_text("\n".join(paths) + "\n", encoding="utf-8")
    with tarfile.open(folder / "environment.tar.gz", "w:gz") as made:
        made.add(environment, ".")
