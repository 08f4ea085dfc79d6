"""docs/jobs.md names every code, and its commands are valid."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

import cfdns_fast
from cfdns_fast.cli.job import command

PAGE = Path(__file__).parents[2] / "docs" / "jobs.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="no documentation around the tests")


def test_page_names_every_code() -> None:
    package = Path(cfdns_fast.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in (package / "jobs").glob("*.py"))
    codes = set(re.findall(r"\b(?:JobError|JobSettingError|LostAnswer)\(\s*\"([a-z_.]+)\"", text))
    assert len(codes) > 20
    table = re.findall(r"^\| (`[a-z_]+\..*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {code for row in table for code in re.findall(r"`([a-z_.]+)`", row)} == codes


def test_commands_of_the_page_are_valid() -> None:
    text = PAGE.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"(?:^|`)cfdns-fast job (\w+) ([^`\n]*)", text, re.MULTILINE)
    assert len(lines) > 8
    for name, arguments in lines:
        found = command.get_command(click.Context(command), name)
        assert found is not None, name
        found.make_context(name, shlex.split(arguments))
