"""The command ``cfdns-fast spool``: look at the stored batches, and ask sinks to deliver them again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ..io.outputs import Output
from ..io.paths import STANDARD_STREAM
from .report import say

if TYPE_CHECKING:
    from ..spool import Batch, StateFolder
    from ..spool.tools import Listing

__all__ = ["command"]

_HELP = """\
Look at the batches that a receiver stored, and ask its sinks to deliver them again.

All commands read the databases and can be used beside a running receiver. SEQ is the number of a batch, TIME an ISO
8601 time such as 2026-11-30T12:00:00Z (UTC without an offset); a time selects by the arrival of batches.

\b
Exit codes:
  0  done
  1  the state folder is missing, unreadable or of another version; there is no such batch or sink; the sink's process
     runs, or the sink has undelivered batches; or the output could not be written
  2  wrong usage
"""

_LS_HELP = "List the segments, their batches, and the sinks with what they have not delivered."
_SHOW_HELP = "Print what is known of one batch, as JSON."
_EXPORT_HELP = """\
Write the bodies of batches as received: gzip members one after the other, or NDJSON with --plain.

A file whose name ends in .gz gets NDJSON that is compressed again, with a newline after every batch.
"""
_REPLAY_HELP = """\
Ask a sink to deliver batches again, or the events that its target refused.

A running sink accepts the request soon, another one at its next start. Delivered batches are stored until their
segment is dropped, or as long as --keep of the receiver says.
"""
_RETIRE_HELP = """\
Forget a sink that is not configured any more, so that batches are not kept for it.

