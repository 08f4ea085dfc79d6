"""The command: signals."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from command import RECORD, Cli, Finished, needs_posix, records, temporary_bytes, wait_until

import cfdns_fast.cli as cli_module


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """SIGINT as a terminal's commands have it; those that a script starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@needs_posix
@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGINT, 130, "cfdns-fast: interrupted"),
        (signal.SIGTERM, 143, "cfdns-fast: ended by SIGTERM"),
    ],
)
def test_convert_when_signalled_then_old_output_one_line_and_128_more(
    cli: Cli, number: int, code: int, line: str
) -> None:
    cli.write("out", b"old")
    os.mkfifo(cli.directory / "fifo")
    process = cli.start("convert", "fifo", "-o", "out", "--rejects", "rejects")
    with open(cli.directory / "fifo", "wb") as writer:
        writer.write(records(2000) + b"x\n")
        writer.flush()
        wait_until(lambda: temporary_bytes(process, cli.directory))
        process.send_signal(number)
        run = Finished(process)
    assert (run.code, run.lines) == (code, [line])
    assert (cli.directory / "out").read_bytes() == b"old"
    assert cli.names() == ["fifo", "out"]


@needs_posix
def test_convert_when_hangup_is_ignored_then_it_stays_so(cli: Cli) -> None:
    os.mkfifo(cli.directory / "fifo")
    process = cli.shell('trap "" HUP; exec "$0" -m cfdns_fast convert fifo')
    with open(cli.directory / "fifo", "wb") as writer:
        process.send_signal(signal.SIGHUP)
        writer.write(RECORD)
    assert Finished(process).code == 0


@needs_posix
def test_signals_when_one_was_swallowed_then_the_next_is_not() -> None:
    with cli_module._signals_raised():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
            with pytest.raises(KeyboardInterrupt) as caught:
                signal.raise_signal(number)
            assert caught.value.number == number
        cli_module._ignore_signals()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@needs_posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_main_when_signalled_outside_the_conversion_then_the_same_line(number, code, capsys) -> None:
    def signalled(*_: object, **__: object) -> None:
        signal.raise_signal(number)

    with patch.object(cli_module, "check_outputs", signalled), pytest.raises(SystemExit) as ended:
        cli_module.main(["convert", os.devnull])
    assert ended.value.code == code
    assert capsys.readouterr().err.strip() in ("cfdns-fast: interrupted", "cfdns-fast: ended by SIGTERM")
