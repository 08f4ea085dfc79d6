"""The command ``cfdns-fast spool``."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("xxhash", reason="the extra receiver")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the receiver needs POSIX")

from click.testing import CliRunner, Result  # noqa: E402
from support.command import Cli  # noqa: E402
from support.spool import Writer, arrival, gzip_arrival, new_state, store_segments, writer  # noqa: E402

from cfdns_fast.cli.spool import command  # noqa: E402
from cfdns_fast.spool import Cursor, StateError, StateFolder  # noqa: E402

PLAIN = [b'{"batch":%d}\n' % number * 100 for number in range(1, 5)]


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return new_state(tmp_path)


@pytest.fixture
def spool(state: StateFolder) -> Iterator[Writer]:
    """Run a writer with four stored batches, of which the sink `one` has delivered three."""
    with writer(state, sink_names=["one", "two"]) as opened:
        for each in PLAIN:
            opened.store([gzip_arrival(each)])
        Cursor(state, "one").store(after=3)
        yield opened


def run(state: StateFolder, *arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(command, [*arguments, "--state", str(state.path)], standalone_mode=False)


def output_of(state: StateFolder, *arguments: str) -> bytes:
    result = run(state, *arguments)
    assert result.exception is None, result.output
    assert result.return_value == 0
    return result.stdout_bytes


def error_of(state: StateFolder, *arguments: str) -> str:
    result = run(state, *arguments)
    assert isinstance(result.exception, StateError)
    return str(result.exception)


def test_command_runs_beside_a_receiver(state: StateFolder, spool: Writer, cli: Cli) -> None:
    done = cli("spool", "ls", "--state", os.fspath(state.path))
    assert done.code == 0
    assert done.errors == ""
    lines = done.output.decode().splitlines()
    assert lines[0] == "receiver: running"
    assert lines[2].split()[:2] == ["000000000001.db", "4"]
    assert lines[4].split()[:3] == ["one", "3", "1"]
    assert lines[5].split()[:3] == ["two", "0", "4"]
    assert cli("spool", "export", "--plain", "-o", "out.gz").code == 2
    exported = cli("spool", "export", "--from", "2", "-o", "out.gz", env={"CFDNS_RECEIVE_STATE": str(state.path)})
    assert (exported.code, exported.output, exported.errors) == (0, b"", "")
    assert gzip.decompress((cli.directory / "out.gz").read_bytes()) == b"".join(PLAIN[1:])


def test_failure_is_one_sentence(tmp_path: Path, cli: Cli) -> None:
    done = cli("spool", "show", "1", "--state", "none")
    assert (done.code, done.output) == (1, b"")
    assert done.lines == ["cfdns-fast: none: there is no state folder of a receiver"]


def test_other_version_has_an_exit_code(state: StateFolder, cli: Cli) -> None:
    (state.path / "version").write_text("7\n")
    done = cli("spool", "ls", "--state", os.fspath(state.path))
    assert done.code == 1
    assert done.lines == [
        f"cfdns-fast: state folder {state.path}: it has version '7', and this program reads version 1"
    ]


def test_ls_gives_json(state: StateFolder, spool: Writer) -> None:
    found = json.loads(output_of(state, "ls", "--json"))
    assert found["is_receiver_running"]
    (segment,) = found["segments"]
    assert (segment["batches"], segment["first_seq"], segment["last_seq"]) == (4, 1, 4)
    assert segment["first_received_ns"] <= segment["last_received_ns"]
    assert {each["name"]: each["lag_batches"] for each in found["sinks"]} == {"one": 1, "two": 4}


def test_show_describes_a_batch(state: StateFolder, spool: Writer) -> None:
    found = json.loads(output_of(state, "show", "2"))
    assert (found["seq"], found["records"], found["path"], found["key_name"]) == (2, 100, "/plain/batch", "key")
    assert found["decoded_bytes"] == len(PLAIN[1])
    assert found["received"].endswith("Z")
    assert output_of(state, "show", "2", "--raw") == gzip_arrival(PLAIN[1]).body
    assert error_of(state, "show", "9") == "batch 9: it is not in the spool"


@pytest.mark.parametrize(
    ("arguments", "first", "last"),
    [
        ([], 1, 4),
        (["--from", "2"], 2, 4),
        (["--to", "2"], 1, 2),
        (["--from", "3", "--to", "3"], 3, 3),
        (["--from", "1970-01-01"], 1, 4),
        (["--to", "2999-01-01T00:00:00Z"], 1, 4),
        (["--from", "2999-01-01"], 1, 0),
        (["--to", "1970-01-01"], 1, 0),
        (["--from", "5"], 1, 0),
    ],
)
def test_export_selects_batches(state: StateFolder, spool: Writer, arguments: list[str], first: int, last: int) -> None:
    expected = PLAIN[first - 1 : last]
    assert output_of(state, "export", "--plain", *arguments) == b"".join(expected)
    assert output_of(state, "export", *arguments) == b"".join(gzip_arrival(each).body for each in expected)


@pytest.mark.parametrize("arguments", [("--from", "9"), ("--from", "3", "--to", "2"), ("--to", "2020-01-01")])
def test_export_says_that_it_is_empty(state: StateFolder, spool: Writer, arguments: tuple[str, ...]) -> None:
    result = run(state, "export", *arguments)
    assert (result.return_value, result.stdout_bytes) == (0, b"")
    assert "no batch of this range is stored" in result.stderr


@pytest.mark.parametrize("text", ["yesterday", "-1", "1e3", "", "2026-13-01", "9" * 30])
def test_other_places_are_refused(state: StateFolder, text: str, cli: Cli) -> None:
    done = CliRunner().invoke(command, ["export", "--state", str(state.path), f"--from={text}"])
    assert done.exit_code == 2
    assert "neither the number of a batch nor an ISO 8601 time" in done.output


def test_export_names_damage(state: StateFolder, tmp_path: Path) -> None:
    (file,) = store_segments(state, 1, 5, size=50_000)
    content = bytearray(file.path.read_bytes())
    content[content.index(arrival(3, size=50_000).body[20_000:20_100])] ^= 1
    file.path.write_bytes(content)
    result = run(state, "export")
    assert result.stdout_bytes == b"".join(arrival(number, size=50_000).body for number in (1, 2, 4, 5))
    assert "1 damaged batches are left out" in result.stderr


def test_failed_export_leaves_no_file(state: StateFolder, spool: Writer, tmp_path: Path) -> None:
    result = run(state, "export", "-o", str(tmp_path / "none" / "out"))
    assert result.exception is not None
    assert not (tmp_path / "none").exists()


def test_replay_is_left_for_the_sink(state: StateFolder, spool: Writer) -> None:
    printed = output_of(state, "replay", "--sink", "one", "--from", "2", "--dead-letters").decode().splitlines()
    assert printed == [
        "sink one: 3 batches from 2 on are stored and will be delivered",
        "sink one: its dead letters will be sent again",
    ]
    assert "replay from 2 requested, replay of dead letters requested" in output_of(state, "ls").decode()
    assert Cursor(state, "one").take_replay() == (1, True)
    assert "4 batches from 1 on" in output_of(state, "replay", "--sink", "one", "--from", "1970-01-01").decode()
    assert error_of(state, "replay", "--sink", "one", "--from", "9") == "sink one: it has not delivered batch 9 yet"
    assert "no batch of this time" in error_of(state, "replay", "--sink", "one", "--from", "2999-01-01")
    assert "there is no such sink" in error_of(state, "replay", "--sink", "none", "--from", "1")
    usage = CliRunner().invoke(command, ["replay", "--sink", "one", "--state", str(state.path)])
    assert usage.exit_code == 2
    assert "give --from, --dead-letters or both" in usage.output


def test_retired_sink_is_forgotten(state: StateFolder, spool: Writer) -> None:
    assert "4 batches are not delivered" in error_of(state, "retire-sink", "two")
    with state.lock_sink("two"):
        assert "another process of it runs" in error_of(state, "retire-sink", "two", "--discard")
    printed = output_of(state, "retire-sink", "two", "--discard").decode()
    assert printed == "sink two: retired; 4 undelivered batches given up\n"
    assert "two" not in output_of(state, "ls").decode()