A receiver that runs must have been started again without the sink. Its folders of dead letters and rejects remain.
"""


class _Place(click.ParamType):  # type: ignore[type-arg]
    """A number of a batch, or a time."""

    name = "SEQ|TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        from ..spool.tools import parse_time

        if isinstance(value, tuple):
            return value
        if value.isascii() and value.isdecimal() and len(value) < 19:
            return "seq", int(value)
        try:
            return "time", parse_time(value)
        except ValueError:
            self.fail(f"{value!r} is neither the number of a batch nor an ISO 8601 time", param, ctx)


def _state_option(function: Callable[..., int]) -> Callable[..., int]:
    return click.option(
        "--state",
        "folder",
        metavar="DIR",
        required=True,
        envvar="CFDNS_RECEIVE_STATE",
        show_envvar=True,
        type=click.Path(),
        help="The state folder of the receiver.",
    )(function)


@click.group("spool", help=_HELP)
def command() -> None:
    pass


@command.command("ls", help=_LS_HELP)
@_state_option
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")
def _ls(folder: str, is_json: bool) -> int:
    from ..spool.tools import listing

    found = listing(_open(folder))
    if is_json:
        click.echo(json.dumps(asdict(found)))
    else:
        for line in _table(found):
            click.echo(line)
    return 0


@command.command("show", help=_SHOW_HELP)
@click.argument("seq", metavar="SEQ", type=click.IntRange(min=1))
@_state_option
@click.option("--raw", is_flag=True, help="Write the stored gzip body instead.")
def _show(seq: int, folder: str, raw: bool) -> int:
    from ..spool.tools import show

    batch = show(_open(folder), seq)
    if raw:
        _write(iter((batch.arrival.body,)), STANDARD_STREAM)
    else:
        click.echo(json.dumps(_description(batch)))
    return 0


@command.command("export", help=_EXPORT_HELP)
@_state_option
@click.option("--from", "start", type=_Place(), help="The first batch; the oldest by default.")
@click.option("--to", "end", type=_Place(), help="The last batch; the newest by default.")
@click.option("--plain", is_flag=True, help="Write NDJSON instead of gzip members.")
@click.option("-o", "--output", metavar="FILE", default=STANDARD_STREAM, help="Write here instead of standard output.")
def _export(folder: str, start: tuple[str, int] | None, end: tuple[str, int] | None, plain: bool, output: str) -> int:
    from ..spool.tools import export, first_since, last_until

    state = _open(folder)
    first: int | None = 1
    last: int | None = None
    if start is not None:
        first = start[1] if start[0] == "seq" else first_since(state, start[1])
    if end is not None:
        last = end[1] if end[0] == "seq" else last_until(state, end[1])
    # An output with such a name is compressed by `Output`.
    plain = plain or output.lower().endswith(".gz")
    nothing = first is None or (end is not None and last is None)

    def warn(count: int) -> None:
        say(f"{count} damaged batches are left out")

    pieces = iter(()) if nothing else export(state, first or 1, last, is_plain=plain, on_damage=warn)
    if not _write(pieces, output):
        say("no batch of this range is stored; the output is empty")
    return 0


@command.command("replay", help=_REPLAY_HELP)
@_state_option
@click.option("--sink", metavar="NAME", required=True, help="The sink.")
@click.option("--from", "start", type=_Place(), help="The first batch that is delivered again.")
@click.option("--dead-letters", is_flag=True, help="Send the events again that the target refused.")
def _replay(folder: str, sink: str, start: tuple[str, int] | None, dead_letters: bool) -> int:
    from ..spool import Replay, StateError
    from ..spool.tools import first_since, replay

    if start is None and not dead_letters:
        raise click.UsageError("give --from, --dead-letters or both")
    state = _open(folder)
    after: int | None = None
    if start is not None:
        first = start[1] if start[0] == "seq" else first_since(state, start[1])
        if first is None:
            raise StateError("state.batch", "no batch of this time or a later one is stored")
        after = max(first - 1, 0)
    count = replay(state, sink, Replay(after, dead_letters))
    if after is not None:
        click.echo(f"sink {sink}: {count} batches from {after + 1} on are stored and will be delivered")
    if dead_letters:
        click.echo(f"sink {sink}: its dead letters will be sent again")
    return 0


@command.command("retire-sink", help=_RETIRE_HELP)
@click.argument("name", metavar="NAME")
@_state_option
@click.option("--discard", is_flag=True, help="Give up the batches that the sink has not delivered.")
def _retire_sink(name: str, folder: str, discard: bool) -> int:
    from ..spool.tools import retire_sink

    undelivered = retire_sink(_open(folder), name, is_discarding=discard)
    click.echo(f"sink {name}: retired; {undelivered} undelivered batches given up")
    return 0


def _open(folder: str) -> StateFolder:
    from ..spool import StateFolder

    return StateFolder(folder)


def _write(pieces: Iterator[bytes], name: str) -> int:
    """Write pieces, and return the number of bytes."""
    output = Output(name)
    size_bytes = 0
    try:
        output.open()
        for piece in pieces:
            output.write(piece)
            size_bytes += len(piece)
        output.seal()
        output.publish()
    except BaseException:
        output.discard()
        raise
    return size_bytes


def _description(batch: Batch) -> dict[str, object]:
    arrival = batch.arrival
    return {
        "seq": batch.seq,
        "received": _time_text(batch.received_ns),
        "received_ns": batch.received_ns,
        "id": batch.id.hex(),
        "hash": arrival.hash.hex(),
        "key_name": arrival.key_name,
        "path": arrival.path,
        "dataset": arrival.dataset,
        "records": arrival.records,
        "compressed_bytes": len(arrival.body),
        "decoded_bytes": arrival.decoded_bytes,
    }


def _time_text(received_ns: int | None) -> str:
    if received_ns is None:
        return "-"
    with suppress(ValueError, OverflowError, OSError):
        return f"{datetime.fromtimestamp(received_ns // 1_000_000 / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return "-"


def _table(found: Listing) -> Iterator[str]:
    yield f"receiver: {'running' if found.is_receiver_running else 'not running'}"
    yield "segment            batches        bytes  first arrival         last arrival"
    for each in found.segments:
        times = f"{_time_text(each.first_received_ns):<21} {_time_text(each.last_received_ns):<21}"
        mark = " damaged" if each.is_damaged else ""
        yield f"{each.name:<16} {each.batches:>9} {each.bytes:>12}  {times}{mark}".rstrip()
    yield "sink                    delivered up to     batches left"
    for sink in found.sinks:
        notes = ["running" if sink.is_running else "not running"]
        if sink.replay_after is not None:
            notes.append(f"replay from {sink.replay_after + 1} requested")
        if sink.replay_dead_letters:
            notes.append("replay of dead letters requested")
        yield f"{sink.name:<22} {sink.after:>16} {sink.lag_batches:>16}  {', '.join(notes)}"
    for name in found.corrupt:
        yield f"corrupt: {name}"
