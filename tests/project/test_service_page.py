"""The units, the Dockerfile and the commands of the page about services."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from support import dockerfile
from support.documentation import RECORD, ROOT, blocks

from cfdns_fast.cli.app import _cli

PAGE = ROOT / "docs" / "service.md"
FOLDER = ROOT / "docs" / "service"
SERVICE = FOLDER / "cfdns-fast-convert.service"
TIMER = SERVICE.with_suffix(".timer")
ANALYZE = shutil.which("systemd-analyze")

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="no documentation around the tests")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def parse(arguments: list[str]) -> click.Context:
    """Return what click makes of the arguments of a command, which is not run. UsageError if they are invalid."""
    name, *rest = arguments
    command = _cli.get_command(click.Context(_cli), name)
    assert command is not None, name
    return command.make_context(name, rest)


# systemd


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("change", [None, ("Type=oneshot", "Type=oneshoot"), ("OnBootSec", "OnBootSeconds")])
def test_systemd_verifies_the_units(tmp_path: Path, change: tuple[str, str] | None) -> None:
    program = tmp_path / "cfdns-fast"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for path in (SERVICE, TIMER):
        text = text_of(path).replace("/opt/cfdns-fast/bin/cfdns-fast", str(program))
        (tmp_path / path.name).write_text(text.replace(*change) if change else text)
    assert ANALYZE is not None
    command = [ANALYZE, "verify", str(tmp_path / SERVICE.name), str(tmp_path / TIMER.name)]
    checked = subprocess.run(command, capture_output=True, text=True)
    # Messages about other units of the machine do not count.
    faults = [line for line in (checked.stdout + checked.stderr).splitlines() if "cfdns-fast-convert" in line]
    assert bool(faults) == (change is not None), checked.stderr


def start_of(environment: dict[str, str]) -> list[str]:
    """Return the words of ExecStart, as systemd makes them: ``$NAME`` is divided at spaces, ``${NAME}`` is not."""
    (line,) = re.findall(r"^ExecStart=(.*)$", text_of(SERVICE), re.MULTILINE)
    words: list[str] = []
    for word in line.split():
        if word.startswith("${"):
            words.append(environment[word[2:-1]])
        elif word.startswith("$"):
            words += environment.get(word[1:], "").split()
        else:
            words.append(word)
    return words


@pytest.mark.slow
def test_service_converts_what_is_new(tmp_path: Path) -> None:
    logs, output = tmp_path / "logs", tmp_path / "with spaces"
    logs.mkdir()
    environment = {"SOURCE": str(logs), "OUTPUT": f"{output}/", "OPTIONS": "--format ndjson --schema ecs --quiet"}
    program, *arguments = start_of(environment)
    assert program == "/opt/cfdns-fast/bin/cfdns-fast"
    for number in (1, 2):
        (logs / f"{number}.log").write_bytes(RECORD * number)
        run = subprocess.run([sys.executable, "-P", "-m", "cfdns_fast", *arguments], capture_output=True, text=True)
        assert (run.returncode, run.stderr) == (0, "")
        assert sum(text_of(path).count("\n") for path in output.glob("*.ndjson")) == number * (number + 1) // 2


def test_service_needs_no_further_options() -> None:
    parsed = parse(start_of({"SOURCE": "a b", "OUTPUT": "s3://c/"})[1:])
    assert (parsed.params["inputs"], parsed.params["output"]) == (("a", "b"), "s3://c/")


# Containers


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile."""
    return dockerfile.parse(text_of(FOLDER / "Dockerfile"))


def test_dockerfile_has_known_instructions() -> None:
    found = instructions()
    assert " ".join(word for word, _ in found) == "FROM RUN COPY RUN FROM RUN USER WORKDIR ENTRYPOINT CMD"
    given = dict(found)
    assert json.loads(given["ENTRYPOINT"]) == ["cfdns-fast"]
    assert json.loads(given["CMD"]) == ["--help"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", given["USER"]), "not root"


def test_dockerfile_installs_what_it_builds() -> None:
    extras = set(tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]["optional-dependencies"])
    runs = [rest for word, rest in instructions() if word == "RUN"]
    named = re.findall(r"\[([\w,]+)\]", " ".join(runs))
    assert len(named) == 2 and named[0] == named[1]
    assert set(named[0].split(",")) <= extras
    assert "from=build,source=/wheels,target=/wheels" in runs[-1] and "--no-index --find-links /wheels" in runs[-1]
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert len(set(bases)) == 1
    version = bases[0].removeprefix("python:").removesuffix("-slim")
    assert f"Python :: {version}" in text_of(ROOT / "pyproject.toml")


def test_commands_of_containers_are_valid() -> None:
    commands = re.findall(r"`docker run [^`]* cfdns-fast ((?:convert|receive) [^`]*)`", text_of(PAGE))
    assert len(commands) == 4
    for command in commands:
        parse(shlex.split(command.partition(" < ")[0]))


def test_job_of_a_cluster_is_valid() -> None:
    yaml = pytest.importorskip("yaml")
    (job,) = [yaml.safe_load(block.text) for block in blocks(PAGE) if block.language == "yaml"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    arguments = [each.replace("$(JOB_COMPLETION_INDEX)", "3") for each in container["args"]]
    assert parse(arguments).params["shard"] == (3, 4)
    assert arguments[-1].endswith(f"/{job['spec']['completions']}")
