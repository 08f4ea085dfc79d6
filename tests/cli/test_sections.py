"""The help of ``convert`` in sections, and the values of its options."""

from __future__ import annotations

import re

import click
import pytest
from support.command import CliHere

from cfdns_fast.cli.convert import command
from cfdns_fast.cli.convert_options import SECTIONS
from cfdns_fast.cli.convert_parsers import parse_shard, parse_size, parse_time


def test_help_has_each_option_in_one_section(cli_here: CliHere) -> None:
    options = [each.opts[-1] for each in command.params if isinstance(each, click.Option)]
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted([*options, "--help"])
    text = cli_here("convert", "--help").output.decode()
    headings = re.findall(r"^(\w[\w ,]*):$", text, re.MULTILINE)
    assert [heading for heading in headings if heading != "Usage"] == list(SECTIONS)
    assert max(map(len, text[text.index("Output:") :].splitlines())) <= 80


@pytest.mark.parametrize(
    ("text", "size_bytes"), [("1", 1), ("64MiB", 1 << 26), ("1 GB", 10**9), ("5kb", 5000), ("2gib", 1 << 31)]
)
def test_size_is_read(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5GB", "1 TB", "GB", "1" * 16])
def test_size_of_another_form_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size above 0"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-08-25", "20260825T00"),
        ("20260825", "20260825T00"),
        ("2026-08-25T09", "20260825T09"),
        ("20260825T23Z", "20260825T23"),
    ],
)
def test_time_is_an_hour(text: str, hour: str) -> None:
    assert parse_time(text) == hour


@pytest.mark.parametrize("text", ["", "2026-13-01", "2026-08-25T24", "2026-08-25T09:30", "yesterday", "2026"])
def test_time_of_another_form_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date such as 2026-08-25"):
        parse_time(text)


def test_shard_is_an_index_and_a_number() -> None:
    assert parse_shard("0/1") == (0, 1)
    assert parse_shard("15/16") == (15, 16)
    for text in ("", "1", "1/0", "1/1", "-1/2", "a/b", "1/2/3"):
        with pytest.raises(ValueError, match="is not I/N"):
            parse_shard(text)
